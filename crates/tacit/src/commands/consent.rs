//! `tacit consent ...`: as the consent authority, for a subject who logged in there; and as a requester who asks.

mod asking;
mod receipt;
mod requests;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};
use tacit_client::{Acknowledged, ConsentAuthority, Grant, KeptConsent};
use tacit_model::{ListId, MemberId, PurposeCode, Reason, SubjectCode, Ulid, parse_ulid};
use tacit_policy::{ConsentState, Frequency, Registry, consent::consent_notice};

use super::list::typed;
use crate::{
    cli::Context,
    exit::{Exit, Failure},
    output::columns,
    parties,
};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// `tacit consent ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// As a requester: ask a subject for consent, through its authority.
    Ask(Box<asking::Ask>),
    /// As a requester: show what became of one's requests for consent.
    Asked(asking::Asked),
    /// Show requests that wait for a decision.
    Requests(requests::Requests),
    /// A subject allows what a requester asked for, or less of it.
    Allow(Box<requests::Allow>),
    /// A subject refuses a request, for ever.
    Refuse(One),
    /// A subject confirms a consent again, until later.
    Renew(requests::Renew),
    /// Write a consent and all that became of it as a document with its proof, or verify one.
    Receipt(receipt::Arguments),
    /// A subject allows a requester to ask lists for purposes.
    Grant(Box<GrantArguments>),
    /// A subject takes a consent back, for ever.
    Withdraw(One),
    /// A subject stops a consent for now.
    Pause(One),
    /// A subject lifts a pause.
    Resume(One),
    /// Show consents of this authority: one, those of a subject, or all.
    Show(Show),
}

/// Arguments of `consent grant`.
#[derive(Debug, clap::Args)]
pub(crate) struct GrantArguments {
    /// The subject's code, `-` to read it from standard input.
    code: String,
    /// Who may ask.
    #[arg(long)]
    requester: MemberId,
    /// Lists that may be asked.
    #[arg(long = "list", required = true, value_name = "HOLDER/NAME")]
    lists: Vec<ListId>,
    /// Purposes for which may be asked.
    #[arg(long = "purpose", required = true, value_name = "CODE")]
    purposes: Vec<PurposeCode>,
    /// For how many days from now.
    #[arg(long, default_value_t = 365)]
    days: u32,
    /// How often, as in `4 MONTH`: four times in any month.
    #[arg(long, default_value = "12 MONTH")]
    frequency: Frequency,
    /// The notice that the subject was shown; a plain one is made of the terms without it.
    #[arg(long, value_name = "FILE")]
    notice: Option<PathBuf>,
    /// The authority's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

/// Arguments of commands on one consent.
#[derive(Debug, clap::Args)]
pub(crate) struct One {
    /// The consent's id, a ULID.
    #[arg(value_parser = ulid)]
    id: Ulid,
    /// The authority's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

/// Arguments of `consent show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// One consent, a ULID.
    #[arg(value_parser = ulid, conflicts_with = "code")]
    id: Option<Ulid>,
    /// Consents of this subject, `-` to read the code from standard input.
    #[arg(long, requires = "requester")]
    code: Option<String>,
    /// The requester that the subject's consents are for.
    #[arg(long)]
    requester: Option<MemberId>,
    /// The code's scheme.
    #[arg(long, default_value = "CN-USCC")]
    scheme: String,
    /// The authority's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

fn ulid(text: &str) -> Result<Ulid, String> {
    parse_ulid(text).ok_or_else(|| "an id is a ULID: 26 characters, capitals and digits".to_owned())
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    context.block_on(async {
        match command {
            Command::Ask(arguments) => asking::ask(context, *arguments).await,
            Command::Asked(arguments) => asking::asked(context, arguments).await,
            Command::Requests(arguments) => requests::show(context, arguments).await,
            Command::Allow(arguments) => requests::allow(context, *arguments).await,
            Command::Refuse(one) => requests::refuse(context, one).await,
            Command::Renew(arguments) => requests::renew(context, arguments).await,
            Command::Receipt(arguments) => receipt::run(context, arguments).await,
            Command::Grant(arguments) => grant(context, *arguments).await,
            Command::Withdraw(one) => change(context, one, ConsentState::Withdrawn).await,
            Command::Pause(one) => change(context, one, ConsentState::Paused).await,
            Command::Resume(one) => change(context, one, ConsentState::Resumed).await,
            Command::Show(arguments) => show(context, arguments).await,
        }
    })
}

async fn grant(context: &Context, arguments: GrantArguments) -> Result<Exit, Failure> {
    let authority = parties::authority(context, &arguments.config).await?;
    let registry = authority.registry();
    let scheme = scheme_of(&registry, &arguments.lists)?;
    let subject = read_code(&registry, &scheme, arguments.code)?;
    let notice = notice_of(
        arguments.notice.as_deref(),
        &arguments.requester,
        &arguments.lists,
        &arguments.purposes,
        arguments.frequency,
    )?;
    let now = context.clock.now();
    let terms = Grant {
        requester: arguments.requester,
        lists: arguments.lists,
        purposes: arguments.purposes,
        not_before: now,
        expires: now.plus_ms(u64::from(arguments.days).saturating_mul(DAY_MS)),
        frequency: arguments.frequency,
        notice,
    };
    let logged = authority.grant(terms, &subject).await?;
    tell(context, &logged)
}

async fn change(context: &Context, one: One, state: ConsentState) -> Result<Exit, Failure> {
    let authority = parties::authority(context, &one.config).await?;
    let logged = authority.change(one.id, state).await?;
    tell(context, &logged)
}

/// The acknowledgement: the change is in the log.
fn tell(context: &Context, logged: &Acknowledged) -> Result<Exit, Failure> {
    let value = json!({
        "consent": logged.id.to_string(),
        "state": logged.state.as_str(),
        "number": logged.number,
        "time": logged.time.to_rfc3339(),
        "record": { "id": logged.record.id.to_string(), "index": logged.record.index },
        "checkpoint": String::from_utf8_lossy(&logged.checkpoint),
    });
    context.output.result(&value, || {
        let mut text = format!(
            "consent {} is {} since {}\n  record {}, log index {}, proven",
            logged.id,
            logged.state,
            logged.time.to_rfc3339(),
            logged.record.id,
            logged.record.index
        );
        if logged.state == ConsentState::Withdrawn {
            text.push_str(
                "\n  No check under it can follow in the log. Answers already given stay; permits of the last 60 s may still be used.",
            );
        }
        text
    })?;
    Ok(Exit::Done)
}

async fn show(context: &Context, arguments: Show) -> Result<Exit, Failure> {
    let authority = parties::authority(context, &arguments.config).await?;
    let kept = match (arguments.id, arguments.code, arguments.requester) {
        (Some(id), ..) => vec![authority.show(id).await?],
        (None, Some(code), Some(requester)) => {
            let subject = read_code(&authority.registry(), &arguments.scheme, code)?;
            of_subject(&authority, &requester, subject).await?
        }
        (None, _, requester) => {
            let mut all = authority.list(&[]).await?;
            all.retain(|it| requester.as_ref().is_none_or(|wanted| it.consent.requester == *wanted));
            all
        }
    };
    let mut rows = vec![
        ["CONSENT", "STATE", "REQUESTER", "LISTS", "PURPOSES", "UNTIL", "FREQUENCY", "USES"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for one in &kept {
        if context.output.is_json() {
            context.output.json_line(&value(one))?;
        }
        let consent = &one.consent;
        rows.push(vec![
            consent.id.to_string(),
            one.state.to_string(),
            consent.requester.to_string(),
            join(&consent.lists),
            join(&consent.purposes),
            consent.expires.to_rfc3339(),
            consent.frequency.to_string(),
            one.uses.to_string(),
        ]);
    }
    if kept.is_empty() {
        context.output.line("There are no consents.")?;
    } else {
        context.output.line(&columns(&rows))?;
    }
    Ok(Exit::Done)
}

async fn of_subject(
    authority: &ConsentAuthority,
    requester: &MemberId,
    subject: SubjectCode,
) -> Result<Vec<KeptConsent>, Failure> {
    let pseudonyms = authority.pseudonyms(requester, &[subject]).await?;
    Ok(authority.list(&pseudonyms).await?)
}

fn value(kept: &KeptConsent) -> Value {
    let consent = &kept.consent;
    json!({
        "consent": consent.id.to_string(),
        "state": kept.state.as_str(),
        "number": kept.number,
        "uses": kept.uses,
        "requester": consent.requester,
        "lists": consent.lists,
        "purposes": consent.purposes,
        "not_before": consent.not_before.to_rfc3339(),
        "expires": consent.expires.to_rfc3339(),
        "frequency": consent.frequency.to_string(),
    })
}

fn join<T: ToString>(names: &[T]) -> String {
    names.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

/// The one scheme of these lists.
fn scheme_of(registry: &Registry, lists: &[ListId]) -> Result<String, Failure> {
    let mut schemes = Vec::new();
    for id in lists {
        let list = registry.list(id).ok_or_else(|| {
            Failure::usage("the registry has no list of this name").reason(Reason::UnknownList)
        })?;
        schemes.push(list.scheme.clone());
    }
    schemes.dedup();
    match <[String; 1]>::try_from(schemes) {
        Ok([scheme]) => Ok(scheme),
        Err(_) => Err(Failure::usage("the lists hold codes of different schemes")
            .reason(Reason::CodeNotThisScheme)
            .next("give one consent per scheme")),
    }
}

pub(crate) fn read_code(registry: &Registry, scheme: &str, code: String) -> Result<SubjectCode, Failure> {
    let code = typed(code)?;
    match registry.schemes().parse(scheme, &code) {
        Ok(parsed) => Ok(parsed.subject),
        Err(error) => Err(Failure::trouble("the code cannot be used").why(error).reason(error.reason())),
    }
}

/// Hash of the notice that the subject was shown: a file, or a plain text made of the terms.
fn notice_of(
    file: Option<&Path>,
    requester: &MemberId,
    lists: &[ListId],
    purposes: &[PurposeCode],
    frequency: Frequency,
) -> Result<[u8; 32], Failure> {
    let text = match file {
        Some(path) => std::fs::read(path)
            .map_err(|error| Failure::usage(format!("{} cannot be read", path.display())).why(error))?,
        None => plain_notice(requester, lists, purposes, frequency).into_bytes(),
    };
    Ok(consent_notice(&text))
}

/// The notice of a consent that was given on the command line.
fn plain_notice(
    requester: &MemberId,
    lists: &[ListId],
    purposes: &[PurposeCode],
    frequency: Frequency,
) -> String {
    format!(
        "{requester} may ask whether I am on {}, for {}, {frequency}. If I am listed it also learns the category, the dates and \
         whether I object. I can withdraw this at any time.\n",
        join(lists),
        join(purposes),
    )
}
