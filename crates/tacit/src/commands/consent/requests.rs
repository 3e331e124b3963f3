//! `tacit consent requests`, `allow`, `refuse`, `renew`: as the authority, for a subject who logged in there. Nothing is
//! preselected: a request is shown, and then allowed or refused by its id.

use std::path::PathBuf;

use serde_json::{Value, json};
use tacit_client::{AskedConsent, ConsentAuthority, Narrower};
use tacit_model::{ListId, MemberId, Millis, PurposeCode, Ulid};
use tacit_policy::Frequency;

use super::{DAY_MS, One, join, notice_of, read_code, tell, ulid};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
    output::columns,
    parties,
};

/// Arguments of `consent requests`.
#[derive(Debug, clap::Args)]
pub(crate) struct Requests {
    /// Requests about this subject, `-` to read the code from standard input; all that name this authority without it.
    code: Option<String>,
    /// Of this requester; of all without it. Each new requester of a subject counts against the authority's cap at the
    /// custodian.
    #[arg(long)]
    requester: Option<MemberId>,
    /// The code's scheme.
    #[arg(long, default_value = "CN-USCC")]
    scheme: String,
    /// Also those that are decided or over.
    #[arg(long)]
    all: bool,
    /// The authority's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

/// Arguments of `consent allow`.
#[derive(Debug, clap::Args)]
pub(crate) struct Allow {
    /// The request's id, a ULID.
    #[arg(value_parser = ulid)]
    id: Ulid,
    /// Only these of the lists; all that were asked for without it.
    #[arg(long = "list", value_name = "HOLDER/NAME")]
    lists: Vec<ListId>,
    /// Only for these of the purposes.
    #[arg(long = "purpose", value_name = "CODE")]
    purposes: Vec<PurposeCode>,
    /// For at most so many days from now.
    #[arg(long)]
    days: Option<u32>,
    /// At most so often, as in `4 MONTH`.
    #[arg(long)]
    frequency: Option<Frequency>,
    /// The notice that the subject was shown; a plain one is made of the terms without it.
    #[arg(long, value_name = "FILE")]
    notice: Option<PathBuf>,
    /// The authority's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

/// Arguments of `consent renew`.
#[derive(Debug, clap::Args)]
pub(crate) struct Renew {
    /// The consent's id, a ULID.
    #[arg(value_parser = ulid)]
    id: Ulid,
    /// For how many days from now.
    #[arg(long)]
    days: u32,
    /// The notice that the subject was shown; a plain one is made of the terms without it.
    #[arg(long, value_name = "FILE")]
    notice: Option<PathBuf>,
    /// The authority's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

pub(super) async fn show(context: &Context, arguments: Requests) -> Result<Exit, Failure> {
    let authority = parties::authority(context, &arguments.config).await?;
    let now = context.clock.now();
    let mut found = find(&authority, &arguments).await?;
    found.retain(|it| arguments.all || it.is_open(now));
    found.retain(|it| arguments.requester.as_ref().is_none_or(|wanted| it.request().requester == *wanted));
    let header =
        ["REQUEST", "STATE", "REQUESTER", "LISTS", "PURPOSES", "FROM", "TO", "FREQUENCY", "DECIDE BY"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for one in &found {
        if context.output.is_json() {
            context.output.json_line(&value(one, now))?;
        }
        let request = one.request();
        rows.push(vec![
            request.id.to_string(),
            one.state_at(now).to_string(),
            request.requester.to_string(),
            join(&request.lists),
            join(&request.purposes),
            request.not_before.to_rfc3339(),
            request.expires.to_rfc3339(),
            request.frequency.to_string(),
            one.until.to_rfc3339(),
        ]);
    }
    if found.is_empty() {
        context.output.line("No request waits.")?;
    } else {
        context.output.line(&columns(&rows))?;
    }
    Ok(Exit::Done)
}

async fn find(authority: &ConsentAuthority, arguments: &Requests) -> Result<Vec<AskedConsent>, Failure> {
    let Some(code) = arguments.code.clone() else { return Ok(authority.requests(&[]).await?) };
    let registry = authority.registry();
    let subject = read_code(&registry, &arguments.scheme, code)?;
    let requesters: Vec<MemberId> = match &arguments.requester {
        Some(requester) => vec![requester.clone()],
        None => {
            let asks = registry.members().filter(|member| member.pseudonym_epoch.is_some());
            asks.map(|member| member.id.clone()).collect()
        }
    };
    let mut pseudonyms = Vec::with_capacity(requesters.len());
    for requester in &requesters {
        pseudonyms.extend(authority.all_pseudonyms(requester, &subject).await?);
    }
    Ok(authority.requests(&pseudonyms).await?)
}

fn value(one: &AskedConsent, now: Millis) -> Value {
    let request = one.request();
    json!({
        "consent": request.id.to_string(),
        "state": one.state_at(now).as_str(),
        "requester": request.requester,
        "lists": request.lists,
        "purposes": request.purposes,
        "not_before": request.not_before.to_rfc3339(),
        "expires": request.expires.to_rfc3339(),
        "frequency": request.frequency.to_string(),
        "requested": one.requested.to_rfc3339(),
        "stands_until": one.until.to_rfc3339(),
    })
}

pub(super) async fn allow(context: &Context, arguments: Allow) -> Result<Exit, Failure> {
    let authority = parties::authority(context, &arguments.config).await?;
    let asked = authority.request(arguments.id).await?;
    let request = asked.request();
    let lists = Some(arguments.lists).filter(|lists| !lists.is_empty());
    let purposes = Some(arguments.purposes).filter(|purposes| !purposes.is_empty());
    let days = |days: u32| context.clock.now().plus_ms(u64::from(days).saturating_mul(DAY_MS));
    let notice = notice_of(
        arguments.notice.as_deref(),
        &request.requester,
        lists.as_ref().unwrap_or(&request.lists),
        purposes.as_ref().unwrap_or(&request.purposes),
        arguments.frequency.unwrap_or(request.frequency),
    )?;
    let narrower = Narrower {
        lists,
        purposes,
        // Never longer than was asked for.
        expires: arguments.days.map(days).map(|expires| expires.min(request.expires)),
        frequency: arguments.frequency,
        notice,
    };
    let logged = authority.allow(&asked, narrower).await?;
    tell(context, &logged)
}

pub(super) async fn refuse(context: &Context, one: One) -> Result<Exit, Failure> {
    let authority = parties::authority(context, &one.config).await?;
    let logged = authority.refuse(one.id).await?;
    tell(context, &logged)
}

pub(super) async fn renew(context: &Context, arguments: Renew) -> Result<Exit, Failure> {
    let authority = parties::authority(context, &arguments.config).await?;
    let kept = authority.show(arguments.id).await?.consent;
    let notice =
        notice_of(arguments.notice.as_deref(), &kept.requester, &kept.lists, &kept.purposes, kept.frequency)?;
    let expires = context.clock.now().plus_ms(u64::from(arguments.days).saturating_mul(DAY_MS));
    let logged = authority.renew(arguments.id, expires, notice).await?;
    tell(context, &logged)
}
