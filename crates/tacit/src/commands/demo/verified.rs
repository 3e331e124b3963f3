//! Step 12: the auditor reads the whole log and computes its root.

use serde_json::json;

use super::{
    Walk,
    narrator::{Tone, count, plural},
    report::Step,
};
use crate::exit::Failure;

pub(super) async fn run(walk: &mut Walk<'_>) -> Result<Step, Failure> {
    walk.narrator.step("The log is verified");
    walk.narrator.say("The audit office reads every record and computes the root of the tree over them.");
    walk.narrator.gap();
    let (outcome, facts) = match walk.auditor.verify(|_, _| ()).await {
        Ok(log) => {
            let root = hex::encode(log.root);
            walk.narrator.verdict(
                "result",
                Tone::Good,
                "VERIFIED:",
                &format!("{} give the root that the coordinator signed", plural(log.size, "record")),
            );
            walk.narrator.value("root", &root);
            let kinds: Vec<String> =
                log.kinds.iter().map(|(kind, number)| format!("{} {kind}", count(*number))).collect();
            walk.narrator.value("kinds", &kinds.join(", "));
            let accesses = log.kinds.get("access").copied().unwrap_or(0);
            let is_complete = accesses == walk.answers;
            walk.narrator.value(
                "answers",
                &format!(
                    "{} were given by holders, {} stand in the log",
                    count(walk.answers),
                    count(accesses)
                ),
            );
            let outcome = if is_complete { "verified" } else { "incomplete" };
            (
                outcome,
                json!({ "records": log.size, "root": root, "kinds": log.kinds, "answers": walk.answers }),
            )
        }
        Err(finding) => {
            walk.narrator.verdict("result", Tone::Stopped, "FAILS:", &finding.to_string());
            ("fails", json!({ "finding": finding.to_string() }))
        }
    };
    Ok(Step::of("log_verified", "verified", outcome, facts))
}
