//! `tacit registry recover` and `tacit registry countersign`.

use std::{
    io::{IsTerminal as _, Write as _},
    path::PathBuf,
};

use serde_json::json;
use tacit_federation::run::read_seed;
use tacit_identity::write_public;
use tacit_ledger::ed25519::SigningKey;
use tacit_model::MemberId;
use tacit_policy::registry::{
    draft::Draft,
    recovery::{NotCountersigned, Underway},
    signed::Signer,
    versions::{Lineage, NotNext},
};

use super::{
    known::{Desk, Known, read},
    words::{needed, recovery, signed},
};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// Arguments of `registry recover`.
#[derive(Debug, clap::Args)]
pub(crate) struct Recover {
    /// Where the version is written, signed by the coordinator.
    file: PathBuf,
    /// The coordinator's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// Who is gone for good; its lists, agreements and pseudonym keys go with it. May be repeated.
    #[arg(long, value_name = "NAME", required = true)]
    remove: Vec<MemberId>,
    /// The coordinator's signing key (a seed).
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

/// Arguments of `registry countersign`.
#[derive(Debug, clap::Args)]
pub(crate) struct Countersign {
    /// The version; the countersignature is added to this file unless --out names another.
    file: PathBuf,
    /// The configuration of the custodian or of an auditor.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// The version in force, instead of the one that the custodian keeps or the auditor is shown.
    #[arg(long, value_name = "FILE")]
    registry: Option<PathBuf>,
    /// The own signing key (a seed).
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Where it is written with the countersignature.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Yes: who is removed is gone for good, as was found out by another way than this file.
    #[arg(long)]
    yes: bool,
}

pub(super) async fn recover(context: &Context, arguments: Recover) -> Result<Exit, Failure> {
    let desk = Desk::load(&arguments.config)?;
    let offers = desk.offers().await?;
    let known = desk.newest(None).await?;
    for member in &arguments.remove {
        known.registry.may_remove(member).map_err(NotNext::from)?;
    }
    // A version that waits for the lost quorum has taken its number.
    let logged = offers.all().await?.into_iter().map(|version| version.number).max();
    let number = logged.unwrap_or(0).max(known.registry.number()).saturating_add(1);
    let (draft, _) = Draft::recover(&known.bytes, number, &arguments.remove)?;
    let bytes = draft.finish(context.clock.now(), &SigningKey::from_seed(&*read_seed(&arguments.key)?))?;
    let (underway, falls) = checked(&desk, &known, &bytes)?;
    write_public(&arguments.file, &bytes)
        .map_err(|error| Failure::trouble("the version was not written").why(error))?;
    let next = "Send it to the custodian and to every auditor, who countersign it (tacit registry countersign), then \
                publish it.";
    tell(context, &underway, &falls, &arguments.file, next)
}

pub(super) async fn countersign(context: &Context, arguments: Countersign) -> Result<Exit, Failure> {
    let desk = Desk::load(&arguments.config)?;
    let known = desk.refreshed(context, arguments.registry.as_deref()).await?;
    let (underway, falls) = checked(&desk, &known, &read(&arguments.file)?)?;
    let member = &desk.member;
    if !underway.missing().contains(member) {
        let has = underway.countersigned_by().any(|id| id == member);
        let member = member.clone();
        let why =
            if has { NotCountersigned::Already { member } } else { NotCountersigned::NotAsked { member } };
        return Err(not_countersigned(why));
    }
    if !arguments.yes {
        let next = "Countersign it only if you know by another way that who is removed is gone for good.";
        tell(context, &underway, &falls, &arguments.file, next)?;
        confirm(context)?;
    }
    let key = desk.signing_key(arguments.key.as_deref(), &known.registry)?;
    let underway = underway.countersign(Signer { id: member, key: &key }).map_err(not_countersigned)?;
    let out = arguments.out.as_ref().unwrap_or(&arguments.file);
    write_public(out, &underway.to_file()?)
        .map_err(|error| Failure::trouble("the countersignature was not written").why(error))?;
    let next = match underway.missing().is_empty() {
        true => "All have countersigned it: tacit registry publish hands it to the coordinator.",
        false => "Send it on to those who have not countersigned it.",
    };
    tell(context, &underway, &falls, out, next)
}

fn not_countersigned(why: NotCountersigned) -> Failure {
    Failure::usage("it was not countersigned").why(why)
}

/// Reads a recovery version and compares it with the one in force; with everything that falls with who is removed.
fn checked(desk: &Desk, known: &Known, bytes: &[u8]) -> Result<(Underway, Vec<String>), Failure> {
    let underway = desk.underway(bytes)?.ok_or_else(|| {
        Failure::usage("this is no recovery version, and nobody countersigns another")
            .next("tacit registry recover makes one; tacit registry publish takes an ordinary one as it is")
    })?;
    let falls = underway.follows(&known.registry, &Lineage::of(&known.registry))?;
    Ok((underway, falls))
}

fn confirm(context: &Context) -> Result<(), Failure> {
    if context.output.is_json() || !std::io::stdin().is_terminal() {
        return Err(Failure::usage("nothing was countersigned: nobody is there to confirm it")
            .next("find out by another way that who is removed is gone for good, then add --yes"));
    }
    std::io::stderr().write_all(b"Countersign? [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::usage("nothing was countersigned"))
    }
}

fn tell(
    context: &Context,
    underway: &Underway,
    falls: &[String],
    file: &std::path::Path,
    next: &str,
) -> Result<Exit, Failure> {
    context.output.result(
        &json!({ "file": file, "number": underway.number(), "recovery": recovery(underway), "falls": falls }),
        || {
            format!(
                "Version {} in {}.\n{}\nWith it falls:\n  {}\nIt counts once {} cosigned its record.\n{next}",
                underway.number(),
                file.display(),
                signed(underway),
                falls.join("\n  "),
                needed(underway),
            )
        },
    )?;
    Ok(Exit::Done)
}
