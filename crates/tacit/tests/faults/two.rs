//! Two coordinators on one SQLite file. Witnesses watch the log at one address, and a coordinator appends nothing
//! until they confirmed its log: so the second one stands by, and says why. (On PostgreSQL replicas share what their
//! witnesses confirmed, and all of them append.)

use std::{path::Path, sync::Arc};

use tacit_client::{ClientError, ConsentAuthority, Deadlines};
use tacit_federation::{
    config::{AuthorityFile, Environment, RoleFile as _},
    connect,
};
use tacit_model::{Clock, Reason, SystemClock, entropy::os_rng};

use crate::{
    load::{Acknowledged, Load, auditor, authority, pseudonym, terms},
    support::{self, Federation, codes},
};

/// Longer than a coordinator waits for its witnesses.
const DEADLINES: Deadlines = Deadlines { call_ms: 15_000, patience_ms: 16_000 };

/// The consent authority, as a caller of the coordinator at another address.
async fn authority_at(federation: &Federation, address: &str) -> ConsentAuthority {
    let path = federation.file("portal.toml");
    let mut file = AuthorityFile::load(Path::new(&path), Environment::Ignored).unwrap();
    file.coordinator.endpoint = format!("https://{address}");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    connect::authority(&file, &clock, DEADLINES).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_coordinator_on_one_sqlite_file_appends_nothing_and_does_no_harm() {
    let codes = codes(60);
    let mut federation = Federation::with_list(&codes);
    let address = federation.spare_address(0);
    let more = [("TACIT_LISTEN", address.clone()), ("TACIT_METRICS", federation.spare_address(1))];
    federation.start_as("coordinator-2", "coordinator", &more).unwrap();
    let subject = pseudonym(&authority(&federation).await, &codes[0]).await;
    let second = authority_at(&federation, &address).await;

    let load = Load::start(&federation, &codes).await;
    let refused = second.grant_under(terms(), subject, &mut os_rng()).await;
    assert!(
        matches!(&refused, Err(ClientError::NoAnswer { reason: Reason::QuorumStale, .. })),
        "the second one appended, or did not say why not: {refused:?}"
    );
    let path = load.path.clone();
    assert_eq!(load.wrong(), 0, "a wrong answer");
    load.end().await;
    federation.kill("coordinator-2");

    let acknowledged = Acknowledged::read(&path);
    assert!(
        !acknowledged.answers.is_empty() && !acknowledged.changes.is_empty(),
        "the first one was at work"
    );
    let log = auditor(&federation);
    let size = log.checkpoint().await.unwrap().size();
    let mut ids = Vec::new();
    log.entries(0, size, |entry| -> Result<(), ClientError> {
        ids.push(entry.record.unwrap().id().to_owned());
        Ok(())
    })
    .await
    .unwrap();
    let at = |index: u64| ids.get(usize::try_from(index).unwrap()).cloned();
    for answer in &acknowledged.answers {
        assert_eq!(at(answer.index), Some(answer.record.clone()));
    }
    for change in &acknowledged.changes {
        assert_eq!(at(change.index), Some(change.record.clone()));
    }
    federation.verify_log();
    support::report(
        "a second coordinator on one SQLite file, under load",
        1,
        "it appended nothing and said `quorum_stale`; the first lost nothing",
    );
}
