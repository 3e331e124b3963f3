//! `tacit measure ...`: what was done on answers, as a requester, through the gateway of the agency's own node.

use clap::Subcommand;
use serde_json::{Value, json};
use tacit_model::{ListId, Millis, Ulid, parse_ulid};
use tacit_wire::gateway::{
    LiftMeasureRequest, ListMeasuresRequest, Measure, RegisterMeasureRequest, lift_measure_response,
    register_measure_response,
};

use crate::{
    cli::Context,
    exit::{Exit, Failure},
    output::columns,
    parties::GatewayArguments,
};

/// Measures asked for at once.
const PAGE: u32 = 500;

/// `tacit measure ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Register a measure that rests on an answer. An answer is not a decision: name who decided.
    Register(Register),
    /// Show measures, what is due, and what is overdue: neither codes nor answers.
    List(List),
    /// Lift a measure. A lifted one stays so.
    Lift(Lift),
}

/// Arguments of `measure register`.
#[derive(Debug, clap::Args)]
pub(crate) struct Register {
    /// Record of the question whose answer it rests on.
    #[arg(value_parser = ulid, value_name = "RECORD_ID")]
    record: Ulid,
    /// Which of the measures that the agreement names, from 1.
    #[arg(long, value_name = "NUMBER")]
    measure: u32,
    /// Who decided, a role or a person.
    #[arg(long, value_name = "WHO")]
    decider: String,
    /// When it ends by itself, as in 2027-11-22 or 2027-11-22T08:30:00.000Z (UTC).
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Millis>,
    /// The list whose answer it rests on, when several named the subject.
    #[arg(long, value_name = "HOLDER/NAME")]
    list: Option<ListId>,
    #[command(flatten)]
    gateway: GatewayArguments,
}

/// Arguments of `measure list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Also those that are over.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    gateway: GatewayArguments,
}

/// Arguments of `measure lift`.
#[derive(Debug, clap::Args)]
pub(crate) struct Lift {
    /// Record that registered it.
    #[arg(value_parser = ulid, value_name = "MEASURE_ID")]
    id: Ulid,
    /// Who decided that, a role or a person.
    #[arg(long, value_name = "WHO")]
    decider: String,
    #[command(flatten)]
    gateway: GatewayArguments,
}

fn ulid(text: &str) -> Result<Ulid, String> {
    parse_ulid(text).ok_or_else(|| "an id is a ULID: 26 characters, capitals and digits".to_owned())
}

fn time(text: &str) -> Result<Millis, String> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00.000Z") } else { text.to_owned() };
    whole.parse().map_err(|_| "a time is written as 2027-11-22 or 2027-11-22T08:30:00.000Z".to_owned())
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    context.block_on(async {
        match command {
            Command::Register(arguments) => register(context, arguments).await,
            Command::List(arguments) => list(context, &arguments).await,
            Command::Lift(arguments) => lift(context, arguments).await,
        }
    })
}

async fn register(context: &Context, arguments: Register) -> Result<Exit, Failure> {
    let Register { record, measure, decider, until, list, gateway } = arguments;
    let request = RegisterMeasureRequest {
        record_id: record.to_string(),
        list_id: list.map(|list| list.to_string()).unwrap_or_default(),
        measure,
        until_ms: until.map_or(0, |until| until.0),
        decider,
    };
    let response = gateway.client()?.register_measure(request).await;
    let response = response.map_err(|status| Failure::of_status("the gateway", &status))?;
    match response.into_inner().outcome {
        Some(register_measure_response::Outcome::Measure(measure)) => {
            context.output.result(&value(&measure), || {
                format!(
                    "{}\n  the subject is told of it, and of who decided. An answer is not a decision.\n  the list is \
                     asked again at {}",
                    said(&measure),
                    when(measure.ask_again_ms)
                )
            })?;
            Ok(Exit::Done)
        }
        Some(register_measure_response::Outcome::Refusal(refusal)) => {
            Err(Failure::of_refusal("the measure", &refusal))
        }
        None => Err(Failure::internal("the gateway sent an outcome of no kind")),
    }
}

async fn lift(context: &Context, arguments: Lift) -> Result<Exit, Failure> {
    let Lift { id, decider, gateway } = arguments;
    let request = LiftMeasureRequest { measure_id: id.to_string(), decider };
    let response = gateway.client()?.lift_measure(request).await;
    let response = response.map_err(|status| Failure::of_status("the gateway", &status))?;
    match response.into_inner().outcome {
        Some(lift_measure_response::Outcome::Measure(measure)) => {
            context.output.result(&value(&measure), || said(&measure))?;
            Ok(Exit::Done)
        }
        Some(lift_measure_response::Outcome::Refusal(refusal)) => {
            Err(Failure::of_refusal("the measure", &refusal))
        }
        None => Err(Failure::internal("the gateway sent an outcome of no kind")),
    }
}

async fn list(context: &Context, arguments: &List) -> Result<Exit, Failure> {
    let mut client = arguments.gateway.client()?;
    let header = [
        "MEASURE",
        "STATE",
        "WHAT",
        "DECIDED BY",
        "LIST",
        "CASE",
        "ANSWER",
        "ASKED AGAIN",
        "LIFT BY",
        "UNTIL",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let (mut cursor, mut overdue) = (String::new(), 0u64);
    loop {
        let request = ListMeasuresRequest { all: arguments.all, cursor, limit: PAGE };
        let page = client.list_measures(request).await;
        let page = page.map_err(|status| Failure::of_status("the gateway", &status))?.into_inner();
        for measure in &page.measures {
            overdue += u64::from(measure.overdue);
            if context.output.is_json() {
                context.output.json_line(&value(measure))?;
            } else {
                rows.push(row(measure));
            }
        }
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    if context.output.is_json() {
        return Ok(Exit::Done);
    }
    if rows.len() == 1 {
        context.output.line("There are no such measures.")?;
        return Ok(Exit::Done);
    }
    context.output.line(&columns(&rows))?;
    if overdue > 0 {
        context.output.line(&format!(
            "{overdue} should have been lifted: tacit measure lift MEASURE_ID --decider WHO"
        ))?;
    }
    Ok(Exit::Done)
}

/// One measure in words.
fn said(measure: &Measure) -> String {
    format!(
        "measure {} is {}: {}\n  decided by {}; list {}, answer {}",
        measure.measure_id,
        state(measure),
        measure.words,
        super::receipt::plain(&measure.decider),
        measure.list_id,
        measure.answer
    )
}

fn state(measure: &Measure) -> String {
    if measure.overdue { format!("{}, OVERDUE", measure.state) } else { measure.state.clone() }
}

fn when(ms: u64) -> String {
    if ms == 0 { String::new() } else { Millis(ms).to_rfc3339() }
}

fn row(measure: &Measure) -> Vec<String> {
    let asked = match measure.said.as_str() {
        "" => when(measure.ask_again_ms),
        said => format!("{} {said}", when(measure.asked_ms)),
    };
    vec![
        measure.measure_id.clone(),
        state(measure),
        measure.words.clone(),
        super::receipt::plain(&measure.decider),
        measure.list_id.clone(),
        super::receipt::plain(&measure.case_number),
        measure.answer.clone(),
        asked,
        when(measure.lift_by_ms),
        when(measure.until_ms),
    ]
}

/// One measure for machines; what is not known is absent.
fn value(measure: &Measure) -> Value {
    let mut value = json!({
        "measure": measure.measure_id,
        "index": measure.record_index,
        "state": measure.state,
        "overdue": measure.overdue,
        "answer": measure.answer,
        "list": measure.list_id,
        "purpose": measure.purpose,
        "case": measure.case_number,
        "agreement": measure.agreement_id,
        "number": measure.measure,
        "words": measure.words,
        "decider": measure.decider,
    });
    let times = [
        ("until", measure.until_ms),
        ("registered", measure.registered_ms),
        ("asked", measure.asked_ms),
        ("ask_again", measure.ask_again_ms),
        ("lift_by", measure.lift_by_ms),
        ("lifted", measure.lifted_ms),
    ];
    for (name, ms) in times.into_iter().filter(|(_, ms)| *ms > 0) {
        value[name] = json!(Millis(ms).to_rfc3339());
    }
    if !measure.said.is_empty() {
        value["said"] = json!(measure.said);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_of_a_measure_is_absent() {
        let measure = Measure { state: "due".to_owned(), overdue: true, lift_by_ms: 1, ..Measure::default() };
        let value = value(&measure);
        assert_eq!(value["lift_by"], "1970-01-01T00:00:00.001Z");
        assert!(value.get("until").is_none() && value.get("said").is_none());
        assert_eq!(state(&measure), "due, OVERDUE");
        assert!(time("2027-11-22").is_ok() && time("soon").is_err());
    }
}
