//! Step 12: the auditor reads the whole log and computes its root.

use serde_json::json;
use tacit_ledger::quorum::CosignedCheckpoint;
use tacit_model::{Clock as _, SystemClock};

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
            let cosigned = cosigned(walk).await?;
            walk.narrator.value(
                "witnesses",
                &format!(
                    "{} signed a tree of {} too, and the log continues it",
                    cosigned.witnesses().join(", "),
                    plural(cosigned.checkpoint().size(), "record"),
                ),
            );
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
                json!({
                    "records": log.size, "root": root, "kinds": log.kinds, "answers": walk.answers,
                    "cosigned_by": cosigned.witnesses(), "cosigned_size": cosigned.checkpoint().size(),
                }),
            )
        }
        Err(finding) => {
            walk.narrator.verdict("result", Tone::Stopped, "FAILS:", &finding.to_string());
            ("fails", json!({ "finding": finding.to_string() }))
        }
    };
    Ok(Step::of("log_verified", "verified", outcome, facts))
}

/// What a quorum of the witnesses stands behind, proven to be how the log begins.
async fn cosigned(walk: &Walk<'_>) -> Result<CosignedCheckpoint, Failure> {
    let witnesses = walk.stage.registry.witnesses().map_err(Failure::internal)?;
    let cosigned = walk.auditor.cosigned(&witnesses, SystemClock.now().0 / 1000).await?;
    walk.auditor.extends(cosigned.checkpoint()).await?;
    Ok(cosigned)
}
