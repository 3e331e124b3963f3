//! Steps 3 to 5: a hit, a miss, and purposes that nobody agreed to.

use serde_json::json;

use super::{
    COURT_LIST, ELIGIBILITY, TAX_LIST, TENDER, Walk,
    ask::{Question, Told},
    narrator::{Tone, span},
    report::Step,
};
use crate::exit::Failure;

/// Step 3.
pub(super) async fn hit(walk: &mut Walk<'_>) -> Result<Step, Failure> {
    let code = walk.cast.listed.clone();
    walk.narrator.step("A hit");
    walk.narrator.say(
        "The procurement office asks the court about bidder A. The court answers without learning about whom; \
         what comes back opens only one sealed entry. An answer is not a decision: who acts on one decides.",
    );
    walk.narrator.gap();
    walk.narrator.value("asked", &format!("is bidder A, {code}, on {COURT_LIST}?"));
    walk.narrator.value("why", &format!("{ELIGIBILITY}, case {TENDER}"));
    let question = Question { lists: &[COURT_LIST], purpose: ELIGIBILITY, case: TENDER };
    let told = walk.procurement.ask(question, &code).await?;
    let mut reference = String::new();
    match told.listed() {
        Some((_, listed)) => {
            let meaning = u16::try_from(listed.category)
                .ok()
                .and_then(|category| walk.stage.registry.category(category))
                .map_or_else(String::new, |category| format!(": {}", category.title));
            walk.narrator.verdict(
                "answer",
                Tone::Good,
                "LISTED",
                &format!("from {} until {}", listed.listed_on, listed.expires_on),
            );
            walk.narrator.value(
                "",
                &format!(
                    "category {}{meaning}; the court's reference is {}",
                    listed.category, listed.reference
                ),
            );
            reference = listed.reference.clone();
        }
        None => unexpected(walk, &told),
    }
    recorded(walk, &told);
    walk.cast.reference = reference.clone();
    walk.cast.hit_record = told.records().first().copied();
    let mut facts = told.facts(&code);
    facts["reference"] = json!(reference);
    Ok(Step::of("hit", "listed", told.word(), facts))
}

/// Step 4: two holders at once.
pub(super) async fn miss(walk: &mut Walk<'_>) -> Result<Step, Failure> {
    let code = walk.cast.unlisted.clone();
    walk.narrator.step("A miss");
    walk.narrator.say("The same question about bidder B, to the court and to the tax authority at once.");
    walk.narrator.gap();
    walk.narrator.value("asked", &format!("is bidder B, {code}, on {COURT_LIST} or on {TAX_LIST}?"));
    walk.narrator.value("why", &format!("{ELIGIBILITY}, case {TENDER}"));
    let question = Question { lists: &[COURT_LIST, TAX_LIST], purpose: ELIGIBILITY, case: TENDER };
    let told = walk.procurement.ask(question, &code).await?;
    if told.word() == "not_listed" {
        walk.narrator.verdict(
            "answer",
            Tone::Good,
            "NOT LISTED",
            "on either; this says nothing about other lists",
        );
    } else {
        unexpected(walk, &told);
    }
    recorded(walk, &told);
    Ok(Step::of("miss", "not_listed", told.word(), told.facts(&code)))
}

/// Step 5: a purpose without agreement, and one that no agreement can allow.
pub(super) async fn purposes(walk: &mut Walk<'_>) -> Result<Step, Failure> {
    let code = walk.cast.listed.clone();
    walk.narrator.step("A wrong purpose");
    walk.narrator.say(
        "An agreement between court and procurement office names the purposes. Collecting debts is none of them. \
         Water supply is, but it is a basic service: no agreement may tie it to a list of defaulters.",
    );
    let mut words = Vec::new();
    let mut facts = Vec::new();
    for purpose in ["debt-collection", "water-supply"] {
        walk.narrator.gap();
        walk.narrator.value("asked", &format!("is bidder A on {COURT_LIST}, for {purpose}?"));
        let question = Question { lists: &[COURT_LIST], purpose, case: TENDER };
        let told = walk.procurement.ask(question, &code).await?;
        refused(walk, &told);
        words.push(told.word());
        facts.push(told.facts(&code));
    }
    walk.narrator.say(
        "The office hears one word for both. Which rule decided stands beside the record, for subject and auditor.",
    );
    words.dedup();
    Ok(Step::of("wrong_purpose", "not_permitted", words.join(" "), json!({ "questions": facts })))
}

/// Shows a refusal, which is on record too.
pub(super) fn refused(walk: &mut Walk<'_>, told: &Told) {
    match told.refusal() {
        Some(refusal) => {
            let reason = refusal.reason.clone();
            walk.narrator.verdict(
                "answer",
                Tone::Stopped,
                "REFUSED",
                &format!("{reason}: {}", refusal.message),
            );
            recorded(walk, told);
        }
        None => unexpected(walk, told),
    }
}

/// Shows a miss of one list.
pub(super) fn answered(walk: &mut Walk<'_>, told: &Told) {
    match told.word().as_str() {
        "not_listed" => walk.narrator.verdict("answer", Tone::Good, "NOT LISTED", ""),
        _ => unexpected(walk, told),
    }
    recorded(walk, told);
}

fn recorded(walk: &mut Walk<'_>, told: &Told) {
    walk.answers += told.answers();
    let took = span(told.took);
    let records = told.records();
    let text = match records.as_slice() {
        [] => format!("none; {took}"),
        [one] => format!("number {one} of the log, written before the answer; {took} in all"),
        many => {
            let numbers: Vec<String> = many.iter().map(u64::to_string).collect();
            format!(
                "numbers {} of the log, one for each holder, written before the answer; {took} in all",
                numbers.join(" and ")
            )
        }
    };
    walk.narrator.value("record", &text);
}

/// Shows what should not have come.
pub(super) fn unexpected(walk: &Walk<'_>, told: &Told) {
    let why = told.refusal().map(|refusal| format!("{}: {}", refusal.reason, refusal.message));
    walk.narrator.verdict("answer", Tone::Stopped, "NOT AS EXPECTED:", &why.unwrap_or_else(|| told.word()));
}
