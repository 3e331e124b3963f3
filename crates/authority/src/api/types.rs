//! The bodies of the JSON API. Times are RFC 3339 with milliseconds, UTC.

use serde::{Deserialize, Deserializer, Serialize};
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
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PersonBody {
    /// Identifier scheme of the code.
    pub(super) scheme: String,
    /// The code, at most 200 bytes.
    pub(super) code: Typed,
}

/// `findUsage`: whom it is about, which period, which page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FindBody {
    pub(super) scheme: String,
    pub(super) code: Typed,
    /// Recorded at this time or later.
    #[serde(default)]
    pub(super) from: Option<String>,
    /// Recorded before this time.
    #[serde(default)]
    pub(super) until: Option<String>,
    /// Number of the first entry that is wanted, from 1, as in the data tracker.
    #[serde(default)]
    pub(super) offset: Option<usize>,
    /// Most entries, 1 to 1000; 100 without it, as in the data tracker.
    #[serde(default)]
    pub(super) limit: Option<usize>,
}

/// A record of a person that is to be proven.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProveBody {
    pub(super) scheme: String,
    pub(super) code: Typed,
    /// Record id, a ULID.
    pub(super) record_id: String,
}

/// A check of one list about oneself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckBody {
    /// The code, of the list's scheme.
    pub(super) code: Typed,
    /// List id, `<holder>/<name>`.
    pub(super) list: String,
}

/// How fresh an answer from the store is.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Freshness {
    /// Everything recorded up to this time is in the answer; none before the first reading of this person.
    pub(super) as_of: Option<String>,
    /// Members whose records about this person were not read yet.
    pub(super) not_read_yet: Vec<String>,
    /// Members whose records about this person did not hold when they were read last, and why.
    pub(super) findings: Vec<String>,
    /// When the coordinator is read next, for all persons together; there is no reading on demand.
    pub(super) next_reading: Option<String>,
}

/// A user.
#[derive(Debug, Serialize)]
pub(super) struct UserBody {
    pub(super) request_id: String,
    /// Since when records about this person are read.
    pub(super) since: String,
    /// Whether this call made it so.
    pub(super) new: bool,
    #[serde(flatten)]
    pub(super) freshness: Freshness,
}

/// The answer of `findUsage`.
#[derive(Debug, Serialize)]
pub(super) struct UsagesBody {
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
#[derive(Debug, Serialize)]
pub(super) struct PeriodBody {
    pub(super) request_id: String,
    /// Time of the earliest entry; none when there is none.
    pub(super) earliest: Option<String>,
    /// Time of the latest entry; none when there is none.
    pub(super) latest: Option<String>,
    #[serde(flatten)]
    pub(super) freshness: Freshness,
}

/// The answer of `heartbeat`.
#[derive(Debug, Serialize)]
pub(super) struct HeartbeatBody {
    /// `OK`, or `LATE` when the newest reading is older than it should be.
    pub(super) status: &'static str,
    /// `tacit-authority`.
    pub(super) name: &'static str,
    /// Version of the program.
    pub(super) version: &'static str,
    /// Member name of the authority.
    pub(super) authority: String,
    /// When it started.
    pub(super) started: String,
    /// Its clock now.
    pub(super) server_time: String,
    /// Beginning of the newest reading that came to its end.
    pub(super) as_of: Option<String>,
    /// Whether a reading is under way.
    pub(super) reading: bool,
    /// When the next one begins.
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
#[derive(Debug, Serialize)]
pub(super) struct ProvenBody {
    pub(super) request_id: String,
    /// The entry in words, as `findUsage` tells it.
    pub(super) usage: Usage,
    /// What proves it.
    pub(super) proof: ProofBody,
}

/// What a list says about the person who asked.
#[derive(Serialize)]
pub(super) struct CheckedBody {
    pub(super) request_id: String,
    /// List id.
    pub(super) list: String,
    /// `listed`, `not_listed` or `refused`.
    pub(super) answer: &'static str,
    /// The answer in words.
    pub(super) message: String,
    /// Day of listing, YYYY-MM-DD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) listed_on: Option<String>,
    /// First day on which it no longer counts, YYYY-MM-DD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_on: Option<String>,
    /// The holder's reference to its record, for an objection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<String>,
    /// Whom to write to when it is wrong.
    pub(super) objections: String,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
    /// Record of the check; the receipt goes by it.
    pub(super) record_id: Option<String>,
    /// Time of the record.
    pub(super) as_of: Option<String>,
}

/// One receipt, which shows the person and what was answered.
#[derive(Serialize)]
pub(super) struct ReceiptBody {
    pub(super) request_id: String,
    /// Record id.
    pub(super) record_id: String,
    /// Lists that answered.
    pub(super) lists: Vec<String>,
    /// When it was recorded.
    pub(super) recorded: String,
    /// The file, base64; `tacit receipt verify` reads it.
    pub(super) file: String,
    /// Whom to show it to.
    pub(super) warning: &'static str,
}

/// Alive.
#[derive(Debug, Serialize)]
pub(super) struct HealthBody {
    /// `ok`.
    pub(super) status: &'static str,
}
