//! CSV imports and the history of records.

use std::cell::Cell;
use std::io::Cursor;
use std::path::PathBuf;

use tacit_model::{CodeError, Normalization, Reason};
use tacit_node::records::*;

use super::support::registry::Terms;
use super::support::{HEADER, LIST, World, codes, list, options, row, row_with};

/// A file with every kind of broken row: the line number, and what is wrong with it.
fn broken_file(good: &[String]) -> (Vec<u8>, Vec<(u64, RowProblem)>) {
    let long = "x".repeat(201);
    let mut file = format!("\u{feff}{}", HEADER.replace('\n', "\r\n")).into_bytes();
    let mut expected = Vec::new();
    let line = Cell::new(1);
    let mut add = |text: &[u8], problem: Option<RowProblem>| {
        line.update(|line| line + 1);
        file.extend_from_slice(text);
        file.push(b'\n');
        expected.extend(problem.map(|problem| (line.get(), problem)));
    };
    let tail = "1,(2024) No. 17,2024-03-01,2024-03-05,2024-03-20,";
    add(format!("{},{tail}\r", good[0]).as_bytes(), None);
    add(format!("{},1,2", good[1]).as_bytes(), Some(RowProblem::Columns { expected: 7, got: 3 }));
    add(format!("{},{tail},more", good[1]).as_bytes(), Some(RowProblem::Columns { expected: 7, got: 8 }));
    add(format!(",{tail}").as_bytes(), Some(RowProblem::Code(CodeError::Empty)));
    add(
        format!("12345,{tail}").as_bytes(),
        Some(RowProblem::Code(CodeError::Length { expected: 18, got: 5 })),
    );
    let swapped = format!("{}{}", &good[1][..17], if good[1].ends_with('1') { '2' } else { '1' });
    add(format!("{swapped},{tail}").as_bytes(), Some(RowProblem::Code(CodeError::CheckFailed)));
    let of = |category: &str, decision: &str, days: &str| format!("{},{category},{decision},{days}", good[1]);
    let days = "2024-03-01,2024-03-05,2024-03-20,";
    add(of("", "d", days).as_bytes(), Some(RowProblem::Empty { column: Column::Category }));
    add(of("one", "d", days).as_bytes(), Some(RowProblem::Category));
    add(of("65536", "d", days).as_bytes(), Some(RowProblem::Category));
    add(of("9", "d", days).as_bytes(), Some(RowProblem::UnknownCategory(9)));
    add(of("1", " ", days).as_bytes(), Some(RowProblem::Empty { column: Column::DecisionRef }));
    add(of("1", &long, days).as_bytes(), Some(RowProblem::TooLong { column: Column::DecisionRef }));
    add(of("1", "a\tb", days).as_bytes(), Some(RowProblem::Control { column: Column::DecisionRef }));
    add(of("1", "d", ",,,").as_bytes(), Some(RowProblem::Empty { column: Column::DecidedOn }));
    for (days, column) in [
        ("2024-02-30,,,", Column::DecidedOn),
        ("2024-03-01,05.03.2024,,", Column::NotifiedOn),
        ("2024-03-01,,20240320,", Column::EffectiveOn),
        ("2024-03-01,,,1969-01-01", Column::ExpiresOn),
    ] {
        add(of("1", "d", days).as_bytes(), Some(RowProblem::Date { column }));
    }
    let order = RowProblem::Order { earlier: Column::EffectiveOn };
    add(of("1", "d", "2024-03-01,2024-03-05,2024-03-20,2024-03-20").as_bytes(), Some(order));
    add(format!("{},1,\"open,2024-03-01,,,", good[1]).as_bytes(), Some(RowProblem::OpenQuote));
    add(format!("{},1,\"a\"b,2024-03-01,,,", good[1]).as_bytes(), Some(RowProblem::AfterQuote));
    let mut not_text = format!("{},1,", good[1]).into_bytes();
    not_text.extend_from_slice(b"\xff\xfe,2024-03-01,,,");
    add(&not_text, Some(RowProblem::NotUtf8));
    add(
        format!("{},1,{},2024-03-01,,,", good[1], "y".repeat(20_000)).as_bytes(),
        Some(RowProblem::LineTooLong),
    );
    add(format!("{},{tail}", good[0]).as_bytes(), Some(RowProblem::Repeated { first_line: 2 }));
    add(b"", None);
    add(format!("{},1,\"(2024) No. 17, as corrected \"\"B\"\"\",2024-03-01,,,", good[1]).as_bytes(), None);
    add(format!("{},{tail}", good[1]).as_bytes(), Some(RowProblem::Repeated { first_line: line.get() }));
    (file, expected)
}

#[tokio::test]
async fn every_broken_row_is_reported_by_line_and_reason_and_the_others_are_taken() {
    let world = World::new().await;
    let good = codes(2, 1);
    let (file, expected) = broken_file(&good);
    let mut told = Vec::new();
    let report = world
        .records()
        .import(Cursor::new(file), &list(), &options(), |event| {
            if let ImportEvent::Rejected(rejection) = event {
                told.push((rejection.line, rejection.problem));
            }
        })
        .await
        .unwrap();
    assert_eq!(told, expected);
    let kept: Vec<_> =
        report.rejections.iter().map(|rejection| (rejection.line, rejection.problem)).collect();
    assert_eq!(kept, expected);
    assert_eq!((report.imported, report.rejected, report.blank), (2, expected.len() as u64, 1));
    assert_eq!(report.read, 2 + expected.len() as u64);
    assert_eq!(report.reasons[&Reason::CodeInvalid], 3);
    assert_eq!(report.reasons[&Reason::DateInvalid], 5);
    assert_eq!(report.reasons[&Reason::SubjectRepeated], 2);
    assert_eq!(report.reasons.values().sum::<u64>(), report.rejected);
    let second = world.records().show(&list(), &good[1]).await.unwrap().unwrap();
    assert_eq!(second.facts.decision_ref, "(2024) No. 17, as corrected \"B\"");
    assert_eq!(second.standing, Standing::NotNotified);
    assert_eq!(report.held_back["not_notified"], 1);
    // No message shows a code.
    let shown =
        format!("{report:?}{}", report.rejections.iter().map(|r| r.problem.to_string()).collect::<String>());
    assert!(!shown.contains(&good[0]) && !shown.contains(&good[1][..10]));
}

#[tokio::test]
async fn a_consent_to_an_adverse_list_is_a_broken_row() {
    let world = World::new().await;
    let [code, other] = codes(2, 3).try_into().unwrap();
    let header = HEADER.trim_end();
    let file = format!(
        "{header},consented_on\n{code},1,No. 17,2024-03-01,2024-03-01,,,2024-02-01\n\
         {other},1,No. 17,2024-03-01,2024-03-01,,,\n"
    );
    let file = Cursor::new(file.into_bytes());
    let report = world.records().import(file, &list(), &options(), |_| ()).await.unwrap();
    assert_eq!((report.imported, report.rejected), (1, 1));
    assert_eq!(report.rejections[0].problem, RowProblem::ConsentToAdverse);
    assert_eq!(report.reasons[&Reason::RowMalformed], 1);
}

#[tokio::test]
async fn a_header_that_is_not_understood_refuses_the_file() {
    let world = World::new().await;
    for (header, problem) in [
        ("", HeaderProblem::Empty),
        ("code,category\n", HeaderProblem::Missing(Column::DecisionRef)),
        ("code,code,category\n", HeaderProblem::Twice(Column::Code)),
        ("code;category\n", HeaderProblem::Unknown { position: 1 }),
        ("code,category,name\n", HeaderProblem::Unknown { position: 3 }),
        ("\"code\n", HeaderProblem::Unreadable(RowProblem::OpenQuote)),
    ] {
        let refused = world.records().import(header.as_bytes(), &list(), &options(), |_| ()).await;
        assert!(matches!(refused, Err(RecordsError::Header(found)) if found == problem), "{header:?}");
    }
    let unknown = "court/nothing".parse().unwrap();
    let refused = world.records().import(HEADER.as_bytes(), &unknown, &options(), |_| ()).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::UnknownList);
    let foreign = "customs/importers".parse().unwrap();
    let refused = world.records().import(HEADER.as_bytes(), &foreign, &options(), |_| ()).await.unwrap_err();
    assert!(matches!(refused, RecordsError::OtherHolder { .. }));
}

#[tokio::test]
async fn columns_come_in_any_order_and_normalization_is_counted() {
    let world = World::new().await;
    let code = &codes(1, 2)[0];
    let spaced = format!("{} {}", &code[..8], code[8..].to_lowercase());
    let csv = format!(
        "expires_on,contested,code, effective_on ,notified_on,decided_on,decision_ref,category\n\
         2030-01-01,yes,{spaced},2024-03-20,2024-03-05,2024-03-01,No. 1,2\n"
    );
    let report = world.records().import(Cursor::new(csv), &list(), &options(), |_| ()).await.unwrap();
    assert_eq!((report.imported, report.rejected), (1, 0));
    assert_eq!(report.normalized[&Normalization::SpacesRemoved], 1);
    let record = world.records().show(&list(), code).await.unwrap().unwrap();
    assert_eq!(record.state(), RecordState::Contested);
    assert_eq!((record.facts.category, format_day(record.facts.expires_on)), (2, "2030-01-01".to_owned()));
    assert!(matches!(record.standing, Standing::Listed { contested: true, .. }));
}

#[tokio::test]
async fn an_import_again_changes_what_differs_and_keeps_the_former_values() {
    let world = World::new().await;
    let codes = codes(3, 3);
    let first: String = codes.iter().map(|code| row(code)).collect();
    assert_eq!(world.import(&first).await.imported, 3);
    let again = world.import(&first).await;
    assert_eq!((again.read, again.imported, again.changed, again.unchanged), (3, 0, 0, 3));
    let second = format!("{}{}", row(&codes[0]), row(&codes[1]).replace("No. 17", "No. 18"));
    let report = world.import(&second).await;
    assert_eq!((report.changed, report.unchanged), (1, 1));
    let record = world.records().show(&list(), &codes[1]).await.unwrap().unwrap();
    assert_eq!(record.facts.decision_ref, "(2024) No. 18");
    let [entry] = &record.history[..] else { panic!("one entry") };
    assert_eq!(
        (entry.action.as_str(), entry.reason.as_str(), entry.by.as_str()),
        ("corrected", "import", "clerk-7")
    );
    assert_eq!(entry.before.decision_ref, "(2024) No. 17");
    // What the file does not name stays.
    assert!(world.records().show(&list(), &codes[2]).await.unwrap().is_some());
}

#[tokio::test]
async fn a_removal_has_a_reason_and_a_name_and_can_come_back() {
    let world = World::new().await;
    let code = &codes(1, 4)[0];
    world.import_codes(&[code]).await;
    let records = world.records();
    let remove = async |by: &str| records.remove(&list(), code, RemovalReason::Annulled, by).await;
    assert!(matches!(remove(" ").await, Err(RecordsError::By)));
    assert_eq!(remove("judge-3").await.unwrap(), ChangeOutcome::Changed);
    assert_eq!(remove("judge-3").await.unwrap(), ChangeOutcome::Unchanged);
    let removed = records.show(&list(), code).await.unwrap().unwrap();
    assert_eq!((removed.state(), removed.standing), (RecordState::Removed, Standing::Removed));
    assert_eq!((removed.history[0].reason.as_str(), removed.history[0].by.as_str()), ("annulled", "judge-3"));
    assert_eq!(records.set_contested(&list(), code, true, "x").await.unwrap(), ChangeOutcome::NotOnList);
    let back = world.import_codes(&[code]).await;
    assert_eq!((back.imported, back.changed), (1, 0));
    let restored = records.show(&list(), code).await.unwrap().unwrap();
    assert_eq!(restored.state(), RecordState::Active);
    assert_eq!(restored.reference, removed.reference);
    assert_eq!(restored.history.len(), 2);
    assert_eq!(records.counts(&list()).await.unwrap().active, 1);
}

#[tokio::test]
async fn an_objection_survives_an_import_that_says_nothing_about_it() {
    let world = World::new().await;
    let code = &codes(1, 5)[0];
    world.import_codes(&[code]).await;
    let records = world.records();
    assert_eq!(records.set_contested(&list(), code, true, "desk-1").await.unwrap(), ChangeOutcome::Changed);
    let again = world.import_codes(&[code]).await;
    assert_eq!(again.unchanged, 1);
    assert_eq!(records.counts(&list()).await.unwrap().contested, 1);
    assert_eq!(records.set_contested(&list(), code, false, "desk-1").await.unwrap(), ChangeOutcome::Changed);
    let record = records.show(&list(), code).await.unwrap().unwrap();
    let actions: Vec<_> = record.history.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["contested", "settled"]);
}

#[tokio::test]
async fn what_is_not_answered_yet_is_counted_by_why() {
    let world = World::with(Terms { change_list: |list| list.notice_days = 10, ..Terms::default() }).await;
    let today = world.today();
    let codes = codes(4, 6);
    let rows = [
        row_with(&codes[0], today - 10, today - 10, 0),
        row_with(&codes[1], today - 9, today - 9, 0),
        row_with(&codes[2], 0, today - 100, 0),
        row_with(&codes[3], today - 100, today - 100, today),
    ];
    let report = world.import(&rows.concat()).await;
    assert_eq!(report.imported, 4);
    let held: Vec<_> = report.held_back.iter().map(|(word, count)| (*word, *count)).collect();
    assert_eq!(held, [("expired", 1), ("not_notified", 1), ("not_yet_effective", 1)]);
}

#[tokio::test]
async fn a_subject_in_two_chunks_of_a_file_is_noticed_in_new_and_old_lists() {
    let world = World::new().await;
    let codes = codes(9_000, 7);
    let mut rows: Vec<String> = codes.iter().map(|code| row(code)).collect();
    rows.push(row(&codes[10]));
    for (imported, unchanged) in [(9_000, 0), (0, 9_000)] {
        let report = world.import(&rows.concat()).await;
        assert_eq!((report.imported, report.unchanged, report.rejected), (imported, unchanged, 1));
        assert_eq!(report.rejections[0].line, 9_002);
        assert_eq!(report.rejections[0].problem, RowProblem::Repeated { first_line: 12 });
    }
}

fn shared(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} is not here", path.display());
    None
}

#[tokio::test]
async fn twenty_thousand_real_codes_are_imported_and_codes_as_published_get_their_reasons() {
    let Some(companies) = shared("companies-20k.csv") else { return };
    let world = World::new().await;
    let text = std::fs::read_to_string(companies).unwrap();
    let rows: String = text.lines().skip(1).map(|line| row(line.split(',').next().unwrap())).collect();
    let report = world.import(&rows).await;
    assert_eq!((report.read, report.imported, report.rejected), (20_000, 20_000, 0));
    let Some(dirty) = shared("codes-dirty.csv") else { return };
    let text = std::fs::read_to_string(dirty).unwrap();
    let rows: String = text.lines().skip(1).map(|line| row(line.split(',').next().unwrap())).collect();
    let report = world.import(&rows).await;
    assert_eq!(report.read, 1_200);
    let bad_codes = report.reasons.get(&Reason::CodeInvalid).copied().unwrap_or(0);
    let repeated = report.reasons.get(&Reason::SubjectRepeated).copied().unwrap_or(0);
    assert_eq!(report.imported + report.changed + report.unchanged + bad_codes + repeated, 1_200);
    // What was accepted was accepted after a stated normalization only.
    let accepted = report.imported + report.changed + report.unchanged;
    assert!(accepted <= report.normalized.values().sum(), "{accepted}: {:?}", report.normalized);
}

#[tokio::test]
async fn a_second_process_imports_while_the_node_runs_and_two_imports_of_a_list_do_not_mix() {
    let world = World::new().await;
    let code = &codes(1, 8)[0];
    let other = tacit_node::store::open(&world.database()).await.unwrap();
    let clock = std::sync::Arc::new(world.clock.clone());
    let beside = Records::new(other, world.registry.clone(), "court".parse().unwrap(), clock);
    // A reader under which, once the header was read and the import has begun, another import is tried.
    struct Nested(Option<Records>, Cursor<Vec<u8>>);
    impl std::io::Read for Nested {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            if self.1.position() == 0 {
                return self.1.read(&mut into[..HEADER.len()]);
            }
            if let Some(records) = self.0.take() {
                let second = std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    let import =
                        async { records.import(HEADER.as_bytes(), &list(), &options(), |_| ()).await };
                    runtime.block_on(import).unwrap_err().reason()
                });
                assert_eq!(second.join().unwrap(), Reason::Conflict);
            }
            self.1.read(into)
        }
    }
    let file = Cursor::new(format!("{HEADER}{}", row(code)).into_bytes());
    let report =
        beside.import(Nested(Some(beside.clone()), file), &list(), &options(), |_| ()).await.unwrap();
    assert_eq!(report.imported, 1);
    assert_eq!(world.records().counts(&list()).await.unwrap().active, 1);
    world.tick().await;
    assert!(world.is_listed(code).await);
    assert_eq!(world.log.versions(LIST).len(), 1);
}
