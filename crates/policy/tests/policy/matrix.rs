//! Who may ask what with which consent: the whole table, as a text file that people review.

use std::fmt::Write;

use tacit_model::Basis;
use tacit_policy::{Asked, ConsentState, ConsentView, Counters, ExactReason, Question, decide};

use crate::fixture::{PSEUDONYM, code, consent, id, list_id, now, registry, status, ulid};

const HEADER: &str = "\
# The decision for each requester, list and purpose of the test federation, by what the request rests on:
# the agreement, a consent that was given, one that was withdrawn, one that was given for other lists.
# Compared by the test `the_matrix_of_decisions_is_the_reviewed_one`; TACIT_BLESS=1 writes it anew.
";

fn outcome(requester: &str, list: &str, purpose: &str, basis: &str) -> String {
    let registry = registry_cached();
    let (requester, list, purpose) = (id(requester), list_id(list), code(purpose));
    let mut given = consent(&requester);
    if basis == "other-lists" {
        given.lists = vec![list_id("court/another")];
    }
    let state = if basis == "withdrawn" { ConsentState::Withdrawn } else { ConsentState::Given };
    let view = ConsentView { consent: &given, status: status(state) };
    let agreement =
        registry.agreements_between(&requester, &list.holder_id()).next().map_or(ulid(1), |it| it.id);
    let asked =
        Asked { requester: &requester, holder: &list.holder_id(), lists: vec![&list], purpose: &purpose };
    let basis = if basis == "agreement" { Basis::Agreement(agreement) } else { Basis::Consent(given.id) };
    let question = Question { asked, basis, pseudonym: &PSEUDONYM, carried: &[] };
    match decide(&question, registry, Some(&view), &Counters::default(), now()) {
        Ok(_) => "allowed".to_owned(),
        Err(refusal) => refusal.exact.to_string(),
    }
}

fn registry_cached() -> &'static tacit_policy::Registry {
    static REGISTRY: std::sync::OnceLock<tacit_policy::Registry> = std::sync::OnceLock::new();
    REGISTRY.get_or_init(registry)
}

#[test]
fn the_matrix_of_decisions_is_the_reviewed_one() {
    let bases = ["agreement", "given", "withdrawn", "other-lists"];
    let mut table = HEADER.to_owned();
    let row = |table: &mut String, cells: [&str; 7]| {
        let [a, b, c, d, e, f, g] = cells;
        writeln!(table, "{a:<13}{b:<28}{c:<17}{d:<27}{e:<29}{f:<29}{g}").unwrap();
    };
    row(&mut table, ["requester", "list", "purpose", bases[0], bases[1], bases[2], bases[3]]);
    for requester in ["procurement", "bank", "guild", "portal", "customs", "audit-office"] {
        for list in ["court/judgment-defaulters", "court/model-mediators", "customs/debarred-importers"] {
            for purpose in ["eligibility", "water-supply", "debt-collection", "subject-access"] {
                let [a, b, c, d] = bases.map(|basis| outcome(requester, list, purpose, basis));
                row(&mut table, [requester, list, purpose, &a, &b, &c, &d]);
            }
        }
    }
    table.push_str("\n# What the requester is told, and the rule that refuses.\n");
    for reason in ExactReason::ALL {
        writeln!(table, "{:<28}{:<18}{}", reason.as_str(), reason.public().as_str(), reason.rule()).unwrap();
    }
    let table: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();

    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/matrix.txt");
    if std::env::var_os("TACIT_BLESS").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    let reviewed = std::fs::read_to_string(path).unwrap();
    for (is, should) in table.lines().zip(reviewed.lines()) {
        assert_eq!(is, should, "review the change, then run with TACIT_BLESS=1");
    }
    assert_eq!(table, reviewed, "review the change, then run with TACIT_BLESS=1");
}
