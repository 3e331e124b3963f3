//! Lists of persons: nothing adverse about people under 18, and one record under the old and the new number.

use std::io::Cursor;

use tacit_model::{Normalization, Reason};
use tacit_node::records::*;
use tacit_policy::registry::entry::List;

use super::support::registry::{Terms, registry};
use super::support::{HEADER, LIST, World, list, options, row};

/// The worked example of GB 11643-1999, and the number of 15 digits that it replaced.
const NEW: &str = "11010519491231002X";
const OLD: &str = "110105491231002";
/// Made up: somebody born on 28 February 2004.
const YOUNG: &str = "110105200402280025";

fn of_residents(list: &mut List) {
    list.scheme = "CN-RID".to_owned();
    list.time_zone = "Asia/Shanghai".to_owned();
}

fn of_persons(list: &mut List) {
    list.scheme = "X-person".to_owned();
}

async fn residents() -> World {
    World::with(Terms { change_list: of_residents, ..Terms::default() }).await
}

fn on_days(code: &str, days: &str) -> String {
    format!("{code},1,No. 17,{days},\n")
}

#[tokio::test]
async fn an_adverse_record_of_a_person_under_18_is_refused_at_import_with_its_reason() {
    let world = residents().await;
    let rows = [
        on_days(YOUNG, "2022-02-27,2022-03-05,2022-03-20"),
        on_days(YOUNG, "2022-02-28,2022-02-27,2022-03-20"),
        on_days(YOUNG, "2022-02-28,2022-03-05,2022-02-27"),
        on_days(NEW, "2022-02-27,2022-03-05,2022-03-20"),
        on_days(YOUNG, "2022-02-28,2022-02-28,2022-02-28"),
    ];
    let report = world.import(&rows.concat()).await;
    assert_eq!((report.imported, report.rejected), (2, 3));
    assert_eq!(report.reasons[&Reason::SubjectUnderAge], 3);
    let refused: Vec<_> = report.rejections.iter().map(|it| (it.line, it.problem)).collect();
    let under = |column| RowProblem::UnderAge { column };
    let days = [Column::DecidedOn, Column::NotifiedOn, Column::EffectiveOn];
    assert_eq!(refused, [(2, under(days[0])), (3, under(days[1])), (4, under(days[2]))]);
    let said = report.rejections[0].problem.to_string();
    assert!(said.contains("under 18") && said.contains("decided_on") && !said.contains("2004"), "{said}");
    world.tick().await;
    assert!(world.is_listed(YOUNG).await && world.is_listed(NEW).await);

    // A correction that would move the record to before the birthday is refused, and the record stays as it was.
    let earlier = world.import(&on_days(YOUNG, "2021-02-28,2021-02-28,2021-02-28")).await;
    assert_eq!((earlier.changed, earlier.rejected), (0, 1));
    let kept = world.records().show(&list(), YOUNG).await.unwrap().unwrap();
    assert_eq!((format_day(kept.facts.decided_on).as_str(), kept.history.len()), ("2022-02-28", 0));
}

#[tokio::test]
async fn a_stored_record_of_a_person_under_18_is_not_sealed_once_the_scheme_tells_the_age() {
    const CHILD: &str = "20150314-0001";
    const PARENT: &str = "19850314-0002";
    let silent = Terms { change_list: of_persons, persons: Some("[0-9]{8}-[0-9]{4}"), ..Terms::default() };
    let world = World::with(silent).await;
    // The scheme tells nobody's age: nothing can be refused.
    world.import_codes(&[CHILD, PARENT]).await;
    world.tick().await;
    assert!(world.is_listed(CHILD).await && world.is_listed(PARENT).await);

    let telling = "(?<birth_year>[0-9]{4})(?<birth_month>[0-9]{2})(?<birth_day>[0-9]{2})-[0-9]{4}";
    let terms = Terms { change_list: of_persons, persons: Some(telling), ..Terms::default() };
    world.court().holder.set_registry(registry(&terms));
    world.tick().await;
    assert!(!world.is_listed(CHILD).await && world.is_listed(PARENT).await);
    assert_eq!(world.log.versions(LIST).len(), 2, "sealed anew, with another key");
    let counts = world.records().counts(&list()).await.unwrap();
    assert_eq!((counts.active, counts.sealed.unwrap().records), (2, 1));
    let child = world.records().show(&list(), CHILD).await.unwrap().unwrap();
    assert_eq!(child.standing, Standing::UnderAge);
    let report = world.import(&row(CHILD)).await;
    assert_eq!(report.reasons[&Reason::SubjectUnderAge], 1);
}

#[tokio::test]
async fn a_record_under_15_digits_and_one_under_18_are_one_record_with_one_history() {
    let world = residents().await;
    let first = world.import(&row(OLD)).await;
    assert_eq!((first.imported, first.normalized[&Normalization::Upgraded15]), (1, 1));
    let before = world.records().show(&list(), NEW).await.unwrap().unwrap();
    let corrected = world.import(&row(NEW).replace("No. 17", "No. 18")).await;
    assert_eq!((corrected.imported, corrected.changed, corrected.normalized.len()), (0, 1, 0));
    // In one file they are one subject that stands there twice.
    let twice = world.import(&[row(OLD).replace("No. 17", "No. 18"), row(NEW)].concat()).await;
    assert_eq!((twice.unchanged, twice.rejected), (1, 1));
    assert_eq!(twice.rejections[0].problem, RowProblem::Repeated { first_line: 2 });

    let records = world.records();
    assert_eq!(records.set_contested(&list(), OLD, true, "desk-1").await.unwrap(), ChangeOutcome::Changed);
    assert_eq!(records.set_contested(&list(), NEW, true, "desk-1").await.unwrap(), ChangeOutcome::Unchanged);
    for number in [OLD, NEW, "110105 491231 002"] {
        let record = records.show(&list(), number).await.unwrap().unwrap();
        assert_eq!(
            (&record.reference, record.facts.decision_ref.as_str()),
            (&before.reference, "(2024) No. 18")
        );
        let actions: Vec<_> = record.history.iter().map(|entry| entry.action.as_str()).collect();
        assert_eq!(actions, ["corrected", "contested"]);
        assert_eq!(record.history[0].before.decision_ref, "(2024) No. 17");
    }
    world.tick().await;
    let counts = records.counts(&list()).await.unwrap();
    assert_eq!((counts.contested, counts.sealed.unwrap().records), (1, 1));
    assert!(world.is_listed(NEW).await);
    let removed = records.remove(&list(), OLD, RemovalReason::Fulfilled, "judge-3").await.unwrap();
    assert_eq!(removed, ChangeOutcome::Changed);
    world.tick().await;
    assert!(!world.is_listed(NEW).await);
}

#[tokio::test]
async fn who_found_the_facts_and_who_listed_are_kept_with_every_correction() {
    let world = residents().await;
    let import = async |columns: &str, values: &str| {
        let header = HEADER.replace('\n', columns);
        let file = format!("{header}\n{}", row(NEW).replace('\n', values));
        world.records().import(Cursor::new(file), &list(), &options(), |_| ()).await.unwrap()
    };
    let both = ",fact_finding_body,listing_body";
    let shown = async || world.records().show(&list(), NEW).await.unwrap().unwrap();
    assert_eq!(import("", "\n").await.imported, 1);
    let record = shown().await;
    assert_eq!((record.facts.fact_finding_body.as_str(), record.listing_body(&record.facts)), ("", "court"));
    let named = import(both, ",朝阳区人民法院执行局, Second Chamber \n").await;
    assert_eq!(named.changed, 1);
    // A file without the columns says nothing about them; one with empty fields takes them back.
    assert_eq!(import("", "\n").await.unchanged, 1);
    assert_eq!(import(",listing_body", ",\n").await.changed, 1);
    let record = shown().await;
    assert_eq!(record.facts.fact_finding_body, "朝阳区人民法院执行局");
    assert_eq!(record.listing_body(&record.facts), "court");
    let before: Vec<_> = record
        .history
        .iter()
        .map(|entry| (entry.before.fact_finding_body.as_str(), record.listing_body(&entry.before)))
        .collect();
    assert_eq!(before, [("", "court"), ("朝阳区人民法院执行局", "Second Chamber")]);

    let longest = "法".repeat(200);
    assert_eq!(import(both, &format!(",{longest},{longest}\n")).await.changed, 1);
    for (values, problem) in [
        (format!(",{longest}院,\n"), RowProblem::TooLong { column: Column::FactFindingBody }),
        (format!(",,{longest}院\n"), RowProblem::TooLong { column: Column::ListingBody }),
        (",a\tb,\n".to_owned(), RowProblem::Control { column: Column::FactFindingBody }),
    ] {
        let report = import(both, &values).await;
        assert_eq!(report.rejections[0].problem, problem);
    }
    // What comes back after a removal is another listing: it keeps nobody's name from the former one.
    world.records().remove(&list(), NEW, RemovalReason::Annulled, "judge-3").await.unwrap();
    assert_eq!(import("", "\n").await.imported, 1);
    let back = shown().await;
    assert_eq!((back.facts.fact_finding_body.as_str(), back.listing_body(&back.facts)), ("", "court"));
    assert_eq!(back.history.last().unwrap().before.listing_body, longest);
}
