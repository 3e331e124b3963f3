//! Codes, case numbers, officers and secrets go through everything that the program does, with every role logging at
//! its loudest, and then every byte that was written anywhere is searched for them.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails here is a failed test")]

mod needles;
mod outside;
mod scene;
mod work;

use std::path::Path;

use needles::{Hit, Kind, Needles};
use scene::{CASE, OFFICER, Scene, Subjects};
use tacit_store::conformance;

use super::support::{ROLES, files_below};

#[test]
fn codes_cases_and_secrets_are_found_nowhere_but_where_they_belong() {
    if conformance::on_postgres() {
        // The other test is for that.
        return;
    }
    searched(|_, _| None);
}

#[test]
fn on_postgresql_they_are_found_nowhere_else_either() {
    if !conformance::on_postgres() {
        if std::env::var_os(conformance::VARIABLE).is_none() {
            say("SKIPPED: the search of databases on PostgreSQL: TACIT_TEST_POSTGRES names no server");
        }
        return;
    }
    searched(|folder, member| Some(conformance::url(folder, member)));
}

#[expect(clippy::print_stderr, reason = "what cannot run here says so aloud")]
fn say(what: &str) {
    eprintln!("{what}");
}

fn searched(database: impl Fn(&Path, &str) -> Option<String>) {
    let mut scene = Scene::found(&database);
    work::all_of_it(&scene);
    outside::everything_that_others_can_fetch(&scene);
    let backups = outside::backups(&scene);
    // Nothing is closed in an orderly way: write-ahead logs stay as they are.
    scene.federation.stop_all();
    work::with_nobody_there(&scene);

    let needles = needles_of(&scene);
    let mut places: Vec<(String, Vec<u8>)> = Vec::new();
    for root in ["federation", "said", "fetched", "export", "mine"] {
        for file in files_below(&scene.path(root)) {
            let place = file.strip_prefix(scene.root()).unwrap().to_str().unwrap().to_owned();
            places.push((place, std::fs::read(&file).unwrap()));
        }
    }
    places.extend(backups);
    if conformance::on_postgres() {
        for (member, _) in ROLES {
            let contents = conformance::contents(scene.federation.folder(), member);
            places.push((format!("database/{member}"), contents));
        }
    }
    let mut leaks = Vec::new();
    let mut lawful = Vec::new();
    for (place, bytes) in &places {
        for hit in needles.find(bytes) {
            if is_lawful(place, &hit) { lawful.push((place, hit)) } else { leaks.push((place, hit)) }
        }
    }
    assert!(leaks.is_empty(), "{} leaks: {leaks:#?}", leaks.len());

    // What is lawful somewhere was found there, or the search would prove nothing.
    let found = |kind, part: &str| lawful.iter().any(|(place, hit)| hit.kind == kind && place.contains(part));
    for (kind, part) in [
        (Kind::Listed, "court"),
        (Kind::Listed, "tax"),
        (Kind::Listed, "backup/court"),
        (Kind::Listed, "mine/receipt"),
        (Kind::Case, "mine/receipt"),
        (Kind::Officer, "mine/receipt"),
        (Kind::Unlisted, "mine/batch.csv"),
        (Kind::Unlisted, "mine/consents-at-the-desk"),
        (Kind::Key, "federation/keys"),
        (Kind::Key, "federation/tls"),
        (Kind::Key, "federation/ca"),
        (Kind::Token, "federation/tokens"),
        (Kind::ListSeed, "court"),
        (Kind::ListSeed, "backup/tax"),
        (Kind::Pseudonym, "coordinator"),
        (Kind::Pseudonym, "backup/coordinator"),
    ] {
        assert!(found(kind, part), "{kind:?} was not found in {part}: {lawful:#?}");
    }
    for (part, least) in
        [("logs/coordinator", 100_000), ("logs/procurement", 100_000), ("metrics", 500), ("tile", 32)]
    {
        let bytes: usize = places.iter().filter(|it| it.0.contains(part)).map(|it| it.1.len()).sum();
        assert!(bytes >= least, "only {bytes} bytes of {part} were searched");
    }
}

/// What each of the places may hold; see "Keys and where they lie" and "What is written to logs" in docs/SECURITY.md.
fn is_lawful(place: &str, hit: &Hit) -> bool {
    let database_of = |member: &str| {
        let file = format!("federation/data/{member}.db");
        place.starts_with(&file)
            || [format!("database/{member}"), format!("backup/{member}")].contains(&place.to_owned())
    };
    // Tools of PostgreSQL write binary columns in hexadecimal.
    let stored = matches!(hit.form, "bytes" | "hexadecimal");
    match hit.kind {
        // The agency's own records.
        Kind::Listed if hit.form == "text" && database_of(hit.name.split(' ').next().unwrap()) => true,
        Kind::ListSeed => stored && database_of(&hit.name),
        // The texts of consents and of requests for them name it in base64. A receipt proves what it says of it, and
        // the authority of the subject is told.
        Kind::Pseudonym => {
            database_of("coordinator")
                || ["mine/consent", "mine/receipt", "mine/subject-log"].contains(&place)
        }
        Kind::Key | Kind::Token => place.strip_prefix("federation/") == Some(&*hit.name),
        // A receipt is for the subject, a court or an auditor; a result is the agency's own.
        Kind::Listed | Kind::Unlisted | Kind::Mistyped if hit.form == "text" => {
            // What a person was shown with a consent is the person's own too, and told back word by word.
            ["mine/batch.csv", "mine/consents-at-the-desk"].contains(&place)
                || (place == "mine/receipt" && hit.name.ends_with("asked first"))
        }
        Kind::Case | Kind::Officer if hit.form == "text" => {
            ["mine/receipt", "mine/receipts", "mine/verified", "mine/batch.csv.journal"].contains(&place)
        }
        _ => false,
    }
}

/// Everything that is searched for.
fn needles_of(scene: &Scene) -> Needles {
    let mut needles = Needles::default();
    needles.text(Kind::Case, "the case", CASE);
    needles.text(Kind::Officer, "the officer", OFFICER);
    for Subjects { holder, scheme, listed, unlisted, mistyped, .. } in &scene.subjects {
        for (number, code) in listed.iter().enumerate() {
            let first = if number == 0 && *scheme == "CN-USCC" { ", asked first" } else { "" };
            needles.code(Kind::Listed, &format!("{holder} {scheme} {number}{first}"), scheme, code);
        }
        for (number, code) in unlisted.iter().enumerate() {
            needles.code(Kind::Unlisted, &format!("{holder} {scheme} {number}"), scheme, code);
        }
        for (number, text) in mistyped.iter().enumerate() {
            needles.text(Kind::Mistyped, &format!("{holder} {scheme} {number}"), text);
        }
    }
    for (file, secret, line) in scene.key_files() {
        needles.bytes(Kind::Key, &file, &secret);
        if let Some(line) = line {
            needles.text(Kind::Key, &file, &line);
        }
    }
    for (file, token) in scene.tokens() {
        needles.text(Kind::Token, &file, &token);
    }
    for holder in ["court", "tax"] {
        for seed in scene.column(holder, "SELECT seed FROM list_epoch WHERE seed IS NOT NULL") {
            needles.bytes(Kind::ListSeed, holder, &seed);
        }
    }
    for pseudonym in scene.column("coordinator", "SELECT pseudonym FROM subject") {
        needles.bytes(Kind::Pseudonym, "a subject", &pseudonym);
    }
    needles
}
