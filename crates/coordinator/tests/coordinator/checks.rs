//! Authorize: what is permitted, what is refused, and what never becomes a question.

use tacit_blind::{
    check::{CheckDraft, DraftItem, ListEpoch},
    enroll::Enrolled,
    group::SecretScalar,
};
use tacit_identity::Role;
use tacit_ledger::record::{ListAt, Record};
use tacit_model::{Basis, entropy};
use tacit_wire::coordinator as pb;

use crate::support::*;

struct Setting {
    world: World,
    running: Running,
    requester: Requester,
}

async fn setting() -> Setting {
    let world = World::new();
    let running = world.start_with_lists().await;
    let requester = Requester::new(&world, &running, "procurement").await;
    Setting { world, running, requester }
}

/// Records that are not about the federation itself.
async fn decisions(setting: &Setting) -> usize {
    count(&setting.world, &setting.running, "access").await
        + count(&setting.world, &setting.running, "refused").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_check_goes_through() {
    let mut set = setting().await;
    let enrolled = set.requester.enroll(0, 1).await;
    set.world.clock.advance_ms(1_500);
    let check = set.requester.check(LISTS[0], COURT, &enrolled[0]);
    let answer = set.requester.authorize(std::slice::from_ref(&check)).await;
    let [record] = &records(&answer)[..] else { panic!("one record is due") };
    let Record::Access(access) = record.record() else { panic!("a permit is due") };
    let context = check.context();
    assert_eq!(access.time_ms, set.world.now().0);
    assert_eq!(access.expires_ms, access.time_ms + 60_000);
    assert_eq!((access.requester.as_str(), access.holder.as_str()), ("procurement", "court"));
    assert_eq!(access.lists, [ListAt { list: LISTS[0].to_owned(), epoch: LIST_EPOCH, version: 1 }]);
    assert_eq!(access.purpose, "eligibility");
    assert_eq!(access.registry, set.world.registry.hash());
    assert_eq!(access.query, tacit_blind::commit::blinded_query(context.items[0].query.as_bytes()));
    assert_eq!((access.matter, access.cnf), (context.matter, set.requester.credentials.cnf()));
    // The log holds exactly this record, after the registry's and the manifests'.
    let log = entries(&set.world, &set.running).await;
    assert_eq!(log.len(), 1 + LISTS.len() + 1);
    assert_eq!(log.last(), Some(record.record()));
    assert!(matches!(log[0], Record::Registry(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_permit_names_the_newest_logged_version_and_every_list_in_order() {
    let mut set = setting().await;
    for version in 2..=4 {
        set.world.publish(&set.running, &manifest(LISTS[1], LIST_EPOCH, version)).await;
    }
    let enrolled = set.requester.enroll(0, 1).await;
    let mut draft = set.requester.draft(LISTS[1], COURT);
    draft.items[0].lists.push(ListEpoch { list: LISTS[0].parse().unwrap(), epoch: LIST_EPOCH });
    let checks = set.requester.prove(vec![(draft, &enrolled[0])]);
    let answer = set.requester.authorize(&checks).await;
    let Record::Access(access) = records(&answer)[0].record().clone() else { panic!() };
    let at = |list: &str, version| ListAt { list: list.to_owned(), epoch: LIST_EPOCH, version };
    assert_eq!(access.lists, [at(LISTS[1], 4), at(LISTS[0], 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_refusal_is_a_record_with_the_word_that_the_requester_got() {
    let mut set = setting().await;
    let enrolled = set.requester.enroll(0, 1).await;
    let unknown_list = DraftItem {
        holder: id("court"),
        lists: vec![ListEpoch { list: "court/nothing".parse().unwrap(), epoch: 1 }],
    };
    let unknown_holder = DraftItem {
        holder: id("nobody"),
        lists: vec![ListEpoch { list: "nobody/list".parse().unwrap(), epoch: 1 }],
    };
    type Change = Box<dyn Fn(&mut CheckDraft)>;
    let cases: Vec<(&str, Change)> = vec![
        ("not_permitted", Box::new(|draft| draft.purpose = "debt-collection".parse().unwrap())),
        ("not_permitted", Box::new(|draft| draft.basis = Basis::Agreement(ulid(TAX)))),
        ("not_permitted", Box::new(|draft| draft.basis = Basis::Agreement(ulid(77)))),
        ("not_permitted", Box::new(|draft| draft.purpose = "subject-access".parse().unwrap())),
        ("unknown_purpose", Box::new(|draft| draft.purpose = "curiosity".parse().unwrap())),
        ("unknown_list", Box::new(move |draft| draft.items = vec![unknown_list.clone()])),
        ("unknown_member", Box::new(move |draft| draft.items = vec![unknown_holder.clone()])),
        ("consent_required", Box::new(|draft| draft.basis = Basis::Consent(ulid(1000)))),
        ("epoch_not_current", Box::new(|draft| draft.items[0].lists[0].epoch += 1)),
        ("epoch_not_current", Box::new(|draft| draft.items[0].lists[0].epoch -= 1)),
    ];
    let before = decisions(&set).await;
    for (word, change) in &cases {
        let mut draft = set.requester.draft(LISTS[0], COURT);
        change(&mut draft);
        let context = draft.clone();
        let checks = set.requester.prove(vec![(draft, &enrolled[0])]);
        let answer = set.requester.authorize(&checks).await;
        assert_eq!(words(&answer), [Err((*word).to_owned())]);
        let [record] = &records(&answer)[..] else { panic!("one record is due") };
        let Record::Refused(refused) = record.record() else { panic!("a refusal is due") };
        assert_eq!(refused.reason, *word);
        assert_eq!(refused.holder, *context.items[0].holder);
        assert_eq!(refused.lists, [context.items[0].lists[0].list.to_string()]);
        assert_eq!(refused.purpose, context.purpose.to_string());
    }
    assert_eq!(decisions(&set).await, before + cases.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_without_a_logged_table_is_not_asked() {
    let world = World::new();
    let running = world.start().await;
    let mut requester = Requester::new(&world, &running, "procurement").await;
    let enrolled = requester.enroll(0, 1).await;
    assert_eq!(requester.ask(LISTS[0], COURT, &enrolled[0]).await, Err("list_not_ready".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_holder_of_a_check_has_its_own_decision() {
    let mut set = setting().await;
    let enrolled = set.requester.enroll(0, 1).await;
    let basis = Basis::Agreement(ulid(COURT));
    let draft = set.requester.draft_of(&[LISTS[0], LISTS[2]], basis);
    let checks = set.requester.prove(vec![(draft, &enrolled[0])]);
    let answer = set.requester.authorize(&checks).await;
    assert_eq!(words(&answer), [Ok(()), Err("not_permitted".to_owned())]);
    let kinds: Vec<_> = records(&answer).iter().map(|record| record.record().kind()).collect();
    assert_eq!(kinds, ["access", "refused"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_that_is_too_old_or_too_far_ahead_is_refused() {
    let mut set = setting().await;
    let enrolled = set.requester.enroll(0, 1).await;
    let now = set.world.now().0;
    for (asked, outcome) in [
        (now - 30_001, Err("not_fresh".to_owned())),
        (now - 30_000, Ok(())),
        (now + 5_000, Ok(())),
        (now + 5_001, Err("not_fresh".to_owned())),
    ] {
        let mut draft = set.requester.draft(LISTS[0], COURT);
        draft.timestamp.0 = asked;
        let checks = set.requester.prove(vec![(draft, &enrolled[0])]);
        let answer = set.requester.authorize(&checks).await;
        assert_eq!(words(&answer), [outcome], "{}", i128::from(asked) - i128::from(now));
        assert_eq!(records(&answer).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_is_for_the_certificate_it_names_and_no_other() {
    let mut set = setting().await;
    let enrolled = set.requester.enroll(0, 1).await;
    let other = Requester::new(&set.world, &set.running, "procurement").await;
    assert_ne!(other.credentials.cnf(), set.requester.credentials.cnf());
    let request = {
        let check = set.requester.check(LISTS[0], COURT, &enrolled[0]);
        set.requester.request(&[check])
    };
    let before = decisions(&set).await;
    assert_eq!(refused(other.send(request.clone()).await), "certificate_mismatch");
    // Nor is it for another member.
    let tax = Requester::new(&set.world, &set.running, "tax").await;
    assert_eq!(refused(tax.send(request).await), "unauthenticated");
    assert_eq!(decisions(&set).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_the_requester_did_not_sign_is_none() {
    let mut set = setting().await;
    let enrolled = set.requester.enroll(0, 2).await;
    let checks = [
        set.requester.check(LISTS[0], COURT, &enrolled[0]),
        set.requester.check(LISTS[0], COURT, &enrolled[1]),
    ];
    let both = set.requester.request(&checks);
    let before = decisions(&set).await;
    // Without a signature, with somebody else's, with one over other checks, or over the same in another order.
    let unsigned = pb::AuthorizeRequest { signature: vec![0; 64].into(), ..both.clone() };
    let by_coordinator = {
        let invented = Requester { signing: key("coordinator"), ..set.requester };
        let request = invented.request(&checks);
        set.requester = Requester { signing: key("procurement"), ..invented };
        request
    };
    let fewer = pb::AuthorizeRequest { checks: both.checks[..1].to_vec(), ..both.clone() };
    let swapped =
        pb::AuthorizeRequest { checks: both.checks.iter().rev().cloned().collect(), ..both.clone() };
    for request in [unsigned, by_coordinator, fewer, swapped] {
        assert_eq!(refused(set.requester.send(request).await), "signature_invalid");
    }
    assert_eq!(decisions(&set).await, before);
    assert_eq!(words(&taken_up(set.requester.send(both).await)), [Ok(()), Ok(())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_pseudonym_is_refused_without_a_record() {
    let mut set = setting().await;
    let blinded = set.requester.blind(0, 1);
    let stranger = set.requester.evaluate(blinded).enrollments[0].to_enrolled();
    let check = set.requester.check(LISTS[0], COURT, &stranger);
    let before = decisions(&set).await;
    let answer = set.requester.authorize(&[check]).await;
    assert_eq!(words(&answer), [Err("not_enrolled".to_owned())]);
    assert!(raw_records(&answer).is_empty());
    // Another requester's pseudonym is as unknown.
    let mut tax = Requester::new(&set.world, &set.running, "tax").await;
    let enrolled = set.requester.enroll(0, 1).await;
    let check = tax.check(LISTS[0], TAX, &enrolled[0]);
    assert_eq!(words(&tax.authorize(&[check]).await), [Err("not_enrolled".to_owned())]);
    assert_eq!(decisions(&set).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_proof_among_a_thousand_affects_only_itself() {
    let mut set = setting().await;
    let enrolled = set.requester.enroll(0, 1024).await;
    let drafts = enrolled.iter().map(|of| (set.requester.draft(LISTS[0], COURT), of)).collect::<Vec<_>>();
    let mut checks = set.requester.prove(drafts);
    // About somebody else: the proof blinds subject 3, the pseudonym is that of subject 700.
    let forged = {
        let one = Enrolled::from_stored(
            &enrolled[3].z().expose_bytes(),
            enrolled[3].blinded_subject().as_bytes(),
            enrolled[700].pseudonym(),
        );
        set.requester.check(LISTS[0], COURT, &one.unwrap())
    };
    checks[700] = forged;
    let answer = set.requester.authorize(&checks).await;
    let words = words(&answer);
    assert_eq!(words.len(), 1024);
    for (place, word) in words.iter().enumerate() {
        let due = if place == 700 { Err("proof_invalid".to_owned()) } else { Ok(()) };
        assert_eq!(*word, due, "check {place}");
    }
    assert_eq!(records(&answer).len(), 1023);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_about_another_subject_does_not_pass_under_a_pseudonym() {
    let mut set = setting().await;
    let enrolled = set.requester.enroll(0, 1).await;
    let check = set.requester.check(LISTS[0], COURT, &enrolled[0]);
    // The same context with another M, which is what the holder would answer.
    let other = SecretScalar::random(&mut entropy::os_rng()).public();
    let mut context = check.context_bytes().to_vec();
    let place = context.len() - 32;
    context[place..].copy_from_slice(other.as_bytes());
    let hash = tacit_blind::check::check_hash(&context, check.proof());
    let signature = set.requester.signing.sign(&tacit_blind::check::authorize_message(&[hash]));
    let mut request = set.requester.request(&[check]);
    request.checks[0].context = context.into();
    request.signature = signature.to_vec().into();
    let answer = taken_up(set.requester.send(request).await);
    assert_eq!(words(&answer), [Err("proof_invalid".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_out_of_its_form_is_refused_by_name_and_leaves_nothing() {
    let mut set = setting().await;
    let enrolled = set.requester.enroll(0, 1).await;
    let check = set.requester.check(LISTS[0], COURT, &enrolled[0]);
    let good = set.requester.request(std::slice::from_ref(&check));
    let before = decisions(&set).await;
    let empty = pb::AuthorizeRequest { checks: Vec::new(), ..good.clone() };
    assert_eq!(refused(set.requester.send(empty).await), "malformed");
    let many = pb::AuthorizeRequest { checks: vec![good.checks[0].clone(); 1025], ..good.clone() };
    assert_eq!(refused(set.requester.send(many).await), "too_many");
    for cut in [0, 1, 20, good.checks[0].context.len() - 1] {
        let mut short = good.clone();
        short.checks[0].context = short.checks[0].context.slice(..cut);
        assert_eq!(refused(set.requester.send(short).await), "malformed", "{cut} bytes");
    }
    let mut point = good.clone();
    let mut context = point.checks[0].context.to_vec();
    let place = context.len() - 32;
    context[place..].fill(0);
    point.checks[0].context = context.into();
    assert_eq!(refused(set.requester.send(point).await), "malformed");
    for (field, request) in [
        ("signature", pb::AuthorizeRequest { signature: vec![0; 63].into(), ..good.clone() }),
        ("proof", with(&good, |check| check.proof = vec![0; 65].into())),
        ("pseudonym", with(&good, |check| check.pseudonym = vec![0; 31].into())),
    ] {
        let status = set.requester.authorization().authorize(request).await.unwrap_err();
        assert_eq!(tacit_wire::reason_of(&status), Some(tacit_model::Reason::Malformed));
        assert!(status.message().starts_with(field), "{}", status.message());
    }
    assert_eq!(decisions(&set).await, before);
}

fn with(good: &pb::AuthorizeRequest, change: impl FnOnce(&mut pb::Check)) -> pb::AuthorizeRequest {
    let mut request = good.clone();
    change(&mut request.checks[0]);
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_bad_proofs_is_cut_off_and_others_are_served() {
    let mut world = World::new();
    world.limits.bad_checks_per_minute = 40;
    let running = world.start_with_lists().await;
    let mut flooding = Requester::new(&world, &running, "procurement").await;
    let mut honest = Requester::new(&world, &running, "tax").await;
    let (bad, good) = (flooding.enroll(0, 1).await, honest.enroll(0, 1).await);
    for _ in 0..3 {
        let check = flooding.check(LISTS[0], COURT, &bad[0]);
        let mut request = flooding.request(&vec![check; 20]);
        request.signature = vec![1; 64].into();
        assert_eq!(refused(flooding.send(request).await), "signature_invalid");
    }
    let check = flooding.check(LISTS[0], COURT, &bad[0]);
    assert_eq!(refused(flooding.send(flooding.request(&[check])).await), "quota_rate");
    assert_eq!(honest.ask(LISTS[0], TAX, &good[0]).await, Ok(()));
    // The next minute is another one.
    flooding.now = world.clock.advance_ms(60_000);
    assert_eq!(flooding.ask(LISTS[0], COURT, &bad[0]).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_asks_only_for_subjects_themselves() {
    let set = setting().await;
    let mut portal = Requester::new(&set.world, &set.running, "portal").await;
    let enrolled = portal.enroll(0, 1).await;
    assert_eq!(portal.ask(LISTS[0], PORTAL, &enrolled[0]).await, Err("not_permitted".to_owned()));
    let mut draft = portal.draft(LISTS[0], PORTAL);
    draft.purpose = "subject-access".parse().unwrap();
    let checks = portal.prove(vec![(draft, &enrolled[0])]);
    assert_eq!(words(&portal.authorize(&checks).await), [Ok(())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_in_no_agreement_learns_one_word() {
    let set = setting().await;
    let mut customs = Requester::new(&set.world, &set.running, "customs").await;
    let enrolled = customs.enroll(0, 1).await;
    assert_eq!(customs.ask(LISTS[0], COURT, &enrolled[0]).await, Err("not_permitted".to_owned()));
    let court = set.world.channel(&set.running, Role::Node, "court").await;
    drop(court);
}
