//! `tacit audit export`: records in a file, after a record that says so.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::json;
use tacit_identity::write_private;

use super::{Desk, Who, filter::Filter};
use crate::{
    cli::Context,
    commands::log::words,
    exit::{Exit, Failure},
};

/// Arguments of `audit export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The file; one that is there is replaced.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Its form.
    #[arg(long, default_value = "jsonl")]
    format: Form,
    /// From this record on.
    #[arg(long, default_value_t = 0, value_name = "INDEX")]
    from: u64,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    who: Who,
}

/// How the lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// CSV: index, kind, id, time, and the record's other lines in one column.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl Form {
    fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    arguments.filter.check()?;
    let desk = Desk::open(context, &arguments.who).await?;
    let checkpoint = desk.checkpoint(context).await?;
    let (form, until) = (arguments.format, checkpoint.size());
    let mut table = csv::Writer::from_writer(Vec::new());
    let mut lines = Vec::new();
    if form == Form::Csv {
        table.write_record(["index", "kind", "id", "time", "fields"]).map_err(Failure::internal)?;
    }
    let mut count = 0_u64;
    desk.records(&checkpoint, arguments.from..until, |entry| {
        let Ok(record) = &entry.record else { return Ok(true) };
        if !arguments.filter.takes(record, &entry.bytes) {
            return Ok(true);
        }
        count += 1;
        match form {
            Form::Csv => {
                let fields = words::fields(&entry.bytes);
                let of = |name| fields.iter().find(|(field, _)| *field == name).map_or("", |(_, text)| *text);
                let rest: Vec<String> =
                    fields.iter().skip(3).map(|(name, text)| format!("{name} {text}")).collect();
                let cells = [&entry.index.to_string(), of("kind"), of("id"), of("time"), &rest.join("\n")];
                table.write_record(cells).map_err(Failure::internal)?;
            }
            Form::Jsonl => {
                let value = words::value(entry.index, &entry.bytes);
                serde_json::to_writer(&mut lines, &value).map_err(Failure::internal)?;
                lines.push(b'\n');
            }
        }
        Ok(true)
    })
    .await?;
    if count == 0 {
        return Err(Failure::trouble("there are no such records").reason(tacit_model::Reason::NotFound));
    }
    let step = desk.auditor.record_export(count, arguments.from, until, form.as_str()).await?;
    let bytes = match form {
        Form::Csv => table.into_inner().map_err(Failure::internal)?,
        Form::Jsonl => lines,
    };
    write_private(&arguments.out, &bytes).map_err(|error| {
        Failure::trouble(format!("{} cannot be written", arguments.out.display())).why(error)
    })?;
    let record = step.record.id.to_string();
    let value = json!({ "records": count, "from": arguments.from, "until": until, "record": record,
                        "index": step.record.index });
    context.output.result(&value, || {
        format!("{count} records in {}; the export is record {record}", arguments.out.display())
    })?;
    Ok(Exit::Done)
}
