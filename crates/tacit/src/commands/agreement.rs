//! `tacit agreement ...`: between a holder and a requester, drafted, read, signed by both, ended by either.

mod revoke;
mod words;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;
use tacit_federation::drafts::{self, DraftError};
use tacit_identity::write_public;
use tacit_model::entropy::os_rng;
use tacit_policy::registry::{
    signed::{Signed, Signer},
    trial::Trial,
};

use super::registry::known::{Desk, Known, read};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// `tacit agreement ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the text of an agreement from its terms. Nobody has signed it yet.
    Draft(Draft),
    /// Say an agreement in words, with everything that will be refused, and why.
    Show(Show),
    /// Sign an agreement that was read: the holder first, then the requester.
    Sign(Sign),
    /// End an agreement, as one of its parties, alone.
    Revoke(revoke::Arguments),
}

/// Who works on it.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// The configuration of a party.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// The newest registry, when the configuration keeps none.
    #[arg(long, value_name = "FILE")]
    registry: Option<PathBuf>,
}

impl Common {
    async fn open(&self) -> Result<(Desk, Known), Failure> {
        let desk = Desk::load(&self.config)?;
        let known = desk.newest(self.registry.as_deref()).await?;
        Ok((desk, known))
    }
}

/// Arguments of `agreement draft`.
#[derive(Debug, clap::Args)]
pub(crate) struct Draft {
    /// The terms, as TOML: holder, requester, lists, purposes, purpose_context, legal_basis, quotas, data_life,
    /// max_lists_per_check, valid_days, and as needed consent_required, cross_context, measures, size,
    /// quotas.checks_per_minute.
    terms: PathBuf,
    #[command(flatten)]
    common: Common,
    /// Where the unsigned agreement is written.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Arguments of `agreement show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// The agreement.
    file: PathBuf,
    #[command(flatten)]
    common: Common,
}

/// Arguments of `agreement sign`.
#[derive(Debug, clap::Args)]
pub(crate) struct Sign {
    /// The agreement; the signature is added to this file unless --out names another.
    file: PathBuf,
    #[command(flatten)]
    common: Common,
    /// The own signing key (a seed), when the configuration names none.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Where it is written with the signature.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    context.block_on(async {
        match command {
            Command::Draft(arguments) => draft(context, arguments).await,
            Command::Show(arguments) => show(context, arguments).await,
            Command::Sign(arguments) => sign(context, arguments).await,
            Command::Revoke(arguments) => revoke::run(context, arguments).await,
        }
    })
}

async fn draft(context: &Context, arguments: Draft) -> Result<Exit, Failure> {
    let (_, known) = arguments.common.open().await?;
    let terms = String::from_utf8_lossy(&read(&arguments.terms)?).into_owned();
    let signed = drafts::agreement(&terms, &known.registry, context.clock.now(), &mut os_rng())?;
    let trial = known.registry.try_agreement(&signed)?;
    write_public(&arguments.out, &Signed::to_file(&[signed])?)?;
    tell(context, &known, &trial, &arguments.out)
}

async fn show(context: &Context, arguments: Show) -> Result<Exit, Failure> {
    let (_, known) = arguments.common.open().await?;
    let signed = one(&arguments.file)?;
    tell(context, &known, &known.registry.try_agreement(&signed)?, &arguments.file)
}

async fn sign(context: &Context, arguments: Sign) -> Result<Exit, Failure> {
    let (desk, known) = arguments.common.open().await?;
    let signed = one(&arguments.file)?;
    // Read and checked before anything is signed.
    let trial = known.registry.try_agreement(&signed)?;
    let agreement = trial.agreement();
    let turn = match trial.signed_by() {
        [] => &agreement.holder,
        [_] => &agreement.requester,
        _ => return Err(Failure::usage(format!("agreement {} has both signatures", agreement.id))),
    };
    if *turn != desk.member {
        return Err(Failure::usage(format!("it is the turn of {turn} to sign"))
            .why("the holder signs first, then the requester; nobody signs for another"));
    }
    if agreement.valid_until <= context.clock.now() {
        return Err(Failure::new(Exit::Refused, format!("agreement {} has expired", agreement.id))
            .next("draft it again with other dates"));
    }
    let key = desk.signing_key(arguments.key.as_deref(), &known.registry)?;
    let signed = signed.sign(Signer { id: &desk.member, key: &key })?;
    let trial = known.registry.try_agreement(&signed)?;
    let out = arguments.out.as_ref().unwrap_or(&arguments.file);
    write_public(out, &Signed::to_file(&[signed])?)?;
    tell(context, &known, &trial, out)
}

/// The one entry in a file.
fn one(path: &Path) -> Result<Signed, Failure> {
    let mut entries = Signed::read(&read(path)?)?;
    match (entries.pop(), entries.is_empty()) {
        (Some(signed), true) => Ok(signed),
        _ => Err(Failure::usage(format!("{} holds not exactly one entry", path.display()))),
    }
}

fn tell(context: &Context, known: &Known, trial: &Trial, path: &Path) -> Result<Exit, Failure> {
    let refused = words::refused(trial, &known.registry, context.clock.now());
    let agreement = trial.agreement();
    let signed_by: Vec<_> = trial.signed_by().iter().map(|id| id.as_str()).collect();
    context.output.result(
        &json!({
            "agreement": agreement.id.to_string(), "file": path, "signed_by": signed_by,
            "consent_needed": trial.needs_consent(), "quotas": agreement.quotas, "refused": refused,
        }),
        || words::of(trial, &known.registry, &refused),
    )?;
    Ok(Exit::Done)
}

impl From<DraftError> for Failure {
    fn from(error: DraftError) -> Self {
        match error {
            DraftError::Rule(error) => error.into(),
            other => Self::usage("the terms cannot be used").why(other),
        }
    }
}
