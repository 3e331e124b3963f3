//! `tacit list import LIST FILE`.

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tacit_model::ListId;
use tacit_node::records::{ImportEvent, ImportOptions, ImportReport, Rejection};

use super::Common;
use crate::{
    cli::Context,
    exit::{Exit, Failure},
    parties,
};

/// Rejected rows that are shown.
const SHOWN: usize = 20;
/// Rejected rows that the JSON result names; the others are in the file of `--rejects`.
const NAMED: usize = 1000;

/// Arguments of `list import`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A broken row is reported with its line and reason and is no failure: the other rows are taken, and the exit \
                  code is 0. A file without a usable header is refused as a whole."
)]
pub(crate) struct Arguments {
    /// The list, HOLDER/NAME.
    list: ListId,
    /// CSV with a header: code, category, decision_ref, decided_on, notified_on, effective_on, expires_on, and
    /// perhaps contested, fact_finding_body (who found the facts), listing_body (who decided to list; the holder
    /// unless given), consented_on (of a favorable list: when the subject consented on paper). Days are written
    /// YYYY-MM-DD.
    file: PathBuf,
    /// Write every rejected row to this CSV file: line, reason, message.
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let Arguments { list, file: path, rejects, common } = arguments;
    let file = File::open(&path)
        .map_err(|error| Failure::usage(format!("{} cannot be read", path.display())).why(error))?;
    let length = file.metadata().map_or(0, |it| it.len());
    let (records, ..) = parties::records(context, &common.config).await?;
    let mut rejected = rejects.as_ref().map(Rejects::create).transpose()?;
    let bar = progress(context, length);
    let read = Arc::new(AtomicU64::new(0));
    let reader = Counting { inner: file, read: Arc::clone(&read) };
    let source = path.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    let options = ImportOptions { by: common.by, source, keep_rejections: NAMED };
    let mut written = Ok(());
    let report = records
        .import(reader, &list, &options, |event| match event {
            ImportEvent::Rejected(rejection) => {
                if let Some(file) = &mut rejected
                    && written.is_ok()
                {
                    written = file.add(rejection);
                }
            }
            ImportEvent::Progress { read: rows, rejected } => {
                bar.set_position(read.load(Ordering::Relaxed));
                bar.set_message(format!("{rows} rows, {rejected} rejected"));
            }
        })
        .await;
    bar.finish_and_clear();
    let report = report?;
    written?;
    if let Some(mut file) = rejected {
        file.file.flush()?;
    }
    tell(context, &list, &report)?;
    // Broken rows are no failure of the import: all others were taken, and these are named.
    Ok(Exit::Done)
}

fn tell(context: &Context, list: &ListId, report: &ImportReport) -> io::Result<()> {
    for Rejection { line, problem } in report.rejections.iter().take(SHOWN) {
        context.output.line(&format!("line {line}: {} ({})", problem, problem.reason()))?;
    }
    let more = report.rejected.saturating_sub(SHOWN as u64);
    if more > 0 {
        context.output.line(&format!("... and {more} more; --rejects FILE writes all of them"))?;
    }
    let rejections: Vec<_> = report
        .rejections
        .iter()
        .map(
            |it| json!({ "line": it.line, "reason": it.problem.reason(), "message": it.problem.to_string() }),
        )
        .collect();
    let reasons: serde_json::Map<_, _> =
        report.reasons.iter().map(|(reason, count)| (reason.to_string(), json!(count))).collect();
    let normalized: serde_json::Map<_, _> =
        report.normalized.iter().map(|(kind, count)| (kind.to_string(), json!(count))).collect();
    context.output.result(
        &json!({
            "list": list, "read": report.read, "imported": report.imported, "changed": report.changed,
            "unchanged": report.unchanged, "rejected": report.rejected, "blank": report.blank,
            "reasons": reasons, "normalized": normalized, "held_back": report.held_back, "rejections": rejections,
        }),
        || {
            let mut text = format!(
                "{} rows: {} new, {} corrected, {} as before, {} rejected",
                report.read, report.imported, report.changed, report.unchanged, report.rejected
            );
            for (kind, count) in &report.normalized {
                text.push_str(&format!("\n{count} codes: {kind}"));
            }
            for (standing, count) in &report.held_back {
                text.push_str(&format!("\n{count} are not answered as listed today: {standing}"));
            }
            text.push_str(&format!("\npublished with the next tick; tacit list seal {list} waits for it"));
            text
        },
    )
}

/// A bar on the terminal; hidden when nobody watches.
fn progress(context: &Context, bytes: u64) -> ProgressBar {
    if !context.output.is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(bytes);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {eta} left") {
        bar.set_style(style);
    }
    bar
}

struct Counting<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

struct Rejects {
    file: csv::Writer<File>,
}

impl Rejects {
    fn create(path: &PathBuf) -> Result<Self, Failure> {
        let unwritable =
            |error: csv::Error| Failure::usage(format!("{} cannot be written", path.display())).why(error);
        let mut file = csv::Writer::from_path(path).map_err(unwritable)?;
        file.write_record(["line", "reason", "message"]).map_err(unwritable)?;
        Ok(Self { file })
    }

    fn add(&mut self, rejection: &Rejection) -> io::Result<()> {
        let Rejection { line, problem } = rejection;
        let row = [line.to_string(), problem.reason().to_string(), problem.to_string()];
        self.file.write_record(row).map_err(io::Error::other)
    }
}
