//! An old backup of the coordinator's database, put back: the log would then say less than was witnessed of it, and
//! everything after the backup would be said to have never happened.

use std::{
    fs,
    time::{Duration, Instant},
};

use tacit_client::ClientError;
use tacit_model::{Reason, entropy::os_rng};

use crate::{
    load::{ask_once, authority, gateway, pseudonym, terms},
    support::{self, Federation, PATIENCE, codes},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_old_backup_is_noticed_before_anything_is_written() {
    let codes = codes(4);
    let mut federation = Federation::with_list(&codes);
    let portal = authority(&federation).await;
    let subject = pseudonym(&portal, &codes[0]).await;
    let mut client = gateway(&federation);
    ask_once(&mut client, &codes[0], "T-3", true).await.unwrap();
    let (database, backup) = (federation.database("coordinator"), federation.folder().join("backup.db"));
    let newest = federation.folder().join("newest.db");
    // In order, so that everything is in the one file.
    federation.stop("coordinator");
    fs::copy(&database, &backup).unwrap();
    federation.start("coordinator");
    let consent = grant(&portal, subject).await;
    portal.withdraw(consent).await.unwrap();
    ask_once(&mut client, &codes[1], "T-3", false).await.unwrap();
    let verified = federation.verify_log();
    // Witnesses follow at once; what none of them saw cannot be missed.
    tokio::time::sleep(Duration::from_secs(2)).await;

    federation.stop("coordinator");
    fs::copy(&database, &newest).unwrap();
    fs::copy(&backup, &database).unwrap();
    // It either does not start, or starts sealed.
    if federation.start_as("coordinator", "coordinator", &[]).is_ok() {
        let begun = Instant::now();
        loop {
            match portal.grant_under(terms(), subject, &mut os_rng()).await {
                Ok(_) => panic!("a restored old log went on: {}", federation.log_of("coordinator")),
                Err(ClientError::NoAnswer { reason: Reason::LogSealed, .. }) => break,
                // It waits for its witnesses, or ended.
                Err(_) if !federation.runs("coordinator") => break,
                Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
            }
        }
        assert!(ask_once(&mut client, &codes[0], "T-3", true).await.is_none(), "answered by a sealed log");
        federation.kill("coordinator");
        // Sealed once is sealed until somebody mends it.
        let again = federation.start_as("coordinator", "coordinator", &[]);
        assert!(again.is_err(), "a sealed log was served again");
    }
    let log = federation.log_of("coordinator");
    for words in ["sealed", "rolled back", "restore the newest copy"] {
        assert!(log.contains(words), "the operator is not told {words:?}: {log}");
    }

    fs::copy(&newest, &database).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(database.with_extension(format!("db{suffix}")));
    }
    federation.start("coordinator");
    let begun = Instant::now();
    while ask_once(&mut client, &codes[0], "T-3", true).await.is_none() {
        assert!(
            begun.elapsed() < PATIENCE,
            "the newest copy is not served: {}",
            federation.log_of("coordinator")
        );
    }
    let after = federation.verify_log();
    assert!(after["size"].as_u64() > verified["size"].as_u64());
    support::report("an old backup of the coordinator restored", 1, "sealed before anything was appended");
}

/// A consent; right after a start the coordinator may still be waiting for its witnesses.
async fn grant(
    portal: &tacit_client::ConsentAuthority,
    subject: tacit_client::Pseudonym,
) -> tacit_model::Ulid {
    let begun = Instant::now();
    loop {
        match portal.grant_under(terms(), subject, &mut os_rng()).await {
            Ok(granted) => return granted.id,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
        }
    }
}
