//! `tacit subject erase`: what opens the records about a person is destroyed, at the coordinator.

use std::{collections::BTreeSet, path::PathBuf};

use serde_json::json;
use tacit_client::{ChainFinding, ClientError, ConsentAuthority};
use tacit_ledger::record::ERASURE_GROUNDS;
use tacit_model::{MemberId, Reason};

use crate::{
    cli::Context,
    commands::consent::read_code,
    exit::{Exit, Failure},
    parties,
};

/// Whom it is about.
#[derive(Debug, clap::Args)]
struct Whom {
    /// The subject's code, `-` to read it from standard input.
    #[arg(required_unless_present = "pseudonym")]
    code: Option<String>,
    /// The code's scheme.
    #[arg(long, default_value = "CN-USCC")]
    scheme: String,
    /// Requesters whose records are meant; all that the registry names without it. Each new one counts against the
    /// authority's cap at the custodian.
    #[arg(long = "requester", value_name = "MEMBER")]
    requesters: Vec<MemberId>,
    /// One pseudonym instead, 64 hexadecimal digits.
    #[arg(long, value_name = "HEX", conflicts_with_all = ["code", "requesters"], value_parser = pseudonym)]
    pseudonym: Option<[u8; 32]>,
    /// The authority's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

/// Arguments of `subject erase`.
#[derive(Debug, clap::Args)]
pub(crate) struct Erase {
    #[command(flatten)]
    whom: Whom,
    /// Why.
    #[arg(long, value_parser = ERASURE_GROUNDS)]
    ground: String,
    /// Yes, for good: there is no way back.
    #[arg(long)]
    yes: bool,
}

fn pseudonym(text: &str) -> Result<[u8; 32], String> {
    let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| "a pseudonym is 64 hexadecimal digits".to_owned())
}

/// A pseudonym, and whose it is when that is known.
struct Of {
    requester: Option<MemberId>,
    pseudonym: [u8; 32],
    /// Those of other pseudonym epochs.
    others: Vec<[u8; 32]>,
}

impl Of {
    /// All of them, the one that is meant first.
    fn names(&self) -> Vec<[u8; 32]> {
        std::iter::once(self.pseudonym).chain(self.others.iter().copied()).collect()
    }

    /// How the output calls it.
    fn name(&self) -> &str {
        self.requester.as_deref().unwrap_or("the pseudonym")
    }
}

/// The pseudonyms that are meant. The custodian evaluates, and learns neither code nor pseudonym.
async fn pseudonyms(authority: &ConsentAuthority, whom: Whom) -> Result<Vec<Of>, Failure> {
    if let Some(pseudonym) = whom.pseudonym {
        return Ok(vec![Of { requester: None, pseudonym, others: Vec::new() }]);
    }
    let registry = authority.registry();
    let code = whom.code.ok_or_else(|| Failure::usage("no subject was named"))?;
    let subject = read_code(&registry, &whom.scheme, code)?;
    let mut requesters: BTreeSet<MemberId> = whom.requesters.into_iter().collect();
    if requesters.is_empty() {
        let asks = registry.members().filter(|member| member.pseudonym_epoch.is_some());
        requesters = asks.map(|member| member.id.clone()).collect();
    }
    let mut found = Vec::with_capacity(requesters.len());
    for requester in requesters {
        // Of every epoch: what is on record from before a rotation stands under the pseudonyms of then.
        let names: Vec<[u8; 32]> =
            authority.all_pseudonyms(&requester, &subject).await?.iter().map(|it| it.pseudonym).collect();
        for (place, pseudonym) in names.iter().enumerate() {
            let mut others = names.clone();
            others.remove(place);
            found.push(Of { requester: Some(requester.clone()), pseudonym: *pseudonym, others });
        }
    }
    Ok(found)
}

pub(super) async fn erase(context: &Context, arguments: Erase) -> Result<Exit, Failure> {
    if !arguments.yes {
        return Err(Failure::usage("nothing was erased: an erasure cannot be taken back")
            .next("look at it with tacit subject log, then add --yes"));
    }
    let authority = parties::authority(context, &arguments.whom.config).await?;
    let chains = authority.chains();
    for of in pseudonyms(&authority, arguments.whom).await? {
        let erased = match chains.erase(&of.pseudonym, &arguments.ground).await {
            Ok(erased) => erased,
            Err(ClientError::Refused { refusal, .. }) if refusal.reason == Reason::NotFound => {
                let value = json!({ "requester": of.requester, "erased": false });
                context.output.result(&value, || format!("{}: nothing is on record", of.name()))?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        // It is this subject's chain that begins anew with that record.
        let log = chains.log_among(&of.names()).await?;
        let begins = log.entries.first().is_some_and(|entry| entry.index >= erased.record.index);
        if !begins {
            return Err(Failure::trouble("the log has an erasure, but what was to be erased still opens")
                .reason(Reason::LogInconsistent));
        }
        let value = json!({
            "requester": of.requester,
            "erased": true,
            "openings": erased.openings,
            "ground": erased.ground,
            "time": erased.time.to_rfc3339(),
            "record": { "id": erased.record.id.to_string(), "index": erased.record.index },
            "checkpoint": String::from_utf8_lossy(&erased.checkpoint),
        });
        context.output.result(&value, || {
            format!(
                "{}: what opens {} was erased at {}, ground {}\n  record {}, log index {}, proven; the records stay in \
                 the log and say nothing of whom",
                of.name(),
                records(erased.openings),
                erased.time.to_rfc3339(),
                erased.ground,
                erased.record.id,
                erased.record.index
            )
        })?;
    }
    Ok(Exit::Done)
}

/// "1 record", "7 records".
fn records(count: u64) -> String {
    if count == 1 { "1 record".to_owned() } else { format!("{count} records") }
}

impl From<ChainFinding> for Failure {
    fn from(finding: ChainFinding) -> Self {
        match finding {
            ChainFinding::Client(error) => error.into(),
            finding => {
                let reason = finding.reason();
                Self::new(
                    Exit::of(reason),
                    "what is on record about the subject is NOT complete and in order",
                )
                .why(finding)
                .reason(reason)
            }
        }
    }
}
