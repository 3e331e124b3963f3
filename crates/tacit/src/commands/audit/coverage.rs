//! `tacit audit coverage`: who stands behind the log, and whether two counts of the same agree.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::json;
use tacit_client::{Found, What};
use tacit_ledger::record::Record;
use tacit_model::{Clock as _, Reason};

use super::{Desk, Who};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// How often the log is looked at for counts that are on their way.
const AGAIN: Duration = Duration::from_secs(2);

/// Arguments of `audit coverage`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How long the custodian's counts may be behind, in seconds: it reports them every minute.
    #[arg(long, default_value_t = 90, value_name = "SECONDS")]
    patience: u64,
    #[command(flatten)]
    who: Who,
}

/// What the custodian counted last, by requester and pseudonym epoch.
#[derive(Default)]
struct Evaluated {
    counts: BTreeMap<(String, u32), u64>,
    read: u64,
}

impl Evaluated {
    /// Reads on, up to the newest cosigned record.
    async fn read_on(&mut self, context: &Context, desk: &Desk) -> Result<(), Failure> {
        let checkpoint = desk.checkpoint(context).await?;
        desk.records(&checkpoint, self.read..checkpoint.size(), |entry| {
            if let Ok(Record::Enrollment(it)) = &entry.record {
                self.counts.insert((it.requester.clone(), it.epoch), it.count);
            }
            Ok(true)
        })
        .await?;
        self.read = self.read.max(checkpoint.size());
        Ok(())
    }

    fn of(&self, requester: &str) -> u64 {
        self.counts.iter().filter(|((of, _), _)| *of == *requester).map(|(_, count)| count).sum()
    }
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let desk = Desk::open(context, &arguments.who).await?;
    let heads = desk.remote.heads(context.clock.now()).await?;
    let cosigned = heads.cosigned.as_ref().ok_or_else(|| {
        Failure::trouble("no quorum of the witnesses stands behind the log").reason(Reason::QuorumStale)
    })?;
    let (size, signed) = (cosigned.checkpoint().size(), cosigned.witnesses());
    let all: Vec<&str> = heads.witnesses.iter().map(|it| it.name()).collect();
    let missing: Vec<&str> = all.iter().copied().filter(|name| !signed.iter().any(|it| it == name)).collect();
    let counted = desk.auditor.signals(size, size, 2).await?;
    let mut evaluated = Evaluated::default();
    let until = Instant::now() + Duration::from_secs(arguments.patience);
    // A subject of which an answer was lost is evaluated and not registered; the other way nobody can explain, once the
    // count had its time.
    loop {
        evaluated.read_on(context, &desk).await?;
        let behind = counted.iter().any(|it| it.enrolled > evaluated.of(&it.requester));
        if !behind || Instant::now() >= until {
            break;
        }
        tokio::time::sleep(AGAIN).await;
    }
    let now = context.clock.now();
    let (mut enrolled, mut wrong) = (Vec::new(), Vec::new());
    for it in counted {
        let evaluated = evaluated.of(&it.requester);
        if it.enrolled > evaluated {
            let what = What::Unevaluated { count: it.enrolled, of: evaluated };
            wrong.push(Found::counted(what, &it.requester, 0, size));
        }
        enrolled
            .push(json!({ "requester": it.requester, "registered": it.enrolled, "evaluated": evaluated }));
    }
    desk.keep(now, &wrong)?;
    let wrong: Vec<String> = wrong.into_iter().map(|it| it.text).collect();
    let newest = heads.newest.size();
    let value = json!({
        "witnesses": all.len(), "cosigned_by": signed, "missing": missing, "quorum": heads.witnesses.quorum(),
        "size": newest, "cosigned_size": size, "behind": newest.saturating_sub(size),
        "enrollments": enrolled, "findings": wrong,
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
