//! `tacit check`: one code, or every code of a file, through the gateway of the agency's own node.

mod batch;
mod input;
mod results;
mod words;

pub(in crate::commands) use words::NOTICE;

use std::path::PathBuf;

use tacit_model::{ListId, PurposeCode, Reason};
use tacit_wire::gateway::{CheckRequest, Question, check_outcome::Outcome, list_answer::Answer};

use super::list::typed;
use crate::{
    cli::Context,
    exit::{Exit, Failure},
    parties::GatewayArguments,
};

/// Arguments of `tacit check`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A batch can be stopped and run again: rows that have an answer in the result are not asked again.\n\
                  A row that cannot be asked stands in the result as invalid, with its reason; alone it is no failure: the exit \
                  code stays 0.\nAn answer is not a decision: who acts on one decides, and registers that (tacit measure)."
)]
pub(crate) struct Arguments {
    /// The code, `-` to read it from standard input.
    #[arg(required_unless_present = "batch")]
    code: Option<String>,
    /// Ask about every row of this CSV file.
    #[arg(long, value_name = "FILE", conflicts_with = "code", requires = "out")]
    batch: Option<PathBuf>,
    /// Where the answers of a batch go, as CSV; resumed when it is there.
    #[arg(long, value_name = "FILE", requires = "batch")]
    out: Option<PathBuf>,
    #[command(flatten)]
    question: QuestionArguments,
    #[command(flatten)]
    batching: batch::Options,
    #[command(flatten)]
    gateway: GatewayArguments,
}

/// What is asked.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct QuestionArguments {
    /// Lists to ask.
    #[arg(long = "list", required = true, value_name = "HOLDER/NAME")]
    lists: Vec<ListId>,
    /// For what.
    #[arg(long)]
    purpose: PurposeCode,
    /// The agency's case number.
    #[arg(long = "case", value_name = "NUMBER")]
    case_number: String,
    /// Who asks, as the agency names its officers.
    #[arg(long, env = "USER", default_value = "command-line")]
    officer: String,
    /// The codes' scheme; the one that the lists name without it.
    #[arg(long, default_value = "")]
    scheme: String,
}

impl QuestionArguments {
    fn to_message(&self) -> Question {
        Question {
            lists: self.lists.iter().map(ToString::to_string).collect(),
            purpose: self.purpose.to_string(),
            case_number: self.case_number.clone(),
            officer: self.officer.clone(),
            scheme: self.scheme.clone(),
        }
    }
}

pub(crate) fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let Arguments { code, batch, out, question, batching, gateway } = arguments;
    context.block_on(async {
        let client = gateway.client()?;
        match (code, batch, out) {
            (Some(code), ..) => single(context, client, &question, code).await,
            (None, Some(input), Some(out)) => {
                batch::run(context, client, &question, &input, &out, &batching).await
            }
            _ => Err(Failure::usage("neither a code nor --batch with --out was given")),
        }
    })
}

async fn single(
    context: &Context,
    mut client: crate::parties::GatewayClient,
    question: &QuestionArguments,
    code: String,
) -> Result<Exit, Failure> {
    let code = typed(code)?;
    let request = CheckRequest { question: Some(question.to_message()), code: code.to_string() };
    let response =
        client.check(request).await.map_err(|status| Failure::of_status("the gateway", &status))?;
    let request_id: Option<Box<str>> =
        response.metadata().get(tacit_wire::REQUEST_ID).and_then(|id| id.to_str().ok()).map(Into::into);
    let outcome = response.into_inner().outcome.unwrap_or_default();
    let failure = |failure: Failure| Failure { request_id: request_id.clone(), ..failure };
    match &outcome.outcome {
        Some(Outcome::Answers(answers)) => {
            let refused = answers.lists.iter().map(|list| match &list.answer {
                Some(Answer::Refusal(refusal)) => Some((list, refusal)),
                _ => None,
            });
            let refused: Option<Vec<_>> = refused.collect();
            // With one answer the question was answered; what was refused is said beside it.
            let Some((list, refusal)) = refused.and_then(|all| all.into_iter().next()) else {
                context.output.result(&words::value(&outcome), || words::text(&outcome))?;
                return Ok(Exit::Done);
            };
            let mut all = Failure::of_refusal(format!("the question to {} was", list.list_id), refusal);
            for list in &answers.lists {
                if !list.record_id.is_empty() {
                    all = all.note(format!("on record: {}, log index {}", list.record_id, list.record_index));
                }
            }
            Err(failure(all))
        }
        Some(Outcome::Refusal(refusal)) => Err(failure(Failure::of_refusal("the question was", refusal))),
        Some(Outcome::NotAnswered(lost)) => {
            let reason = lost.reason.parse().unwrap_or(Reason::NotAnswered);
            let why = match lost.record_ids.is_empty() {
                true => reason.meaning().to_owned(),
                false => format!("{} It is on record as {}", reason.meaning(), lost.record_ids.join(" ")),
            };
            Err(failure(
                Failure::new(Exit::of(reason), "the question was not answered")
                    .why(why)
                    .next("ask again; a new question gets a record of its own")
                    .reason(reason),
            ))
        }
        None => Err(failure(Failure::internal("the gateway sent an outcome of no kind"))),
    }
}
