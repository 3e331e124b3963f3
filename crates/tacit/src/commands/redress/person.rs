//! A person's objections and appeals, through the authority.

use clap::ArgGroup;
use serde_json::{Value, json};
use tacit_model::{ListId, Ulid};

use super::words;
use crate::{
    cli::Context,
    commands::subject::{Person, ask, desk, ulid},
    exit::{Exit, Failure},
};

/// Arguments of `objection file`.
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("about").required(true).args(["list", "notice"])))]
pub(crate) struct File {
    #[command(flatten)]
    person: Person,
    /// The list, HOLDER/NAME.
    #[arg(long)]
    list: Option<ListId>,
    /// The notice that it answers.
    #[arg(long, value_parser = ulid)]
    notice: Option<Ulid>,
    /// What the person says; at most 8,000 characters.
    #[arg(long)]
    text: String,
}

/// Arguments of `objection appeal`.
#[derive(Debug, clap::Args)]
pub(crate) struct Appeal {
    #[command(flatten)]
    person: Person,
    /// The objection whose decision is appealed.
    #[arg(long, value_parser = ulid)]
    objection: Ulid,
    /// What the person says; at most 2,000 characters.
    #[arg(long)]
    text: String,
}

/// Arguments of `objection status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    #[command(flatten)]
    person: Person,
}

pub(super) async fn file(context: &Context, arguments: File) -> Result<Exit, Failure> {
    let desk = desk(&arguments.person.config)?;
    let mut body = arguments.person.body()?;
    body["text"] = json!(arguments.text);
    if let Some(list) = arguments.list {
        body["list"] = json!(list);
    }
    if let Some(notice) = arguments.notice {
        body["notice"] = json!(notice.to_string());
    }
    let answer = ask(&desk, "/v1/objections", Some(&body)).await?;
    told(context, &answer, "objection")
}

pub(super) async fn appeal(context: &Context, arguments: Appeal) -> Result<Exit, Failure> {
    let desk = desk(&arguments.person.config)?;
    let mut body = arguments.person.body()?;
    body["text"] = json!(arguments.text);
    body["objection"] = json!(arguments.objection.to_string());
    let answer = ask(&desk, "/v1/appeals", Some(&body)).await?;
    told(context, &answer, "appeal")
}

fn told(context: &Context, answer: &Value, what: &str) -> Result<Exit, Failure> {
    context.output.result(answer, || words::filed(answer, what))?;
    Ok(Exit::Done)
}

pub(super) async fn status(context: &Context, arguments: Status) -> Result<Exit, Failure> {
    let desk = desk(&arguments.person.config)?;
    let answer = ask(&desk, "/v1/matters", Some(&arguments.person.body()?)).await?;
    context.output.result(&answer, || words::matters(&answer))?;
    Ok(Exit::Done)
}
