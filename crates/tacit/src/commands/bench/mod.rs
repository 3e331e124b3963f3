//! `tacit bench`: how fast everything is, and how near that comes to what the machine can do.
//!
//! ```text
//! crypto    raw limits, evaluation, sealing          one core, no I/O
//! protocol  all cryptography of a check              one core, no I/O, times the cores
//! log       durable appends                          SQLite on the disk, against the file system
//! calls     plain calls over mutual TLS              loopback
//! checks    import, seal, batches, single checks     a whole federation: mutual TLS, SQLite, loopback
//! ```
//!
//! Every figure of the product stands beside a raw limit that was measured in the same run. All roles run in
//! this one process, on the cores of this one machine, so every figure is about all parties together.

mod calls;
mod crypto;
mod figure;
mod log;
mod measure;
mod protocol;
mod rig;
mod subjects;

use std::{path::PathBuf, time::Duration};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tacit_blind::raw;

use self::{
    figure::{Figure, Floor},
    measure::Effort,
    rig::Rig,
};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// Records at which the floors of sealing and of bytes on the wire are stated.
const FULL_LIST: u64 = 1_000_000;

/// Arguments of `tacit bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Records of the list that is sealed and asked; about 300 MB on disk for a million.
    #[arg(long, default_value_t = FULL_LIST, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    records: u64,
    /// Checks of one run of a batch.
    #[arg(long, default_value_t = 10_240, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    checks: u64,
    /// Runs of which the best counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=20))]
    runs: u8,
    /// A look in a few seconds: one run, a list of 20,000 records, fewer checks.
    #[arg(long, conflicts_with_all = ["records", "checks", "runs"])]
    quick: bool,
    /// Measure this only; may be given several times.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// A folder on the disk to measure; the system's temporary folder unless given.
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Raw limits, evaluation, sealing.
    Crypto,
    /// All cryptography of a check, in memory.
    Protocol,
    /// Durable log appends.
    Log,
    /// Plain calls over mutual TLS.
    Calls,
    /// Import, sealing and checks of a whole federation.
    Checks,
}

/// What a run is like.
struct Plan {
    records: u64,
    checks: u64,
    effort: Effort,
    only: Vec<Part>,
}

impl Plan {
    fn of(arguments: &Arguments) -> Self {
        let only = arguments.only.clone();
        if arguments.quick {
            let effort = Effort { runs: 1, at_least: Duration::from_millis(100) };
            return Self { records: 20_000, checks: 2_048, effort, only };
        }
        let effort = Effort { runs: arguments.runs.into(), at_least: Duration::from_millis(500) };
        Self { records: arguments.records, checks: arguments.checks, effort, only }
    }

    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

/// A measure could not be taken.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    /// Something that is so by construction is not.
    #[error("something is not as it must be: {0}")]
    Wrong(&'static str),
    /// The protocol refused.
    #[error("protocol: {0}")]
    Blind(#[from] tacit_blind::BlindError),
    /// A table could not be built.
    #[error("table: {0}")]
    Build(#[from] tacit_blind::table::BuildError),
    /// A database.
    #[error(transparent)]
    Store(#[from] tacit_store::StoreError),
    /// A file.
    #[error("file: {0}")]
    Io(#[from] std::io::Error),
    /// The federation could not be founded.
    #[error(transparent)]
    Found(#[from] tacit_federation::found::FoundError),
    /// A role did not start.
    #[error(transparent)]
    Start(#[from] tacit_federation::run::StartError),
    /// The records could not be imported.
    #[error(transparent)]
    Records(#[from] tacit_node::records::RecordsError),
    /// A connection could not be made.
    #[error(transparent)]
    Endpoint(#[from] tacit_identity::EndpointError),
    /// A connection to the gateway could not be made.
    #[error("gateway: {0}")]
    Gateway(#[from] tonic::transport::Error),
    /// A call failed.
    #[error("call: {}", .0.message())]
    Call(Box<tonic::Status>),
    /// A check got no answer, or a wrong one.
    #[error("a check was not answered as it must be: {0}")]
    Answer(String),
}

impl From<tonic::Status> for BenchError {
    fn from(status: tonic::Status) -> Self {
        Self::Call(Box::new(status))
    }
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let plan = Plan::of(arguments);
    let folder = match &arguments.dir {
        Some(dir) => tempfile::Builder::new().prefix("tacit-bench-").tempdir_in(dir),
        None => tempfile::Builder::new().prefix("tacit-bench-").tempdir(),
    }?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut figures = Vec::new();
    let measured = context
        .block_on(async { Ok(measure(context, &plan, cores, folder.path(), &mut figures).await) })
        .and_then(|measured| {
            measured.map_err(|error| Failure::trouble("the benchmark did not come to its end").why(error))
        });
    // What was measured before a failure is worth showing.
    show(context, &plan, cores, &figures)?;
    measured.map(|()| Exit::Done)
}

async fn measure(
    context: &Context,
    plan: &Plan,
    cores: usize,
    folder: &std::path::Path,
    figures: &mut Vec<Figure>,
) -> Result<(), BenchError> {
    let progress = progress(context);
    let say = |text: &'static str| progress.set_message(text);
    let effort = plan.effort;
    let raw = if plan.wants(Part::Crypto) || plan.wants(Part::Checks) {
        say("raw limits, evaluation, sealing");
        Some(tokio::task::block_in_place(|| crypto::run(effort, figures))?)
    } else {
        None
    };
    let limits = if plan.wants(Part::Protocol) || plan.wants(Part::Checks) {
        say("the cryptography of a check");
        Some(tokio::task::block_in_place(|| protocol::run(effort, cores, figures))?)
    } else {
        None
    };
    if plan.wants(Part::Log) {
        say("log appends");
        log::run(folder, effort, if effort.runs == 1 { 4 } else { 20 }, figures).await?;
    }
    if !plan.wants(Part::Calls) && !plan.wants(Part::Checks) {
        return Ok(());
    }
    say("starting a federation");
    let rig = Rig::start(&folder.join("federation"), context.clock.clone()).await?;
    say("plain calls over mutual TLS");
    let echo = calls::echo(&rig, effort, figures).await?;
    if let (true, Some(raw), Some(limits)) = (plan.wants(Part::Checks), raw, limits) {
        say("importing and sealing a list");
        rig.import(folder, plan.records, &raw.sealing, cores, figures).await?;
        say("batches of checks");
        calls::batches(&rig, plan, &limits, figures).await?;
        say("single checks");
        calls::singles(&rig, plan, &echo, figures).await?;
    }
    say("stopping");
    rig.stop().await?;
    progress.finish_and_clear();
    Ok(())
}

fn progress(context: &Context) -> ProgressBar {
    if !context.output.is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn show(context: &Context, plan: &Plan, cores: usize, figures: &[Figure]) -> Result<(), Failure> {
    let backend = raw::backend().name();
    context.output.result(
        &json!({
            "version": env!("CARGO_PKG_VERSION"),
            "cores": cores,
            "curve_arithmetic": backend,
            "processor_has_ifma": raw::processor_has_ifma(),
            "runs": plan.effort.runs,
            "records": plan.records,
            "checks": plan.checks,
            "figures": figures,
        }),
        || {
            let best = match plan.effort.runs {
                1 => "one run".to_owned(),
                runs => format!("best of {runs} runs"),
            };
            format!(
                "{cores} cores, curve arithmetic {backend}; {best}; a list of {} records, batches of {} checks.\n\n{}",
                figure::number(plan.records_f64()),
                figure::number(plan.checks_f64()),
                figure::table(figures),
            )
        },
    )?;
    Ok(())
}

impl Plan {
    #[expect(clippy::cast_precision_loss, reason = "at most ten million")]
    fn records_f64(&self) -> f64 {
        self.records as f64
    }

    #[expect(clippy::cast_precision_loss, reason = "at most a million")]
    fn checks_f64(&self) -> f64 {
        self.checks as f64
    }

    /// A floor that is stated for a list of a million records.
    fn floor_of_full_list(&self, figure: Figure, floor: Floor) -> Figure {
        if self.records >= FULL_LIST { figure.floor(floor) } else { figure }
    }
}
