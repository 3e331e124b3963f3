//! Step 9: whoever tries one code after the other meets the quota of new subjects.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    COURT_LIST, Walk,
    ask::{Desk, Question},
    narrator::{Tone, count, plural, span},
    report::{Step, ms},
};
use crate::exit::Failure;

/// The purpose that the agreement between court and tax authority names.
const PURPOSE: &str = "export-refund-review";
const CASE: &str = "REFUND-2026-11";
/// Codes that are tried.
pub(super) const TRIED: usize = 250;
/// How many of them are on the court's list.
pub(super) const LISTED: usize = 25;

pub(super) async fn run(walk: &mut Walk<'_>) -> Result<Step, Failure> {
    let codes = std::mem::take(&mut walk.cast.swept);
    let mut tax = Desk::of(&walk.stage.config("tax"))?;
    let question = Question { lists: &[COURT_LIST], purpose: PURPOSE, case: CASE };
    let plan = tax.plan(question, &codes).await?;
    let allowed = plan.limits.iter().map(|limit| limit.new_subjects_per_day).max().unwrap_or(0);
    walk.narrator.step("A sweep meets its quota");
    walk.narrator.say(&format!(
        "An officer of the tax authority tries {} codes in one batch. The agreement with the court allows {} new \
         subjects a day; the plan says so beforehand. The custodian counts: without it no code becomes a question.",
        count(codes.len() as u64),
        count(allowed),
    ));
    walk.narrator.gap();
    walk.narrator.value(
        "plan",
        &format!(
            "{}, {}, {} allowed",
            plural(plan.checks, "check"),
            plural(plan.new_subjects, "new subject"),
            count(allowed)
        ),
    );
    let (told, took) = tax.ask_many(question, &codes).await?;
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    for told in &told {
        *outcomes.entry(told.word()).or_default() += 1;
    }
    let of = |word: &str| outcomes.get(word).copied().unwrap_or(0);
    let (listed, not_listed, stopped) = (of("listed"), of("not_listed"), of("quota_new_subjects"));
    let answered = listed + not_listed;
    walk.answers += told.iter().map(super::ask::Told::answers).sum::<u64>();
    walk.narrator.verdict(
        "answer",
        Tone::Stopped,
        "STOPPED",
        &format!(
            "after {} answers, {listed} of them hits; {} refused, quota_new_subjects",
            count(answered),
            plural(stopped, "code"),
        ),
    );
    let records: u64 = told.iter().map(|told| told.records().len() as u64).sum();
    walk.narrator
        .value("record", &format!("{} in the log; {} in all", plural(records, "record"), span(took)));
    let as_promised = answered == allowed && answered + stopped == codes.len() as u64 && records == answered;
    let outcome = if as_promised { "quota_new_subjects" } else { "other" };
    let facts = json!({
        "tried": codes.len(), "allowed": allowed, "outcomes": outcomes, "records": records, "took_ms": ms(took),
    });
    Ok(Step::of("sweep", "quota_new_subjects", outcome, facts))
}
