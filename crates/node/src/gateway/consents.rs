//! Asking for consent at the gateway: every term is looked up before anything leaves the agency, in JSON and gRPC alike.

use tacit_client::{AskedConsent, ConsentAsked, ConsentWanted};
use tacit_model::{Millis, Reason, SubjectCode, parse_ulid};
use tacit_policy::{ConsentState, Registry};
use tacit_wire::gateway as pb;

use super::{
    json::App,
    problem::Problem,
    question::{self, TYPED_MAX},
};

/// Most lists, and most purposes, of one consent.
const MOST: usize = 64;
/// Longest consent that is asked for, in days.
const DAYS_MAX: u32 = 3_660;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// What is said with every request that was made.
pub(super) const NOTICE: &str = "The subject decides, and may allow less or take it back at any time. A refusal is no \
     ground against anyone.";

/// A request as it arrived, from JSON or protobuf. An empty field is a missing one.
#[derive(Default)]
pub(super) struct RawAsk {
    pub(super) lists: Vec<String>,
    pub(super) purposes: Vec<String>,
    pub(super) days: u32,
    pub(super) frequency: String,
    pub(super) authority: String,
    pub(super) case_number: String,
    pub(super) officer: String,
    pub(super) scheme: String,
}

/// A request whose terms exist.
pub(super) struct CheckedAsk {
    wanted: ConsentWanted,
    scheme: String,
}

impl RawAsk {
    /// Checks every field against the registry; the [`Problem`] names the field. Whether the request is permitted is
    /// the coordinator's to say.
    pub(super) fn check(self, registry: &Registry, now: Millis) -> Result<CheckedAsk, Problem> {
        let malformed =
            |field: &'static str, text: &'static str| Problem::of_field(Reason::Malformed, field, text);
        let lists = question::lists(&self.lists)?;
        if lists.len() > MOST {
            return Err(Problem::of_field(Reason::TooMany, "lists", "A consent names 64 lists at most."));
        }
        if self.purposes.is_empty() {
            let reason = Reason::PurposeRequired;
            return Err(Problem::of_field(reason, "purposes", reason.meaning()));
        }
        if self.purposes.len() > MOST {
            return Err(Problem::of_field(
                Reason::TooMany,
                "purposes",
                "A consent names 64 purposes at most.",
            ));
        }
        let purposes = self.purposes.iter().map(|code| question::purpose(code, "purposes", registry));
        let purposes = purposes.collect::<Result<Vec<_>, _>>()?;
        if !(1..=DAYS_MAX).contains(&self.days) {
            return Err(malformed("days", "A consent is asked for 1 to 3,660 days."));
        }
        let wrong = "A frequency is written as in `4 MONTH`: HOUR, DAY, WEEK, MONTH or YEAR.";
        let frequency = self.frequency.parse().map_err(|_| malformed("frequency", wrong))?;
        let authority = match self.authority.as_str() {
            "" => None,
            name => Some(name.parse().map_err(|_| malformed("authority", "This is no name of a member."))?),
        };
        let case = match self.case_number.as_str() {
            "" => String::new(),
            _ => question::words(self.case_number, "case_number", Reason::CaseRequired)?,
        };
        let officer = question::words(self.officer, "officer", Reason::Malformed)?;
        let scheme = question::scheme(&self.scheme, &lists, registry)?;
        let expires = now.plus_ms(u64::from(self.days).saturating_mul(DAY_MS));
        let wanted =
            ConsentWanted { authority, lists, purposes, not_before: now, expires, frequency, case, officer };
        Ok(CheckedAsk { wanted, scheme })
    }
}

/// Asks.
pub(super) async fn ask(app: &App, raw: RawAsk, typed: &str) -> Result<ConsentAsked, Problem> {
    let registry = app.asker.registry();
    let CheckedAsk { wanted, scheme } = raw.check(&registry, app.asker.now())?;
    let subject = read_code(&registry, &scheme, typed)?;
    app.asker.ask_consent(wanted, subject).await.map_err(|refusal| Problem::from(&refusal))
}

/// Requests that were made: about this code, or all; of these the one of this id, if one is named.
pub(super) async fn asked(
    app: &App,
    typed: &str,
    scheme: &str,
    id: &str,
) -> Result<Vec<AskedConsent>, Problem> {
    let wrong = "The id of a request is a ULID: 26 characters, capitals and digits.";
    let id = match id {
        "" => None,
        text => {
            let id = parse_ulid(text);
            Some(id.ok_or_else(|| Problem::of_field(Reason::Malformed, "consent", wrong))?)
        }
    };
    let subject = match typed {
        "" => None,
        typed => {
            let scheme = if scheme.is_empty() { "CN-USCC" } else { scheme };
            Some(read_code(&app.asker.registry(), scheme, typed)?)
        }
    };
    let mut asked = app.asker.asked_consents(subject).await?;
    asked.retain(|it| id.is_none_or(|id| it.id() == id));
    Ok(asked)
}

fn read_code(registry: &Registry, scheme: &str, typed: &str) -> Result<SubjectCode, Problem> {
    if typed.len() > TYPED_MAX {
        return Err(Problem::of_field(Reason::CodeInvalid, "code", "The code has more than 200 bytes."));
    }
    let parsed = registry.schemes().parse(scheme, typed).map_err(|error| Problem::from(&error))?;
    Ok(parsed.subject)
}

/// What a state means for who asked, in words.
pub(super) fn words(state: ConsentState) -> &'static str {
    match state {
        ConsentState::Requested => "The subject has not decided.",
        ConsentState::Given | ConsentState::Resumed | ConsentState::Renewed => "The subject allows it.",
        ConsentState::Refused => "The subject refused; the request is closed.",
        ConsentState::Paused => "The subject stopped it for now.",
        ConsentState::Withdrawn => "The subject took it back; it is closed.",
        ConsentState::Expired => "Its time is over.",
    }
}

impl From<pb::AskConsentRequest> for RawAsk {
    fn from(message: pb::AskConsentRequest) -> Self {
        let pb::AskConsentRequest {
            lists,
            purposes,
            days,
            frequency,
            authority,
            case_number,
            officer,
            scheme,
            code: _,
        } = message;
        Self { lists, purposes, days, frequency, authority, case_number, officer, scheme }
    }
}

/// A request that was made.
pub(super) fn told(asked: &ConsentAsked) -> pb::ConsentAsked {
    pb::ConsentAsked {
        consent_id: asked.id.to_string(),
        authority: asked.authority.to_string(),
        until_ms: asked.until.0,
        record_id: asked.record.id.to_string(),
        record_index: asked.record.index,
    }
}

/// A request with what became of it at `now`.
pub(super) fn message(asked: &AskedConsent, now: Millis) -> pb::AskedConsent {
    let request = asked.request();
    pb::AskedConsent {
        consent_id: request.id.to_string(),
        state: asked.state_at(now).to_string(),
        authority: request.authority.to_string(),
        lists: request.lists.iter().map(ToString::to_string).collect(),
        purposes: request.purposes.iter().map(ToString::to_string).collect(),
        requested_ms: asked.requested.0,
        until_ms: asked.until.0,
        expires_ms: request.expires.0,
        frequency: request.frequency.to_string(),
        uses: asked.uses,
    }
}
