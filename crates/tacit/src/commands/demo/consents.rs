//! Steps 6 to 8: without consent, with it, and after its withdrawal.

use serde_json::json;
use tacit_blind::encoding::b3;
use tacit_client::{Acknowledged, Grant};
use tacit_ledger::checkpoint::VerifiedCheckpoint;
use tacit_model::Millis;
use tacit_policy::{ConsentState, Frequency, Unit};

use super::{
    PROCUREMENT, TAX_LIST, TENDER, VENDOR_SELECTION, Walk,
    ask::{Question, Told},
    narrator::Tone,
    person,
    questions::{answered, refused},
    report::Step,
};
use crate::exit::Failure;

/// What the subject is shown before it allows; its hash stands in the consent.
const NOTICE: &str = "The public procurement office may check until the date below whether you are on the list \
    tax/serious-violations, to choose among bidders. You can withdraw this at any time without harm to your bid.";
/// For how long the subject allows it, in days.
const DAYS: u64 = 30;

async fn ask(walk: &mut Walk<'_>) -> Result<Told, Failure> {
    walk.narrator.value("asked", &format!("is bidder C on {TAX_LIST}, for {VENDOR_SELECTION}?"));
    let question = Question { lists: &[TAX_LIST], purpose: VENDOR_SELECTION, case: TENDER };
    let code = walk.cast.consenting.clone();
    walk.procurement.ask(question, &code).await
}

/// Step 6.
pub(super) async fn none(walk: &mut Walk<'_>) -> Result<Step, Failure> {
    walk.narrator.step("No consent");
    walk.narrator.say(
        "For choosing among bidders the agreement with the tax authority asks for each bidder's own consent. \
         Bidder C has given none.",
    );
    walk.narrator.gap();
    let told = ask(walk).await?;
    refused(walk, &told);
    Ok(Step::of("no_consent", "consent_required", told.word(), told.facts(&walk.cast.consenting)))
}

/// Step 7.
pub(super) async fn given(walk: &mut Walk<'_>) -> Result<Step, Failure> {
    walk.narrator.step("Consent is given");
    walk.narrator.say(&format!(
        "Bidder C logs in at the portal and allows it, for {DAYS} days and at most 5 times a day. The consent stands \
         under a pseudonym that means bidder C to the procurement office and nobody else."
    ));
    walk.narrator.gap();
    person::logs_in(walk).await?;
    let now = walk.context.clock.now();
    let grant = Grant {
        requester: PROCUREMENT.parse().map_err(Failure::internal)?,
        lists: vec![TAX_LIST.parse().map_err(Failure::internal)?],
        purposes: vec![VENDOR_SELECTION.parse().map_err(Failure::internal)?],
        not_before: now,
        expires: Millis(now.0.saturating_add(DAYS * 86_400_000)),
        frequency: Frequency::new(5, Unit::Day).map_err(Failure::internal)?,
        notice: b3("tacit demo consent notice", &[NOTICE.as_bytes()]),
    };
    let subject = walk
        .stage
        .registry
        .schemes()
        .parse("CN-USCC", &walk.cast.consenting)
        .map_err(Failure::internal)?
        .subject;
    let given = walk.portal.grant(grant, &subject).await?;
    let kept = walk.portal.show(given.id).await?;
    walk.cast.pseudonym = Some(kept.consent.pseudonym);
    walk.cast.consent = Some(given.id);
    walk.narrator.verdict(
        "consent",
        Tone::Good,
        "GIVEN",
        &format!("{}, number {} of the log", given.id, given.record.index),
    );
    let told = ask(walk).await?;
    answered(walk, &told);
    walk.cast.consented_record =
        told.lists.first().map(|it| (it.record_id.clone(), it.record_index)).filter(|(id, _)| !id.is_empty());
    let mut facts = told.facts(&walk.cast.consenting);
    facts["consent"] = json!(given.id.to_string());
    Ok(Step::of("consent_given", "not_listed", told.word(), facts))
}

/// Step 8.
pub(super) async fn withdrawn(walk: &mut Walk<'_>) -> Result<Step, Failure> {
    walk.narrator.step("Consent is withdrawn");
    walk.narrator.say(
        "Bidder C takes it back. The portal gets the proof that the withdrawal is in the log: no question under \
         this consent can follow it there.",
    );
    walk.narrator.gap();
    let id = walk.cast.consent.ok_or_else(|| Failure::internal("no consent was given"))?;
    let Acknowledged { state, record, checkpoint, .. } = walk.portal.withdraw(id).await?;
    let checkpoint = VerifiedCheckpoint::open(&checkpoint, &walk.log_key).map_err(Failure::internal)?;
    let size = checkpoint.size();
    let word = if state == ConsentState::Withdrawn { "WITHDRAWN" } else { "NOT AS EXPECTED:" };
    walk.narrator.verdict(
        "consent",
        Tone::Good,
        word,
        &format!("number {} of the log; inclusion proven in the signed tree of size {size}", record.index),
    );
    let told = ask(walk).await?;
    refused(walk, &told);
    walk.narrator.say(
        "To the procurement office, withdrawn and never given look the same. Answers that were given stay given.",
    );
    walk.narrator.gap();
    let seen = person::sees(walk).await?;
    let mut facts = told.facts(&walk.cast.consenting);
    facts["person_sees"] = seen;
    facts["withdrawal"] = json!({ "record": record.index, "proven_in_size": size, "state": state.as_str() });
    Ok(Step::of("consent_withdrawn", "consent_required", told.word(), facts))
}
