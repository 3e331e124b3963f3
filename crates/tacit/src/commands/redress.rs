//! `tacit notice`, `tacit objection` and `tacit appeal`: what a body does at its node, and a person at its authority.

mod person;
mod words;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::{ArgGroup, Subcommand};
use serde_json::json;
use tacit_federation::{
    config::{Environment, NodeFile, RoleFile as _},
    connect,
};
use tacit_model::{ListId, Reason, Ulid};
use tacit_node::redress::{CaseView, NewRuling, Redress, RedressError, Whose};
use tacit_policy::letter::{LetterText, Level, Outcome, limits};

use super::{list::typed, subject::ulid};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
    parties::DEADLINES,
};

/// How often a waiting `notice send` looks.
const POLL: Duration = Duration::from_millis(200);

/// `tacit notice ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Notice {
    /// Send the notice that precedes a listing. The record is notified on the day on which the letter is in the log.
    Send(Send),
    /// Show notices, letters handed in for others, and letters that came and count for nothing.
    List(Beside),
}

/// `tacit objection ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Objection {
    /// Take down a person's objection; it leaves with the authority's next reading.
    File(person::File),
    /// Take down a person's appeal against a first decision; it goes to the reviewing body.
    Appeal(person::Appeal),
    /// Show a person's objections and letters, as of the last reading.
    Status(person::Status),
    /// Show the objections to own listings that are not over, with their deadlines.
    List(List),
    /// Show one objection with its letters.
    Show(Show),
    /// Decide an objection. The decision goes to the person, and an annulled record is removed.
    Decide(Decide),
    /// Take an objection over the counter that is about another member's listing; it is forwarded.
    HandIn(HandIn),
}

/// `tacit appeal ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Appeal {
    /// Show the appeals to this body that are not over, with their deadlines.
    List(List),
    /// Show one appeal with its letters.
    Show(Show),
    /// Decide an appeal. The decision goes to the person, and by the authority to the body that listed.
    Decide(Decide),
}

/// The node beside which a command works.
#[derive(Debug, clap::Args)]
pub(crate) struct Beside {
    /// The node's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

/// Arguments of `notice send`.
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("whose").required(true).args(["code", "due"])))]
pub(crate) struct Send {
    /// The list, HOLDER/NAME.
    list: ListId,
    /// The record of this code, `-` to read it from standard input.
    #[arg(long)]
    code: Option<String>,
    /// Every record whose subject was not notified.
    #[arg(long)]
    due: bool,
    /// How long to wait for the node, in seconds.
    #[arg(long, default_value_t = 60)]
    wait: u64,
    /// Who does it, for the history.
    #[arg(long, env = "USER", default_value = "command-line")]
    by: String,
    #[command(flatten)]
    beside: Beside,
}

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Those that are over too.
    #[arg(long)]
    over: bool,
    #[command(flatten)]
    beside: Beside,
}

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// Its id.
    #[arg(value_parser = ulid)]
    id: Ulid,
    #[command(flatten)]
    beside: Beside,
}

/// Arguments of `decide`.
#[derive(Debug, clap::Args)]
pub(crate) struct Decide {
    /// Its id.
    #[arg(value_parser = ulid)]
    id: Ulid,
    /// upheld (the listing stands), annulled (the record is removed) or corrected.
    #[arg(long)]
    outcome: Outcome,
    /// What is corrected; with that outcome alone. The corrected record is imported as ever.
    #[arg(long)]
    corrected: Option<String>,
    /// Why, in words for the person.
    #[arg(long)]
    reasons: String,
    /// Who decides: a name or an office.
    #[arg(long)]
    by: String,
    #[command(flatten)]
    beside: Beside,
}

/// Arguments of `objection hand-in`.
#[derive(Debug, clap::Args)]
pub(crate) struct HandIn {
    /// The list, HOLDER/NAME, of another member.
    list: ListId,
    /// The person's code, `-` to read it from standard input.
    code: String,
    /// What the person says; at most 8,000 characters.
    #[arg(long)]
    text: String,
    #[command(flatten)]
    beside: Beside,
}

pub(crate) fn notice(context: &Context, command: Notice) -> Result<Exit, Failure> {
    context.block_on(async {
        match command {
            Notice::Send(arguments) => send(context, arguments).await,
            Notice::List(beside) => {
                let letters = redress(context, &beside).await?.letters().await?;
                if context.output.is_json() {
                    for letter in &letters {
                        context.output.json_line(&words::letter_json(letter))?;
                    }
                } else {
                    context.output.line(&words::letters(&letters))?;
                }
                Ok(Exit::Done)
            }
        }
    })
}

pub(crate) fn objection(context: &Context, command: Objection) -> Result<Exit, Failure> {
    context.block_on(async {
        match command {
            Objection::File(arguments) => person::file(context, arguments).await,
            Objection::Appeal(arguments) => person::appeal(context, arguments).await,
            Objection::Status(arguments) => person::status(context, arguments).await,
            Objection::List(arguments) => list(context, Level::First, arguments).await,
            Objection::Show(arguments) => show(context, Level::First, arguments).await,
            Objection::Decide(arguments) => decide(context, Level::First, arguments).await,
            Objection::HandIn(HandIn { list, code, text, beside }) => {
                let id = redress(context, &beside).await?.hand_in(&list, &typed(code)?, &text).await?;
                context.output.result(&json!({ "list": list, "letter": id.to_string() }), || {
                    format!(
                        "Taken down as {id}. The person's authority gets it with its next reading, and forwards it to {}.",
                        list.holder()
                    )
                })?;
                Ok(Exit::Done)
            }
        }
    })
}

pub(crate) fn appeal(context: &Context, command: Appeal) -> Result<Exit, Failure> {
    context.block_on(async {
        match command {
            Appeal::List(arguments) => list(context, Level::Review, arguments).await,
            Appeal::Show(arguments) => show(context, Level::Review, arguments).await,
            Appeal::Decide(arguments) => decide(context, Level::Review, arguments).await,
        }
    })
}

async fn redress(context: &Context, beside: &Beside) -> Result<Redress, Failure> {
    let file = NodeFile::load(&beside.config, Environment::Read)?;
    Ok(connect::redress(&file, &context.clock, DEADLINES).await?)
}

async fn send(context: &Context, arguments: Send) -> Result<Exit, Failure> {
    let Send { list, code, due: _, wait, by, beside } = arguments;
    let redress = redress(context, &beside).await?;
    let code = code.map(typed).transpose()?;
    let whose = code.as_ref().map_or(Whose::Due, |code| Whose::Code(code));
    let noticed = redress.notify(&list, whose, &by).await?;
    let until = Instant::now() + Duration::from_secs(wait);
    let mut waiting = noticed.written.len();
    while waiting > 0 && Instant::now() < until {
        waiting = redress.waiting(&noticed.written).await?;
        tokio::time::sleep(POLL).await;
    }
    let value = json!({
        "list": list, "written": noticed.written.len(), "logged": noticed.written.len() - waiting,
        "on_the_way": noticed.on_the_way, "under_age": noticed.under_age,
        "not_in_catalogue": noticed.not_in_catalogue,
    });
    context.output.result(&value, || words::noticed(&list, &noticed, waiting))?;
    Ok(Exit::Done)
}

async fn list(context: &Context, level: Level, arguments: List) -> Result<Exit, Failure> {
    let cases = redress(context, &arguments.beside).await?.cases(level, arguments.over).await?;
    if context.output.is_json() {
        for case in &cases {
            context.output.json_line(&words::case_json(case, false))?;
        }
    } else {
        context.output.line(&words::cases(&cases))?;
    }
    Ok(Exit::Done)
}

async fn show(context: &Context, level: Level, arguments: Show) -> Result<Exit, Failure> {
    let found = redress(context, &arguments.beside).await?.show(level, arguments.id).await?;
    let case = found.ok_or(RedressError::NoCase)?;
    told(context, &case)
}

async fn decide(context: &Context, level: Level, arguments: Decide) -> Result<Exit, Failure> {
    let Decide { id, outcome, corrected, reasons, by, beside } = arguments;
    let text = |text: &str, limit| LetterText::new(text, limit).map_err(RedressError::from);
    let ruling = NewRuling {
        outcome,
        corrected: corrected.map(|it| text(&it, limits::CORRECTED)).transpose()?,
        reasons: text(&reasons, limits::REASONS)?,
        by: text(&by, limits::BY)?,
    };
    let case = redress(context, &beside).await?.decide(level, id, ruling).await?;
    told(context, &case)
}

fn told(context: &Context, case: &CaseView) -> Result<Exit, Failure> {
    context.output.result(&words::case_json(case, true), || words::case(case))?;
    Ok(Exit::Done)
}

impl From<RedressError> for Failure {
    fn from(error: RedressError) -> Self {
        let reason = error.reason();
        let exit = if reason == Reason::Malformed { Exit::Usage } else { Exit::of(reason) };
        Self::new(exit, "it was not done").why(&error).reason(reason)
    }
}
