//! The arrows: a crate uses only crates on lower floors (docs/ARCHITECTURE.md).

use crate::graph::{Graph, Kind};

/// The floor of each crate of the product.
const FLOORS: &[(&str, u8)] = &[
    ("tacit-model", 0),
    ("tacit-ledger", 1),
    ("tacit-blind", 2),
    ("tacit-policy", 2),
    ("tacit-wire", 3),
    ("tacit-store", 3),
    ("tacit-identity", 3),
    ("tacit-client", 4),
    ("tacit-witness", 4),
    ("tacit-desk", 5),
    ("tacit-node", 6),
    ("tacit-coordinator", 6),
    ("tacit-custodian", 6),
    ("tacit-authority", 6),
    ("tacit-portal", 6),
    ("tacit-federation", 7),
    ("tacit-tacit", 8),
];

/// Crates beside the floors: they may use any floor, and only tests may use them.
const SIDE: &[&str] = &["tacit-testkit", "tacit-xtask"];

/// Crates that build without any other crate of ours, so that a stranger can audit them alone.
const ALONE: &[&str] = &["tacit-model", "tacit-ledger", "tacit-xtask"];

const PREFIX: &str = "tacit-";

/// One finding for each arrow that does not point down, and each crate without a floor.
pub(crate) fn check(graph: &Graph) -> Vec<String> {
    let mut findings = Vec::new();
    for package in graph.members() {
        let from = package.name.as_str();
        if floor(from).is_none() && !SIDE.contains(&from) {
            findings.push(format!("{from} has no floor; add it to crates/xtask/src/floors.rs"));
        }
        let folder = package.manifest.parent().and_then(|folder| folder.file_name());
        if folder.and_then(|folder| folder.to_str()) != from.strip_prefix(PREFIX) {
            findings.push(format!("{from} has to live in crates/<name without {PREFIX:?}>"));
        }
        for arrow in package.arrows.iter().filter(|arrow| arrow.to.starts_with(PREFIX)) {
            findings.extend(judge(from, &arrow.to, arrow.kind));
        }
    }
    findings
}

fn floor(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, floor)| *floor)
}

/// What is wrong with an arrow between two crates of ours, if anything.
fn judge(from: &str, to: &str, kind: Kind) -> Option<String> {
    if ALONE.contains(&from) {
        return Some(format!("{from} builds alone, but depends on {to}"));
    }
    // Its own tests switch on one of its features that way.
    if from == to && kind == Kind::Dev {
        return None;
    }
    if SIDE.contains(&to) {
        let allowed = kind == Kind::Dev || SIDE.contains(&from);
        return (!allowed).then(|| format!("{from} depends on {to}, which only tests may use"));
    }
    let Some(target) = floor(to) else {
        return Some(format!("{from} depends on {to}, which has no floor"));
    };
    // A side crate has no floor of its own and may look at all of them.
    let own = floor(from)?;
    (own <= target)
        .then(|| format!("{from} (floor {own}) depends on {to} (floor {target}); arrows point down"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::fixture::member;

    fn findings(name: &str, normal: &[&str], dev: &[&str]) -> Vec<String> {
        check(&Graph { packages: vec![member(name, normal, dev)] })
    }

    #[test]
    fn arrows_down_are_accepted() {
        assert!(findings("tacit-node", &["tacit-client", "tacit-model", "serde"], &[]).is_empty());
        assert!(findings("tacit-tacit", &["tacit-node"], &["tacit-testkit"]).is_empty());
        assert!(findings("tacit-store", &["tacit-ledger"], &["tacit-store"]).is_empty());
        assert!(findings("tacit-testkit", &["tacit-node", "tacit-coordinator"], &[]).is_empty());
    }

    #[test]
    fn an_arrow_up_or_level_is_refused() {
        assert_eq!(findings("tacit-model", &["tacit-blind"], &[]).len(), 1);
        assert_eq!(findings("tacit-blind", &["tacit-policy"], &[]).len(), 1);
        assert_eq!(findings("tacit-node", &["tacit-coordinator"], &[]).len(), 1);
        assert_eq!(findings("tacit-client", &[], &["tacit-node"]).len(), 1);
    }

    #[test]
    fn only_tests_use_the_side_crates() {
        assert_eq!(findings("tacit-node", &["tacit-testkit"], &[]).len(), 1);
        assert!(findings("tacit-node", &[], &["tacit-testkit"]).is_empty());
    }

    #[test]
    fn the_ledger_builds_alone() {
        assert_eq!(findings("tacit-ledger", &["tacit-model"], &[]).len(), 1);
        assert_eq!(findings("tacit-ledger", &[], &["tacit-testkit"]).len(), 1);
    }

    #[test]
    fn a_crate_without_a_floor_is_named() {
        assert_eq!(findings("tacit-attic", &[], &[]).len(), 1);
        assert_eq!(findings("tacit-node", &["tacit-attic"], &[]).len(), 1);
    }

    #[test]
    fn a_crate_lives_in_the_folder_of_its_name() {
        let mut moved = member("tacit-node", &[], &[]);
        moved.manifest = "crates/knot/Cargo.toml".into();
        assert_eq!(check(&Graph { packages: vec![moved] }).len(), 1);
    }
}
