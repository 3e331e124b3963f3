//! `tacit audit honey`: pseudonyms of codes that nobody has, and a watch over them.

use std::{collections::BTreeMap, io::Read as _, path::PathBuf, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tacit_client::{ClientError, Found, What};
use tacit_federation::{config::AuditorFile, connect::custodian_of};
use tacit_identity::{read_private, write_private};
use tacit_model::{Clock as _, LogText, MemberId};

use super::{Desk, Who, beside};
use crate::{
    cli::Context,
    commands::consent::read_code,
    exit::{Exit, Failure},
    signals::Signals,
};

/// Pause before a watch that broke off is begun anew.
const AGAIN: Duration = Duration::from_secs(1);

/// `tacit audit honey ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Have codes that nobody has evaluated for a requester, and keep the pseudonyms. The custodian counts them.
    Make(Make),
    /// Say so within seconds when one of them is enrolled or asked about. The watch is on record.
    Watch(Watch),
}

/// Arguments of `audit honey make`.
#[derive(Debug, clap::Args)]
pub(crate) struct Make {
    /// The file with codes, one a line, `-` for standard input. They must exist nowhere.
    codes: PathBuf,
    /// Their scheme.
    #[arg(long)]
    scheme: String,
    /// For whom.
    #[arg(long)]
    requester: MemberId,
    #[command(flatten)]
    who: Who,
}

/// Arguments of `audit honey watch`.
#[derive(Debug, clap::Args)]
pub(crate) struct Watch {
    /// End with the first alarm, with exit code 1.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    who: Who,
}

/// A honey pseudonym; the code is not kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Honey {
    requester: String,
    epoch: u32,
    pseudonym: String,
}

fn path(file: &AuditorFile) -> PathBuf {
    beside(&file.checkpoint, "honey.jsonl")
}

fn kept(file: &AuditorFile) -> Result<Vec<Honey>, Failure> {
    let path = path(file);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::trouble(format!("{} cannot be read", path.display())).why(LogText::new(&error.to_string()))
    };
    let bytes = read_private(&path).map_err(|error| wrong(&error))?;
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).map_err(|error| wrong(&error))).collect()
}

pub(super) async fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Make(arguments) => make(context, arguments).await,
        Command::Watch(arguments) => watch(context, arguments).await,
    }
}

async fn make(context: &Context, arguments: Make) -> Result<Exit, Failure> {
    let unreadable = |error| Failure::usage("the codes cannot be read").why(error);
    let mut text = String::new();
    if arguments.codes.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).map_err(unreadable)?;
    } else {
        text = std::fs::read_to_string(&arguments.codes).map_err(unreadable)?;
    }
    let desk = Desk::open(context, &arguments.who).await?;
    let registry = desk.auditor.registry().clone();
    let mut codes = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        codes.push(read_code(&registry, &arguments.scheme, line.trim().to_owned())?);
    }
    if codes.is_empty() {
        return Err(Failure::usage("there are no codes"));
    }
    let custodian = custodian_of(&desk.caller, &registry)?;
    let made = desk.auditor.honey(custodian, &arguments.requester, &codes).await?;
    let mut all = kept(&desk.remote.file)?;
    for it in &made {
        let pseudonym = BASE64.encode(it.pseudonym);
        if !all.iter().any(|known| known.pseudonym == pseudonym) {
            all.push(Honey { requester: arguments.requester.to_string(), epoch: it.epoch, pseudonym });
        }
    }
    let mut bytes = Vec::new();
    for it in &all {
        serde_json::to_writer(&mut bytes, it).map_err(Failure::internal)?;
        bytes.push(b'\n');
    }
    write_private(&path(&desk.remote.file), &bytes)
        .map_err(|error| Failure::trouble("the pseudonyms cannot be kept").why(error))?;
    context.output.result(&json!({ "made": made.len(), "kept": all.len() }), || {
        format!("{} honey pseudonyms for {}, {} in all", made.len(), arguments.requester, all.len())
    })?;
    Ok(Exit::Done)
}

async fn watch(context: &Context, arguments: Watch) -> Result<Exit, Failure> {
    let desk = Desk::open(context, &arguments.who).await?;
    let mut whose = BTreeMap::new();
    for it in kept(&desk.remote.file)? {
        let bytes = BASE64.decode(&it.pseudonym).ok().and_then(|it| <[u8; 32]>::try_from(it).ok());
        let pseudonym = bytes.ok_or_else(|| Failure::trouble("a kept pseudonym is none"))?;
        whose.insert(pseudonym, it.requester);
    }
    if whose.is_empty() {
        return Err(Failure::usage("there are no honey pseudonyms").next("make some: tacit audit honey make"));
    }
    let pseudonyms: Vec<[u8; 32]> = whose.keys().copied().collect();
    let mut signals = Signals::listen()?;
    loop {
        let mut failed = None;
        let begun = || {
            let value = json!({ "watching": pseudonyms.len() });
            // Nobody reads it any more, when it fails; the watch goes on.
            let _ = context.output.result(&value, || format!("watching {} pseudonyms", pseudonyms.len()));
        };
        let alarm = |alarm: tacit_client::Alarm| {
            let requester = whose.get(&alarm.pseudonym).map_or("", String::as_str);
            if let Err(failure) = raise(context, &desk, requester, &alarm) {
                failed = Some(failure);
                return false;
            }
            !arguments.once
        };
        let watched = tokio::select! {
            watched = desk.auditor.watch(&pseudonyms, begun, alarm) => watched,
            _ = signals.next() => return Ok(Exit::Done),
        };
        if let Some(failure) = failed {
            return Err(failure);
        }
        match watched {
            Ok(()) if arguments.once => return Ok(Exit::Trouble),
            Ok(()) | Err(ClientError::NoAnswer { reason: tacit_model::Reason::Unavailable, .. }) => {
                tokio::time::sleep(AGAIN).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn raise(
    context: &Context,
    desk: &Desk,
    requester: &str,
    alarm: &tacit_client::Alarm,
) -> Result<(), Failure> {
    let what = alarm.index.map_or(What::HoneyEnrolled, |index| What::HoneyAsked { index });
    let record = alarm.index.map(|index| index.to_string()).unwrap_or_default();
    let found = Found::new(what, requester, &record);
    let text = found.text.clone();
    desk.keep(context.clock.now(), &[found])?;
    let value =
        json!({ "alarm": "honey", "requester": requester, "records": alarm.records, "index": alarm.index });
    context.output.result(&value, || format!("ALARM: {text}"))?;
    Ok(())
}
