//! Backups of working roles, and their restore: nothing that was acknowledged before is missing, nothing that is newer
//! is lost by mistake, and no secret of the custodian is in a backup in the clear.

#![cfg(test)]

mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _};
use support::{Federation, ROLES, codes, duplicate, flip, manifest};
use tacit_ledger::{checkpoint::Checkpoint, ed25519::SigningKey, note::NoteSigner};

/// Answers that are waited for before and after the backups under load.
const ANSWERS: usize = 4;

#[test]
fn what_was_acknowledged_before_a_backup_is_there_after_its_restore_and_no_seed_is_in_the_clear() {
    let mut federation = Federation::found(|_, _| None);
    all_of_it(&mut federation, true);
}

#[test]
fn on_postgresql_the_same_is_true() {
    if std::env::var("TACIT_TEST_POSTGRES").unwrap_or_default().is_empty() {
        eprintln!("SKIPPED: backup and restore on PostgreSQL: TACIT_TEST_POSTGRES names no server");
        return;
    }
    let mut federation =
        Federation::found(|folder, member| Some(tacit_store::conformance::url(folder, member)));
    all_of_it(&mut federation, false);
}

fn all_of_it(federation: &mut Federation, is_sqlite: bool) {
    let recovery = federation.path("recovery.key");
    federation.done(&["db", "recovery-key", "--out", &recovery]);
    assert_eq!(fs::metadata(&recovery).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(federation.run(&["db", "recovery-key", "--out", &recovery]).code, Some(2));
    federation.start();
    federation.publish();

    let acknowledged = backups_under_load(federation);
    let quiet = federation.backup("coordinator", "coordinator.quiet");
    no_seed_is_in(federation);
    wrong_backups_are_refused(federation);

    // A running role, then one that has newer data.
    let old = federation.path("coordinator.backup");
    let running = federation.db("restore", "coordinator", &["--from", &old, "--force", "--yes"]);
    assert_eq!(running.code, Some(3), "{}", running.words);
    assert!(running.words.contains("in use"), "{}", running.words);
    federation.stop();
    for (arguments, said) in
        [(&["--from", &old][..], "--force --yes"), (&["--from", &old, "--force"], "--yes")]
    {
        let refused = federation.db("restore", "coordinator", arguments);
        assert_eq!(refused.code, Some(3), "{}", refused.words);
        assert!(
            refused.words.contains("records in the log: ") && refused.words.contains(said),
            "{}",
            refused.words
        );
    }

    let restored = federation.db("restore", "coordinator", &["--from", &old, "--force", "--yes"]);
    assert_eq!(restored.code, Some(0), "{}", restored.words);
    assert_eq!(restored.json["kept"].is_string(), is_sqlite);
    let status = federation.db("status", "coordinator", &[]);
    assert_eq!(status.code, Some(0), "{}", status.words);
    assert_eq!(status.json["sizes"], manifest(&old)["sizes"]);
    assert_eq!(status.json["tables"], manifest(&old)["tables"]);
    assert!(status.json["sizes"]["log"].as_u64().unwrap() >= acknowledged as u64, "{}", status.words);

    // The last state again: it holds more, so nothing is lost, and the federation goes on as if nothing had happened.
    let restored = federation.db("restore", "coordinator", &["--from", &quiet]);
    assert_eq!(restored.code, Some(0), "{}", restored.words);
    federation.start();
    let known = federation.check(&codes()[0]);
    assert_eq!(known.code, Some(0), "{}", known.words);
    assert!(known.words.contains("\"listed\""), "{}", known.words);
    federation.done(&["log", "verify", "--config", &federation.config("auditor-a")]);
    let doctor = federation.done(&["doctor", &federation.path("")]);
    assert_eq!(doctor["bad"], 0, "{doctor}");
    federation.stop();

    the_custodian_and_a_holder_come_back(federation);
}

/// Backs up all roles while questions are asked; gives how many were answered before the first backup.
fn backups_under_load(federation: &Federation) -> usize {
    let (answered, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let wait_for = |count: usize| {
        while answered.load(Ordering::Relaxed) < count {
            assert!(!is_over.load(Ordering::Relaxed), "a question was not answered");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for code in codes().iter().cycle() {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let done = federation.check(code);
                if done.code != Some(0) {
                    is_over.store(true, Ordering::Relaxed);
                    eprintln!("{}", done.words);
                    return;
                }
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
        wait_for(ANSWERS);
        let before = answered.load(Ordering::Relaxed);
        for (member, _) in ROLES {
            let file = federation.backup(member, &format!("{member}.backup"));
            for path in [file.clone(), format!("{file}.json")] {
                assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
            }
            let status = federation.db("status", member, &[]);
            assert_eq!(status.code, Some(0), "{}", status.words);
            assert_eq!(status.json["well"], true);
            assert_eq!(federation.db("migrate", member, &["--dry-run"]).code, Some(0));
        }
        wait_for(answered.load(Ordering::Relaxed) + ANSWERS);
        is_over.store(true, Ordering::Relaxed);
        let answers = &manifest(&federation.path("procurement.backup"))["tables"]["requester_answer"];
        assert!(answers.as_u64().unwrap() >= before as u64, "{answers}");
        before
    })
}

/// Looks through every file that the backups made, as bytes, hexadecimal and base64.
fn no_seed_is_in(federation: &Federation) {
    let seed = fs::read_to_string(federation.path("keys/custodian-pseudonym-1.seed")).unwrap();
    let seed = hex::decode(seed.trim()).unwrap();
    let digits = hex::encode(&seed);
    let shapes = [
        seed.clone(),
        digits.clone().into_bytes(),
        digits.to_uppercase().into_bytes(),
        STANDARD.encode(&seed).trim_end_matches('=').as_bytes().to_vec(),
    ];
    let mut files = 0;
    for (member, _) in ROLES {
        for end in ["backup", "backup.json"] {
            let bytes = fs::read(federation.path(&format!("{member}.{end}"))).unwrap();
            for shape in &shapes {
                assert!(!bytes.windows(shape.len()).any(|it| it == shape), "{member}.{end} has the seed");
            }
            files += 1;
        }
    }
    assert_eq!(files, 2 * ROLES.len());
    assert_eq!(manifest(&federation.path("custodian.backup"))["sealed_seeds"][0]["epoch"], 1);
    // It could be in there only unsealed: without a key there is no backup of a custodian.
    let refused = federation.db("backup", "custodian", &["--out", &federation.path("open.backup")]);
    assert_eq!(refused.code, Some(2), "{}", refused.words);
    assert!(!Path::new(&federation.path("open.backup")).exists());
    // Nor is one written over another.
    let refused = federation.db("backup", "court", &["--out", &federation.path("court.backup")]);
    assert_eq!(refused.code, Some(2), "{}", refused.words);
}

fn wrong_backups_are_refused(federation: &Federation) {
    let force = ["--force", "--yes"];
    let restore = |member: &str, from: &str| {
        federation.db("restore", member, &[&["--from", from], &force[..]].concat())
    };
    for (member, of, what) in [("coordinator", "custodian", "role"), ("court", "procurement", "member")] {
        let refused = restore(member, &federation.path(&format!("{of}.backup")));
        assert_eq!(refused.code, Some(2), "{}", refused.words);
        assert!(refused.words.contains(&format!("another {what}")), "{}", refused.words);
    }
    let (whole, changed) = (federation.path("court.backup"), federation.path("changed"));
    duplicate(&whole, &changed);
    let text = fs::read_to_string(format!("{changed}.json")).unwrap();
    fs::write(format!("{changed}.json"), text.replace("\"court\"", "\"covrt\"")).unwrap();
    let refused = restore("court", &changed);
    assert_eq!(refused.code, Some(1), "{}", refused.words);
    assert!(refused.words.contains("was changed"), "{}", refused.words);
    fs::remove_file(format!("{changed}.json")).unwrap();
    assert_eq!(restore("court", &changed).code, Some(1));
}

fn the_custodian_and_a_holder_come_back(federation: &mut Federation) {
    // Bytes that are not the ones backed up, in a file of the right length.
    let (court, changed) = (federation.path("court.backup"), federation.path("flipped"));
    duplicate(&court, &changed);
    flip(&changed, usize::try_from(fs::metadata(&changed).unwrap().len() / 2).unwrap());
    let before = federation.db("status", "court", &[]).json;
    let refused = federation.db("restore", "court", &["--from", &changed, "--force", "--yes"]);
    assert_eq!(refused.code, Some(1), "{}", refused.words);
    assert!(refused.words.contains("not the ones that were backed up"), "{}", refused.words);
    assert_eq!(federation.db("status", "court", &[]).json["tables"], before["tables"]);
    let restored = federation.db("restore", "court", &["--from", &court, "--force", "--yes"]);
    assert_eq!(restored.code, Some(0), "{}", restored.words);

    // The custodian lost its seed: only the right recovery key brings it back.
    let (seed, other) = (federation.path("keys/custodian-pseudonym-1.seed"), federation.path("other.key"));
    let lost = fs::read(&seed).unwrap();
    fs::remove_file(&seed).unwrap();
    federation.done(&["db", "recovery-key", "--out", &other]);
    let from = federation.path("custodian.backup");
    let restore = |more: &[&str]| {
        federation.db("restore", "custodian", &[&["--from", &from, "--force", "--yes"], more].concat())
    };
    for more in
        [&[][..], &["--recovery-key", &other], &["--recovery-key", &federation.path("recovery.key.pub")]]
    {
        let refused = restore(more);
        assert_eq!(refused.code, Some(2), "{}", refused.words);
        assert!(!Path::new(&seed).exists());
    }
    let restored = restore(&["--recovery-key", &federation.path("recovery.key")]);
    assert_eq!(restored.code, Some(0), "{}", restored.words);
    assert_eq!(fs::read(&seed).unwrap(), lost);
    assert_eq!(fs::metadata(&seed).unwrap().permissions().mode() & 0o777, 0o600);
    for member in ["custodian", "court"] {
        assert_eq!(federation.db("status", member, &[]).json["tables"]["witness_restored"], 1, "{member}");
    }
    // The custodian proves at its start that its seed gives the pseudonym keys of the registry. Both answer nothing
    // before they have caught up, two minutes after the restore.
    federation.start();
    let early = federation.check(&codes()[0]);
    assert!(early.code != Some(0) || !early.words.contains("\"listed\""), "{}", early.words);
    federation.stop();
}

#[test]
fn a_database_of_a_newer_program_or_a_damaged_one_is_named_and_left_alone() {
    let federation = Federation::found(|_, _| None);
    let missing = federation.db("status", "court", &[]);
    assert_eq!(missing.code, Some(1), "{}", missing.words);
    assert!(federation.db("migrate", "court", &["--dry-run"]).json["new"].as_bool().unwrap());
    assert_eq!(federation.db("status", "court", &[]).code, Some(1), "a dry run made it");
    assert_eq!(federation.db("migrate", "court", &[]).code, Some(0));
    assert_eq!(federation.db("migrate", "court", &[]).json["applied"], false);
    let fresh = federation.backup("court", "fresh");

    let database = federation.path("data/court.db");
    execute(
        &database,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', 1, x'00', 0)",
    );
    let status = federation.db("status", "court", &[]);
    assert_eq!(
        (status.code, &status.json["schema"]["unknown"][0]),
        (Some(1), &9999.into()),
        "{}",
        status.words
    );
    for (command, more) in [("migrate", vec![]), ("backup", vec!["--out", "never"])] {
        let refused = federation.db(command, "court", &more);
        assert_eq!(refused.code, Some(3), "{}", refused.words);
        assert!(refused.words.contains("newer than this program"), "{}", refused.words);
    }

    // What cannot be read is put aside, on demand only.
    fs::write(&database, [7; 8192]).unwrap();
    let status = federation.db("status", "court", &[]);
    assert_eq!(status.code, Some(1), "{}", status.words);
    assert!(status.words.contains("damaged"), "{}", status.words);
    assert_eq!(federation.db("restore", "court", &["--from", &fresh]).code, Some(3));
    let restored = federation.db("restore", "court", &["--from", &fresh, "--force", "--yes"]);
    assert_eq!(restored.code, Some(0), "{}", restored.words);
    assert_eq!(fs::read(restored.json["kept"].as_str().unwrap()).unwrap(), [7; 8192]);
    assert_eq!(federation.db("status", "court", &[]).code, Some(0));
    let left: Vec<_> = fs::read_dir(federation.path("data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains("restoring"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_frozen_member_shows_its_evidence_hands_it_out_and_forgets_it_only_when_told_to() {
    let federation = Federation::found(|_, _| None);
    let (config, file) = (federation.config("court"), federation.path("fork"));
    let evidence = |command: &str, more: &[&str]| {
        federation.run(&[&["log", "evidence", command, "--config", &config], more].concat())
    };
    assert_eq!(evidence("show", &[]).code, Some(1), "there is no database yet");
    federation.done(&["db", "migrate", "--config", &config]);
    assert_eq!(evidence("show", &[]).json["frozen"], false);
    assert_eq!(evidence("export", &["--out", &file]).code, Some(1));

    // What a member keeps when the log's key signed two roots of one size.
    let seed =
        hex::decode(fs::read(federation.path("keys/coordinator-log.seed")).unwrap().trim_ascii()).unwrap();
    let log = NoteSigner::new("coordinator/log", SigningKey::from_seed(&seed.try_into().unwrap())).unwrap();
    let note = |root| {
        let head = Checkpoint { origin: "coordinator/log".to_owned(), size: 9, root: [root; 32] };
        hex::encode(head.sign(&log).unwrap().note())
    };
    let database = federation.path("data/court.db");
    execute(
        &database,
        format!("INSERT INTO witness_freeze VALUES (1, x'{}', x'{}', NULL, 1790000000000)", note(1), note(2)),
    );
    let shown = evidence("show", &[]);
    assert_eq!((&shown.json["frozen"], &shown.json["fork"]), (&true.into(), &true.into()), "{}", shown.words);
    assert_eq!(evidence("export", &["--out", &file]).code, Some(0));
    assert_eq!(evidence("export", &["--out", &file]).code, Some(2), "it is there already");
    let vkey = log.verifier().to_string();
    let proven = federation.done(&["log", "evidence", "verify", &file, "--vkey", &vkey]);
    assert_eq!((&proven["forked"], &proven["size"]), (&true.into(), &9.into()));

    assert_eq!(evidence("clear", &[]).code, Some(2));
    assert_eq!(evidence("show", &[]).json["frozen"], true);
    let cleared = evidence("clear", &["--yes"]);
    assert_eq!((cleared.code, &cleared.json["cleared"]), (Some(0), &true.into()), "{}", cleared.words);
    assert_eq!(evidence("show", &[]).json["frozen"], false);
    assert_eq!(evidence("clear", &["--yes"]).json["cleared"], false);
    let coordinator = ["log", "evidence", "show", "--config", &federation.config("coordinator")];
    assert_eq!(federation.run(&coordinator).code, Some(2), "the coordinator is no witness");
}

fn execute(database: &str, sql: impl Into<String>) {
    let sql = AssertSqlSafe(sql.into());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        sqlx::any::install_default_drivers();
        let mut conn = AnyConnection::connect(&format!("sqlite:{database}")).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    });
}
