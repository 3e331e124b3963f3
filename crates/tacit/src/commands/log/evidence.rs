//! `tacit log evidence ...`: two checkpoints that cannot both be true. Whoever has the file judges it without a network;
//! the member that froze on it shows it, hands it out, and goes on when its operator says so.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;
use tacit_federation::config::{CustodianFile, Environment, NodeFile, RoleFile as _, role_of};
use tacit_identity::{Role, write_private};
use tacit_ledger::{
    evidence::{EvidenceError, ForkEvidence},
    note::NoteVerifier,
};
use tacit_store::{Db, Inspector, Migrations, backup::refuse_in_use};
use tacit_witness::evidence::{self as kept, Evidence};

use super::{super::db::refuse_unknown, keys::log_key};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// Longest file of evidence: two notes.
const FILE_MAX: u64 = 1 << 20;

/// `tacit log evidence ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check, offline, that a file of evidence proves that the log was forked. Exit code 0: it does.
    Verify(Verify),
    /// Whether this member froze, and on what. Works while the role runs.
    Show(Own),
    /// Write what this member froze on into a file that convinces everybody who has the log's key.
    Export(Export),
    /// Forget what this member froze on, so that it goes on at its next start: when the cause is removed.
    Clear(Clear),
}

/// Whose evidence.
#[derive(Debug, clap::Args)]
pub(crate) struct Own {
    /// The configuration of a holder's node, or of the custodian.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

/// Arguments of `log evidence export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// Where it goes; it must be new.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    own: Own,
}

/// Arguments of `log evidence clear`.
#[derive(Debug, clap::Args)]
pub(crate) struct Clear {
    /// Yes: the evidence was handed out, and the cause is removed.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    own: Own,
}

/// Arguments of `log evidence verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// What a member kept when it froze.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The log's verifier key, or a file with it, from a source you trust.
    #[arg(long, value_name = "KEY")]
    vkey: String,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Verify(arguments) => verify(context, &arguments),
        Command::Show(own) => show(context, &Member::load(&own.config)?).await,
        Command::Export(arguments) => export(context, &arguments).await,
        Command::Clear(arguments) => clear(context, &arguments).await,
    }
}

fn verify(context: &Context, arguments: &Verify) -> Result<Exit, Failure> {
    let key = log_key(&arguments.vkey)?;
    let file = arguments.file.display();
    let unreadable = |error: std::io::Error| Failure::trouble(format!("{file} cannot be read")).why(error);
    if std::fs::metadata(&arguments.file).map_err(unreadable)?.len() > FILE_MAX {
        return Err(nothing("it is longer than two checkpoints can be"));
    }
    let bytes = std::fs::read(&arguments.file).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|_| nothing(EvidenceError::Format))?;
    let fork = ForkEvidence::parse(&text).and_then(|it| it.verify(&key)).map_err(nothing)?;
    let (first, second) = (hex::encode(fork.first), hex::encode(fork.second));
    context.output.result(
        &json!({
            "forked": true, "log": key.name(), "vkey": key.to_string(), "size": fork.size,
            "first_root": first, "second_root": second,
        }),
        || {
            format!(
                "The log {} was FORKED: its key signed two different histories of {} records.\n  \
                 one has the root   {first}\n  the other has      {second}\n  \
                 Both signatures are genuine, and no honest log makes both. Whoever holds the log's key did this, \
                 or let it happen.",
                key.name(),
                fork.size
            )
        },
    )?;
    Ok(Exit::Done)
}

fn nothing(why: impl std::fmt::Display) -> Failure {
    Failure::trouble("this proves nothing against the log")
        .why(why)
        .next("see that the file is whole and the key is this log's; without proof nobody is to be blamed")
}

/// A member that witnesses the log.
struct Member {
    url: String,
    migrations: &'static Migrations<'static>,
    log_key: NoteVerifier,
}

impl Member {
    fn load(path: &Path) -> Result<Self, Failure> {
        let environment = Environment::Read;
        let (url, migrations, pins, coordinator) = match role_of(path)? {
            Role::Node => {
                let file = NodeFile::load(path, environment)?;
                (file.database, &tacit_node::store::MIGRATIONS, file.pins, file.coordinator.member)
            }
            Role::Custodian => {
                let file = CustodianFile::load(path, environment)?;
                (file.database, &tacit_custodian::MIGRATIONS, file.pins, file.coordinator.member)
            }
            role => {
                return Err(Failure::usage(format!("a role `{role}` is no witness of the log"))
                    .next("name the configuration of a holder's node or of the custodian"));
            }
        };
        let log_key = pins.log_verifier(&coordinator).map_err(Failure::internal)?;
        Ok(Self { url, migrations, log_key })
    }

    async fn database(&self) -> Result<Db, Failure> {
        let Some(mut inspector) = Inspector::open(&self.url, self.migrations).await? else {
            return Err(Failure::trouble("there is no database yet: the role has not run here"));
        };
        let schema = inspector.schema().await;
        inspector.close().await;
        let schema = schema?;
        refuse_unknown(&schema)?;
        // Opening would bring it up to date, which is not what was asked for.
        if !schema.pending.is_empty() {
            return Err(Failure::trouble("the database is older than this program").next("tacit db migrate"));
        }
        Ok(Db::open(&self.url, self.migrations).await?)
    }

    async fn evidence(&self) -> Result<Option<Evidence>, Failure> {
        let db = self.database().await?;
        let evidence = kept::load(&db).await;
        db.close().await;
        Ok(evidence?)
    }
}

async fn show(context: &Context, member: &Member) -> Result<Exit, Failure> {
    let Some(evidence) = member.evidence().await? else {
        context.output.result(&json!({ "frozen": false }), || "It is not frozen.".to_owned())?;
        return Ok(Exit::Done);
    };
    let is_fork = evidence.fork().is_some();
    let found = evidence.found.to_rfc3339();
    context.output.result(
        &json!({
            "frozen": true, "found": found, "first": evidence.first, "second": evidence.second, "fork": is_fork,
        }),
        || {
            let how = if is_fork {
                "The log's key signed both, with different roots of one size. Anybody who has that key can verify this: \
                 tacit log evidence export"
            } else {
                "The coordinator itself served a proof between the two that is false. Only this member saw it serve that."
            };
            format!(
                "FROZEN since {found}: nothing is answered or cosigned here.\n\n{}\n{}\n{how}",
                evidence.first, evidence.second
            )
        },
    )?;
    Ok(Exit::Done)
}

async fn export(context: &Context, arguments: &Export) -> Result<Exit, Failure> {
    let Export { out, own } = arguments;
    if out.exists() {
        return Err(Failure::usage(format!("{} is there already", out.display())));
    }
    let evidence = Member::load(&own.config)?.evidence().await?;
    let evidence =
        evidence.ok_or_else(|| Failure::trouble("there is no evidence: this member is not frozen"))?;
    let fork = evidence.fork().ok_or_else(|| {
        Failure::trouble("there is no file that would convince others")
            .why("the coordinator served a false proof, and only this member saw it serve that")
            .next("give the words of tacit log evidence show to the auditors; they compare what they are served")
    })?;
    let unwritable = |error| Failure::trouble(format!("{} cannot be written", out.display())).why(error);
    write_private(out, fork.to_text().as_bytes()).map_err(unwritable)?;
    context.output.result(&json!({ "exported": out }), || {
        format!(
            "{}: give it to the auditors. Anybody verifies it: tacit log evidence verify {} --vkey KEY",
            out.display(),
            out.display()
        )
    })?;
    Ok(Exit::Done)
}

async fn clear(context: &Context, arguments: &Clear) -> Result<Exit, Failure> {
    if !arguments.yes {
        return Err(Failure::usage("nothing was cleared: what convicts the log would be gone")
            .next("tacit log evidence export, then add --yes once the cause is removed"));
    }
    let member = Member::load(&arguments.own.config)?;
    refuse_in_use(&member.url, member.migrations).await?;
    let db = member.database().await?;
    let cleared = kept::clear(&db, &member.log_key).await;
    db.close().await;
    let cleared = cleared?;
    context.output.result(&json!({ "cleared": cleared }), || match cleared {
        true => "The evidence is gone. At its next start the member follows the log again.".to_owned(),
        false => "There was no evidence: this member was not frozen.".to_owned(),
    })?;
    Ok(Exit::Done)
}
