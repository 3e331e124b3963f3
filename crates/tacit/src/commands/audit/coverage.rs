//! `tacit audit coverage`: who stands behind the log, and whether two counts of the same agree.

use std::collections::BTreeMap;

use serde_json::json;
use tacit_ledger::record::Record;
use tacit_model::{Clock as _, Reason};

use super::{Desk, Who};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// Arguments of `audit coverage`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    who: Who,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let desk = Desk::open(context, &arguments.who).await?;
    let heads = desk.remote.heads(context.clock.now()).await?;
    let cosigned = heads.cosigned.as_ref().ok_or_else(|| {
        Failure::trouble("no quorum of the witnesses stands behind the log").reason(Reason::QuorumStale)
    })?;
    let (checkpoint, signed) = (cosigned.checkpoint(), cosigned.witnesses());
    let all: Vec<&str> = heads.witnesses.iter().map(|it| it.name()).collect();
    let missing: Vec<&str> = all.iter().copied().filter(|name| !signed.iter().any(|it| it == name)).collect();
    // What the custodian counted last, by requester and pseudonym epoch.
    let mut counts: BTreeMap<(String, u32), u64> = BTreeMap::new();
    desk.records(checkpoint, 0..checkpoint.size(), |entry| {
        if let Ok(Record::Enrollment(it)) = &entry.record {
            counts.insert((it.requester.clone(), it.epoch), it.count);
        }
        Ok(true)
    })
    .await?;
    let size = checkpoint.size();
    let counted = desk.auditor.signals(size, size, 2).await?;
    let now = context.clock.now();
    let mut findings = desk.findings()?;
    let (mut enrolled, mut wrong) = (Vec::new(), Vec::new());
    for it in counted {
        let evaluated: u64 =
            counts.iter().filter(|((of, _), _)| *of == it.requester).map(|(_, count)| count).sum();
        // A subject of which an answer was lost is evaluated and not registered; the other way nobody can explain.
        if it.enrolled > evaluated {
            let text =
                format!("{} registered {} subjects, {evaluated} were evaluated", it.requester, it.enrolled);
            findings.add(now, "coverage", &it.requester, "", text.clone())?;
            wrong.push(text);
        }
        enrolled
            .push(json!({ "requester": it.requester, "registered": it.enrolled, "evaluated": evaluated }));
    }
    let (newest, behind) = (heads.newest.size(), heads.newest.size().saturating_sub(size));
    let value = json!({
        "witnesses": all.len(), "cosigned_by": signed, "missing": missing, "quorum": heads.witnesses.quorum(),
        "size": newest, "cosigned_size": size, "behind": behind, "enrollments": enrolled, "findings": wrong,
    });
    context.output.result(&value, || {
        let mut text = format!("{} of {} witnesses cosigned", signed.len(), all.len());
        if !missing.is_empty() {
            text.push_str(&format!("; missing: {}", missing.join(" ")));
        }
        text.push_str(&format!("\n{size} of {newest} records are cosigned"));
        for it in &wrong {
            text.push_str(&format!("\nFINDING: {it}"));
        }
        text
    })?;
    Ok(if wrong.is_empty() { Exit::Done } else { Exit::Trouble })
}
