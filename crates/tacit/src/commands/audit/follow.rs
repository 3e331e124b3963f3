//! `tacit audit follow`: one pseudonym of one requester, by any check of it.

use serde_json::json;
use tacit_client::Details;

use super::{Desk, Who};
use crate::{
    cli::Context,
    commands::log::{
        find::{Which, find},
        words,
    },
    exit::{Exit, Failure},
};

/// Arguments of `audit follow`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A record of a check, by index or id.
    record: Which,
    #[command(flatten)]
    who: Who,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let desk = Desk::open(context, &arguments.who).await?;
    let size = desk.remote.reader.checkpoint().await?.size();
    let entry = find(&desk.remote, arguments.record, size).await?;
    let followed = desk.auditor.follow(entry.index).await.map_err(|finding| {
        Failure::trouble("what is on record about this pseudonym was not shown, or does not hold")
            .why(finding)
    })?;
    let log = &followed.log;
    for entry in &log.entries {
        let bytes = &entry.proof.record;
        let mut value = words::value(entry.index, bytes);
        let beside = match &entry.details {
            Details::Check { exact, rules, agreement, basis } => json!({
                "sequence": entry.sequence, "exact": exact, "rules": rules, "agreement": agreement,
                "basis": basis.to_string(),
            }),
            Details::Consent { number, .. } | Details::Request { number, .. } => {
                json!({ "sequence": entry.sequence, "change": number })
            }
            Details::Measure { list, decider, words } => json!({
                "sequence": entry.sequence, "list": list, "decider": decider, "words": words,
            }),
            // A letter is sealed to others.
            Details::Notice(_) | Details::Erasure => json!({ "sequence": entry.sequence }),
        };
        if let (Some(all), Some(beside)) = (value.as_object_mut(), beside.as_object()) {
            all.extend(beside.clone());
        }
        context.output.result(&value, || {
            let more = match &entry.details {
                Details::Check { exact, rules, basis, .. } => {
                    let exact = if exact.is_empty() { "permitted" } else { exact };
                    format!("\n{:>10}{exact} by {}; {basis}", "", rules.join(" "))
                }
                Details::Measure { list, decider, words } => {
                    format!("\n{:>10}{words}, decided by {decider} after an answer of {list}", "")
                }
                _ => String::new(),
            };
            format!("{}{more}", words::line(entry.index, &entry.record))
        })?;
    }
    let end = json!({
        "records": log.statement.records, "shown": log.entries.len(), "erased": log.erased,
        "size": log.statement.size, "proven": true,
    });
    context.output.result(&end, || {
        format!(
            "{} records, {} of them erased; none is missing, each is in the log of size {}",
            log.statement.records, log.erased, log.statement.size
        )
    })?;
    Ok(Exit::Done)
}
