//! Measures at the gateway: checked and told the same way in JSON and gRPC.

use tacit_client::{
    KnownMeasure, MAX_MEASURES, MeasureCounts, MeasurePage, MeasureState, MeasureWanted, Said,
};
use tacit_ledger::record::MAX_MEASURE_MS;
use tacit_model::{ListId, Millis, Reason, Ulid, parse_ulid};
use tacit_wire::gateway as pb;

use super::{json::App, problem::Problem, question};

/// Measures of a page when no number is stated.
const PAGE: u32 = 100;
/// What is said with every measure that was registered.
pub(super) const NOTICE: &str = "An answer is not a decision: whoever is named here decided. The subject is told of the \
     measure. When the list does not name the subject any more, it is to be lifted within three days.";

/// A measure as it arrived, from JSON or protobuf. An empty field is a missing one.
#[derive(Default)]
pub(super) struct RawMeasure {
    pub(super) record: String,
    pub(super) list: String,
    pub(super) measure: u32,
    pub(super) until: Option<Millis>,
    pub(super) decider: String,
}

impl RawMeasure {
    fn check(self, now: Millis) -> Result<MeasureWanted, Problem> {
        let malformed =
            |field: &'static str, text: &'static str| Problem::of_field(Reason::Malformed, field, text);
        let Self { record, list, measure, until, decider } = self;
        let list =
            match list.as_str() {
                "" => None,
                text => Some(text.parse::<ListId>().map_err(|_| {
                    malformed("list", "A list id is written <holder>/<name>, in small letters.")
                })?),
            };
        if measure == 0 {
            return Err(malformed("measure", "Measures of an agreement are numbered from 1."));
        }
        if until.is_some_and(|until| until <= now || until.since(now) > MAX_MEASURE_MS) {
            return Err(malformed("until", "A measure ends in the future, in 100 years at most."));
        }
        let record = parse_ulid(&record).ok_or_else(|| {
            malformed("record", "A record id is a ULID: 26 characters, capitals and digits.")
        })?;
        let decider = question::words(decider, "decider", Reason::Malformed)?;
        Ok(MeasureWanted { record, list, measure, until, decider })
    }
}

/// Registers one.
pub(super) async fn register(app: &App, raw: RawMeasure) -> Result<KnownMeasure, Problem> {
    let wanted = raw.check(app.asker.now())?;
    app.asker.register_measure(wanted).await.map_err(|refusal| Problem::from(&refusal))
}

/// Lifts one.
pub(super) async fn lift(app: &App, id: &str, decider: String) -> Result<KnownMeasure, Problem> {
    let wrong = "The id of a measure is a ULID: 26 characters, capitals and digits.";
    let id = parse_ulid(id).ok_or_else(|| Problem::of_field(Reason::Malformed, "measure_id", wrong))?;
    let decider = question::words(decider, "decider", Reason::Malformed)?;
    app.asker.lift_measure(id, decider).await.map_err(|refusal| Problem::from(&refusal))
}

/// A page.
pub(super) async fn page(app: &App, all: bool, cursor: &str, limit: u32) -> Result<MeasurePage, Problem> {
    let malformed =
        |field: &'static str, text: &'static str| Problem::of_field(Reason::Malformed, field, text);
    if limit > MAX_MEASURES {
        return Err(malformed("limit", "A page has at most 1,000 measures."));
    }
    let after = match cursor {
        "" => Ulid(0),
        text => parse_ulid(text).ok_or_else(|| malformed("cursor", "This is no cursor of a page before."))?,
    };
    Ok(app.asker.measures(all, after, if limit == 0 { PAGE } else { limit }).await?)
}

/// What a state means, in words.
pub(super) fn words(measure: &KnownMeasure) -> &'static str {
    match measure.state {
        MeasureState::Sent => "It is about to be registered; the log has not answered.",
        MeasureState::Refused => "It was refused, and is not on record.",
        MeasureState::Standing => "It is on record, and the answer it rests on is still kept.",
        MeasureState::Unconfirmed => "The answer it rests on is too old, and asking again gave none.",
        MeasureState::Due if measure.overdue => {
            "The list does not name the subject any more. It should have been lifted: lift it now."
        }
        MeasureState::Due => "The list does not name the subject any more: lift it.",
        MeasureState::Lifting => "It is about to be lifted; the log has not answered.",
        MeasureState::Lifted => "It is lifted.",
        MeasureState::Ended => "Its stated end has come.",
    }
}

/// What the list said when it was asked again.
pub(super) fn said(said: Said) -> &'static str {
    match said {
        Said::Listed => "listed",
        Said::NotListed => "not_listed",
        Said::Nothing(reason) => reason.as_str(),
    }
}

impl From<pb::RegisterMeasureRequest> for RawMeasure {
    fn from(message: pb::RegisterMeasureRequest) -> Self {
        let pb::RegisterMeasureRequest { record_id, list_id, measure, until_ms, decider } = message;
        let until = (until_ms > 0).then_some(Millis(until_ms));
        Self { record: record_id, list: list_id, measure, until, decider }
    }
}

/// A measure as a message.
pub(super) fn message(measure: &KnownMeasure) -> pb::Measure {
    let ms = |time: Option<Millis>| time.map_or(0, |time| time.0);
    pb::Measure {
        measure_id: measure.registered.map(|at| at.record.id.to_string()).unwrap_or_default(),
        record_index: measure.registered.map_or(0, |at| at.record.index),
        state: measure.state.as_str().to_owned(),
        overdue: measure.overdue,
        answer: measure.answer.to_string(),
        list_id: measure.list.to_string(),
        purpose: measure.purpose.to_string(),
        case_number: measure.case.clone(),
        agreement_id: measure.agreement.to_string(),
        measure: measure.number,
        words: measure.words.clone(),
        decider: measure.decider.clone(),
        until_ms: ms(measure.until),
        registered_ms: ms(measure.registered.map(|at| at.time)),
        asked_ms: ms(measure.asked.map(|asked| asked.at)),
        said: measure.asked.map(|asked| said(asked.said).to_owned()).unwrap_or_default(),
        ask_again_ms: ms(measure.ask_again),
        lift_by_ms: ms(measure.lift_by),
        lifted_ms: ms(measure.lifted.map(|at| at.time)),
    }
}

/// Counts as a message.
pub(super) fn counts(counts: MeasureCounts) -> pb::MeasureCounts {
    let MeasureCounts { standing, unconfirmed, due, overdue } = counts;
    pb::MeasureCounts { standing, unconfirmed, due, overdue }
}
