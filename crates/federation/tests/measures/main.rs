//! The 32 measures of the memorandum of 2016, each tried with the sample `defaulters`: what the registry takes, and what
//! is decided with consent and without. What came of it is docs/samples/defaulters.md, which people review.

// `cfg(test)` tells clippy that helpers without #[test] are tests too.
#![cfg(test)]

mod table;
mod trials;

use std::path::PathBuf;

use tacit_federation::found::FoundError;
use tacit_policy::ExactReason;
use trials::{Fate, Trials, WAYS, measures};

#[test]
fn the_table_of_the_32_measures_is_the_reviewed_one() {
    let table = table::render(&Trials::run());
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/samples/defaulters.md");
    if std::env::var_os("TACIT_BLESS").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
    for (is, should) in table.lines().zip(reviewed.lines()) {
        assert_eq!(is, should, "review the change, then run with TACIT_BLESS=1");
    }
    assert_eq!(table, reviewed, "review the change, then run with TACIT_BLESS=1");
}

/// What holds whatever the table says.
#[test]
fn no_measure_rests_on_the_memorandum_alone_and_none_is_private_without_consent() {
    let trials = Trials::run();
    let (mut refused, mut decided) = (0, 0);
    for (measure, part, fate) in trials.parts() {
        let place = format!("{} {}", measure.number, part.what.as_deref().unwrap_or(&measure.measure));
        match fate {
            Fate::Inexpressible(_) => assert!(part.purpose.is_none(), "{place}"),
            Fate::Refused { terms, error } => {
                assert_eq!(terms.legal_basis.act, trials::MEMORANDUM, "{place}");
                // What `tacit agreement draft` refuses cannot be founded either, and for the same reason.
                let founded = trials.found_with(terms);
                let Err(FoundError::Registry(other)) = founded else { panic!("{place}: {founded:?}") };
                assert_eq!(other.problem().to_string(), error.problem().to_string(), "{place}");
                refused += 1;
            }
            Fate::Decided { terms, outcomes } => {
                assert_ne!(terms.legal_basis.act, trials::MEMORANDUM, "{place}");
                for (way, outcome) in WAYS.iter().zip(outcomes) {
                    if !way.public && !way.consent {
                        let reason = outcome.as_ref().unwrap_err().exact;
                        let basic = ExactReason::AdverseForBasicService;
                        assert!([ExactReason::ConsentMissing, basic].contains(&reason), "{place}: {reason}");
                    }
                }
                decided += 1;
            }
        }
    }
    assert!(refused > 10 && decided > 10, "{refused} refused, {decided} decided");
}

#[test]
fn citing_the_memorandum_does_not_carry_a_list_into_another_context() {
    let trials = Trials::run();
    let mut tried = 0;
    for (measure, _, fate) in trials.parts() {
        let Fate::Refused { terms, error } = fate else { continue };
        if trials::word(error.problem()) != "cross_context" {
            continue;
        }
        let error = trials.cite_memorandum(terms);
        assert_eq!(trials::word(error.problem()), "memorandum_alone", "{}", measure.number);
        assert_eq!(error.path(), "agreement.cross_context.act");
        tried += 1;
    }
    assert!(tried > 3, "only {tried} were refused for their context");
}

#[test]
fn every_measure_stands_in_the_sample_under_its_number_kind_and_context() {
    let sample = trials::sample();
    let measures = measures();
    let numbers: Vec<u16> = measures.iter().map(|it| it.number).collect();
    assert_eq!(numbers, (1..=32).collect::<Vec<u16>>());
    let mut purposes: Vec<&str> = Vec::new();
    for measure in &measures {
        let mut kinds: Vec<&str> = measure.part.iter().map(|part| part.kind.as_str()).collect();
        kinds.dedup();
        assert_eq!(kinds.join(" and "), measure.kind, "{}", measure.number);
        for code in measure.part.iter().filter_map(|part| part.purpose.as_ref()) {
            let purpose = sample.purpose.iter().find(|it| it.code == *code);
            let purpose = purpose.unwrap_or_else(|| panic!("the sample has no purpose {code}"));
            assert_eq!(purpose.context, measure.context, "{code}");
            purposes.push(code.as_str());
        }
    }
    let beside = ["subject-access", "ticket-sale"];
    let others = sample.purpose.iter().map(|it| it.code.as_str()).filter(|it| !beside.contains(it));
    assert_eq!(others.collect::<Vec<_>>(), purposes, "each purpose stands for one measure, in their order");
}

/// The memorandum as it was published, which is not part of the project.
#[test]
fn numbers_words_kinds_and_contexts_are_those_of_the_memorandum() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/measures-2016.csv");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: {} is not here", path.display());
        return;
    };
    let ours = measures().into_iter().map(|it| {
        let words = [&it.measure, &it.kind, &it.context];
        assert!(words.iter().all(|word| !word.contains([',', '"'])), "{words:?}");
        format!("{},{},{},{}", it.number, it.measure, it.kind, it.context)
    });
    let theirs: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
    assert_eq!(ours.collect::<Vec<_>>(), theirs);
}
