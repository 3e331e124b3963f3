//! Rotation of pseudonym epochs (P41): consents, counts and chains go with the subject, and to nobody else.

use std::time::Duration;

use tacit_blind::enroll::{Blinded, Enrolled, Enrollment, Parties, Registered, prove_carry};
use tacit_client::{ChainFinding, Details, KnownChain};
use tacit_coordinator::offers::{Offers, Standing};
use tacit_model::Basis;
use tacit_policy::{ConsentState, Frequency, Unit};
use tacit_wire::coordinator::{
    self as pb, consent_service_client::ConsentServiceClient, letter_service_client::LetterServiceClient,
    register_response::Outcome,
};

use crate::{
    consents::{Portal, refusal},
    letters::sealed,
    subjects::chains,
    support::*,
    versions::{number_at, settled},
};

/// Puts the next registry version in force, with this newest pseudonym epoch.
async fn rotate(
    world: &World,
    running: &Running,
    number: u64,
    newest_epoch: u32,
    change: impl Fn(&mut Draft),
) {
    let mut draft = Draft { number, newest_epoch, ..Draft::default() };
    change(&mut draft);
    let offers = Offers::open(&world.url()).await.unwrap();
    let hash = offers.offer(&draft.sign().0, &world.clock).await.unwrap();
    let standing = settled(&offers, &hash).await;
    assert!(matches!(standing, Standing::Counts { .. }), "{standing:?}");
    for _ in 0..200 {
        if number_at(world, running).await == number {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("version {number} is not in force");
}

/// What a requester kept of a subject.
#[derive(Clone)]
struct Kept {
    epoch: u32,
    enrollment: Enrollment,
}

impl Kept {
    fn t(&self) -> [u8; 32] {
        self.enrollment.pseudonym().encode()
    }

    fn enrolled(&self) -> Enrolled {
        self.enrollment.to_enrolled()
    }

    /// The same blinding, for another epoch.
    fn blinded(&self) -> Blinded {
        Blinded::from_parts(self.enrollment.z().clone(), *self.enrollment.blinded_subject())
    }
}

/// A proof that `to` is of the subject behind `from`.
fn proof(requester: &mut Requester, from: &Kept, to: &Kept) -> Vec<u8> {
    let (custodian, coordinator) = (id("custodian"), id("coordinator"));
    let parties = Parties { custodian: &custodian, coordinator: &coordinator, requester: &requester.id };
    let registered = Registered {
        epoch: from.epoch,
        evaluated: from.enrollment.evaluated().as_bytes(),
        pseudonym: from.enrollment.pseudonym().as_bytes(),
    };
    prove_carry(&to.enrollment, to.epoch, &registered, &parties, &mut requester.rng).unwrap().to_vec()
}

struct Rotation {
    world: World,
    running: Running,
    requester: Requester,
    portal: Portal,
    kept: Vec<Kept>,
}

impl Rotation {
    /// Procurement with subjects enrolled in the first epoch.
    async fn new(world: World, subjects: usize) -> Self {
        let running = world.start_with_lists().await;
        world.witness(&running, &WITNESSES[..2]).await;
        let mut requester = Requester::new(&world, &running, "procurement").await;
        let portal = Portal::new(&world, &running).await;
        let blinded = requester.blind(0, subjects);
        let batch = requester.evaluate(blinded);
        let request = requester.register_request(&batch);
        assert_eq!(word(&requester.register(request).await), "registered");
        let kept = batch.enrollments.into_iter();
        let kept = kept.map(|enrollment| Kept { epoch: PSEUDONYM_EPOCH, enrollment }).collect();
        Self { world, running, requester, portal, kept }
    }

    async fn rotate(&mut self) {
        let next = self.requester.epoch + 1;
        rotate(&self.world, &self.running, u64::from(next - PSEUDONYM_EPOCH + 1), next, |_| {}).await;
        self.requester.epoch = next;
    }

    /// Evaluated under the newest key, with the message that carries each subject on.
    fn carried(&mut self, kept: &[Kept]) -> (Vec<Kept>, pb::RegisterRequest) {
        let batch = self.requester.evaluate(kept.iter().map(Kept::blinded).collect());
        let mut request = self.requester.register_request(&batch);
        let next: Vec<Kept> = batch
            .enrollments
            .into_iter()
            .map(|enrollment| Kept { epoch: self.requester.epoch, enrollment })
            .collect();
        for ((entry, from), to) in request.entries.iter_mut().zip(kept).zip(&next) {
            entry.carried_from = Some(pb::CarriedFrom {
                epoch: from.epoch,
                pseudonym: from.t().to_vec().into(),
                proof: proof(&mut self.requester, from, to).into(),
            });
        }
        (next, request)
    }

    /// Carries subjects into the newest epoch.
    async fn carry(&mut self, kept: &[Kept]) -> (Vec<Kept>, Vec<pb::LiveConsent>) {
        let (next, request) = self.carried(kept);
        let Outcome::Registered(registered) = self.requester.register(request).await else {
            panic!("the carry was refused")
        };
        (next, registered.consents)
    }

    async fn ask_by(&mut self, consent: u64, of: &Kept) -> Result<(), String> {
        self.requester.ask_by(LISTS[2], Basis::Consent(ulid(consent)), &of.enrolled()).await
    }
}

fn word(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Registered(_) => "registered",
        Outcome::Refusal(refusal) => &refusal.reason,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consent_goes_with_its_subject_over_epochs_and_to_nobody_else() {
    let mut set = Rotation::new(World::new(), 2).await;
    let first = set.kept.clone();
    let mut consent = set.portal.consent(9, &first[0].t());
    consent.frequency = Frequency::new(3, Unit::Day).unwrap();
    set.portal.put(&consent).await.unwrap();
    assert_eq!(set.ask_by(9, &first[0]).await, Ok(()));
    set.rotate().await;
    // The pseudonym of the epoch before asks nothing any more.
    assert_eq!(set.ask_by(9, &first[0]).await, refusal("not_enrolled"));
    let (second, told) = set.carry(&first).await;
    assert_ne!(second[0].t(), first[0].t());
    let [told] = &told[..] else { panic!("one consent is due") };
    assert_eq!((told.consent_id.as_str(), told.uses), (ulid(9).to_string().as_str(), 1));
    assert_eq!((told.pseudonym.as_ref(), told.carried_to.as_ref()), (&first[0].t()[..], &second[0].t()[..]));
    assert_eq!(set.ask_by(9, &second[0]).await, Ok(()));
    assert_eq!(set.ask_by(9, &second[1]).await, refusal("consent_required"), "another subject");
    // Once more, over two epochs; its uses go on too.
    set.rotate().await;
    let (third, _) = set.carry(&second).await;
    assert_eq!(set.ask_by(9, &third[0]).await, Ok(()));
    assert_eq!(set.ask_by(9, &third[0]).await, refusal("consent_required"), "three uses a day");
    assert_eq!(set.ask_by(9, &third[1]).await, refusal("consent_required"));
    // It is listed under every pseudonym of the subject, for requester and authority.
    let portal = set.world.channel(&set.running, tacit_identity::Role::Authority, "portal").await;
    for channel in [set.requester.channel.clone(), portal] {
        for (kept, due) in [(&first[0], 1), (&second[0], 1), (&third[0], 1), (&third[1], 0)] {
            let request = pb::ListConsentsRequest { pseudonyms: vec![kept.t().to_vec().into()] };
            let mut client = ConsentServiceClient::new(channel.clone());
            let listed = client.list_consents(request).await.unwrap().into_inner().consents;
            assert_eq!(listed.len(), due);
            assert!(listed.iter().all(|it| it.carried_to == third[0].t().as_slice() && it.uses == 3));
        }
    }
    // A new one under the new pseudonym is as good, and a withdrawal of the old one reaches it.
    set.portal.change(9, ConsentState::Withdrawn, 2).await.unwrap();
    assert_eq!(set.ask_by(9, &third[0]).await, refusal("consent_required"));
    set.portal.put(&set.portal.consent(10, &third[0].t())).await.unwrap();
    assert_eq!(set.ask_by(10, &third[0]).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_and_chain_go_on_in_the_next_epoch() {
    let quota = |draft: &mut Draft| {
        draft.agreements.get_mut(&COURT).unwrap().quotas.per_subject_per_day = 3;
    };
    let mut set = Rotation::new(World::with(quota), 2).await;
    let first = set.kept.clone();
    for _ in 0..2 {
        assert_eq!(set.requester.ask(LISTS[0], COURT, &first[0].enrolled()).await, Ok(()));
    }
    set.portal.put(&set.portal.consent(9, &first[0].t())).await.unwrap();
    let next = set.requester.epoch + 1;
    rotate(&set.world, &set.running, 2, next, quota).await;
    set.requester.epoch = next;
    let (second, _) = set.carry(&first).await;
    assert_eq!(set.requester.ask(LISTS[0], COURT, &second[0].enrolled()).await, Ok(()));
    let over = set.requester.ask(LISTS[0], COURT, &second[0].enrolled()).await;
    assert_eq!(over, refusal("quota_subject"));
    set.portal.change(9, ConsentState::Paused, 2).await.unwrap();
    // One chain, read by either name, whose records open under the one that they were made with.
    let chains = chains(&set.world, &set.running).await;
    let (old, new) = (first[0].t(), second[0].t());
    for names in [[new, old], [old, new]] {
        let log = chains.log_among(&names).await.unwrap();
        let kinds: Vec<_> = log.entries.iter().map(|entry| (entry.sequence, entry.record.kind())).collect();
        let due =
            [(0, "access"), (1, "access"), (2, "consent"), (3, "access"), (4, "refused"), (5, "consent")];
        assert_eq!(kinds, due);
        assert!(matches!(&log.entries[5].details, Details::Consent { number: 2, .. }));
        assert_eq!(log.statement.pseudonym, names[0]);
    }
    let chain = chains.read(&new).await.unwrap();
    assert_eq!(chain.said_names(), [old, new]);
    // Who knows one name alone sees that there are records that it cannot open, and takes nobody's word for a name.
    let finding = chains.verify(&new, &chain).unwrap_err();
    assert!(matches!(finding, ChainFinding::NotOpened { sequence: 5 }), "{finding}");
    let others = [second[1].t()];
    let finding = chains.verify_among(&new, &others, &chain, KnownChain::default()).unwrap_err();
    assert!(matches!(finding, ChainFinding::NotOpened { sequence: 5 }), "{finding}");
    // Another subject's chain is its own.
    let other = chains.read(&second[1].t()).await.unwrap();
    assert_eq!(chains.verify(&second[1].t(), &other).unwrap().statement.records, 0);
    // An erasure by the new name takes all of it.
    let erased = chains.erase(&new, "objection").await.unwrap();
    assert_eq!(erased.openings, 6);
    let log = chains.log_among(&[old, new]).await.unwrap();
    assert_eq!((log.statement.records, log.erased), (7, 6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_go_on_in_the_next_epoch() {
    let mut set = Rotation::new(World::new(), 1).await;
    let first = set.kept.clone();
    let post = async |set: &Rotation, pseudonym: [u8; 32], content: &str| {
        let letter = sealed("procurement", "procurement", &pseudonym, "portal", content);
        let request = pb::PostLetterRequest {
            pseudonym: pseudonym.to_vec().into(),
            member: "procurement".to_owned(),
            letter: letter.into(),
        };
        let mut client = LetterServiceClient::new(set.requester.channel.clone());
        let outcome = client.post_letter(request).await.unwrap().into_inner().outcome.unwrap();
        assert!(matches!(outcome, pb::post_letter_response::Outcome::Logged(_)), "{outcome:?}");
    };
    post(&set, first[0].t(), "before").await;
    set.rotate().await;
    let (second, _) = set.carry(&first).await;
    post(&set, second[0].t(), "after").await;
    // One that was sealed before arrives after.
    post(&set, first[0].t(), "on its way").await;
    // One chain, and each letter opens under the name that it was sealed about.
    let (old, new) = (first[0].t(), second[0].t());
    let chains = chains(&set.world, &set.running).await;
    for names in [[new, old], [old, new]] {
        let log = chains.log_among(&names).await.unwrap();
        let about = log.entries.iter().map(|entry| match &entry.details {
            Details::Notice(letter) => letter.pseudonym,
            other => panic!("{other:?}"),
        });
        assert_eq!(about.collect::<Vec<_>>(), [old, new, old]);
    }
    assert_eq!(chains.erase(&new, "objection").await.unwrap().openings, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_does_not_erase_what_another_authority_has_consents_on_in_an_earlier_epoch() {
    let mut set = Rotation::new(World::new(), 1).await;
    let first = set.kept.clone();
    let other = Portal::named(&set.world, &set.running, "portal-two").await;
    other.put(&other.consent(9, &first[0].t())).await.unwrap();
    set.rotate().await;
    let (second, _) = set.carry(&first).await;
    set.portal.put(&set.portal.consent(10, &second[0].t())).await.unwrap();
    let refused =
        chains(&set.world, &set.running).await.erase(&second[0].t(), "objection").await.unwrap_err();
    assert_eq!(refused.reason(), tacit_model::Reason::NotPermitted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_carry_that_is_not_of_the_same_subject_is_refused_with_its_reason() {
    let mut set = Rotation::new(World::new(), 3).await;
    let first = set.kept.clone();
    set.portal.put(&set.portal.consent(9, &first[0].t())).await.unwrap();
    // The tax office has the same people, under its own pseudonyms.
    let mut tax = Requester::new(&set.world, &set.running, "tax").await;
    let blinded = tax.blind(0, 1);
    let of_tax = tax.evaluate(blinded);
    let request = tax.register_request(&of_tax);
    assert_eq!(word(&tax.register(request).await), "registered");
    set.rotate().await;
    let (second, good) = set.carried(&first[..2]);
    let change = |change: &dyn Fn(&mut pb::CarriedFrom)| {
        let mut request = good.clone();
        change(request.entries[1].carried_from.as_mut().unwrap());
        request
    };
    let (t, of_tax) = (first[0].t(), of_tax.enrollments[0].pseudonym().encode());
    for (case, request, due) in [
        ("another subject's pseudonym", change(&|it| it.pseudonym = t.to_vec().into()), "not_enrolled"),
        ("another requester's", change(&|it| it.pseudonym = of_tax.to_vec().into()), "not_enrolled"),
        ("no pseudonym at all", change(&|it| it.pseudonym = vec![9; 32].into()), "not_enrolled"),
        ("an epoch that never was", change(&|it| it.epoch = 1), "not_enrolled"),
        ("its own epoch", change(&|it| it.epoch += 1), "not_enrolled"),
        (
            "another's proof",
            {
                let mut request = good.clone();
                let other = request.entries[0].carried_from.as_ref().unwrap().proof.clone();
                request.entries[1].carried_from.as_mut().unwrap().proof = other;
                request
            },
            "proof_invalid",
        ),
        (
            "a changed proof",
            change(&|it| {
                let mut bytes = it.proof.to_vec();
                bytes[70] ^= 1;
                it.proof = bytes.into();
            }),
            "proof_invalid",
        ),
    ] {
        assert_eq!(word(&set.requester.register(request).await), due, "{case}");
    }
    let short = change(&|it| it.proof = vec![1; 95].into());
    assert!(set.requester.enrollment().register(short).await.is_err());
    // Another subject under the Ph of the first has no evaluation of its own, so nothing came of all that.
    assert_eq!(set.ask_by(9, &second[0]).await, refusal("not_enrolled"));
    // Proven for somebody else, brought by the tax office: its own registrations are looked at alone.
    assert_eq!(word(&tax.register(good.clone()).await), "not_enrolled");
    assert_eq!(word(&set.requester.register(good.clone()).await), "registered");
    // The same again after a lost answer is the same; without the carry too.
    assert_eq!(word(&set.requester.register(good.clone()).await), "registered");
    let mut plain = good;
    plain.entries.iter_mut().for_each(|entry| entry.carried_from = None);
    assert_eq!(word(&set.requester.register(plain).await), "registered");
    assert_eq!(set.ask_by(9, &second[0]).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pseudonym_is_carried_once_and_not_when_it_has_a_chain_of_its_own() {
    let mut set = Rotation::new(World::new(), 3).await;
    let first = set.kept.clone();
    // The first subject under a second blinding: both are registered, for one pseudonym.
    let blinded = set.requester.blind(0, 1);
    let batch = set.requester.evaluate(blinded);
    let request = set.requester.register_request(&batch);
    assert_eq!(word(&set.requester.register(request).await), "registered");
    set.portal.put(&set.portal.consent(9, &first[1].t())).await.unwrap();
    set.rotate().await;
    // Registered anew without a carry: a new subject, and no way back.
    let (second, request) = set.carried(&first[1..2]);
    let mut plain = request.clone();
    plain.entries[0].carried_from = None;
    assert_eq!(word(&set.requester.register(plain).await), "registered");
    assert_eq!(word(&set.requester.register(request).await), "enrolled_otherwise");
    assert_eq!(set.ask_by(9, &second[0]).await, refusal("consent_required"));
    // A consent was given under the new pseudonym before: it has a chain.
    let (third, request) = set.carried(&first[2..]);
    set.portal.put(&set.portal.consent(10, &third[0].t())).await.unwrap();
    assert_eq!(word(&set.requester.register(request.clone()).await), "enrolled_otherwise");
    let mut plain = request;
    plain.entries[0].carried_from = None;
    assert_eq!(word(&set.requester.register(plain).await), "registered");
    assert_eq!(set.ask_by(10, &third[0]).await, Ok(()));
    // Carried, then again into the epoch after from the first one, past the one between.
    let (next, _) = set.carry(&first[..1]).await;
    set.rotate().await;
    let (_, request) = set.carried(&first[..1]);
    assert_eq!(word(&set.requester.register(request).await), "enrolled_otherwise");
    set.carry(&next).await;
}
