//! `tacit subject ...`: what is on record about a person and their own checks, through the authority that serves them;
//! and erasure.

mod erase;
pub(super) mod words;

use std::{
    fs::OpenOptions,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use clap::Subcommand;
use serde_json::{Value, json};
use tacit_federation::{
    config::{AuthorityFile, Environment, RoleFile as _},
    connect,
    desk::DeskClient,
    found::CLI_APPLICATION,
};
use tacit_model::{ListId, Millis, Reason, Ulid, parse_ulid};

use super::list::typed;
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// `tacit subject ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a person a user of the authority, so that records about them are read from the next reading on.
    Enroll(Enroll),
    /// Show who asked about a person, as of the last reading of the log; nobody outside is asked.
    Log(Log),
    /// Ask one list about the person themself. The check is on record, and its receipt is kept.
    Check(Check),
    /// Consent to stand on a favorable list; it leaves with the authority's next reading.
    Join(Join),
    /// Withdraw from a favorable list; it leaves with the authority's next reading.
    Leave(Join),
    /// Write the receipt of a person's own check to a file.
    Receipt(Receipt),
    /// Destroy what opens the records about a person, for good. The log keeps the records, which say nothing of whom.
    Erase(erase::Erase),
}

/// Whom it is about.
#[derive(Debug, clap::Args)]
pub(super) struct Person {
    /// The person's or company's code, `-` to read it from standard input.
    code: String,
    /// The code's scheme.
    #[arg(long, default_value = "CN-USCC")]
    scheme: String,
    /// The authority's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    pub(super) config: PathBuf,
}

/// Arguments of `subject enroll`.
#[derive(Debug, clap::Args)]
pub(crate) struct Enroll {
    #[command(flatten)]
    person: Person,
}

/// Arguments of `subject log`.
#[derive(Debug, clap::Args)]
pub(crate) struct Log {
    #[command(flatten)]
    person: Person,
    /// Records of this time and later, as in 2026-11-22T00:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: Option<Millis>,
    /// Records before this time.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    until: Option<Millis>,
    /// Write the records to this file as CSV.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Show one record with everything that proves it, as JSON.
    #[arg(long, value_name = "RECORD_ID", value_parser = ulid, conflicts_with_all = ["from", "until", "csv"])]
    proof: Option<Ulid>,
}

/// Arguments of `subject check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The person's or company's code, `-` to read it from standard input.
    code: String,
    /// The list, one at a time.
    #[arg(long, value_name = "HOLDER/NAME")]
    list: ListId,
    /// The authority's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

/// Arguments of `subject join` and `subject leave`.
#[derive(Debug, clap::Args)]
pub(crate) struct Join {
    #[command(flatten)]
    person: Person,
    /// The list, a favorable one.
    #[arg(long, value_name = "HOLDER/NAME")]
    list: ListId,
}

/// Arguments of `subject receipt`.
#[derive(Debug, clap::Args)]
pub(crate) struct Receipt {
    /// Record of the check.
    #[arg(value_parser = ulid, value_name = "RECORD_ID")]
    record: Ulid,
    /// The file to write; it must not be there.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The authority's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

/// Entries of one page.
const PAGE: usize = 1000;

pub(super) fn ulid(text: &str) -> Result<Ulid, String> {
    parse_ulid(text).ok_or_else(|| "an id is a ULID: 26 characters, capitals and digits".to_owned())
}

fn instant(text: &str) -> Result<Millis, String> {
    text.parse().map_err(|_| "a time is written as in 2026-11-22T00:00:00Z".to_owned())
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    context.block_on(async {
        match command {
            Command::Enroll(arguments) => enroll(context, arguments).await,
            Command::Log(arguments) => log(context, arguments).await,
            Command::Check(arguments) => check(context, arguments).await,
            Command::Join(arguments) => join(context, arguments, true).await,
            Command::Leave(arguments) => join(context, arguments, false).await,
            Command::Receipt(arguments) => receipt(context, arguments).await,
            Command::Erase(arguments) => erase::erase(context, arguments).await,
        }
    })
}

/// The authority's interface, with the command line's token.
pub(super) fn desk(config: &Path) -> Result<DeskClient, Failure> {
    let file = AuthorityFile::load(config, Environment::Read)?;
    let token = connect::desk_token(&file, CLI_APPLICATION)?;
    Ok(DeskClient::new(file.api.http, token))
}

/// What the authority answers, or why it does not.
pub(super) async fn ask(desk: &DeskClient, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
    let answer = match body {
        Some(body) => desk.post(path, body).await,
        None => desk.get(path).await,
    };
    let answer = answer.map_err(|error| {
        Failure::new(Exit::Unreachable, "the authority cannot be reached")
            .why(error)
            .next("see that it runs: tacit authority serve --config FILE")
    })?;
    if answer.status == 200 {
        return Ok(answer.body);
    }
    let text = |field: &str| answer.body[field].as_str().unwrap_or_default().to_owned();
    let failure = match text("reason").parse::<Reason>() {
        Ok(reason) => Failure::new(Exit::of(reason), format!("the authority did not do it: {reason}"))
            .why(text("message"))
            .next(text("advice"))
            .reason(reason),
        Err(_) => Failure::trouble("the authority did not do it").why(text("message")),
    };
    Err(Failure {
        request_id: Some(text("request_id")).filter(|id| !id.is_empty()).map(Into::into),
        ..failure
    })
}

impl Person {
    /// The body that names the person.
    pub(super) fn body(self) -> Result<Value, Failure> {
        Ok(json!({ "scheme": self.scheme, "code": *typed(self.code)? }))
    }
}

async fn enroll(context: &Context, arguments: Enroll) -> Result<Exit, Failure> {
    let desk = desk(&arguments.person.config)?;
    let body = arguments.person.body()?;
    let answer = ask(&desk, "/v1/users", Some(&body)).await?;
    context.output.result(&answer, || {
        let word = if answer["new"].as_bool() == Some(true) { "a user now" } else { "a user already" };
        format!(
            "The person is {word}, since {}.\n{}",
            words::text(&answer["since"]),
            words::freshness(&answer)
        )
    })?;
    Ok(Exit::Done)
}

async fn log(context: &Context, arguments: Log) -> Result<Exit, Failure> {
    let desk = desk(&arguments.person.config)?;
    let mut body = arguments.person.body()?;
    if let Some(record) = arguments.proof {
        body["record_id"] = json!(record.to_string());
        let answer = ask(&desk, "/v1/proofs", Some(&body)).await?;
        context.output.result(&answer, || {
            serde_json::to_string_pretty(&answer).unwrap_or_else(|_| answer.to_string())
        })?;
        return Ok(Exit::Done);
    }
    for (field, time) in [("from", arguments.from), ("until", arguments.until)] {
        if let Some(time) = time {
            body[field] = json!(time.to_rfc3339());
        }
    }
    body["limit"] = json!(PAGE);
    let mut usages: Vec<Value> = Vec::new();
    let last = loop {
        body["offset"] = json!(usages.len() + 1);
        let mut answer = ask(&desk, "/v1/findUsage", Some(&body)).await?;
        let page = answer["usage"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let full = page.len() == PAGE;
        usages.extend(page);
        if !full {
            break answer;
        }
    };
    if let Some(path) = &arguments.csv {
        write_new(path, words::csv(&usages)?.as_bytes())?;
        let value =
            json!({ "file": path.display().to_string(), "records": usages.len(), "as_of": last["as_of"] });
        context.output.result(&value, || {
            format!("{} records are in {}.\n{}", usages.len(), path.display(), words::freshness(&last))
        })?;
        return Ok(Exit::Done);
    }
    if context.output.is_json() {
        for usage in &usages {
            context.output.json_line(usage)?;
        }
        context.output.json_line(&json!({
            "total": last["total"], "as_of": last["as_of"], "not_read_yet": last["not_read_yet"],
            "findings": last["findings"], "next_reading": last["next_reading"],
        }))?;
    } else {
        context.output.line(&words::log(&usages, &last))?;
    }
    let broken = last["findings"].as_array().is_some_and(|findings| !findings.is_empty());
    Ok(if broken { Exit::Trouble } else { Exit::Done })
}

async fn check(context: &Context, arguments: Check) -> Result<Exit, Failure> {
    let desk = desk(&arguments.config)?;
    let body = json!({ "code": *typed(arguments.code)?, "list": arguments.list });
    let answer = ask(&desk, "/v1/checks", Some(&body)).await?;
    context.output.result(&answer, || words::checked(&answer))?;
    Ok(if answer["answer"] == "refused" { Exit::Refused } else { Exit::Done })
}

async fn join(context: &Context, arguments: Join, given: bool) -> Result<Exit, Failure> {
    let desk = desk(&arguments.person.config)?;
    let mut body = arguments.person.body()?;
    body["list"] = json!(arguments.list);
    body["given"] = json!(given);
    let answer = ask(&desk, "/v1/listing-consents", Some(&body)).await?;
    context.output.result(&answer, || words::joined(&answer, given))?;
    Ok(Exit::Done)
}

async fn receipt(context: &Context, arguments: Receipt) -> Result<Exit, Failure> {
    let desk = desk(&arguments.config)?;
    let mut answer = ask(&desk, &format!("/v1/receipts/{}", arguments.record), None).await?;
    let file = BASE64.decode(words::text(&answer["file"])).map_err(Failure::internal)?;
    write_new(&arguments.out, &file)?;
    if let Some(fields) = answer.as_object_mut() {
        fields.remove("file");
        fields.insert("file".to_owned(), json!(arguments.out.display().to_string()));
    }
    context.output.result(&answer, || {
        format!(
            "The receipt of record {} is in {} ({} bytes, readable by you alone).\n{}\nWhoever gets it checks it with: \
             tacit receipt verify FILE --registry REGISTRY --log-key KEY",
            arguments.record,
            arguments.out.display(),
            file.len(),
            words::text(&answer["warning"]),
        )
    })?;
    Ok(Exit::Done)
}

/// Writes a new file that its owner alone can read.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::usage(format!("{} is there already", path.display()))
            .why("what was written before is not overwritten")
            .next("name another file"),
        _ => Failure::trouble(format!("{} cannot be written", path.display())).why(error),
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(cannot)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|error| {
        // Half a file is none.
        let _ = std::fs::remove_file(path);
        cannot(error)
    })
}
