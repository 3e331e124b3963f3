//! What the gateway needs from the requester: facts go in, outcomes come back. The facts are those of the
//! client; here stands only the seam, so that the gateway can be tested without a federation.

use std::sync::Arc;

use futures::{future::BoxFuture, stream::BoxStream};
use tacit_client::{
    AskedConsent, ConsentAsked, ConsentWanted, KnownMeasure, MeasureCounts, MeasurePage, MeasureWanted, Plan,
    Question, ReceiptFilter, ReceiptPage, ReceiptSummary, Refusal, RowOutcome, Subject,
};
use tacit_model::{MemberId, Millis, Reason, SubjectCode, Ulid};
use tacit_policy::Registry;
use tacit_wire::gateway::HeldList;
use zeroize::Zeroizing;

/// How the node is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NodeStatus {
    /// Log size this node has verified; 0 when none yet.
    pub log_size: u64,
    /// When the coordinator last answered this node; log size and registry are at least as new. Nothing while it
    /// has not answered since the node started.
    pub as_of: Option<Millis>,
    /// The newest checkpoint that a quorum of the log's witnesses was seen to stand behind: its size, and when they did.
    pub quorum: Option<(u64, Millis)>,
    /// Why this node answers nothing as a holder now, if it does not.
    pub stopped: Option<Reason>,
    /// Lists this node holds.
    pub held: Vec<HeldList>,
    /// Subjects enrolled by this node.
    pub subjects: u64,
    /// How many of its measures are how far.
    pub measures: MeasureCounts,
}

/// A receipt as it is handed out. `Debug` shows nothing of the file.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceiptFile {
    /// What is told of it.
    pub summary: ReceiptSummary,
    /// Its bytes.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for ReceiptFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceiptFile").field("record", &self.summary.record).finish_non_exhaustive()
    }
}

/// The requester behind the gateway.
pub trait Asker: Send + Sync + 'static {
    /// Who asks.
    fn member(&self) -> &MemberId;

    /// The registry in use.
    fn registry(&self) -> Arc<Registry>;

    /// The time that agreements are judged by.
    fn now(&self) -> Millis;

    /// Asks about one subject. The gateway runs the future to its end even when its caller goes away: what is on
    /// record is to be answered.
    fn check(&self, question: Question, subject: SubjectCode) -> BoxFuture<'static, RowOutcome>;

    /// Asks about many. One outcome per subject, named by its row, in any order. Whoever stops reading outcomes stops
    /// the reading of subjects: memory stays bounded. When the subjects end, the outcomes of those taken still come.
    fn check_many(
        &self,
        question: Question,
        subjects: BoxStream<'static, Subject>,
    ) -> BoxStream<'static, RowOutcome>;

    /// Tells what a batch would cost; asks nobody outside.
    fn plan(
        &self,
        question: Question,
        subjects: BoxStream<'static, SubjectCode>,
    ) -> BoxFuture<'static, Result<Plan, Reason>>;

    /// Asks a subject for consent. Once the request is on record it stands, also when the caller goes away.
    fn ask_consent(
        &self,
        wanted: ConsentWanted,
        subject: SubjectCode,
    ) -> BoxFuture<'static, Result<ConsentAsked, Refusal>>;

    /// What became of requests for consent: about one subject, or all.
    fn asked_consents(
        &self,
        subject: Option<SubjectCode>,
    ) -> BoxFuture<'static, Result<Vec<AskedConsent>, Reason>>;

    /// How the node is, from what it knows itself: nobody outside is asked.
    fn status(&self) -> BoxFuture<'static, Result<NodeStatus, Reason>>;

    /// Receipts that are meant by `filter`, at most `limit`.
    fn receipts(&self, filter: ReceiptFilter, limit: u32) -> BoxFuture<'static, Result<ReceiptPage, Reason>>;

    /// The receipt of a record; `None` when the record is not ours or got no answer.
    fn receipt(&self, record: Ulid) -> BoxFuture<'static, Result<Option<ReceiptFile>, Reason>>;

    /// Registers a measure. Once it is on record it stands, also when the caller goes away.
    fn register_measure(&self, wanted: MeasureWanted) -> BoxFuture<'static, Result<KnownMeasure, Refusal>>;

    /// Lifts a measure by the record that registered it.
    fn lift_measure(&self, id: Ulid, decider: String) -> BoxFuture<'static, Result<KnownMeasure, Refusal>>;

    /// Measures in the order in which they were made, after `after`; those that are over only when `all`.
    fn measures(&self, all: bool, after: Ulid, limit: u32)
    -> BoxFuture<'static, Result<MeasurePage, Reason>>;
}
