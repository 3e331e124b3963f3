//! Consents of users: what was done here, what the readings bring, and what an erasure leaves.

use tacit_client::{ChainEntry, Details, EntryProof, TermsProof};
use tacit_ledger::record::{self, ListAt, Record};
use tacit_model::{Basis, MemberId, SubjectCode, Ulid, entropy::seeded_rng};
use tacit_policy::{Consent, ConsentRequest, ConsentState, SignedConsent, SignedRequest};
use tacit_store::conformance;

use super::{NOW, World, entry, member, pseudonym, registry};
use crate::{
    consents::{OwnChange, Shown, Story, stories},
    index::What,
    redress::Logged,
};

const DAY: u64 = 86_400_000;

fn consent(id: u128, requester: &str, code: &SubjectCode) -> Consent {
    let requester = member(requester);
    Consent {
        id: Ulid::from_parts(NOW.0, id),
        authority: member("portal"),
        pseudonym: pseudonym(&requester, code),
        requester,
        epoch: 1,
        lists: vec!["court/defaulters".parse().unwrap()],
        purposes: vec!["screening".parse().unwrap()],
        not_before: NOW,
        expires: NOW.plus_ms(30 * DAY),
        frequency: "4 MONTH".parse().unwrap(),
        notice: [7; 32],
    }
}

fn text(consent: &Consent) -> String {
    String::from_utf8(consent.to_bytes().unwrap()).unwrap()
}

fn request(id: u128, requester: &str, code: &SubjectCode) -> ConsentRequest {
    let Consent {
        id,
        authority,
        requester,
        pseudonym,
        epoch,
        lists,
        purposes,
        not_before,
        expires,
        frequency,
        ..
    } = consent(id, requester, code);
    ConsentRequest {
        id,
        authority,
        requester,
        pseudonym,
        epoch,
        lists,
        purposes,
        not_before,
        expires,
        frequency,
    }
}

/// A change as it stands in a chain.
fn told(
    sequence: u64,
    state: ConsentState,
    number: u64,
    requester: &MemberId,
    terms: TermsProof,
) -> ChainEntry {
    let record: Record = record::Consent {
        id: Ulid::from_parts(NOW.0 + sequence, u128::from(sequence)).to_string(),
        time_ms: NOW.0 + sequence,
        authority: "portal".to_owned(),
        requester: requester.to_string(),
        state: state.as_str().to_owned(),
        terms: [2; 32],
        subject: [3; 32],
    }
    .into();
    let proof = EntryProof {
        terms: Some(terms.clone()),
        record: record.to_bytes().unwrap().into(),
        ..*entry(0, false).proof
    };
    let details = match (Consent::parse(&terms.text), ConsentRequest::parse(&terms.text)) {
        (Ok(consent), _) => Details::Consent { consent: Box::new(consent), number },
        (_, request) => Details::Request { request: Box::new(request.unwrap()), number },
    };
    ChainEntry { sequence, index: 100 + sequence, record, details, proof: Box::new(proof) }
}

fn told_consent(
    sequence: u64,
    state: ConsentState,
    number: u64,
    consent: &Consent,
    signer: &str,
) -> ChainEntry {
    let signed = SignedConsent::sign(consent.clone(), &registry::key(signer)).unwrap();
    let terms =
        TermsProof { text: signed.bytes().to_vec().into(), signature: *signed.signature(), salt: [6; 32] };
    told(sequence, state, number, &consent.requester, terms)
}

fn told_request(sequence: u64, request: &ConsentRequest, signer: &str) -> ChainEntry {
    let signed = SignedRequest::sign(request.clone(), &registry::key(signer)).unwrap();
    let terms =
        TermsProof { text: signed.bytes().to_vec().into(), signature: *signed.signature(), salt: [6; 32] };
    told(sequence, ConsentState::Requested, 0, &request.requester, terms)
}

/// A permitted check of one holder under a consent.
fn told_check(sequence: u64, holder: &str, matter: u8, basis: Ulid) -> ChainEntry {
    let record: Record = record::Access {
        id: Ulid::from_parts(NOW.0 + sequence, u128::from(sequence)).to_string(),
        time_ms: NOW.0 + sequence,
        requester: "procurement".to_owned(),
        holder: holder.to_owned(),
        lists: vec![ListAt { list: format!("{holder}/defaulters"), epoch: 1, version: 1 }],
        purpose: "screening".to_owned(),
        registry: [1; 32],
        query: [2; 32],
        matter: [matter; 32],
        cnf: [3; 32],
        expires_ms: NOW.0 + sequence + 60_000,
        subject: [3; 32],
        evidence: [4; 32],
    }
    .into();
    let details = Details::Check {
        exact: String::new(),
        rules: Vec::new(),
        agreement: String::new(),
        basis: Basis::Consent(basis),
    };
    let proof = EntryProof { record: record.to_bytes().unwrap().into(), ..*entry(0, false).proof };
    ChainEntry { sequence, index: 100 + sequence, record, details, proof: Box::new(proof) }
}

fn own(consent: &Consent, state: ConsentState, number: u64) -> OwnChange {
    OwnChange {
        id: consent.id,
        number,
        state,
        text: text(consent),
        signature: Vec::new(),
        asked: Some([5; 32]),
        shown: (number == 1).then(|| Shown { language: "en".to_owned(), text: "They may ask.".to_owned() }),
        sent_ms: NOW.0,
        logged: None,
        erased: false,
    }
}

fn logged(change: OwnChange, index: u64) -> OwnChange {
    let record = Ulid::from_parts(NOW.0, u128::from(index)).to_string();
    OwnChange { logged: Some(Logged { record, index, time_ms: NOW.0 + 5 }), ..change }
}

impl World {
    async fn keeps(&self, code: &SubjectCode, change: &OwnChange) {
        let user = self.users.rows.user(code);
        self.users.keep_change(&user, change, &mut seeded_rng([4; 32])).await.unwrap();
    }

    /// What is known of a user's consents, each told by `tell`.
    async fn known<T>(&self, code: &SubjectCode, tell: impl Fn(&Story<'_>) -> T) -> Vec<T> {
        let user = self.users.rows.user(code);
        let overview = self.users.overview(&user, NOW).await.unwrap();
        let kept = self.users.open(&overview, |fact| fact.what == What::Consent).await.unwrap();
        let own = self.users.own_changes(&user).await.unwrap();
        stories(&kept, &own, &overview.uses(), &registry::registry()).iter().map(tell).collect()
    }

    fn tells(&self, requester: &str, code: &SubjectCode, entries: Vec<ChainEntry>) {
        self.hub.with(|hub| hub.told.insert(pseudonym(&member(requester), code), entries));
    }

    async fn reads_later(&self, later_ms: u64) {
        self.hub.with(|hub| hub.later_ms = later_ms);
        self.read(1).await;
    }
}

/// State, number and proof of the newest change; what was sent and not confirmed; whether it allows checks now.
type Standing = (Option<(ConsentState, u64, String)>, Option<ConsentState>, bool);

fn standing(story: &Story<'_>) -> Standing {
    let last = story.last().map(|event| (event.state, event.number, event.proof.clone()));
    (last, story.unconfirmed.map(|change| change.state), story.allows(NOW.plus_ms(10)))
}

fn is(state: ConsentState, number: u64, proof: &str) -> Option<(ConsentState, u64, String)> {
    Some((state, number, proof.to_owned()))
}

#[tokio::test]
async fn what_was_done_here_shows_at_once_and_a_reading_proves_it_or_takes_it_back() {
    let world = World::new().await;
    let codes = world.enroll(2).await;
    let (first, second) = (consent(1, "procurement", &codes[0]), consent(2, "procurement", &codes[0]));
    // Sent, and no answer yet: nobody counts on it.
    world.keeps(&codes[0], &own(&first, ConsentState::Given, 1)).await;
    assert_eq!(world.known(&codes[0], standing).await, [(None, Some(ConsentState::Given), false)]);
    world.keeps(&codes[0], &logged(own(&first, ConsentState::Given, 1), 100)).await;
    assert_eq!(
        world.known(&codes[0], standing).await,
        [(is(ConsentState::Given, 1, "acknowledged"), None, true)]
    );
    // What is in the log stays so, also when the same was sent once more and its answer was lost.
    world.keeps(&codes[0], &own(&first, ConsentState::Given, 1)).await;
    assert_eq!(world.known(&codes[0], |it| it.last().map(|event| event.index)).await, [Some(100)]);
    world.keeps(&codes[0], &own(&first, ConsentState::Withdrawn, 2)).await;
    let sent = (is(ConsentState::Given, 1, "acknowledged"), Some(ConsentState::Withdrawn), true);
    assert_eq!(world.known(&codes[0], standing).await, [sent]);
    // Nothing of it is another user's.
    assert_eq!(world.known(&codes[1], standing).await, []);

    // The reading brings the first change with its proof; the second was not in the log long after it was sent.
    world.keeps(&codes[0], &own(&second, ConsentState::Given, 1)).await;
    world.tells("procurement", &codes[0], vec![told_consent(0, ConsentState::Given, 1, &first, "portal")]);
    world.reads_later(1000).await;
    let read = world.known(&codes[0], standing).await;
    let due = (is(ConsentState::Given, 1, "verified"), Some(ConsentState::Withdrawn), true);
    assert_eq!(read, [(None, Some(ConsentState::Given), false), due]);
    let shown = |it: &Story<'_>| it.shown.map(|shown| shown.text.clone());
    assert_eq!(world.known(&codes[0], shown).await[1].as_deref(), Some("They may ask."));
    world.reads_later(120_000).await;
    let read = world.known(&codes[0], standing).await;
    assert_eq!(read, [(is(ConsentState::Given, 1, "verified"), None, true)]);
    // Or it was.
    world.keeps(&codes[0], &own(&first, ConsentState::Withdrawn, 2)).await;
    let withdrawn = told_consent(1, ConsentState::Withdrawn, 2, &first, "portal");
    world.tells(
        "procurement",
        &codes[0],
        vec![told_consent(0, ConsentState::Given, 1, &first, "portal"), withdrawn],
    );
    world.reads_later(130_000).await;
    let read = world.known(&codes[0], standing).await;
    assert_eq!(read, [(is(ConsentState::Withdrawn, 2, "verified"), None, false)]);
    assert_eq!(world.known(&codes[0], |it| it.may_become(ConsentState::Resumed)).await, [false]);
}

#[tokio::test]
async fn a_change_that_was_refused_is_forgotten_and_one_in_the_log_is_not() {
    let world = World::new().await;
    let codes = world.enroll(1).await;
    let user = world.users.rows.user(&codes[0]);
    let consent = consent(1, "tax", &codes[0]);
    let given = logged(own(&consent, ConsentState::Given, 1), 100);
    let paused = own(&consent, ConsentState::Paused, 2);
    world.keeps(&codes[0], &given).await;
    world.keeps(&codes[0], &paused).await;
    for change in [&given, &paused] {
        world.users.take_back_change(&user, change).await.unwrap();
    }
    assert_eq!(
        world.known(&codes[0], standing).await,
        [(is(ConsentState::Given, 1, "acknowledged"), None, true)]
    );
}

#[tokio::test]
async fn a_request_waits_from_the_next_reading_on_if_its_requester_signed_it() {
    let world = World::new().await;
    let codes = world.enroll(1).await;
    let (asked, forged) = (request(1, "procurement", &codes[0]), request(2, "procurement", &codes[0]));
    let tell = |story: &Story<'_>| {
        let until = story.decide_by().unwrap();
        assert_eq!(until, NOW.plus_ms(30 * DAY), "it ends before thirty days after its record are over");
        let proof = story.last().unwrap().proof.clone();
        (story.id, story.is_open(NOW.plus_ms(10)), story.is_open(until), proof)
    };
    assert_eq!(world.known(&codes[0], tell).await, []);
    let entries = vec![told_request(0, &asked, "procurement"), told_request(1, &forged, "tax")];
    world.tells("procurement", &codes[0], entries);
    world.read(1).await;
    let unsigned = "NOT verified: the text is not signed by the party that it names".to_owned();
    assert_eq!(
        world.known(&codes[0], tell).await,
        [(forged.id, false, false, unsigned), (asked.id, true, false, "verified".to_owned())]
    );
    // A consent that the authority did not sign is none of its own either, and says so.
    let false_one = consent(3, "tax", &codes[0]);
    world.tells("tax", &codes[0], vec![told_consent(0, ConsentState::Given, 1, &false_one, "tax")]);
    world.read(2).await;
    let proofs = world.known(&codes[0], |it| it.last().unwrap().proof.starts_with("NOT")).await;
    assert_eq!(proofs, [true, true, false]);
}

#[tokio::test]
async fn a_check_of_several_holders_is_one_use_of_its_consent() {
    let world = World::new().await;
    let codes = world.enroll(1).await;
    let (used, other) = (consent(1, "procurement", &codes[0]), consent(2, "procurement", &codes[0]));
    let entries = vec![
        told_consent(0, ConsentState::Given, 1, &used, "portal"),
        told_consent(1, ConsentState::Given, 1, &other, "portal"),
        told_check(2, "court", 1, used.id),
        told_check(3, "tax", 1, used.id),
        told_check(4, "court", 2, used.id),
    ];
    world.tells("procurement", &codes[0], entries);
    world.read(1).await;
    let uses = |it: &Story<'_>| (it.id, it.uses, it.uses_complete);
    assert_eq!(world.known(&codes[0], uses).await, [(other.id, 0, true), (used.id, 2, true)]);
}

#[tokio::test]
async fn an_erasure_takes_what_is_dead_along_and_leaves_what_can_still_be_ended() {
    let world = World::new().await;
    let codes = world.enroll(1).await;
    let [lives, dead, elsewhere, read] =
        [(1, "procurement"), (2, "procurement"), (3, "tax"), (4, "procurement")]
            .map(|(id, requester)| consent(id, requester, &codes[0]));
    for (change, index) in [
        (own(&lives, ConsentState::Given, 1), 90),
        (own(&lives, ConsentState::Paused, 2), 91),
        (own(&dead, ConsentState::Given, 1), 92),
        (own(&dead, ConsentState::Withdrawn, 2), 93),
        (own(&elsewhere, ConsentState::Given, 1), 94),
    ] {
        world.keeps(&codes[0], &logged(change, index)).await;
    }
    let asked = request(5, "procurement", &codes[0]);
    world.tells(
        "procurement",
        &codes[0],
        vec![
            told_consent(0, ConsentState::Given, 1, &read, "portal"),
            told_request(1, &asked, "procurement"),
            told_check(2, "court", 1, read.id),
        ],
    );
    world.read(1).await;
    assert_eq!(world.known(&codes[0], |it| it.id).await.len(), 5);
    let about = pseudonym(&member("procurement"), &codes[0]);
    world.hub.with(|hub| {
        hub.told.remove(&about);
        (hub.records.insert(about, 4), hub.erased.insert(about, 3))
    });
    world.read(2).await;
    let left =
        world.known(&codes[0], |it| (it.id, it.last().map(|event| (event.state, event.proof.clone())))).await;
    let erased = |id, state| (id, Some((state, "erased".to_owned())));
    assert_eq!(
        left,
        [
            erased(asked.id, ConsentState::Requested),
            erased(read.id, ConsentState::Given),
            (elsewhere.id, Some((ConsentState::Given, "acknowledged".to_owned()))),
            erased(lives.id, ConsentState::Paused),
        ]
    );
    // A request is still its requester's own word, and uses that were erased are not said to be all.
    assert!(world.known(&codes[0], |it| it.is_open(NOW.plus_ms(10))).await[0]);
    let uses = world.known(&codes[0], |it| (it.uses, it.uses_complete)).await;
    assert_eq!(uses, [(0, false), (0, false), (0, true), (0, false)]);
    assert_eq!(world.stored(&codes[0]).await["procurement"], [3]);
}

#[tokio::test]
async fn the_store_holds_no_consent_in_the_clear() {
    let world = World::new().await;
    let codes = world.enroll(1).await;
    let consent = consent(1, "procurement", &codes[0]);
    world.keeps(&codes[0], &logged(own(&consent, ConsentState::Given, 1), 100)).await;
    assert_eq!(world.known(&codes[0], |it| it.id).await, [consent.id]);
    let record = Ulid::from_parts(NOW.0, 100).to_string();
    world.db.close().await;
    let contents = conformance::contents(world.folder.path(), "authority");
    let holds = |needle: &[u8]| contents.windows(needle.len()).any(|window| window == needle);
    assert!(holds(b"logged"), "what says nothing of whom is there");
    for needle in
        [consent.id.to_string().as_str(), &record, "procurement", "court/defaulters", "They may ask."]
    {
        assert!(!holds(needle.as_bytes()), "{needle}");
    }
    assert!(!holds(&consent.id.to_bytes()) && !holds(&consent.pseudonym));
}
