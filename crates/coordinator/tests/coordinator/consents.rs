//! Consents: what they allow, how they end, and that their end is the end.

use std::time::Duration;

use tacit_blind::enroll::Enrolled;
use tacit_identity::Role;
use tacit_ledger::{ed25519::SigningKey, record::Record};
use tacit_model::Basis;
use tacit_policy::{Consent, ConsentState, Frequency, SignedChange, SignedConsent, StateChange, Unit};
use tacit_wire::coordinator::{
    self as pb, change_consent_state_response::Outcome as Changed,
    consent_service_client::ConsentServiceClient, put_consent_response::Outcome as Put,
    renew_consent_response::Outcome as Renewed,
};
use tonic::transport::Channel;

use crate::support::*;

/// A consent authority.
pub(crate) struct Portal {
    client: ConsentServiceClient<Channel>,
    key: SigningKey,
    name: String,
}

impl Portal {
    pub(crate) async fn new(world: &World, running: &Running) -> Self {
        Self::named(world, running, "portal").await
    }

    pub(crate) async fn named(world: &World, running: &Running, name: &str) -> Self {
        let channel = world.channel(running, Role::Authority, name).await;
        Self { client: ConsentServiceClient::new(channel), key: key(name), name: name.to_owned() }
    }

    /// A consent for procurement, for the customs list, without limit.
    pub(crate) fn consent(&self, n: u64, pseudonym: &[u8; 32]) -> Consent {
        Consent {
            id: ulid(n),
            authority: id(&self.name),
            requester: id("procurement"),
            pseudonym: *pseudonym,
            epoch: PSEUDONYM_EPOCH,
            lists: LISTS.map(|list| list.parse().unwrap()).into(),
            purposes: vec!["eligibility".parse().unwrap()],
            not_before: now(),
            expires: now().plus_ms(86_400_000 * 365),
            frequency: Frequency::new(1000, Unit::Day).unwrap(),
            notice: [5; 32],
        }
    }

    fn change_signature(&self, n: u64, state: ConsentState, number: u64) -> [u8; 64] {
        let change = StateChange { id: ulid(n), state, number };
        *SignedChange::sign(change, &self.key).signature()
    }

    pub(crate) async fn put(&self, consent: &Consent) -> Result<pb::ConsentLogged, String> {
        let given = SignedChange::sign(
            StateChange { id: consent.id, state: ConsentState::Given, number: 1 },
            &self.key,
        );
        self.put_with(consent, given.signature()).await
    }

    async fn put_with(&self, consent: &Consent, state: &[u8; 64]) -> Result<pb::ConsentLogged, String> {
        let signed = SignedConsent::sign(consent.clone(), &self.key).unwrap();
        let request = pb::PutConsentRequest {
            consent: signed.bytes().to_vec().into(),
            signature: signed.signature().to_vec().into(),
            state_signature: state.to_vec().into(),
        };
        match self.client.clone().put_consent(request).await.unwrap().into_inner().outcome.unwrap() {
            Put::Logged(logged) => Ok(logged),
            Put::Refusal(refusal) => Err(refusal.reason),
        }
    }

    pub(crate) async fn change(
        &self,
        n: u64,
        state: ConsentState,
        number: u64,
    ) -> Result<pb::ConsentLogged, String> {
        self.change_with(n, state, number, self.change_signature(n, state, number)).await
    }

    /// Renews, with a change of this number.
    pub(crate) async fn renew(&self, next: &Consent, number: u64) -> Result<pb::ConsentLogged, String> {
        let signed = SignedConsent::sign(next.clone(), &self.key).unwrap();
        let change = StateChange { id: next.id, state: ConsentState::Renewed, number };
        let request = pb::RenewConsentRequest {
            consent: signed.bytes().to_vec().into(),
            signature: signed.signature().to_vec().into(),
            number,
            state_signature: SignedChange::sign(change, &self.key).signature().to_vec().into(),
        };
        match self.client.clone().renew_consent(request).await.unwrap().into_inner().outcome.unwrap() {
            Renewed::Logged(logged) => Ok(logged),
            Renewed::Refusal(refusal) => Err(refusal.reason),
        }
    }

    async fn change_with(
        &self,
        n: u64,
        state: ConsentState,
        number: u64,
        signature: [u8; 64],
    ) -> Result<pb::ConsentLogged, String> {
        let request = pb::ChangeConsentStateRequest {
            consent_id: ulid(n).to_string(),
            state: state.as_str().to_owned(),
            number,
            signature: signature.to_vec().into(),
        };
        let response = self.client.clone().change_consent_state(request).await.unwrap();
        match response.into_inner().outcome.unwrap() {
            Changed::Logged(logged) => Ok(logged),
            Changed::Refusal(refusal) => Err(refusal.reason),
        }
    }
}

/// The record of a change, verified under its checkpoint: index and state.
pub(crate) fn acknowledged(logged: &pb::ConsentLogged) -> (u64, String) {
    let record = verified(logged.record.as_ref().unwrap(), &logged.checkpoint);
    let Record::Consent(consent) = record.record() else { panic!("a consent's record is due") };
    (record.index(), consent.state.clone())
}

pub(crate) struct Setting {
    pub(crate) world: World,
    pub(crate) running: Running,
    pub(crate) requester: Requester,
    pub(crate) portal: Portal,
    pub(crate) enrolled: Vec<Enrolled>,
}

pub(crate) async fn setting(subjects: usize) -> Setting {
    setting_in(World::new(), subjects).await
}

pub(crate) async fn setting_in(world: World, subjects: usize) -> Setting {
    let running = world.start_with_lists().await;
    let mut requester = Requester::new(&world, &running, "procurement").await;
    let portal = Portal::new(&world, &running).await;
    let enrolled = requester.enroll(0, subjects).await;
    Setting { world, running, requester, portal, enrolled }
}

impl Setting {
    pub(crate) async fn ask(&mut self, consent: u64, subject: usize) -> Result<(), String> {
        let basis = Basis::Consent(ulid(consent));
        self.requester.ask_by(LISTS[2], basis, &self.enrolled[subject]).await
    }
}

pub(crate) fn refusal<T>(word: &str) -> Result<T, String> {
    Err(word.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consent_allows_until_it_is_withdrawn_and_is_dead_then() {
    let mut set = setting(1).await;
    assert_eq!(set.requester.ask(LISTS[2], CUSTOMS, &set.enrolled[0]).await, refusal("consent_required"));
    assert_eq!(set.ask(9, 0).await, refusal("consent_required"));
    let consent = set.portal.consent(9, set.enrolled[0].pseudonym());
    let logged = set.portal.put(&consent).await.unwrap();
    assert_eq!(acknowledged(&logged).1, "given");
    assert_eq!(set.ask(9, 0).await, Ok(()));
    for (state, number, allowed) in [
        (ConsentState::Paused, 2, false),
        (ConsentState::Resumed, 3, true),
        (ConsentState::Expired, 4, false),
        (ConsentState::Renewed, 5, true),
        (ConsentState::Withdrawn, 6, false),
    ] {
        let logged = if state == ConsentState::Renewed {
            let later = Consent { expires: consent.expires.plus_ms(1), ..consent.clone() };
            set.portal.renew(&later, number).await.unwrap()
        } else {
            set.portal.change(9, state, number).await.unwrap()
        };
        assert_eq!(acknowledged(&logged).1, state.as_str());
        let due = if allowed { Ok(()) } else { refusal("consent_required") };
        assert_eq!(set.ask(9, 0).await, due, "{state}");
    }
    // Dead for ever: no change, no text brings it back.
    for state in ConsentState::ALL {
        for number in [1, 6, 7, 100] {
            if (state, number) != (ConsentState::Withdrawn, 6) {
                let changed = set.portal.change(9, state, number).await;
                assert_eq!(changed.map(|_| ()), refusal("consent_dead"), "{state} {number}");
            }
        }
    }
    assert_eq!(set.portal.put(&consent).await.map(|_| ()), refusal("consent_dead"));
    assert_eq!(set.ask(9, 0).await, refusal("consent_required"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_consent_or_state_played_again_is_refused() {
    let set = setting(1).await;
    let consent = set.portal.consent(9, set.enrolled[0].pseudonym());
    set.portal.put(&consent).await.unwrap();
    set.portal.change(9, ConsentState::Paused, 2).await.unwrap();
    set.portal.change(9, ConsentState::Resumed, 3).await.unwrap();
    set.portal.change(9, ConsentState::Paused, 4).await.unwrap();
    for (case, replayed) in [
        ("an old pause", set.portal.change(9, ConsentState::Paused, 2).await),
        ("an old resumption", set.portal.change(9, ConsentState::Resumed, 3).await),
        ("a number left out", set.portal.change(9, ConsentState::Resumed, 6).await),
        ("a state that cannot follow", set.portal.change(9, ConsentState::Given, 5).await),
    ] {
        assert_eq!(replayed.map(|_| ()), refusal("consent_order"), "{case}");
    }
    assert_eq!(set.portal.put(&consent).await.map(|_| ()), refusal("conflict"));
    // A signature over another change does not fit, and nobody else may change it.
    let other = set.portal.change_signature(9, ConsentState::Paused, 5);
    let forged = set.portal.change_with(9, ConsentState::Resumed, 5, other).await;
    assert_eq!(forged.map(|_| ()), refusal("signature_invalid"));
    let second = Portal::named(&set.world, &set.running, "portal-two").await;
    assert_eq!(second.change(9, ConsentState::Resumed, 5).await.map(|_| ()), refusal("not_found"));
    assert_eq!(set.portal.change(10, ConsentState::Paused, 2).await.map(|_| ()), refusal("not_found"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_given_again_with_the_same_record() {
    let set = setting(1).await;
    let consent = set.portal.consent(9, set.enrolled[0].pseudonym());
    let first = set.portal.put(&consent).await.unwrap();
    let again = set.portal.put(&consent).await.unwrap();
    assert_eq!(acknowledged(&again), acknowledged(&first));
    let first = set.portal.change(9, ConsentState::Withdrawn, 2).await.unwrap();
    let again = set.portal.change(9, ConsentState::Withdrawn, 2).await.unwrap();
    assert_eq!(acknowledged(&again), acknowledged(&first));
    assert_eq!(count(&set.world, &set.running, "consent").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_withdrawal_no_permit_follows_in_the_log_whatever_was_under_way() {
    const TRIALS: usize = 30;
    let mut set = setting(TRIALS).await;
    let mut permitted = 0;
    for trial in 0..TRIALS {
        let n = 100 + trial as u64;
        let of = set.enrolled[trial].clone();
        set.portal.put(&set.portal.consent(n, of.pseudonym())).await.unwrap();
        let requests: Vec<_> = (0..8)
            .map(|_| {
                let draft = set.requester.draft_of(&[LISTS[2]], Basis::Consent(ulid(n)));
                let checks = set.requester.prove(vec![(draft, &of)]);
                set.requester.request(&checks)
            })
            .collect();
        let sends: Vec<_> = requests
            .into_iter()
            .enumerate()
            .map(|(place, request)| {
                let mut client = set.requester.authorization();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_micros(300 * place as u64)).await;
                    taken_up(client.authorize(request).await.unwrap().into_inner().outcome.unwrap())
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_micros(150 * (trial % 20) as u64)).await;
        let withdrawn = set.portal.change(n, ConsentState::Withdrawn, 2).await.unwrap();
        let (end, _) = acknowledged(&withdrawn);
        // What is asked after the acknowledgement is refused.
        assert_eq!(set.ask(n, trial).await, refusal("consent_required"));
        for send in sends {
            let answer = send.await.unwrap();
            let record = &records(&answer)[0];
            match record.record() {
                Record::Access(_) => {
                    assert!(record.index() < end, "permitted at {} after {end}", record.index());
                    permitted += 1;
                }
                Record::Refused(refused) => assert_eq!(refused.reason, "consent_required"),
                other => panic!("{}", other.kind()),
            }
        }
    }
    eprintln!("{permitted} of {} checks came before the withdrawal", TRIALS * 8);
    assert!(permitted > 0 && permitted < TRIALS * 8, "the trials show nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consent_is_for_one_subject_and_one_requester() {
    let mut set = setting(2).await;
    set.portal.put(&set.portal.consent(9, set.enrolled[0].pseudonym())).await.unwrap();
    assert_eq!(set.ask(9, 1).await, refusal("consent_required"), "of another subject");
    let mut tax = Requester::new(&set.world, &set.running, "tax").await;
    let of_tax = tax.enroll(0, 1).await;
    let basis = Basis::Consent(ulid(9));
    assert_eq!(tax.ask_by(LISTS[0], basis, &of_tax[0]).await, refusal("consent_required"));
    let mut other_list = set.portal.consent(10, set.enrolled[1].pseudonym());
    other_list.lists = vec![LISTS[0].parse().unwrap()];
    set.portal.put(&other_list).await.unwrap();
    assert_eq!(set.ask(10, 1).await, refusal("consent_required"), "for another list");
    let mut later = set.portal.consent(11, set.enrolled[1].pseudonym());
    later.not_before = now().plus_ms(1000);
    later.expires = now().plus_ms(3000);
    set.portal.put(&later).await.unwrap();
    for (after, due) in [(0, false), (999, false), (1000, true), (2999, true), (3000, false)] {
        set.world.clock.set(now().plus_ms(after));
        set.requester.now = set.world.now();
        assert_eq!(set.ask(11, 1).await.is_ok(), due, "after {after} ms");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_consent_is_used_as_often_as_it_says_exactly_also_at_once() {
    let mut set = setting(1).await;
    let mut consent = set.portal.consent(9, set.enrolled[0].pseudonym());
    consent.frequency = Frequency::new(5, Unit::Hour).unwrap();
    set.portal.put(&consent).await.unwrap();
    let requests: Vec<_> = (0..12)
        .map(|_| {
            let draft = set.requester.draft_of(&[LISTS[2]], Basis::Consent(ulid(9)));
            let checks = set.requester.prove(vec![(draft, &set.enrolled[0])]);
            set.requester.request(&checks)
        })
        .collect();
    let sends = requests.into_iter().map(|request| {
        let mut client = set.requester.authorization();
        tokio::spawn(async move {
            words(&taken_up(client.authorize(request).await.unwrap().into_inner().outcome.unwrap()))
        })
    });
    let mut permitted = 0;
    for send in sends.collect::<Vec<_>>() {
        permitted += usize::from(send.await.unwrap()[0].is_ok());
    }
    assert_eq!(permitted, 5);
    // The window moves on with the clock: a use counts for an hour, this instant included.
    set.requester.now = set.world.clock.advance_ms(3_600_000);
    assert_eq!(set.ask(9, 0).await, refusal("consent_required"));
    set.requester.now = set.world.clock.advance_ms(1);
    assert_eq!(set.ask(9, 0).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_of_several_holders_uses_its_consent_once() {
    let mut set = setting(1).await;
    let mut consent = set.portal.consent(9, set.enrolled[0].pseudonym());
    consent.frequency = Frequency::new(2, Unit::Day).unwrap();
    set.portal.put(&consent).await.unwrap();
    for due in [vec![Ok(()), Ok(())], vec![Ok(()), Ok(())], vec![refusal("consent_required"); 2]] {
        let draft = set.requester.draft_of(&[LISTS[0], LISTS[2]], Basis::Consent(ulid(9)));
        let checks = set.requester.prove(vec![(draft, &set.enrolled[0])]);
        assert_eq!(words(&set.requester.authorize(&checks).await), due);
    }
    let mut client = ConsentServiceClient::new(set.requester.channel.clone());
    let request = pb::ListConsentsRequest { pseudonyms: vec![set.enrolled[0].pseudonym().to_vec().into()] };
    let listed = client.list_consents(request).await.unwrap().into_inner().consents;
    assert_eq!(listed[0].uses, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_its_own_authority_signed_is_a_consent() {
    let set = setting(1).await;
    let pseudonym = *set.enrolled[0].pseudonym();
    let second = Portal::named(&set.world, &set.running, "portal-two").await;
    // Another authority's name, signed by this one; this one's own, brought by another.
    let foreign = Consent { authority: id("portal"), ..second.consent(9, &pseudonym) };
    assert_eq!(second.put(&foreign).await.map(|_| ()), refusal("consent_invalid"));
    let mut brought = Portal::named(&set.world, &set.running, "portal-two").await;
    (brought.key, brought.name) = (key("portal"), "portal".to_owned());
    assert_eq!(brought.put(&foreign).await.map(|_| ()), refusal("wrong_role"));
    let consent = set.portal.consent(9, &pseudonym);
    for (case, consent) in [
        ("for nobody", Consent { requester: id("nobody"), ..consent.clone() }),
        ("for a holder that does not ask", Consent { requester: id("court"), ..consent.clone() }),
        ("about no point", Consent { pseudonym: [0xff; 32], ..consent.clone() }),
        ("about the identity", Consent { pseudonym: [0; 32], ..consent.clone() }),
    ] {
        assert_eq!(set.portal.put(&consent).await.map(|_| ()), refusal("consent_invalid"), "{case}");
    }
    let paused = set.portal.change_signature(9, ConsentState::Paused, 1);
    assert_eq!(set.portal.put_with(&consent, &paused).await.map(|_| ()), refusal("signature_invalid"));
    assert_eq!(count(&set.world, &set.running, "consent").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_watches_is_told_of_its_own_consents_and_no_others() {
    let set = setting(2).await;
    let watch = |channel: &Channel| {
        let mut client = ConsentServiceClient::new(channel.clone());
        async move { client.watch_consents(pb::WatchConsentsRequest {}).await.unwrap().into_inner() }
    };
    let tax = Requester::new(&set.world, &set.running, "tax").await;
    let (mut told, mut other) = (watch(&set.requester.channel).await, watch(&tax.channel).await);
    set.portal.put(&set.portal.consent(9, set.enrolled[0].pseudonym())).await.unwrap();
    set.portal.change(9, ConsentState::Withdrawn, 2).await.unwrap();
    for (state, number) in [("given", 1), ("withdrawn", 2)] {
        let consent = told.message().await.unwrap().unwrap().consent.unwrap();
        assert_eq!((consent.state.as_str(), consent.state_number), (state, number));
    }
    let silence = tokio::time::timeout(Duration::from_millis(200), other.message()).await;
    assert!(silence.is_err(), "the tax office heard of somebody else's consent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consents_are_listed_to_their_requester_and_their_authority() {
    let set = setting(2).await;
    for (n, subject) in [(11, 0), (10, 1), (12, 1)] {
        set.portal.put(&set.portal.consent(n, set.enrolled[subject].pseudonym())).await.unwrap();
    }
    let list = |channel: &Channel, pseudonyms: &[&Enrolled]| {
        let mut client = ConsentServiceClient::new(channel.clone());
        let pseudonyms = pseudonyms.iter().map(|of| of.pseudonym().to_vec().into()).collect();
        async move {
            let listed = client.list_consents(pb::ListConsentsRequest { pseudonyms }).await.unwrap();
            listed.into_inner().consents.into_iter().map(|consent| consent.consent_id).collect::<Vec<_>>()
        }
    };
    let (first, second) = (&set.enrolled[0], &set.enrolled[1]);
    let ids = |numbers: &[u64]| numbers.iter().map(|n| ulid(*n).to_string()).collect::<Vec<_>>();
    assert_eq!(list(&set.requester.channel, &[first, second]).await, ids(&[10, 11, 12]));
    assert_eq!(list(&set.requester.channel, &[second]).await, ids(&[10, 12]));
    assert!(list(&set.requester.channel, &[]).await.is_empty());
    let portal = set.world.channel(&set.running, Role::Authority, "portal").await;
    assert_eq!(list(&portal, &[]).await, ids(&[10, 11, 12]));
    assert_eq!(list(&portal, &[first]).await, ids(&[11]));
    let second_portal = set.world.channel(&set.running, Role::Authority, "portal-two").await;
    assert!(list(&second_portal, &[first]).await.is_empty());
    let tax = set.world.channel(&set.running, Role::Node, "tax").await;
    assert!(list(&tax, &[first]).await.is_empty());
}
