use tacit_wire::{
    common::Refusal,
    gateway::{Answers, Listed, NotAnswered, NotListed},
};

use super::*;

fn question() -> Question {
    Question {
        lists: vec!["court/a".to_owned(), "court/b".to_owned()],
        purpose: "screening".to_owned(),
        case_number: "T-1".to_owned(),
        officer: "li".to_owned(),
        scheme: String::new(),
    }
}

fn outcome(outcome: Outcome) -> CheckOutcome {
    CheckOutcome { outcome: Some(outcome), normalized: Vec::new(), scheme: "CN-USCC".to_owned() }
}

fn answered(hit: bool) -> CheckOutcome {
    let answer = |list: &str, answer| ListAnswer {
        list_id: list.to_owned(),
        answer: Some(answer),
        record_id: "01KAM2V7Q3ZJ6V6T1V8M3W9R5C".to_owned(),
        record_index: 7,
        table_version: "1.3".to_owned(),
        as_of_ms: 1_795_300_143_223,
    };
    let first = if hit { Answer::Listed(Listed::default()) } else { Answer::NotListed(NotListed {}) };
    let lists = vec![answer("court/a", first), answer("court/b", Answer::NotListed(NotListed {}))];
    outcome(Outcome::Answers(Answers { lists }))
}

fn refused(reason: &str) -> CheckOutcome {
    let message = "No, \"not\" now,\nask later.".to_owned();
    outcome(Outcome::Refusal(Refusal { reason: reason.to_owned(), message, remaining: 0, resets_at_ms: 0 }))
}

fn lost() -> CheckOutcome {
    let record_ids = vec!["01KAM2V7Q3ZJ6V6T1V8M3W9R5D".to_owned()];
    outcome(Outcome::NotAnswered(NotAnswered { record_ids, reason: "unavailable".to_owned() }))
}

fn first_run(path: &Path) -> Tally {
    let mut results = Results::open(path, &question(), Again::NotAnsweredAndQuota).unwrap();
    results.add(2, "A", &answered(true)).unwrap();
    results.add(3, "B", &refused("quota_new_subjects")).unwrap();
    results.add(4, "C", &lost()).unwrap();
    results.add_broken(5, "a quote is not closed on this line").unwrap();
    results.add(6, "=1+1", &refused("code_invalid")).unwrap();
    results.add(7, "D", &refused("consent_required")).unwrap();
    results.add(8, "E", &answered(false)).unwrap();
    results.finish().unwrap()
}

#[test]
fn every_row_has_its_line_and_a_reason_when_it_has_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.csv");
    let tally = first_run(&path);
    assert_eq!((tally.rows, tally.listed, tally.not_listed), (7, 1, 3));
    assert_eq!((tally.invalid, tally.not_answered, tally.quota()), (2, 1, 1));
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 1 + 2 + 5 + 2);
    assert!(text.contains("\n6,'=1+1,,invalid,"));
    assert!(text.contains("01KAM2V7Q3ZJ6V6T1V8M3W9R5D"));
    let journal = std::fs::read_to_string(folder.path().join("out.csv.journal")).unwrap();
    assert!(journal.contains("01KAM2V7Q3ZJ6V6T1V8M3W9R5D"));
}

#[test]
fn a_resumed_result_asks_again_only_what_has_no_final_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.csv");
    first_run(&path);
    let results = Results::open(&path, &question(), Again::NotAnsweredAndQuota).unwrap();
    let asked: Vec<u64> = [(2, "A"), (3, "B"), (4, "C"), (5, ""), (6, "=1+1"), (7, "D"), (8, "E")]
        .into_iter()
        .filter(|(line, code)| !results.has(*line, code).unwrap())
        .map(|(line, _)| line)
        .collect();
    assert_eq!(asked, [3, 4]);
    assert_eq!(results.last_line(), 8);
    assert_eq!(results.tally().rows, 5);
    assert!(results.has(2, "other").is_err());
    drop(results);
    let within = Results::open(&path, &question(), Again::NotAnswered).unwrap();
    assert_eq!(within.tally().rows, 5);
}

#[test]
fn a_half_written_row_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.csv");
    first_run(&path);
    let text = std::fs::read_to_string(&path).unwrap();
    // The last row loses its second list, and the file its last bytes.
    let kept: Vec<_> = text.lines().collect();
    let mut torn = kept[..kept.len() - 1].join("\n");
    torn.push_str("\n8,E,court/b,not_lis");
    std::fs::write(&path, torn).unwrap();
    let results = Results::open(&path, &question(), Again::NotAnsweredAndQuota).unwrap();
    assert!(!results.has(8, "E").unwrap());
    assert!(results.has(2, "A").unwrap());
}

#[test]
fn a_result_of_another_question_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.csv");
    first_run(&path);
    let before = std::fs::read(&path).unwrap();
    let other = Question { purpose: "other".to_owned(), ..question() };
    assert!(Results::open(&path, &other, Again::NotAnsweredAndQuota).is_err());
    std::fs::write(folder.path().join("mine.csv"), "x").unwrap();
    assert!(Results::open(&folder.path().join("mine.csv"), &question(), Again::NotAnsweredAndQuota).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
