//! Every real code of the shared data is accepted, and every dirty one is refused for its reason or
//! accepted after a stated change. The data is not part of the project; without it these tests are
//! skipped and say so.

#![expect(clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "helpers of tests")]

use std::{fs, path::PathBuf, time::Instant};

use tacit_model::{CharacterProblem, CodeError, Normalization, Schemes};

fn data(name: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    match fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) => {
            eprintln!("SKIPPED: {} is not here ({error})", path.display());
            None
        }
    }
}

/// The rows of a CSV file, without its header.
fn rows(text: &str) -> Vec<csv::StringRecord> {
    csv::Reader::from_reader(text.as_bytes()).records().collect::<Result<_, _>>().expect("readable CSV")
}

fn accept_exactly(scheme: &str, code: &str) {
    let parsed = Schemes::built_in().parse(scheme, code);
    let parsed = parsed.unwrap_or_else(|error| panic!("{scheme} {code}: {error}"));
    assert_eq!((parsed.subject.expose_code(), parsed.changes.len()), (code, 0));
}

#[test]
fn all_20000_company_codes_are_accepted() {
    let Some(text) = data("companies-20k.csv") else { return };
    let rows = rows(&text);
    assert_eq!(rows.len(), 20_000);
    rows.iter().for_each(|row| accept_exactly("CN-USCC", &row[0]));
    let zeros = rows.iter().filter(|row| row[0].ends_with('0')).count();
    assert!(zeros > 400, "codes that end in 0 are among them, got {zeros}");
}

#[test]
fn the_published_vectors_are_accepted() {
    if let Some(text) = data("uscc-valid-200.txt") {
        assert_eq!(text.lines().map(|code| accept_exactly("CN-USCC", code)).count(), 200);
    }
    if let Some(text) = data("lei-valid-100.txt") {
        assert_eq!(text.lines().map(|code| accept_exactly("LEI", code)).count(), 100);
    }
}

#[test]
fn all_2107_register_leis_are_accepted() {
    let Some(text) = data("mic-lei.csv") else { return };
    let rows = rows(&text);
    assert_eq!(rows.len(), 2107);
    rows.iter().for_each(|row| accept_exactly("LEI", &row[0]));
}

#[test]
fn every_dirty_code_is_refused_for_its_reason_or_accepted_after_a_stated_change() {
    let Some(text) = data("codes-dirty.csv") else { return };
    let rows = rows(&text);
    assert_eq!(rows.len(), 1200);
    let mut upper_cased = 0;
    for row in &rows {
        let (typed, why) = (&row[0], &row[1]);
        let result = Schemes::built_in().parse("CN-USCC", typed);
        let right = match (why, &result) {
            ("len", Err(CodeError::OldBusinessRegistration { digits })) => {
                typed.len() == usize::try_from(*digits).unwrap()
            }
            ("len", Err(CodeError::Length { expected: 18, got })) => {
                typed.chars().count() == usize::try_from(*got).unwrap()
            }
            ("check", Err(CodeError::CheckFailed)) => true,
            ("charset", Ok(parsed)) => {
                upper_cased += 1;
                parsed.changes == [Normalization::UpperCased]
                    && parsed.subject.expose_code() == typed.to_uppercase()
            }
            ("charset", Err(CodeError::IllegalCharacter { position, problem })) => {
                let at = usize::try_from(*position).unwrap() - 1;
                *problem == CharacterProblem::LooksLikeDigit && typed.as_bytes()[at].is_ascii_lowercase()
            }
            _ => false,
        };
        assert!(right, "{typed} ({why}): {result:?}");
    }
    assert_eq!(upper_cased, 52);
}

#[test]
fn a_million_codes_are_parsed_in_seconds() {
    let Some(text) = data("companies-20k.csv") else { return };
    let (rows, schemes) = (rows(&text), Schemes::built_in());
    let start = Instant::now();
    let parsed = (0..50).flat_map(|_| &rows).filter(|row| schemes.parse("CN-USCC", &row[0]).is_ok()).count();
    let took = start.elapsed();
    assert_eq!(parsed, 1_000_000);
    eprintln!("1,000,000 codes in {took:?}");
    assert!(took.as_secs() < 5, "{took:?}");
}
