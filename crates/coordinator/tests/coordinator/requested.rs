//! Requests for consent: made, decided, over; and consents that are renewed.

use tacit_client::Details;
use tacit_identity::Role;
use tacit_model::{Basis, Millis};
use tacit_policy::{Consent, ConsentRequest, ConsentState, Frequency, SignedRequest, Unit};
use tacit_wire::coordinator::{
    self as pb, consent_service_client::ConsentServiceClient, request_consent_response::Outcome,
};

use crate::{
    consents::{Setting, acknowledged, refusal, setting, setting_in},
    subjects::chains,
    support::*,
};

const DAY_MS: u64 = 86_400_000;

/// A request to the portal for the customs list.
fn request(n: u64, pseudonym: &[u8; 32]) -> ConsentRequest {
    ConsentRequest {
        id: ulid(n),
        authority: id("portal"),
        requester: id("procurement"),
        pseudonym: *pseudonym,
        epoch: PSEUDONYM_EPOCH,
        lists: vec![LISTS[0].parse().unwrap(), LISTS[2].parse().unwrap()],
        purposes: vec!["eligibility".parse().unwrap()],
        not_before: now(),
        expires: now().plus_ms(365 * DAY_MS),
        frequency: Frequency::new(4, Unit::Month).unwrap(),
    }
}

/// The consent that gives all that was asked for.
fn whole(of: &ConsentRequest) -> Consent {
    let ConsentRequest { id, authority, requester, pseudonym, epoch, .. } = of.clone();
    let ConsentRequest { lists, purposes, not_before, expires, frequency, .. } = of.clone();
    Consent {
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
        notice: [5; 32],
    }
}

impl Setting {
    fn wanted(&self, n: u64) -> ConsentRequest {
        request(n, self.enrolled[0].pseudonym())
    }

    async fn request(&self, wanted: &ConsentRequest) -> Result<pb::ConsentLogged, String> {
        let signed = SignedRequest::sign(wanted.clone(), &self.requester.signing).unwrap();
        self.request_with(signed.bytes(), signed.signature()).await
    }

    async fn request_with(&self, text: &[u8], signature: &[u8; 64]) -> Result<pb::ConsentLogged, String> {
        let request =
            pb::RequestConsentRequest { request: text.to_vec().into(), signature: signature.to_vec().into() };
        let mut client = ConsentServiceClient::new(self.requester.channel.clone());
        match client.request_consent(request).await.unwrap().into_inner().outcome.unwrap() {
            Outcome::Logged(logged) => Ok(logged),
            Outcome::Refusal(refusal) => Err(refusal.reason),
        }
    }

    /// Requests as a member sees them: number of the id, and state.
    async fn listed(&self, role: Role, member: &str) -> Vec<(String, String)> {
        let channel = self.world.channel(&self.running, role, member).await;
        let request = pb::ListConsentRequestsRequest { pseudonyms: Vec::new() };
        let listed = ConsentServiceClient::new(channel).list_consent_requests(request).await.unwrap();
        let told = listed.into_inner().requests.into_iter();
        told.map(|it| (ConsentRequest::parse(&it.request).unwrap().id.to_string(), it.state)).collect()
    }

    fn pass(&mut self, ms: u64) {
        self.requester.now = self.world.clock.advance_ms(ms);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_waits_until_the_subject_allows_it_or_less_of_it() {
    let mut set = setting(1).await;
    let wanted = set.wanted(9);
    let first = set.request(&wanted).await.unwrap();
    assert_eq!(acknowledged(&first).1, "requested");
    let again = set.request(&wanted).await.unwrap();
    assert_eq!(acknowledged(&again), acknowledged(&first), "the same bytes get the same record");
    assert_eq!(set.ask(9, 0).await, refusal("consent_required"));
    for (role, member, sees) in [
        (Role::Node, "procurement", 1),
        (Role::Authority, "portal", 1),
        (Role::Node, "tax", 0),
        (Role::Authority, "portal-two", 0),
    ] {
        assert_eq!(set.listed(role, member).await.len(), sees, "{member}");
    }
    let all = whole(&wanted);
    for (case, more) in [
        ("another list", Consent { lists: vec![LISTS[1].parse().unwrap()], ..all.clone() }),
        ("longer", Consent { expires: all.expires.plus_ms(1), ..all.clone() }),
        ("more often", Consent { frequency: Frequency::new(5, Unit::Month).unwrap(), ..all.clone() }),
        ("another requester", Consent { requester: id("tax"), ..all.clone() }),
    ] {
        assert_eq!(set.portal.put(&more).await.map(|_| ()), refusal("consent_invalid"), "{case}");
    }
    let second = crate::consents::Portal::named(&set.world, &set.running, "portal-two").await;
    let theirs = Consent { authority: id("portal-two"), ..all.clone() };
    assert_eq!(second.put(&theirs).await.map(|_| ()), refusal("conflict"));
    let less = Consent {
        lists: vec![LISTS[2].parse().unwrap()],
        frequency: Frequency::new(2, Unit::Month).unwrap(),
        ..all
    };
    let given = set.portal.put(&less).await.unwrap();
    assert_eq!(acknowledged(&given).1, "given");
    assert_eq!(acknowledged(&set.portal.put(&less).await.unwrap()), acknowledged(&given));
    assert_eq!(set.ask(9, 0).await, Ok(()));
    assert_eq!(
        set.requester.ask_by(LISTS[0], Basis::Consent(ulid(9)), &set.enrolled[0]).await,
        refusal("consent_required"),
        "the list that was not allowed"
    );
    // Asked again after the decision, it is the old record and no new request.
    assert_eq!(acknowledged(&set.request(&wanted).await.unwrap()), acknowledged(&first));
    let other = ConsentRequest { frequency: Frequency::new(5, Unit::Month).unwrap(), ..wanted.clone() };
    assert_eq!(set.request(&other).await.map(|_| ()), refusal("conflict"));
    assert_eq!(set.listed(Role::Node, "procurement").await, [(ulid(9).to_string(), "given".to_owned())]);
    // All of it is in the subject's chain.
    let chains = chains(&set.world, &set.running).await;
    let log = chains.log(set.enrolled[0].pseudonym()).await.unwrap();
    let kinds: Vec<_> = log.entries.iter().map(|entry| entry.record.kind()).collect();
    assert_eq!(kinds, ["refused", "consent", "refused", "consent", "access", "refused"][1..]);
    let Details::Request { request, number } = &log.entries[0].details else { panic!() };
    assert_eq!((request.as_ref(), *number), (&wanted, 0));
    let Details::Consent { consent, number } = &log.entries[2].details else { panic!() };
    assert_eq!((consent.as_ref(), *number), (&less, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_request_is_dead_for_ever() {
    let mut set = setting(1).await;
    let wanted = set.wanted(9);
    set.request(&wanted).await.unwrap();
    for (state, number) in [
        (ConsentState::Given, 1),
        (ConsentState::Withdrawn, 1),
        (ConsentState::Refused, 2),
        (ConsentState::Renewed, 1),
    ] {
        let changed = set.portal.change(9, state, number).await;
        assert_eq!(changed.map(|_| ()), refusal("consent_order"), "{state}");
    }
    let second = crate::consents::Portal::named(&set.world, &set.running, "portal-two").await;
    assert_eq!(second.change(9, ConsentState::Refused, 1).await.map(|_| ()), refusal("not_found"));
    let refused = set.portal.change(9, ConsentState::Refused, 1).await.unwrap();
    assert_eq!(acknowledged(&refused).1, "refused");
    let again = set.portal.change(9, ConsentState::Refused, 1).await.unwrap();
    assert_eq!(acknowledged(&again), acknowledged(&refused));
    assert_eq!(set.portal.put(&whole(&wanted)).await.map(|_| ()), refusal("consent_dead"));
    assert_eq!(set.portal.renew(&whole(&wanted), 2).await.map(|_| ()), refusal("not_found"));
    for state in [ConsentState::Given, ConsentState::Expired, ConsentState::Resumed] {
        assert_eq!(set.portal.change(9, state, 2).await.map(|_| ()), refusal("consent_dead"), "{state}");
    }
    set.request(&wanted).await.unwrap();
    assert_eq!(set.listed(Role::Authority, "portal").await, [(ulid(9).to_string(), "refused".to_owned())]);
    assert_eq!(set.ask(9, 0).await, refusal("consent_required"));
    assert_eq!(count(&set.world, &set.running, "consent").await, 2);
    chains(&set.world, &set.running).await.log(set.enrolled[0].pseudonym()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_may_ask_for_is_not_asked_for() {
    let set = setting(1).await;
    let wanted = set.wanted(9);
    let with = |change: fn(&mut ConsentRequest)| {
        let mut changed = wanted.clone();
        change(&mut changed);
        changed
    };
    for (case, request, due) in [
        ("no such list", with(|it| it.lists[0] = "court/none".parse().unwrap()), "unknown_list"),
        ("no such purpose", with(|it| it.purposes[0] = "gossip".parse().unwrap()), "unknown_purpose"),
        ("not agreed", with(|it| it.purposes[0] = "subject-access".parse().unwrap()), "not_permitted"),
        ("no authority", with(|it| it.authority = id("tax")), "unknown_member"),
        (
            "over before it begins",
            with(|it| (it.not_before, it.expires) = (Millis(1), now())),
            "consent_invalid",
        ),
        ("no point", with(|it| it.pseudonym = [0xff; 32]), "consent_invalid"),
        ("another epoch", with(|it| it.epoch += 1), "not_enrolled"),
        ("for another", with(|it| it.requester = id("tax")), "signature_invalid"),
    ] {
        assert_eq!(set.request(&request).await.map(|_| ()), refusal(due), "{case}");
    }
    let signed = SignedRequest::sign(with(|it| it.requester = id("tax")), &key("tax")).unwrap();
    let brought = set.request_with(signed.bytes(), signed.signature()).await;
    assert_eq!(brought.map(|_| ()), refusal("wrong_role"), "another's request");
    assert_eq!(set.request_with(b"please", &[0; 64]).await.map(|_| ()), refusal("consent_invalid"));
    // An id that a consent has is used.
    set.portal.put(&set.portal.consent(9, set.enrolled[0].pseudonym())).await.unwrap();
    assert_eq!(set.request(&wanted).await.map(|_| ()), refusal("conflict"));
    set.portal.change(9, ConsentState::Withdrawn, 2).await.unwrap();
    assert_eq!(set.request(&wanted).await.map(|_| ()), refusal("consent_dead"));
    assert!(set.listed(Role::Node, "procurement").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_requests_are_bounded_per_subject_and_a_day() {
    let mut world = World::new();
    (world.limits.open_consent_requests, world.limits.consent_requests_per_day) = (2, 4);
    let mut set = setting_in(world, 2).await;
    let of = |n: u64, subject: usize, set: &Setting| request(n, set.enrolled[subject].pseudonym());
    for (n, subject, due) in
        [(1, 0, Ok(())), (2, 0, Ok(())), (3, 0, refusal("quota_requests")), (4, 1, Ok(()))]
    {
        assert_eq!(set.request(&of(n, subject, &set)).await.map(|_| ()), due, "{n}");
    }
    // A decision makes room; the day does not.
    set.portal.change(1, ConsentState::Refused, 1).await.unwrap();
    set.request(&of(5, 0, &set)).await.unwrap();
    assert_eq!(set.request(&of(6, 1, &set)).await.map(|_| ()), refusal("quota_requests"));
    set.request(&of(5, 0, &set)).await.unwrap();
    set.pass(DAY_MS);
    set.request(&of(6, 1, &set)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_nobody_decides_is_over_after_thirty_days() {
    let mut set = setting(1).await;
    for n in [9, 10] {
        set.request(&set.wanted(n)).await.unwrap();
    }
    set.pass(30 * DAY_MS);
    assert_eq!(set.portal.put(&whole(&set.wanted(9))).await.map(|_| ()), refusal("consent_order"));
    let expired = set.portal.change(9, ConsentState::Expired, 1).await.unwrap();
    assert_eq!(acknowledged(&expired).1, "expired");
    assert_eq!(set.portal.renew(&whole(&set.wanted(9)), 2).await.map(|_| ()), refusal("not_found"));
    assert_eq!(set.portal.change(9, ConsentState::Refused, 2).await.map(|_| ()), refusal("consent_order"));
    assert_eq!(set.portal.put(&whole(&set.wanted(9))).await.map(|_| ()), refusal("consent_order"));
    set.portal.change(10, ConsentState::Refused, 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_carries_a_text_and_nothing_but_its_end_is_new() {
    let mut set = setting(1).await;
    let old =
        Consent { expires: now().plus_ms(10 * DAY_MS), ..set.portal.consent(9, set.enrolled[0].pseudonym()) };
    set.portal.put(&old).await.unwrap();
    let later = Consent { expires: now().plus_ms(20 * DAY_MS), notice: [6; 32], ..old.clone() };
    for (case, text) in [
        ("not later", old.clone()),
        ("sooner", Consent { expires: now().plus_ms(DAY_MS), ..old.clone() }),
        ("other lists", Consent { lists: vec![LISTS[2].parse().unwrap()], ..later.clone() }),
        ("for another requester", Consent { requester: id("tax"), ..later.clone() }),
        ("more often", Consent { frequency: Frequency::new(2000, Unit::Day).unwrap(), ..later.clone() }),
    ] {
        assert_eq!(set.portal.renew(&text, 2).await.map(|_| ()), refusal("consent_invalid"), "{case}");
    }
    let bare = set.portal.change(9, ConsentState::Renewed, 2).await;
    assert_eq!(bare.map(|_| ()), refusal("consent_order"), "a state without a text prolongs nothing");
    assert_eq!(set.portal.renew(&later, 3).await.map(|_| ()), refusal("consent_order"), "a number left out");
    let renewed = set.portal.renew(&later, 2).await.unwrap();
    assert_eq!(acknowledged(&renewed).1, "renewed");
    assert_eq!(acknowledged(&set.portal.renew(&later, 2).await.unwrap()), acknowledged(&renewed));
    set.pass(15 * DAY_MS);
    assert_eq!(set.ask(9, 0).await, Ok(()));
    set.pass(5 * DAY_MS);
    assert_eq!(set.ask(9, 0).await, refusal("consent_required"), "expired by time");
    let again = Consent { expires: now().plus_ms(40 * DAY_MS), ..later.clone() };
    set.portal.renew(&again, 3).await.unwrap();
    assert_eq!(set.ask(9, 0).await, Ok(()));
    set.portal.change(9, ConsentState::Paused, 4).await.unwrap();
    let last = Consent { expires: now().plus_ms(60 * DAY_MS), ..again.clone() };
    assert_eq!(set.portal.renew(&last, 5).await.map(|_| ()), refusal("consent_order"), "while it is paused");
    set.portal.change(9, ConsentState::Withdrawn, 5).await.unwrap();
    for number in [3, 5, 6] {
        assert_eq!(set.portal.renew(&last, number).await.map(|_| ()), refusal("consent_dead"), "{number}");
    }
    // Each record opens with the text that stood when it was made.
    let chains = chains(&set.world, &set.running).await;
    let log = chains.log(set.enrolled[0].pseudonym()).await.unwrap();
    let texts = log.entries.iter().filter_map(|entry| match &entry.details {
        Details::Consent { consent, number } => Some((*number, consent.expires)),
        _ => None,
    });
    let due = [(1, &old), (2, &later), (3, &again), (4, &again), (5, &again)];
    assert_eq!(texts.collect::<Vec<_>>(), due.map(|(number, text)| (number, text.expires)));
    // What is stored is what was signed, also after a renewal.
    set.running.stop().await;
    set.world.start().await.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consents_of_several_authorities_stand_side_by_side_and_each_changes_its_own() {
    let mut set = setting(1).await;
    let second = crate::consents::Portal::named(&set.world, &set.running, "portal-two").await;
    let pseudonym = *set.enrolled[0].pseudonym();
    set.portal.put(&set.portal.consent(9, &pseudonym)).await.unwrap();
    second.put(&second.consent(10, &pseudonym)).await.unwrap();
    assert_eq!((set.ask(9, 0).await, set.ask(10, 0).await), (Ok(()), Ok(())));
    let later = |portal: &crate::consents::Portal, n| Consent {
        expires: now().plus_ms(700 * DAY_MS),
        ..portal.consent(n, &pseudonym)
    };
    for state in [ConsentState::Paused, ConsentState::Withdrawn, ConsentState::Expired] {
        assert_eq!(second.change(9, state, 2).await.map(|_| ()), refusal("not_found"), "{state}");
    }
    assert_eq!(second.renew(&later(&second, 9), 2).await.map(|_| ()), refusal("not_found"));
    set.portal.change(9, ConsentState::Withdrawn, 2).await.unwrap();
    assert_eq!((set.ask(9, 0).await, set.ask(10, 0).await), (refusal("consent_required"), Ok(())));
    second.renew(&later(&second, 10), 2).await.unwrap();
    assert_eq!(set.ask(10, 0).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_consent_is_used_as_often_as_it_says_exactly_over_two_replicas() {
    let mut set = setting(1).await;
    let other = set.world.start().await;
    let mut consent = set.portal.consent(9, set.enrolled[0].pseudonym());
    consent.frequency = Frequency::new(5, Unit::Hour).unwrap();
    set.portal.put(&consent).await.unwrap();
    let channel = set.world.channel_with(&other, set.requester.credentials.clone()).await;
    let requests: Vec<_> = (0..16)
        .map(|_| {
            let draft = set.requester.draft_of(&[LISTS[2]], Basis::Consent(ulid(9)));
            let checks = set.requester.prove(vec![(draft, &set.enrolled[0])]);
            set.requester.request(&checks)
        })
        .collect();
    let first = set.requester.authorization();
    let second = pb::authorization_service_client::AuthorizationServiceClient::new(channel);
    let sends = requests.into_iter().enumerate().map(|(place, request)| {
        let mut client = if place % 2 == 0 { first.clone() } else { second.clone() };
        tokio::spawn(async move {
            words(&taken_up(client.authorize(request).await.unwrap().into_inner().outcome.unwrap()))
        })
    });
    let mut permitted = 0;
    for send in sends.collect::<Vec<_>>() {
        permitted += usize::from(send.await.unwrap()[0].is_ok());
    }
    assert_eq!(permitted, 5);
    let mut client = ConsentServiceClient::new(set.requester.channel.clone());
    let request = pb::ListConsentsRequest { pseudonyms: vec![set.enrolled[0].pseudonym().to_vec().into()] };
    assert_eq!(client.list_consents(request).await.unwrap().into_inner().consents[0].uses, 5);
    other.stop().await;
}
