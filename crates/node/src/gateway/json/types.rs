//! The JSON of the API beside answers: questions, plans, lists, status. Field names are stable.

use serde::{Deserialize, Serialize};
use tacit_client::{AgreementLimit, TableVersion};
use tacit_model::{Millis, RequestId};
use tacit_policy::Registry;
use tacit_wire::gateway::HeldList;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::{answer::TableBody, measures::CountsBody, openapi::ListIdText, parse::given};
use crate::gateway::{plan::Invalid, problem::ProblemBody, question::RawQuestion};

/// A code as typed. Never shown, wiped when dropped.
pub(super) struct Typed(pub(super) Zeroizing<String>);

impl<'de> Deserialize<'de> for Typed {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// What is asked; the same for all subjects of a batch.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Question, example = json!({
    "lists": ["court/judgment-defaulters"], "purpose": "screening", "case_number": "2026-0417", "officer": "li.na"
}))]
pub(super) struct QuestionBody {
    /// Lists to ask, `<holder>/<name>`, each once; at most 16 of one holder.
    #[serde(default)]
    #[schema(required = true, value_type = Vec<ListIdText>, min_items = 1, max_items = 1024)]
    lists: Vec<String>,
    /// Code of the purpose; `GET /v1/lists` tells which are agreed.
    #[serde(default)]
    #[schema(required = true, pattern = "^[a-z0-9][a-z0-9-]{0,62}$")]
    purpose: String,
    /// The agency's case number; at most 200 bytes.
    #[serde(default)]
    #[schema(
        required = true,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        max_length = 200
    )]
    case_number: String,
    /// Who asks, as the agency names its officers; at most 200 bytes.
    #[serde(default)]
    #[schema(
        required = true,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        max_length = 200
    )]
    officer: String,
    /// Identifier scheme of the code; without it, the one that the lists name.
    #[serde(default)]
    scheme: String,
}

impl From<QuestionBody> for RawQuestion {
    fn from(body: QuestionBody) -> Self {
        let QuestionBody { lists, purpose, case_number, officer, scheme } = body;
        Self { lists, purpose, case_number, officer, scheme }
    }
}

/// One question about one subject.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CheckRequest, example = json!({
    "code": "91350100M000100Y43", "lists": ["court/judgment-defaulters"], "purpose": "screening",
    "case_number": "2026-0417", "officer": "li.na"
}))]
pub(super) struct CheckBody {
    /// The subject's code as typed; at most 200 bytes. Changes made to read it are stated in the answer.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = true, value_type = String, min_length = 1, max_length = 200)]
    pub(super) code: Option<Typed>,
    /// Lists to ask, `<holder>/<name>`, each once; at most 16 of one holder.
    #[serde(default)]
    #[schema(required = true, value_type = Vec<ListIdText>, min_items = 1, max_items = 1024)]
    lists: Vec<String>,
    /// Code of the purpose; `GET /v1/lists` tells which are agreed.
    #[serde(default)]
    #[schema(required = true, pattern = "^[a-z0-9][a-z0-9-]{0,62}$")]
    purpose: String,
    /// The agency's case number; at most 200 bytes.
    #[serde(default)]
    #[schema(
        required = true,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        max_length = 200
    )]
    case_number: String,
    /// Who asks, as the agency names its officers; at most 200 bytes.
    #[serde(default)]
    #[schema(
        required = true,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        max_length = 200
    )]
    officer: String,
    /// Identifier scheme of the code; without it, the one that the lists name.
    #[serde(default)]
    scheme: String,
}

impl CheckBody {
    pub(super) fn split(self) -> (RawQuestion, Option<Typed>) {
        let Self { code, lists, purpose, case_number, officer, scheme } = self;
        (RawQuestion { lists, purpose, case_number, officer, scheme }, code)
    }
}

/// One line of a batch after the first: a subject.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Row, example = json!({"row": 1, "code": "91350100M000100Y43"}))]
pub(super) struct RowBody {
    /// The caller's own number, echoed. Lines are named by their number too.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = u64)]
    pub(super) row: Option<u64>,
    /// The subject's code as typed; at most 200 bytes.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = true, value_type = String, min_length = 1, max_length = 200)]
    pub(super) code: Option<Typed>,
}

/// What a batch would cost.
#[derive(Serialize, ToSchema)]
#[schema(as = Plan)]
pub(super) struct PlanBody {
    /// The id of this request in all logs.
    pub(super) request_id: String,
    /// Rows whose code is valid.
    pub(super) checks: u64,
    /// Rows whose code or form is not valid; they would be reported and cost nothing.
    pub(super) invalid: u64,
    /// The first 10,000 of those, in their order, each with what is wrong.
    pub(super) invalid_rows: Vec<InvalidRowBody>,
    /// Subjects that this agency never asked about before.
    pub(super) new_subjects: u64,
    /// What the agreements in force allow for this question; empty when none covers it.
    pub(super) limits: Vec<LimitBody>,
}

/// A row that would be reported and not asked.
#[derive(Serialize, ToSchema)]
#[schema(as = InvalidRow)]
pub(super) struct InvalidRowBody {
    /// The line of the request's body, from 1.
    line: u64,
    /// The caller's own number, if it gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = u64)]
    row: Option<u64>,
    /// What is wrong with it.
    problem: ProblemBody,
}

impl InvalidRowBody {
    pub(super) fn of(row: &Invalid, id: &RequestId) -> Self {
        Self { line: row.line, row: row.row, problem: row.problem.body(id) }
    }
}

/// Limits of one agreement.
#[derive(Serialize, ToSchema)]
#[schema(as = AgreementLimit)]
pub(super) struct LimitBody {
    /// Agreement id, a ULID.
    #[schema(example = "01K9ZZ2V7Q3ZJ6V6T1V8M3W9R5")]
    agreement: String,
    /// Lists it covers, of those asked.
    lists: Vec<String>,
    /// Checks a UTC day.
    checks_per_day: u64,
    /// Checks a minute; absent when only the day is limited. A batch waits for the next minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    checks_per_minute: Option<u64>,
    /// New subjects a UTC day.
    new_subjects_per_day: u64,
    /// Whether each subject's consent is needed.
    consent_required: bool,
}

impl From<&AgreementLimit> for LimitBody {
    fn from(limit: &AgreementLimit) -> Self {
        Self {
            agreement: limit.agreement.to_string(),
            lists: limit.lists.iter().map(ToString::to_string).collect(),
            checks_per_day: limit.checks_per_day,
            checks_per_minute: limit.checks_per_minute,
            new_subjects_per_day: limit.new_subjects_per_day,
            consent_required: limit.consent_required,
        }
    }
}

/// How the node is.
#[derive(Serialize, ToSchema)]
#[schema(as = Status)]
pub(super) struct StatusBody {
    /// The id of this request in all logs.
    pub(super) request_id: String,
    /// Member id of the agency.
    pub(super) member: String,
    /// Its name.
    pub(super) member_title: String,
    /// The application whose token was shown.
    pub(super) application: String,
    /// Log size this node has verified; 0 when none yet.
    pub(super) log_size: u64,
    /// When the coordinator last answered this node: log size and registry are at least as new. Absent while it has
    /// not answered since the node started.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = DateTime)]
    pub(super) as_of: Option<String>,
    /// How long ago that was, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = u64)]
    pub(super) age_ms: Option<u64>,
    /// Number of the registry version in use.
    pub(super) registry_number: u64,
    /// The newest state of the log that a quorum of its witnesses was seen to stand behind; absent while none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = QuorumBody)]
    pub(super) quorum: Option<QuorumBody>,
    /// Why this node answers nothing about its own lists now, as a stable reason; absent when it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, example = "quorum_stale")]
    pub(super) stopped: Option<&'static str>,
    /// The same in words, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String)]
    pub(super) stopped_meaning: Option<String>,
    /// Letters that wait to be sent; absent where none are carried.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = u64)]
    pub(super) letters_waiting: Option<u64>,
    /// Lists this node holds.
    pub(super) held: Vec<HeldListBody>,
    /// Subjects enrolled by this node.
    pub(super) subjects: u64,
    /// How many measures of this agency are how far.
    pub(super) measures: CountsBody,
}

/// A state of the log that its witnesses stand behind.
#[derive(Serialize, ToSchema)]
#[schema(as = Quorum)]
pub(super) struct QuorumBody {
    /// Its size, in records.
    pub(super) log_size: u64,
    /// When they did, RFC 3339.
    #[schema(format = DateTime, example = "2026-11-21T02:31:39.000Z")]
    pub(super) at: String,
}

/// One list held here.
#[derive(Serialize, ToSchema)]
#[schema(as = HeldList)]
pub(super) struct HeldListBody {
    /// List id.
    list: String,
    /// Its name in words.
    title: String,
    /// Current epoch and newest logged version; absent when never sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = TableBody)]
    table: Option<TableBody>,
    /// When that version was logged, RFC 3339; absent when never sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = DateTime)]
    sealed_at: Option<String>,
    /// Records sealed in it.
    records: u64,
    /// Buckets of the table.
    buckets: u32,
    /// Changes waiting for the next tick.
    pending: u64,
}

impl HeldListBody {
    pub(super) fn new(held: &HeldList, registry: &Registry) -> Self {
        let known = held.list_id.parse().ok().and_then(|id| registry.list(&id));
        Self {
            title: known.map_or_else(|| held.list_id.clone(), |list| list.title.clone()),
            list: held.list_id.clone(),
            table: (held.version > 0)
                .then(|| TableVersion { epoch: held.epoch, version: held.version }.into()),
            sealed_at: (held.sealed_ms > 0).then(|| Millis(held.sealed_ms).to_rfc3339()),
            records: held.records,
            buckets: held.buckets,
            pending: held.pending,
        }
    }
}

/// Whether the gateway takes requests.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
pub(super) struct HealthBody {
    /// Always `ok`; while the node stops, there is a problem instead.
    #[schema(example = "ok")]
    pub(super) status: &'static str,
}
