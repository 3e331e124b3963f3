//! Steps 6 to 8: without consent it is asked for; with it the question is answered and counted; paused, resumed,
//! withdrawn.

use serde_json::json;
use tacit_blind::encoding::b3;
use tacit_client::{Acknowledged, Narrower};
use tacit_ledger::checkpoint::VerifiedCheckpoint;
use tacit_model::{Ulid, parse_ulid};
use tacit_policy::{ConsentState, Frequency, Unit};

use super::{
    TAX_LIST, TENDER, VENDOR_SELECTION, Walk,
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
/// For how long the procurement office asks, in days.
const DAYS: u32 = 30;
/// How often it would ask, and how often the subject allows.
const WANTED: &str = "10 DAY";
const ALLOWED: u32 = 5;

async fn ask(walk: &mut Walk<'_>) -> Result<Told, Failure> {
    walk.narrator.value("asked", &format!("is bidder C on {TAX_LIST}, for {VENDOR_SELECTION}?"));
    let question = Question { lists: &[TAX_LIST], purpose: VENDOR_SELECTION, case: TENDER };
    let code = walk.cast.consenting.clone();
    walk.procurement.ask(question, &code).await
}

fn consent(walk: &Walk<'_>) -> Result<Ulid, Failure> {
    walk.cast.consent.ok_or_else(|| Failure::internal("no consent was asked for"))
}

/// Says what became of the consent.
fn became(walk: &mut Walk<'_>, word: &str, text: &str) {
    walk.narrator.verdict("consent", Tone::Good, word, text);
}

/// Step 6.
pub(super) async fn none(walk: &mut Walk<'_>) -> Result<Step, Failure> {
    walk.narrator.step("No consent, so it is asked for");
    walk.narrator.say(
        "For choosing among bidders the agreement with the tax authority asks for each bidder's own consent. \
         Bidder C has given none: the procurement office asks for it, and the request waits at the portal.",
    );
    walk.narrator.gap();
    let told = ask(walk).await?;
    refused(walk, &told);
    let code = walk.cast.consenting.clone();
    let asked = walk.procurement.ask_consent(&code, TAX_LIST, VENDOR_SELECTION, DAYS, WANTED).await?;
    walk.cast.consent = parse_ulid(&asked.consent_id);
    became(walk, "REQUESTED", &format!("{}, number {} of the log", asked.consent_id, asked.record_index));
    let mut facts = told.facts(&walk.cast.consenting);
    facts["requested"] = json!(asked.consent_id);
    Ok(Step::of("no_consent", "consent_required", told.word(), facts))
}

/// Step 7.
pub(super) async fn given(walk: &mut Walk<'_>) -> Result<Step, Failure> {
    walk.narrator.step("Consent is given, and counted");
    walk.narrator.say(&format!(
        "Bidder C logs in at the portal, sees the request, and allows less of it: at most {ALLOWED} times a day. The \
         consent stands under a pseudonym that means bidder C to the procurement office and nobody else."
    ));
    walk.narrator.gap();
    person::logs_in(walk).await?;
    let id = consent(walk)?;
    let asked = walk.portal.request(id).await?;
    let narrower = Narrower {
        frequency: Some(Frequency::new(ALLOWED, Unit::Day).map_err(Failure::internal)?),
        notice: b3("tacit demo consent notice", &[NOTICE.as_bytes()]),
        ..Narrower::default()
    };
    let given = walk.portal.allow(&asked, narrower).await?;
    walk.cast.pseudonym = Some(asked.request().pseudonym);
    became(walk, "GIVEN", &format!("number {} of the log", given.record.index));
    let told = ask(walk).await?;
    answered(walk, &told);
    walk.cast.consented_record =
        told.lists.first().map(|it| (it.record_id.clone(), it.record_index)).filter(|(id, _)| !id.is_empty());
    let uses = walk.portal.show(id).await?.uses;
    walk.narrator.value("used", &format!("{uses} of {ALLOWED} times in any day"));
    let mut facts = told.facts(&walk.cast.consenting);
    facts["consent"] = json!(id.to_string());
    facts["uses"] = json!(uses);
    Ok(Step::of("consent_given", "not_listed", told.word(), facts))
}

/// Step 8.
pub(super) async fn withdrawn(walk: &mut Walk<'_>) -> Result<Step, Failure> {
    walk.narrator.step("Consent is paused, resumed and withdrawn");
    walk.narrator.say(
        "While it is paused nothing is answered; resumed, it is again. Then bidder C takes it back, and the portal \
         gets the proof that this is in the log: no question under this consent can follow it there.",
    );
    walk.narrator.gap();
    let id = consent(walk)?;
    walk.portal.change(id, ConsentState::Paused).await?;
    became(walk, "PAUSED", "");
    let paused = ask(walk).await?;
    refused(walk, &paused);
    walk.portal.change(id, ConsentState::Resumed).await?;
    became(walk, "RESUMED", "");
    let resumed = ask(walk).await?;
    answered(walk, &resumed);
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
    (facts["paused"], facts["resumed"]) = (json!(paused.word()), json!(resumed.word()));
    facts["person_sees"] = seen;
    facts["withdrawal"] = json!({ "record": record.index, "proven_in_size": size, "state": state.as_str() });
    Ok(Step::of("consent_withdrawn", "consent_required", told.word(), facts))
}
