//! `tacit registry publish`.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::json;
use tacit_coordinator::offers::Standing;
use tacit_federation::run::read_seed;
use tacit_identity::write_public;
use tacit_ledger::ed25519::SigningKey;
use tacit_model::Reason;
use tacit_policy::registry::draft::Draft;

use super::{
    known::{Desk, read},
    words::needed,
};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// How often it is looked what became of a version.
const POLL: Duration = Duration::from_millis(100);

/// Arguments of `registry publish`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A signed version, or a draft, which is signed with --key.
    file: PathBuf,
    /// The coordinator's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// The coordinator's signing key (a seed): signs a draft.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Where the signed version is written too.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How long to wait until it is in force, in seconds.
    #[arg(long, default_value_t = 60)]
    wait: u64,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let desk = Desk::load(&arguments.config)?;
    let offers = desk.offers().await?;
    let file = read(&arguments.file)?;
    let bytes = match (Draft::read(&file), &arguments.key) {
        (Ok(draft), Some(key)) => {
            draft.finish(context.clock.now(), &SigningKey::from_seed(&*read_seed(key)?))?
        }
        (Ok(_), None) => {
            return Err(Failure::usage("this is a draft, which nobody has signed")
                .next("sign it with --key, the file of the coordinator's signing key"));
        }
        (Err(_), _) => file,
    };
    // What members would refuse is refused here, with the place.
    let known = desk.read(&bytes)?;
    if let Some(out) = &arguments.out {
        write_public(out, &bytes)
            .map_err(|error| Failure::trouble("the version was not written").why(error))?;
    }
    let hash = offers.offer(&bytes, &*context.clock).await?;
    let number = known.registry.number();
    let remaining = desk.underway(&bytes)?.map(|underway| needed(&underway));
    let until = Instant::now() + Duration::from_secs(arguments.wait);
    loop {
        let standing = offers.standing(&hash).await?;
        match &standing {
            Standing::Refused(why) => {
                return Err(Failure::new(
                    Exit::Refused,
                    format!("version {number} is refused; nothing changed"),
                )
                .why(why)
                .next("correct the draft and publish it again")
                .reason(Reason::RegistryInvalid));
            }
            Standing::Counts { index, since } => {
                let hash = hex::encode(hash);
                context.output.result(
                    &json!({ "number": number, "hash": hash, "index": index, "since": since.to_rfc3339() }),
                    || format!("Version {number} is in force: record {index} of the log, {hash}"),
                )?;
                return Ok(Exit::Done);
            }
            Standing::Overtaken { .. } => {
                return Err(Failure::new(Exit::Refused, format!("version {number} never comes into force"))
                    .why("a recovery version came into force in its place")
                    .next("draft it again from the version in force")
                    .reason(Reason::RegistryInvalid));
            }
            Standing::Waiting | Standing::Logged { .. } | Standing::Unknown if Instant::now() >= until => {
                return Err(still_waiting(number, &standing, remaining.as_deref(), arguments.wait));
            }
            Standing::Waiting | Standing::Logged { .. } | Standing::Unknown => tokio::time::sleep(POLL).await,
        }
    }
}

fn still_waiting(number: u64, standing: &Standing, remaining: Option<&str>, wait: u64) -> Failure {
    let failure = Failure::new(Exit::Unreachable, format!("version {number} is not in force after {wait} s"));
    if let Some(remaining) = remaining {
        return failure
            .why(format!("it waits until the coordinator runs and these cosign its log: {remaining}"))
            .next("see that they run; it comes into force by itself: tacit registry status");
    }
    let (why, next) = match standing {
        Standing::Logged { .. } => (
            "it is in the log, and no quorum of the version in force has cosigned that yet; the old version decides",
            "see that the witnesses run; it comes into force by itself: tacit registry status",
        ),
        _ => (
            "the coordinator did not take it up",
            "start it; it takes it up by itself: tacit registry status",
        ),
    };
    failure.why(why).next(next)
}
