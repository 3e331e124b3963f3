//! The requester behind the gateway, with what the gateway tells of the node.

use std::sync::Arc;

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::BoxStream};
use tacit_client::{
    AskedConsent, ConsentAsked, ConsentWanted, KnownMeasure, MeasurePage, MeasureWanted, Measures, Outcome,
    Plan, Question, ReceiptFilter, ReceiptPage, Refusal, Requester, RowOutcome, Subject,
};
use tacit_model::{Clock, MemberId, Millis, Reason, SubjectCode, Ulid};
use tacit_node::{
    gateway::{Asker, NodeStatus, ReceiptFile},
    holder::Holder,
};
use tacit_policy::Registry;

use super::knowledge::Knowledge;

/// Groups of a batch that are under way at one time: enough to keep all parties busy.
const IN_FLIGHT: usize = 3;

/// What answers the gateway.
pub(super) struct NodeAsker {
    pub(super) requester: Requester,
    /// Whether the registry names this member as one that asks. Who only keeps lists asks nothing, and nothing is sent.
    pub(super) asks: bool,
    pub(super) measures: Measures,
    pub(super) knowledge: Knowledge,
    pub(super) holder: Option<Holder>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Asker for NodeAsker {
    fn member(&self) -> &MemberId {
        self.requester.member()
    }

    fn registry(&self) -> Arc<Registry> {
        self.requester.registry()
    }

    fn now(&self) -> Millis {
        self.clock.now()
    }

    fn check(&self, question: Question, subject: SubjectCode) -> BoxFuture<'static, RowOutcome> {
        if !self.asks {
            return std::future::ready(may_not_ask(0)).boxed();
        }
        let requester = self.requester.clone();
        async move {
            let subjects = vec![Subject { row: 0, code: subject }];
            let lost = || RowOutcome {
                row: 0,
                outcome: Outcome::NotAnswered(Reason::Internal),
                unanswered: Vec::new(),
            };
            requester.check_batch(&question, subjects).await.pop().unwrap_or_else(lost)
        }
        .boxed()
    }

    fn check_many(
        &self,
        question: Question,
        subjects: BoxStream<'static, Subject>,
    ) -> BoxStream<'static, RowOutcome> {
        if !self.asks {
            return subjects.map(|subject| may_not_ask(subject.row)).boxed();
        }
        self.requester.check_many(question, subjects, IN_FLIGHT).boxed()
    }

    fn plan(
        &self,
        question: Question,
        subjects: BoxStream<'static, SubjectCode>,
    ) -> BoxFuture<'static, Result<Plan, Reason>> {
        let requester = self.requester.clone();
        async move { requester.plan(&question, subjects).await.map_err(|error| trouble("plan", &error)) }
            .boxed()
    }

    fn ask_consent(
        &self,
        wanted: ConsentWanted,
        subject: SubjectCode,
    ) -> BoxFuture<'static, Result<ConsentAsked, Refusal>> {
        if !self.asks {
            return std::future::ready(Err(Reason::NotPermitted.into())).boxed();
        }
        let requester = self.requester.clone();
        // A caller that goes away leaves no subject half enrolled.
        let asking = async move { requester.ask_consent(wanted, subject).await };
        to_its_end("ask consent", asking).boxed()
    }

    fn asked_consents(
        &self,
        subject: Option<SubjectCode>,
    ) -> BoxFuture<'static, Result<Vec<AskedConsent>, Reason>> {
        if !self.asks {
            return std::future::ready(Ok(Vec::new())).boxed();
        }
        let requester = self.requester.clone();
        async move {
            let asked = requester.asked_consents(subject.as_ref()).await;
            asked.map_err(|error| trouble("asked consents", &error))
        }
        .boxed()
    }

    fn status(&self) -> BoxFuture<'static, Result<NodeStatus, Reason>> {
        let (requester, holder) = (self.requester.clone(), self.holder.clone());
        let (known, measures) = (self.knowledge.get(), self.measures.clone());
        async move {
            let measures = measures.counts().await.map_err(|error| trouble("measures", &error))?;
            let subjects = requester.counts().await.map_err(|error| trouble("counts", &error))?.enrolled;
            // A holder follows the log closely; what it verified may be newer.
            let witnessed = holder.as_ref().map_or(0, Holder::log_size);
            let log_size = known.map_or(0, |known| known.log_size).max(witnessed);
            let standing = holder.as_ref().map(|holder| holder.witness().standing());
            let own =
                standing.and_then(|it| it.quorum).map(|(size, at)| (size, Millis(at.saturating_mul(1000))));
            let quorum = requester.quorum().max(own);
            let stopped = standing.and_then(|it| it.stopped);
            let held = match holder {
                Some(holder) => holder.held_lists().await.map_err(|error| {
                    tracing::error!(%error, "the state of own lists could not be read");
                    error.reason()
                })?,
                None => Vec::new(),
            };
            let as_of = known.map(|known| known.as_of);
            Ok(NodeStatus { log_size, as_of, quorum, stopped, held, subjects, measures })
        }
        .boxed()
    }

    fn receipts(&self, filter: ReceiptFilter, limit: u32) -> BoxFuture<'static, Result<ReceiptPage, Reason>> {
        let requester = self.requester.clone();
        async move { requester.receipts(&filter, limit).await.map_err(|error| trouble("receipts", &error)) }
            .boxed()
    }

    fn receipt(&self, record: Ulid) -> BoxFuture<'static, Result<Option<ReceiptFile>, Reason>> {
        let requester = self.requester.clone();
        async move {
            let told = requester.receipt_summary(record).await;
            let Some(summary) = told.map_err(|error| trouble("receipt", &error))? else { return Ok(None) };
            let found = requester.witnessed_receipt(record).await;
            let found = found.map_err(|error| trouble("receipt", &error))?;
            Ok(found.map(|receipt| ReceiptFile { summary, bytes: receipt.to_bytes() }))
        }
        .boxed()
    }

    fn register_measure(&self, wanted: MeasureWanted) -> BoxFuture<'static, Result<KnownMeasure, Refusal>> {
        let measures = self.measures.clone();
        to_its_end("register measure", async move { measures.register(wanted).await }).boxed()
    }

    fn lift_measure(&self, id: Ulid, decider: String) -> BoxFuture<'static, Result<KnownMeasure, Refusal>> {
        let measures = self.measures.clone();
        to_its_end("lift measure", async move { measures.lift(id, &decider).await }).boxed()
    }

    fn measures(
        &self,
        all: bool,
        after: Ulid,
        limit: u32,
    ) -> BoxFuture<'static, Result<MeasurePage, Reason>> {
        let measures = self.measures.clone();
        async move {
            measures.list(all, after, limit).await.map_err(|error| trouble("list measures", &error))
        }
        .boxed()
    }
}

/// A row of a member that may not ask.
fn may_not_ask(row: u64) -> RowOutcome {
    RowOutcome { row, outcome: Outcome::Refused(Reason::NotPermitted.into()), unanswered: Vec::new() }
}

/// Does what is not to end half done when the caller goes away.
async fn to_its_end<T: Send + 'static>(
    what: &'static str,
    work: impl Future<Output = Result<T, tacit_client::ClientError>> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::spawn(work).await.map_err(|_| Refusal::from(Reason::Internal))?;
    done.map_err(|error| {
        trouble(what, &error);
        error.to_refusal()
    })
}

fn trouble(what: &'static str, error: &tacit_client::ClientError) -> Reason {
    let reason = error.reason();
    tracing::warn!(what, %error, "the requester could not tell");
    reason
}
