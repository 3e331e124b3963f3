//! Permits that are out end when they say, also when who is to answer them stood still meanwhile.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use sqlx::Row as _;
use tacit_client::{ClientError, LogReader};
use tacit_ledger::record::{Access, Record};
use tacit_model::{Clock as _, SystemClock};

use crate::{
    load::{ask_once, auditor, gateway},
    seen::open,
    support::{self, Federation, PATIENCE, codes, is_listed},
};

/// Who answers permits, and where it notes that it did.
const WHO: [(&str, &str); 2] = [
    ("court", "SELECT count(*) FROM used_permit WHERE id = $1"),
    ("custodian", "SELECT count(*) FROM permit_use WHERE permit = $1"),
];

fn signal(federation: &Federation, member: &str, name: &str) {
    let pid = federation.pid(member).to_string();
    assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
}

/// The first permit after so many records.
async fn permit_after(log: &LogReader, size: u64) -> Access {
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < PATIENCE, "no permit is made");
        let mut found = None;
        let newest = log.checkpoint().await.unwrap().size();
        log.entries(size, newest - size, |entry| -> Result<(), ClientError> {
            if let Record::Access(access) = entry.record.unwrap() {
                found.get_or_insert(access);
            }
            Ok(())
        })
        .await
        .unwrap();
        if let Some(found) = found {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_that_ended_while_who_answers_it_stood_still_is_not_answered() {
    let runs = support::runs(1, 5);
    let mut federation = Federation::found();
    // In a soak they live as long as they do in earnest.
    let short = [("TACIT_LIMITS__PERMIT_MS", "2000".to_owned())];
    let limits = if support::is_soak() { &[][..] } else { &short };
    federation.start_as("coordinator", "coordinator", limits).unwrap();
    for member in support::members().filter(|member| *member != "coordinator") {
        federation.start(member);
    }
    let codes = codes(10);
    federation.publish(&codes);
    let log = auditor(&federation);
    let (mut presented, mut lives) = (0, 0);
    for run in 0..runs {
        for (member, noted) in WHO {
            let place = run % codes.len();
            let mut client = gateway(&federation);
            // The subject is known from here on, and everybody connected.
            let (_, right) = ask_once(&mut client, &codes[place], "T-1", is_listed(place)).await.unwrap();
            assert!(right);
            let size = log.checkpoint().await.unwrap().size();
            signal(&federation, member, "-STOP");
            let (code, listed) = (codes[place].clone(), is_listed(place));
            let asking = tokio::spawn(async move { ask_once(&mut client, &code, "T-2", listed).await });
            let permit = permit_after(&log, size).await;
            lives = permit.expires_ms - permit.time_ms;
            assert!(lives <= 60_000, "a permit lives 60 s at most");
            let left = permit.expires_ms.saturating_sub(SystemClock.now().0) + 200;
            tokio::time::sleep(Duration::from_millis(left)).await;
            signal(&federation, member, "-CONT");
            // Asked anew, or given up: but not answered by this permit.
            if let Some((answered, right)) = asking.await.unwrap() {
                assert!(right);
                assert_ne!(answered.record, permit.id, "{member} answered a permit that had ended");
            }
            // It serves again, so whatever had waited for it is decided.
            let mut client = gateway(&federation);
            let begun = Instant::now();
            while ask_once(&mut client, &codes[place], "T-3", is_listed(place)).await.is_none() {
                assert!(begun.elapsed() < PATIENCE, "{member} does not answer again");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let mut database = open(&federation, member).await;
            let row = sqlx::query(noted).bind(&permit.id).fetch_one(&mut database).await.unwrap();
            assert_eq!(row.get::<i64, _>(0), 0, "{member} answered a permit that had ended");
            presented += 1;
        }
        support::progress(&format!("run {} of {runs}", run + 1));
    }
    federation.verify_log();
    let figures = format!(
        "{presented} permits of {lives} ms, presented to who stood still until they ended: 0 answered"
    );
    support::report("a permit presented after its end at holder and custodian", runs, &figures);
}
