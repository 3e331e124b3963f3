//! The bodies of the JSON API. Times are RFC 3339 with milliseconds, UTC.

use serde::{Deserialize, Deserializer, Serialize};
use tacit_desk::{
    openapi::{IdText, InstantText, ListIdText, NameText},
    parse::given,
    problem::ReasonCode,
};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::{proof::ProofBody, usage::Usage};

/// A code as it was typed; wiped on drop, and `Debug` does not show it.
pub(super) struct Typed(pub(super) Zeroizing<String>);

impl<'de> Deserialize<'de> for Typed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|typed| Self(Zeroizing::new(typed)))
    }
}

/// Whom it is about.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Person)]
pub(super) struct PersonBody {
    /// Identifier scheme of the code.
    #[schema(example = "CN-USCC")]
    pub(super) scheme: String,
    /// The code as typed; at most 200 bytes.
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "91350100M000100Y43")]
    pub(super) code: Typed,
}

/// `findUsage`: whom it is about, which period, which page.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UsageRequest)]
pub(super) struct FindBody {
    /// Identifier scheme of the code.
    #[schema(example = "CN-USCC")]
    pub(super) scheme: String,
    /// The code as typed; at most 200 bytes.
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "91350100M000100Y43")]
    pub(super) code: Typed,
    /// Recorded at this time or later.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = InstantText)]
    pub(super) from: Option<String>,
    /// Recorded before this time.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = InstantText)]
    pub(super) until: Option<String>,
    /// Only of this member.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = NameText)]
    pub(super) receiver: Option<String>,
    /// Only checks for this purpose, by its code.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = NameText)]
    pub(super) purpose: Option<String>,
    /// Number of the first entry that is wanted, 1 to 1,000,000,000, as in the data tracker.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = u64, minimum = 1, maximum = 1_000_000_000)]
    pub(super) offset: Option<usize>,
    /// Most entries, 1 to 1000; 100 without it, as in the data tracker.
    #[serde(default, deserialize_with = "given")]
    #[schema(required = false, nullable = false, value_type = u64, minimum = 1, maximum = 1000)]
    pub(super) limit: Option<usize>,
}

/// A record of a person that is to be proven.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProofRequest)]
pub(super) struct ProveBody {
    /// Identifier scheme of the code.
    #[schema(example = "CN-USCC")]
    pub(super) scheme: String,
    /// The code as typed; at most 200 bytes.
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "91350100M000100Y43")]
    pub(super) code: Typed,
    /// Record id, a ULID.
    #[schema(value_type = IdText)]
    pub(super) record_id: String,
}

/// A check of one list about oneself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OwnCheck)]
pub(super) struct CheckBody {
    /// The code, of the list's scheme; at most 200 bytes.
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "91350100M000100Y43")]
    pub(super) code: Typed,
    /// List id, `<holder>/<name>`.
    #[schema(value_type = ListIdText)]
    pub(super) list: String,
}

/// How fresh an answer from the store is.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Freshness)]
pub(super) struct Freshness {
    /// Everything recorded up to this time is in the answer; none before the first reading of this person.
    #[schema(required = true, format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    pub(super) as_of: Option<String>,
    /// Members whose records about this person were not read yet.
    pub(super) not_read_yet: Vec<String>,
    /// Their names.
    pub(super) not_read_yet_names: Vec<String>,
    /// Members whose records about this person did not hold when they were read last, and why.
    pub(super) findings: Vec<String>,
    /// When the coordinator is read next, for all persons together; there is no reading on demand.
    #[schema(required = true, format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    pub(super) next_reading: Option<String>,
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(super) struct UserBody {
    /// The id of this request in all logs.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    pub(super) request_id: String,
    /// Since when records about this person are read.
    #[schema(format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    pub(super) since: String,
    /// Whether this call made it so.
    pub(super) new: bool,
    #[serde(flatten)]
    pub(super) freshness: Freshness,
}

/// The answer of `findUsage`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsagePage)]
pub(super) struct UsagesBody {
    /// The id of this request in all logs.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    pub(super) request_id: String,
    /// Newest first.
    pub(super) usage: Vec<Usage>,
    /// Entries in the period, on all pages.
    pub(super) total: usize,
    #[serde(flatten)]
    pub(super) freshness: Freshness,
    /// What the answer does not say.
    pub(super) notice: &'static str,
}

/// The answer of `usagePeriod`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsagePeriod)]
pub(super) struct PeriodBody {
    /// The id of this request in all logs.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    pub(super) request_id: String,
    /// Time of the earliest entry; none when there is none.
    #[schema(required = true, format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    pub(super) earliest: Option<String>,
    /// Time of the latest entry; none when there is none.
    #[schema(required = true, format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    pub(super) latest: Option<String>,
    #[serde(flatten)]
    pub(super) freshness: Freshness,
}

/// Whether readings come to their end as planned.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Timeliness {
    /// They do.
    Ok,
    /// The newest one is older than it should be.
    Late,
}

/// The answer of `heartbeat`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Heartbeat)]
pub(super) struct HeartbeatBody {
    /// `LATE` when the newest reading is older than it should be.
    pub(super) status: Timeliness,
    /// `tacit-authority`.
    pub(super) name: &'static str,
    /// Version of the program.
    pub(super) version: &'static str,
    /// Member name of the authority.
    pub(super) authority: String,
    /// When it started.
    #[schema(format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    pub(super) started: String,
    /// Its clock now.
    #[schema(format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    pub(super) server_time: String,
    /// Beginning of the newest reading that came to its end.
    #[schema(required = true, format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    pub(super) as_of: Option<String>,
    /// Whether a reading is under way.
    pub(super) reading: bool,
    /// When the next one begins.
    #[schema(required = true, format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    pub(super) next_reading: Option<String>,
    /// Users.
    pub(super) users: u64,
    /// Users for whom the custodian has not evaluated every member that asks: they wait for the next reading, or for
    /// the cap of the next day.
    pub(super) users_waiting: u64,
    /// Chains, one per user and member that asks.
    pub(super) chains: u64,
    /// Chains that were never read.
    pub(super) chains_waiting: u64,
}

/// One entry with its proof.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProvenUsage)]
pub(super) struct ProvenBody {
    /// The id of this request in all logs.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    pub(super) request_id: String,
    /// The entry in words, as `findUsage` tells it.
    pub(super) usage: Usage,
    /// What proves it.
    pub(super) proof: ProofBody,
}

/// What a list says.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Said {
    /// On the list.
    Listed,
    /// Not on the list.
    NotListed,
    /// No answer; `reason` says why.
    Refused,
}

/// What a list says about the person who asked.
#[derive(Serialize, ToSchema)]
#[schema(as = OwnAnswer)]
pub(super) struct CheckedBody {
    /// The id of this request in all logs.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    pub(super) request_id: String,
    /// List id.
    pub(super) list: String,
    /// What the list says.
    pub(super) answer: Said,
    /// The answer in words.
    pub(super) message: String,
    /// Day of listing, YYYY-MM-DD.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = Date, example = "2026-03-01")]
    pub(super) listed_on: Option<String>,
    /// First day on which it no longer counts, YYYY-MM-DD.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = Date, example = "2026-03-01")]
    pub(super) expires_on: Option<String>,
    /// The holder's reference to its record, for an objection.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, example = "00f3a91be2d7c840")]
    pub(super) reference: Option<String>,
    /// Whom to write to when it is wrong.
    pub(super) objections: String,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = ReasonCode)]
    pub(super) reason: Option<&'static str>,
    /// Record of the check; the receipt goes by it.
    #[schema(required = true, example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    pub(super) record_id: Option<String>,
    /// Time of the record.
    #[schema(required = true, format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    pub(super) as_of: Option<String>,
    /// What an answer is not.
    #[schema(value_type = String, example = "An answer is not a decision.")]
    pub(super) notice: &'static str,
}

/// One receipt, which shows the person and what was answered.
#[derive(Serialize, ToSchema)]
#[schema(as = Receipt)]
pub(super) struct ReceiptBody {
    /// The id of this request in all logs.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    pub(super) request_id: String,
    /// Record id.
    pub(super) record_id: String,
    /// Lists that answered.
    pub(super) lists: Vec<String>,
    /// When it was recorded.
    #[schema(format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    pub(super) recorded: String,
    /// The file, base64; `tacit receipt verify` reads it.
    #[schema(format = Byte)]
    pub(super) file: String,
    /// Whom to show it to.
    pub(super) warning: &'static str,
}

/// Alive.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub(super) struct HealthBody {
    /// `ok`.
    pub(super) status: &'static str,
}
