//! `tacit demo`: a federation on this machine that walks a reader through what the product does, step by step, with
//! the figures of this very run. Every question goes the way of `tacit check`, every list the way of `tacit list`.

mod ahead;
mod altered;
mod ask;
mod closing;
mod consents;
mod founding;
mod history;
mod listing;
mod lists;
mod narrator;
mod person;
mod questions;
mod report;
mod search;
mod seen;
mod stage;
mod sweep;
mod verified;
mod web;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tacit_client::{ConsentAuthority, LogReader};
use tacit_federation::run::RunningPortal;
use tacit_ledger::note::NoteVerifier;
use tacit_model::{Ulid, entropy::os_rng};

use self::{
    ahead::Ahead,
    ask::Desk,
    lists::{Codes, Made, PLANS},
    narrator::{Narrator, count, span},
    report::{Step, Summary, ms, peak_memory},
    stage::Stage,
};
use super::serve::{stop_all, stop_asked, until_stopped};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
    parties,
    signals::Signals,
};

const COORDINATOR: &str = "coordinator";
const PROCUREMENT: &str = "procurement";
const AUDITOR: &str = "auditor-a";
const PORTAL: &str = "portal";
const COURT_LIST: &str = "court/judgment-defaulters";
const TAX_LIST: &str = "tax/serious-violations";
const ELIGIBILITY: &str = "public-procurement-eligibility";
const VENDOR_SELECTION: &str = "vendor-selection";
/// For how long somebody may act for the company of the first days.
const MANDATE_MS: u64 = 90 * 86_400_000;
const TENDER: &str = "TENDER-2026-0147";

/// Arguments of `tacit demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// End after the last step; without it the federation keeps running until Ctrl-C.
    #[arg(long)]
    once: bool,
    /// Make the federation in this new folder and keep it; without it a temporary one is made and removed.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Size of the lists: 1 is 220,000 records.
    #[arg(long, hide = true, default_value_t = 1.0, value_parser = scale)]
    scale: f64,
    /// The part that searches files, in a process of its own: a job on standard input.
    #[arg(long, hide = true)]
    search: bool,
}

fn scale(text: &str) -> Result<f64, String> {
    let scale: f64 = text.parse().map_err(|_| "a number is wanted".to_owned())?;
    if scale > 0.0 && scale <= 1.0 { Ok(scale) } else { Err("from above 0 to 1".to_owned()) }
}

/// Who and what the steps are about.
#[derive(Default)]
struct Cast {
    /// Bidder A: on the court's list.
    listed: String,
    /// Bidder B: on no list.
    unlisted: String,
    /// Bidder C: on no list; gives consent and withdraws it.
    consenting: String,
    /// Codes of the sweep.
    swept: Vec<String>,
    /// The court's reference of bidder A's record, in hexadecimal: the part of the answer that nobody could guess.
    reference: String,
    /// Record of the question about bidder A.
    hit_record: Option<u64>,
    /// Bidder C's consent.
    consent: Option<Ulid>,
    /// Bidder C's pseudonym for the procurement office.
    pseudonym: Option<[u8; 32]>,
    /// Record of the question under that consent: id and index.
    consented_record: Option<(String, u64)>,
}

/// What the steps share once the federation runs.
struct Walk<'a> {
    context: &'a Context,
    stage: &'a Stage,
    narrator: &'a mut Narrator,
    cast: Cast,
    procurement: Desk,
    portal: ConsentAuthority,
    auditor: LogReader,
    log_key: NoteVerifier,
    /// Answers that holders gave so far.
    answers: u64,
}

pub(crate) fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    if arguments.search {
        return search::serve();
    }
    let clock = Arc::new(Ahead::behind(context.clock.clone(), history::HOURS));
    let context = &Context { output: context.output, clock: clock.clone() };
    context.block_on(async {
        let started = Instant::now();
        let mut signals = Signals::listen()?;
        let mut narrator = Narrator::new(context.output);
        narrator.title(
            "Tacit: ask without telling",
            "A procurement office asks a court and a tax authority about bidders. Nobody between them learns about \
             whom, and no question goes unrecorded. All of it happens now, on this machine, with real keys.",
        );
        let mut stage = None;
        let steps = {
            let shown = show(context, &arguments, &mut narrator, &mut stage, &clock);
            tokio::select! {
                steps = shown => Some(steps),
                () = stop_asked(&mut signals) => None,
            }
        };
        let Some(mut stage) = stage else {
            return steps.map_or(Ok(Exit::Done), |steps| steps.map(|_| Exit::Done));
        };
        let roles = std::mem::take(&mut stage.roles);
        let (steps, cast, portal) = match steps {
            Some(Ok(shown)) => shown,
            Some(Err(failure)) => {
                stop_all(roles).await?;
                return Err(failure);
            }
            None => {
                narrator.line("");
                narrator.line("stopping");
                stop_all(roles).await?;
                return Ok(Exit::Done);
            }
        };
        let ok = steps.iter().all(|step| step.ok);
        let took = started.elapsed();
        let summary = Summary {
            ok,
            folder: stage.folder.clone(),
            steps,
            took_ms: ms(took),
            peak_memory_bytes: peak_memory(),
        };
        finish(&narrator, &summary, took);
        if context.output.is_json() {
            context.output.json_line(&summary)?;
        }
        let ended = if arguments.once {
            stop_all(roles).await
        } else {
            closing::keeps_running(&narrator, &stage, &cast, portal.desks());
            until_stopped(context, roles, std::slice::from_ref(&portal), &mut signals).await.map(drop)
        };
        portal.stop().await;
        ended?;
        closing::kept(&narrator, &stage);
        Ok(if ok { Exit::Done } else { Exit::Trouble })
    })
}

/// All steps, in order. `stage` holds the federation as soon as there is one, so that it can be ended in any case.
async fn show(
    context: &Context,
    arguments: &Arguments,
    narrator: &mut Narrator,
    stage: &mut Option<Stage>,
    clock: &Arc<Ahead>,
) -> Result<(Vec<Step>, Cast, RunningPortal), Failure> {
    let mut steps = Vec::new();
    let begun = Instant::now();
    narrator.step("A federation is founded");
    let stage = stage.insert(Stage::found(arguments.dir.as_deref(), context.clock.clone())?);
    let mut step = founding::start(narrator, stage).await?;
    step.took_ms = ms(begun.elapsed());
    steps.push(step);

    let begun = Instant::now();
    let (made, cast, around) = founding::files(context, stage, arguments.scale).await?;
    let (mut step, answers) = history::live(context, narrator, stage, &made, &around, clock).await?;
    step.took_ms = ms(begun.elapsed());
    steps.push(step);

    let begun = Instant::now();
    let mut step = founding::lists(context, narrator, stage, &made).await?;
    step.took_ms = ms(begun.elapsed());
    steps.push(step);

    let (auditor, _, log_key) = parties::auditor(context, &stage.config(AUDITOR))?;
    let mut walk = Walk {
        context,
        procurement: Desk::of(&stage.config(PROCUREMENT))?,
        portal: parties::authority(context, &stage.config(PORTAL)).await?,
        auditor,
        log_key,
        stage,
        narrator,
        cast,
        answers,
    };
    let walk = &mut walk;
    steps.push(timed(questions::hit(walk)).await?);
    steps.push(timed(questions::miss(walk)).await?);
    steps.push(timed(questions::purposes(walk)).await?);
    steps.push(timed(consents::none(walk)).await?);
    steps.push(timed(consents::given(walk)).await?);
    steps.push(timed(consents::withdrawn(walk)).await?);
    steps.push(timed(sweep::run(walk)).await?);
    steps.push(timed(listing::run(walk)).await?);
    steps.push(timed(altered::run(walk)).await?);
    steps.push(timed(seen::run(walk)).await?);
    steps.push(timed(verified::run(walk)).await?);
    let cast = std::mem::take(&mut walk.cast);
    let begun = Instant::now();
    let until = walk.context.clock.now().plus_ms(MANDATE_MS).to_rfc3339();
    let (mut step, portal) = web::open(walk.narrator, walk.stage, &around, &until).await?;
    step.took_ms = ms(begun.elapsed());
    steps.push(step);
    Ok((steps, cast, portal))
}

async fn timed(step: impl Future<Output = Result<Step, Failure>>) -> Result<Step, Failure> {
    let begun = Instant::now();
    let mut step = step.await?;
    step.took_ms = ms(begun.elapsed());
    Ok(step)
}

/// The last line of the walk: how it went, how long it took, how much it needed.
fn finish(narrator: &Narrator, summary: &Summary, took: std::time::Duration) {
    let good = summary.steps.iter().filter(|step| step.ok).count();
    let memory = summary.peak_memory_bytes.map_or_else(String::new, |bytes| {
        format!(", {} MB of memory at most", count(bytes.div_ceil(1 << 20)))
    });
    let (tone, word) = if summary.ok {
        (narrator::Tone::Good, "As promised:")
    } else {
        (narrator::Tone::Stopped, "NOT AS PROMISED:")
    };
    narrator.line("");
    narrator.line(&format!(
        "{} {good} of {} steps, {}{memory}.",
        narrator.tone(tone, word),
        summary.steps.len(),
        span(took),
    ));
}
