//! Calls between parties: plain ones, batches of checks, single checks, and what they put on the wire.
//!
//! Checks go in at the requester's gateway, where its applications ask, and every answer is compared with what it
//! must be.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use tacit_identity::WireBytes;
use tacit_wire::gateway::{
    CheckManyRequest, CheckOutcome, CheckRequest, Subject, check_many_request, check_outcome, list_answer,
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::BenchError;
use super::figure::{Figure, Floor};
use super::measure::{Effort, Latencies, forget_peak, peak_memory_mb, processor_time, rate};
use super::plan::Plan;
use super::protocol::Limits;
use super::rig::{Rig, bucket_bytes};
use super::subjects::{Asked, asked};

/// Calls at one time.
const IN_FLIGHT: usize = 64;

/// Calls one after the other in one run.
const ALONE: u64 = 400;

/// Calls that one check of an enrolled subject needs, one after the other: C, B, D.
const ROUND_TRIPS: f64 = 3.0;

/// Many calls of one kind.
struct Run {
    latencies: Latencies,
    per_second: f64,
    /// Processor time of all parties per call, in milliseconds.
    processor_ms: Option<f64>,
}

/// Processor time since `before` for each of `count`, in milliseconds.
fn processor_ms(before: Option<Duration>, count: f64) -> Option<f64> {
    Some(processor_time()?.saturating_sub(before?).as_secs_f64() * 1000.0 / count)
}

/// Makes `count` calls, `in_flight` at a time.
async fn many<F: Future<Output = Result<(), BenchError>>>(
    count: u64,
    in_flight: usize,
    call: impl Fn(u64) -> F,
) -> Result<Run, BenchError> {
    let (begun, before) = (Instant::now(), processor_time());
    let latencies: Vec<Duration> = stream::iter(0..count)
        .map(|n| {
            let call = call(n);
            async move {
                let begun = Instant::now();
                call.await.map(|()| begun.elapsed())
            }
        })
        .buffer_unordered(in_flight)
        .try_collect()
        .await?;
    let per_second = rate(latencies.len(), begun.elapsed());
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let processor_ms = processor_ms(before, latencies.len() as f64);
    Ok(Run { latencies: Latencies::sorted(latencies), per_second, processor_ms })
}

/// What plain calls reach.
pub(super) struct Echo {
    alone: Figure,
    in_flight: Figure,
}

/// Health checks over mutual TLS: the least that a call between two parties costs.
pub(super) async fn echo(rig: &Rig, effort: Effort, figures: &mut Vec<Figure>) -> Result<Echo, BenchError> {
    let client = HealthClient::new(rig.to_coordinator().await?);
    let call = |_| {
        let mut client = client.clone();
        async move { Ok(client.check(HealthCheckRequest::default()).await.map(drop)?) }
    };
    let (mut alone, mut in_flight) = (f64::INFINITY, 0.0_f64);
    for _ in 0..effort.runs {
        alone = alone.min(many(4 * ALONE, 1, call).await?.latencies.percentile_ms(50));
        in_flight = in_flight.max(many(20_000, IN_FLIGHT, call).await?.per_second);
    }
    let echo = Echo {
        alone: Figure::new("raw.call.p50", "plain call over mutual TLS, alone", alone, "ms"),
        in_flight: Figure::new("raw.call.64", "plain calls over mutual TLS, 64 in flight", in_flight, "1/s"),
    };
    figures.extend([echo.alone.clone(), echo.in_flight.clone()]);
    Ok(echo)
}

/// Batches of first-time subjects, then of the same ones again.
pub(super) async fn batches(
    rig: &Rig,
    plan: &Plan,
    limits: &Limits,
    figures: &mut Vec<Figure>,
) -> Result<(), BenchError> {
    let (mut first_time, mut enrolled) = (0.0_f64, 0.0_f64);
    let (mut first_processor, mut processor, mut bytes) = (f64::INFINITY, f64::INFINITY, f64::INFINITY);
    let least = |best: f64, before| processor_ms(before, plan.checks_f64()).map_or(best, |ms| best.min(ms));
    forget_peak();
    for run in 0..plan.effort.runs as u64 {
        let before = processor_time();
        first_time = first_time.max(batch(rig, plan.records, run * plan.checks, plan.checks).await?);
        first_processor = least(first_processor, before);
    }
    for _ in 0..plan.effort.runs {
        let (before, sent) = (processor_time(), WireBytes::now());
        enrolled = enrolled.max(batch(rig, plan.records, 0, plan.checks).await?);
        processor = least(processor, before);
        bytes = bytes.min(per_check(sent, plan.checks_f64()));
    }
    let peak = peak_memory_mb();
    figures.push(
        Figure::new("batch", "batch checks of enrolled subjects", enrolled, "1/s")
            .of(&limits.enrolled)
            .floor(Floor::AtLeast(3000.0)),
    );
    figures.push(
        Figure::new("batch.first", "batch checks of first-time subjects", first_time, "1/s")
            .of(&limits.first_time)
            .floor(Floor::AtLeast(1000.0)),
    );
    for (name, what, ms) in [
        ("batch.processor", "processor time of all parties per check", processor),
        ("batch.first.processor", "the same of a first-time subject", first_processor),
    ] {
        if ms.is_finite() {
            figures.push(Figure::new(name, what, ms, "ms"));
        }
    }
    figures.push(wire(plan, Figure::new("wire.batch", "on the wire per check of a batch", bytes, "bytes"))?);
    if let Some(peak) = peak {
        figures.push(Figure::new("batch.memory", "peak of this process meanwhile", peak, "MB"));
    }
    Ok(())
}

/// Bytes that all parties sent since `before`, per check.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
fn per_check(before: WireBytes, checks: f64) -> f64 {
    WireBytes::now().since(before).sent as f64 / checks
}

fn wire(plan: &Plan, figure: Figure) -> Result<Figure, BenchError> {
    #[expect(clippy::cast_precision_loss, reason = "at most 4 MiB")]
    let bucket = bucket_bytes(plan.records)? as f64;
    let figure = {
        let share = bucket / figure.value;
        figure.share(share, "one bucket")
    };
    Ok(plan.floor_of_full_list(figure, Floor::AtMost(20_000.0)))
}

/// Checks the subjects of `checks` questions `from ..`, about a list of `records`, in one batch; checks a second.
pub(super) async fn batch(rig: &Rig, records: u64, from: u64, checks: u64) -> Result<f64, BenchError> {
    let question = CheckManyRequest { part: Some(check_many_request::Part::Question(rig.question())) };
    let subjects = (from..from + checks).map(move |row| {
        let code = asked(row, records).code;
        CheckManyRequest { part: Some(check_many_request::Part::Subject(Subject { row, code })) }
    });
    let begun = Instant::now();
    let messages = stream::iter(std::iter::once(question).chain(subjects));
    let mut answers = rig.gateway().check_many(rig.call(messages)).await?.into_inner();
    let mut answered = 0;
    while let Some(answer) = answers.message().await? {
        verify(answer.outcome, &asked(answer.row, records))?;
        answered += 1;
    }
    if answered != checks {
        return Err(BenchError::Answer(format!("{answered} of {checks} rows came back")));
    }
    Ok(rate(usize::try_from(checks).unwrap_or(usize::MAX), begun.elapsed()))
}

/// Single checks of enrolled subjects, one at a time and many at a time.
pub(super) async fn singles(
    rig: &Rig,
    plan: &Plan,
    echo: &Echo,
    figures: &mut Vec<Figure>,
) -> Result<(), BenchError> {
    let call = |n: u64| single(rig, plan.records, n % plan.checks);
    let (mut alone, mut in_flight, mut bytes): (Option<Run>, Option<Run>, f64) = (None, None, f64::INFINITY);
    for _ in 0..plan.effort.runs {
        let before = WireBytes::now();
        let run = many(ALONE, 1, call).await?;
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let count = ALONE as f64;
        bytes = bytes.min(per_check(before, count));
        let p50 = |run: &Run| run.latencies.percentile_ms(50);
        if alone.as_ref().is_none_or(|best| p50(&run) < p50(best)) {
            alone = Some(run);
        }
        let run = many(plan.checks, IN_FLIGHT, call).await?;
        if in_flight.as_ref().is_none_or(|best| run.per_second > best.per_second) {
            in_flight = Some(run);
        }
    }
    let (Some(alone), Some(in_flight)) = (alone, in_flight) else {
        return Err(BenchError::Wrong("no run"));
    };
    let ms =
        |name, what, run: &Run, percent| Figure::new(name, what, run.latencies.percentile_ms(percent), "ms");
    let p50 = ms("single.p50", "single check, alone: median", &alone, 50);
    let share = ROUND_TRIPS * echo.alone.value / p50.value;
    figures.push(p50.share(share, "three raw.call.p50").floor(Floor::AtMost(5.0)));
    figures.push(ms("single.p90", "single check, alone: 90 of 100 are faster", &alone, 90));
    figures.push(ms("single.p99", "single check, alone: 99 of 100 are faster", &alone, 99));
    let share = ROUND_TRIPS * in_flight.per_second / echo.in_flight.value;
    figures.push(
        Figure::new("single.64", "single checks, 64 in flight", in_flight.per_second, "1/s")
            .share(share, "raw.call.64 in threes")
            .floor(Floor::AtLeast(1000.0)),
    );
    for (name, what, run) in [
        ("single.processor", "processor time of all parties, alone", &alone),
        ("single.64.processor", "processor time of all parties, 64 in flight", &in_flight),
    ] {
        figures.extend(run.processor_ms.map(|ms| Figure::new(name, what, ms, "ms")));
    }
    figures.push(ms("single.64.p50", "single check, 64 in flight: median", &in_flight, 50));
    figures.push(ms("single.64.p90", "single check, 64 in flight: 90 of 100", &in_flight, 90));
    figures.push(ms("single.64.p99", "single check, 64 in flight: 99 of 100", &in_flight, 99));
    figures.push(wire(plan, Figure::new("wire.single", "on the wire per single check", bytes, "bytes"))?);
    Ok(())
}

/// Checks the subject of one question.
async fn single(rig: &Rig, records: u64, question: u64) -> Result<(), BenchError> {
    let asked = asked(question, records);
    let request = CheckRequest { question: Some(rig.question()), code: asked.code.clone() };
    let answer = rig.gateway().check(rig.call(request)).await?.into_inner();
    verify(answer.outcome, &asked)
}

/// Checks the subjects of the first `checks` questions, each by itself.
pub(super) async fn one_by_one(rig: &Rig, records: u64, checks: u64) -> Result<(), BenchError> {
    many(checks, IN_FLIGHT, |n| single(rig, records, n)).await.map(drop)
}

/// Compares an answer with what it must be.
fn verify(outcome: Option<CheckOutcome>, asked: &Asked) -> Result<(), BenchError> {
    if said(outcome)? == asked.listed {
        Ok(())
    } else {
        Err(BenchError::Answer("the wrong answer".to_owned()))
    }
}

/// Whether one subject is answered as listed.
pub(super) async fn is_listed(rig: &Rig, code: &str) -> Result<bool, BenchError> {
    let request = CheckRequest { question: Some(rig.question()), code: code.to_owned() };
    said(rig.gateway().check(rig.call(request)).await?.into_inner().outcome)
}

/// What an answer says: listed, or not.
fn said(outcome: Option<CheckOutcome>) -> Result<bool, BenchError> {
    let answers = match outcome.and_then(|outcome| outcome.outcome) {
        Some(check_outcome::Outcome::Answers(answers)) => answers,
        Some(check_outcome::Outcome::Refusal(refusal)) => return Err(BenchError::Answer(refusal.reason)),
        Some(check_outcome::Outcome::NotAnswered(lost)) => return Err(BenchError::Answer(lost.reason)),
        None => return Err(BenchError::Answer("nothing".to_owned())),
    };
    match answers.lists.first().and_then(|list| list.answer.as_ref()) {
        Some(list_answer::Answer::Listed(_)) => Ok(true),
        Some(list_answer::Answer::NotListed(_)) => Ok(false),
        Some(list_answer::Answer::Refusal(refusal)) => Err(BenchError::Answer(refusal.reason.clone())),
        None => Err(BenchError::Answer("nothing about the list".to_owned())),
    }
}
