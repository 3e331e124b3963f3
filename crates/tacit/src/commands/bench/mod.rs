//! `tacit bench`: how fast everything is, and how near that comes to what the machine can do.
//!
//! ```text
//! crypto    raw limits, evaluation, sealing          one core, no I/O
//! protocol  all cryptography of a check              one core, no I/O, times the cores
//! law       registry, decision                   99 members, 3,441 categories, 51 agreements, 226 acts
//! log       durable appends                          SQLite on the disk, against the file system
//! replicas  durable appends of two replicas          one PostgreSQL database, if one is named
//! proofs    inclusion proofs                         from a log in SQLite
//! fsck      an exported log verified                 `tacit log verify` in a process of its own
//! size      what a check leaves with the coordinator a whole federation, its file weighed at rest
//! calls     plain calls over mutual TLS              loopback
//! checks    import, seal, batches, single checks     a whole federation: mutual TLS, SQLite, loopback
//! removal   a removal until checks say so            the same, with its tick of 10 s
//! ```
//!
//! Every figure of the product stands beside a raw limit that was measured in the same run. All roles run in
//! this one process, on the cores of this one machine, so every figure is about all parties together.

mod appends;
mod calls;
mod crypto;
mod figure;
mod fsck;
mod law;
mod log;
mod measure;
mod plan;
mod proofs;
mod protocol;
mod removal;
mod replicas;
mod rig;
mod size;
mod stored;
mod subjects;

use std::{path::Path, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tacit_blind::raw;

pub(crate) use self::plan::Arguments;
use self::{
    figure::Figure,
    plan::{Part, Plan},
    rig::Rig,
    stored::Stored,
};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

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
    let mut run = Run { plan, cores, progress: progress(context), figures: Vec::new(), left_out: Vec::new() };
    let measured =
        context.block_on(async { Ok(run.all(context, folder.path()).await) }).and_then(|measured| {
            measured.map_err(|error| Failure::trouble("the benchmark did not come to its end").why(error))
        });
    run.progress.finish_and_clear();
    // What was measured before a failure is worth showing.
    run.show(context)?;
    measured.map(|()| Exit::Done)
}

/// A run of the benchmark.
struct Run {
    plan: Plan,
    cores: usize,
    progress: ProgressBar,
    figures: Vec<Figure>,
    /// What could not be measured here, and why.
    left_out: Vec<&'static str>,
}

/// What checks are compared with.
#[derive(Default)]
struct Bounds {
    raw: Option<crypto::Raw>,
    checks: Option<protocol::Limits>,
}

impl Run {
    fn say(&self, what: &'static str) {
        self.progress.set_message(what);
    }

    async fn all(&mut self, context: &Context, folder: &Path) -> Result<(), BenchError> {
        let limits = tokio::task::block_in_place(|| self.limits())?;
        if self.plan.wants(Part::Law) {
            self.say("a registry of real size");
            let effort = self.plan.effort;
            tokio::task::block_in_place(|| law::run(effort, &*context.clock, &mut self.figures))?;
        }
        self.appends(folder).await?;
        self.past(folder).await?;
        if self.plan.wants(Part::Size) {
            self.say("what a check leaves behind");
            size::run(folder, context.clock.clone(), self.plan.weighed, &mut self.figures).await?;
        }
        self.federation(context, folder, limits).await
    }

    /// What no check can be faster than.
    fn limits(&mut self) -> Result<Bounds, BenchError> {
        let (effort, cores, mut bounds) = (self.plan.effort, self.cores, Bounds::default());
        if self.plan.wants_any(&[Part::Crypto, Part::Checks, Part::Removal]) {
            self.say("raw limits, evaluation, sealing");
            bounds.raw = Some(crypto::run(effort, &mut self.figures)?);
        }
        if self.plan.wants_any(&[Part::Protocol, Part::Checks]) {
            self.say("the cryptography of a check");
            bounds.checks = Some(protocol::run(effort, cores, &mut self.figures)?);
        }
        Ok(bounds)
    }

    async fn appends(&mut self, folder: &Path) -> Result<(), BenchError> {
        let (effort, rounds) = (self.plan.effort, self.plan.rounds);
        if !self.plan.wants_any(&[Part::Log, Part::Replicas]) {
            return Ok(());
        }
        self.say("the disk");
        let disk = tokio::task::block_in_place(|| log::disk(folder, effort, rounds, &mut self.figures))?;
        if self.plan.wants(Part::Log) {
            self.say("log appends");
            log::run(folder, effort, rounds, &disk, &mut self.figures).await?;
        }
        if self.plan.wants(Part::Replicas) {
            self.say("log appends of two replicas");
            match &self.plan.postgres {
                Some(url) => replicas::run(url, effort, rounds, &disk, &mut self.figures).await?,
                None => self.left_out.push("replicas: no PostgreSQL database was named (--postgres URL)"),
            }
        }
        Ok(())
    }

    /// What is asked of a log that is there already.
    async fn past(&mut self, folder: &Path) -> Result<(), BenchError> {
        let effort = self.plan.effort;
        if !self.plan.wants_any(&[Part::Proofs, Part::Fsck]) {
            return Ok(());
        }
        self.say("filling a log");
        let stored = Stored::fill(folder, self.plan.entries).await?;
        if self.plan.wants(Part::Proofs) {
            self.say("inclusion proofs");
            proofs::run(&stored, effort, &mut self.figures).await?;
        }
        if self.plan.wants(Part::Fsck) {
            self.say("verifying an exported log");
            let program = std::env::current_exe()?;
            fsck::run(&program, &stored, folder, effort, self.cores, &mut self.figures).await?;
        }
        stored.close().await;
        Ok(())
    }

    async fn federation(
        &mut self,
        context: &Context,
        folder: &Path,
        bounds: Bounds,
    ) -> Result<(), BenchError> {
        let (effort, cores) = (self.plan.effort, self.cores);
        if !self.plan.wants_any(&[Part::Calls, Part::Checks, Part::Removal]) {
            return Ok(());
        }
        self.say("starting a federation");
        let rig = Rig::start(&folder.join("federation"), context.clock.clone()).await?;
        let mut echo = None;
        if self.plan.wants_any(&[Part::Calls, Part::Checks]) {
            self.say("plain calls over mutual TLS");
            echo = Some(calls::echo(&rig, effort, &mut self.figures).await?);
        }
        if let (true, Some(raw)) = (self.plan.wants_any(&[Part::Checks, Part::Removal]), &bounds.raw) {
            self.say("importing and sealing a list");
            rig.import(folder, self.plan.records, &raw.sealing, cores, &mut self.figures).await?;
        }
        if let (true, Some(echo), Some(limits)) = (self.plan.wants(Part::Checks), echo, bounds.checks) {
            self.say("batches of checks");
            calls::batches(&rig, &self.plan, &limits, &mut self.figures).await?;
            self.say("single checks");
            calls::singles(&rig, &self.plan, &echo, &mut self.figures).await?;
        }
        // Last: what was removed is asked no more.
        if self.plan.wants(Part::Removal) {
            self.say("removals");
            removal::run(&rig, &self.plan, &mut self.figures).await?;
        }
        self.say("stopping");
        rig.stop().await?;
        Ok(())
    }

    fn show(&self, context: &Context) -> Result<(), Failure> {
        let Self { plan, cores, figures, left_out, .. } = self;
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
                "entries": plan.entries,
                "figures": figures,
                "left_out": left_out,
            }),
            || {
                let best = match plan.effort.runs {
                    1 => "one run".to_owned(),
                    runs => format!("best of {runs} runs"),
                };
                let mut text = format!(
                    "{cores} cores, curve arithmetic {backend}; {best}; a list of {} records, batches of {} checks, a log of {} records.\n\n{}",
                    figure::number(plan.records_f64()),
                    figure::number(plan.checks_f64()),
                    figure::number(plan.entries_f64()),
                    figure::table(figures),
                );
                for reason in left_out {
                    text.push_str(&format!("\nLeft out: {reason}"));
                }
                text
            },
        )?;
        Ok(())
    }
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
