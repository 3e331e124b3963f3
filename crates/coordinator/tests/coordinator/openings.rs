//! The commitments of records open with what is kept beside the log, and with nothing else.

use sqlx::Row;
use tacit_blind::{check::verify_binding, commit, group::Point};
use tacit_coordinator::opening::{Link, NotOpened, Opening, open};
use tacit_ledger::{merkle::leaf_hash, record::Record};
use tacit_model::{Basis, entropy};
use tacit_store::Db;

use crate::support::*;

/// An opening of a check's record, with its body also when the record is not the first of its check.
pub(crate) struct Opened {
    pub(crate) link: Link,
    pub(crate) salt_evidence: [u8; 32],
    pub(crate) blinded_subject: [u8; 32],
    pub(crate) register_hash: [u8; 32],
    pub(crate) request: [u8; 32],
    pub(crate) position: usize,
    pub(crate) proof: [u8; 64],
    pub(crate) context: Vec<u8>,
    pub(crate) exact: String,
    pub(crate) rules: String,
    pub(crate) agreement: String,
}

async fn sealed(db: &Db, index: u64) -> (Vec<u8>, Vec<u8>, [u8; 32]) {
    let mut conn = db.read().await.unwrap();
    let row = sqlx::query(
        "SELECT o.sealed, s.pseudonym, c.opening_key FROM opening o JOIN chain c ON c.subject = o.subject \
         JOIN subject s ON s.number = o.subject WHERE o.log_index = $1",
    )
    .bind(i64::try_from(index).unwrap())
    .fetch_one(&mut *conn)
    .await
    .unwrap();
    let key: Vec<u8> = row.get(2);
    (row.get(0), row.get(1), key.try_into().unwrap())
}

pub(crate) async fn opening(world: &World, index: u64) -> Opened {
    opening_in(&world.db().await, index).await
}

pub(crate) async fn opening_in(db: &Db, index: u64) -> Opened {
    let (mut bytes, _, key) = sealed(db, index).await;
    let Opening::Check(item) = open(&mut bytes, &key, index).unwrap() else { panic!("of a check") };
    let (mut first, _, _) = sealed(db, index - u64::from(item.item)).await;
    let Opening::Check(with_body) = open(&mut first, &key, index - u64::from(item.item)).unwrap() else {
        panic!("of a check")
    };
    let body = with_body.check.unwrap();
    let mut conn = db.read().await.unwrap();
    let rules = sqlx::query("SELECT rules FROM rule_set WHERE hash = $1")
        .bind(item.rules.as_slice())
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    Opened {
        link: item.link,
        salt_evidence: item.salt_evidence,
        blinded_subject: body.blinded_subject,
        register_hash: body.register_hash,
        request: body.request,
        position: usize::from(body.position),
        proof: body.proof.0.try_into().unwrap(),
        context: body.context.0.to_vec(),
        exact: item.exact.to_owned(),
        rules: rules.get(0),
        agreement: item.agreement.to_owned(),
    }
}

/// The stored hashes and signature of a request.
async fn request(world: &World, hash: &[u8; 32]) -> (Vec<[u8; 32]>, [u8; 64]) {
    let db = world.db().await;
    let mut conn = db.read().await.unwrap();
    let row = sqlx::query("SELECT check_hashes, signature FROM request WHERE request_hash = $1")
        .bind(hash.as_slice())
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    let (hashes, signature): (Vec<u8>, Vec<u8>) = (row.get(0), row.get(1));
    (hashes.as_chunks::<32>().0.to_vec(), signature.try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_with_the_opening_can_prove_who_asked_what_about_whom() {
    let world = World::new();
    let running = world.start_with_lists().await;
    let mut requester = Requester::new(&world, &running, "procurement").await;
    let enrolled = requester.enroll(0, 3).await;
    let drafts = enrolled.iter().map(|of| {
        let basis = Basis::Agreement(ulid(COURT));
        (requester.draft_of(&[LISTS[0], LISTS[2]], basis), of)
    });
    let drafts = drafts.collect::<Vec<_>>();
    let checks = requester.prove(drafts);
    let answer = requester.authorize(&checks).await;
    for (place, record) in records(&answer).iter().enumerate() {
        let of = &enrolled[place / 2];
        let opened = opening(&world, record.index()).await;
        let (hashes, signature) = request(&world, &opened.request).await;
        let (subject, evidence) = match record.record() {
            Record::Access(access) => (access.subject, access.evidence),
            Record::Refused(refused) => (refused.subject, refused.evidence),
            other => panic!("{}", other.kind()),
        };
        let (link, pseudonym) = (&opened.link, of.pseudonym());
        assert_eq!(commit::subject(&link.salt, pseudonym, link.sequence, &link.previous), subject);
        let shown = commit::Evidence {
            pseudonym,
            blinded_subject: &opened.blinded_subject,
            context: &opened.context,
            proof: &opened.proof,
            register_hash: &opened.register_hash,
            signature: &signature,
        };
        assert_eq!(commit::evidence(&opened.salt_evidence, &shown), Ok(evidence));
        // What opens is the requester's own proof, signed by it.
        let ph = Point::decode(&opened.blinded_subject).unwrap();
        let rng = &mut entropy::os_rng();
        let context = verify_binding(&opened.context, pseudonym, &ph, &opened.proof, rng).unwrap();
        assert_eq!(context, *checks[place / 2].context());
        assert_eq!(hashes[opened.position], checks[place / 2].hash());
        let key = requester.signing.verifying_key();
        tacit_blind::check::verify_signature(key.as_bytes(), &hashes, &signature).unwrap();
        // And why: the first item is permitted, the second has no agreement of that name.
        if place % 2 == 0 {
            assert_eq!((opened.exact.as_str(), opened.agreement), ("", ulid(COURT).to_string()));
            assert!(
                opened.rules.contains("agreement-covers-purpose quota-")
                    || opened.rules.contains("quota-checks")
            );
        } else {
            assert_eq!(opened.exact, "basis_other_agreement");
            assert_eq!((opened.rules.as_str(), opened.agreement.as_str()), ("agreement-exists", ""));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chain_of_a_pseudonym_has_no_gap_in_whatever_order_its_records_came() {
    let world = World::new();
    let running = world.start_with_lists().await;
    let mut requester = Requester::new(&world, &running, "procurement").await;
    let enrolled = requester.enroll(0, 2).await;
    let of = &enrolled[0];
    // A permit and a refusal inside one check, twice the same subject in one request, a consent, a stale check.
    let basis = Basis::Agreement(ulid(COURT));
    let two_holders = |requester: &mut Requester| requester.draft_of(&[LISTS[0], LISTS[2]], basis);
    let drafts = vec![
        (two_holders(&mut requester), of),
        (two_holders(&mut requester), &enrolled[1]),
        (two_holders(&mut requester), of),
    ];
    let checks = requester.prove(drafts);
    requester.authorize(&checks).await;
    let portal = crate::consents::Portal::new(&world, &running).await;
    portal.put(&portal.consent(9, of.pseudonym())).await.unwrap();
    let mut stale = requester.draft(LISTS[0], COURT);
    stale.timestamp.0 -= 60_000;
    let checks = requester.prove(vec![(stale, of)]);
    requester.authorize(&checks).await;
    requester.ask(LISTS[0], COURT, of).await.unwrap();

    let db = world.db().await;
    let mut conn = db.read().await.unwrap();
    let head = sqlx::query(
        "SELECT c.sequence, c.leaf, c.last_index, c.opening_key FROM chain c \
         JOIN subject s ON s.number = c.subject WHERE s.pseudonym = $1",
    )
    .bind(of.pseudonym().as_slice())
    .fetch_one(&mut *conn)
    .await
    .unwrap();
    let (mut sequence, mut leaf): (i64, Vec<u8>) = (head.get(0), head.get(1));
    let (last, key): (i64, Vec<u8>) = (head.get(2), head.get(3));
    assert_eq!(sequence, 7);
    let log = entries(&world, &running).await;
    let mut next = Some(u64::try_from(last).unwrap());
    let mut kinds = Vec::new();
    while let Some(index) = next {
        let record = &log[usize::try_from(index).unwrap()];
        assert_eq!(leaf_hash(&record.to_bytes().unwrap()).to_vec(), leaf, "record {index}");
        let (mut bytes, pseudonym, _) = sealed(&db, index).await;
        assert_eq!(pseudonym, of.pseudonym());
        let (link, subject) =
            match (open(&mut bytes, key.as_slice().try_into().unwrap(), index).unwrap(), record) {
                (Opening::Check(opening), Record::Access(access)) => (opening.link, access.subject),
                (Opening::Check(opening), Record::Refused(refused)) => (opening.link, refused.subject),
                (Opening::Consent(opening), Record::Consent(consent)) => (opening.link, consent.subject),
                (_, other) => panic!("the opening of a {} is of another kind", other.kind()),
            };
        sequence -= 1;
        assert_eq!(i64::try_from(link.sequence).unwrap(), sequence);
        assert_eq!(commit::subject(&link.salt, of.pseudonym(), link.sequence, &link.previous), subject);
        leaf = link.previous.to_vec();
        next = link.previous_index;
        kinds.push(record.kind());
    }
    assert_eq!((sequence, leaf), (0, vec![0; 32]), "the chain begins with zeros");
    kinds.reverse();
    assert_eq!(kinds, ["access", "refused", "access", "refused", "consent", "refused", "access"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openings_are_gone_with_their_key_and_the_chain_goes_on() {
    let world = World::new();
    let running = world.start_with_lists().await;
    let mut requester = Requester::new(&world, &running, "procurement").await;
    let enrolled = requester.enroll(0, 1).await;
    requester.ask(LISTS[0], COURT, &enrolled[0]).await.unwrap();
    let index = u64::try_from(entries(&world, &running).await.len()).unwrap() - 1;
    let db = world.db().await;
    let (mut bytes, _, key) = sealed(&db, index).await;
    assert_eq!(open(&mut bytes.clone(), &[0; 32], index), Err(NotOpened));
    assert!(open(&mut bytes.clone(), &key, index).is_ok());
    // An erasure destroys the key; it does not come back with the next record.
    let portal = crate::subjects::chains(&world, &running).await;
    portal.erase(enrolled[0].pseudonym(), "unlawful").await.unwrap();
    requester.ask(LISTS[0], COURT, &enrolled[0]).await.unwrap();
    let mut conn = db.read().await.unwrap();
    let row = sqlx::query("SELECT opening_key, sequence FROM chain").fetch_one(&mut *conn).await.unwrap();
    let next: Vec<u8> = row.get(0);
    assert_ne!(next, key);
    assert_eq!(open(&mut bytes, next.as_slice().try_into().unwrap(), index), Err(NotOpened));
    assert_eq!(row.get::<i64, _>(1), 3);
    let openings = sqlx::query("SELECT COUNT(*) FROM opening").fetch_one(&mut *conn).await.unwrap();
    assert_eq!(openings.get::<i64, _>(0), 2, "the erasure's own, and that of what followed it");
}
