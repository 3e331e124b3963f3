//! The gRPC service: the same questions and outcomes as in JSON, as the proto files describe them.

use std::{pin::Pin, sync::Arc, time::Instant};

use futures::{Stream, StreamExt as _, stream};
use tacit_model::{LogSafe, Millis, Reason, RequestId};
use tacit_wire::{
    RequestIds,
    gateway::{
        self as pb, ask_consent_response, check_many_request, gateway_service_server::GatewayService,
        get_receipt_response, lift_measure_response, plan_request, register_measure_response,
    },
    status::trouble_with,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};
use tracing::Instrument as _;
use zeroize::Zeroizing;

use super::{
    batch::{self, Arrived, Event, RowIn},
    consents::{self, RawAsk},
    json::App,
    measures::{self, RawMeasure},
    messages::{invalid, kind, message, refusal, summary, told},
    metrics,
    problem::Problem,
    question::{Checked, RawQuestion},
    receipts::{self, RawFilter},
    request_id::request_id,
    tokens::Application,
};

/// Who calls, under which id. Put into the extensions by [`authenticate`].
#[derive(Debug, Clone)]
struct Call {
    id: RequestId,
    application: Application,
}

/// Before every call: a known token, and a request id that errors and logs carry.
pub(super) fn authenticate(app: &App, mut request: Request<()>) -> Result<Request<()>, Status> {
    let id = request_id(app, RequestIds::of(request.metadata()));
    RequestIds::put(&mut request, id.as_str());
    let mut shown = request.metadata().get_all("authorization").iter();
    let application = match (shown.next(), shown.next()) {
        (Some(value), None) => app.tokens.bearer(value.as_bytes()).cloned(),
        _ => None,
    };
    let Some(application) = application else {
        metrics::stranger();
        return Err(status(Reason::Unauthenticated.into(), request.metadata()));
    };
    if *app.stopping.borrow() {
        return Err(status(Reason::Unavailable.into(), request.metadata()));
    }
    request.extensions_mut().insert(Call { id, application });
    Ok(request)
}

/// Trouble as a status: the words of the problem, the reason and the request id in its details.
fn status(problem: Problem, metadata: &MetadataMap) -> Status {
    metrics::problem(problem.reason());
    let words = match &problem.field {
        Some(field) => format!("{field}: {} {}", problem.message, problem.advice()),
        None => format!("{} {}", problem.message, problem.advice()),
    };
    trouble_with(problem.reason(), &words, metadata)
}

/// The service.
#[derive(Clone)]
pub(super) struct Service(Arc<App>);

/// A call taken apart.
struct Taken<T> {
    message: T,
    metadata: MetadataMap,
    call: Call,
    started: Instant,
    method: &'static str,
}

impl Service {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self(app)
    }

    fn take<T>(method: &'static str, request: Request<T>) -> Result<Taken<T>, Status> {
        let (metadata, extensions, message) = request.into_parts();
        let Some(call) = extensions.get::<Call>().cloned() else {
            // Cannot happen behind `authenticate`; without it nobody is answered.
            return Err(status(Reason::Unauthenticated.into(), &metadata));
        };
        Ok(Taken { message, metadata, call, started: Instant::now(), method })
    }

    fn slot<T>(of: &Arc<Semaphore>, call: &Taken<T>) -> Result<OwnedSemaphorePermit, Status> {
        Arc::clone(of).try_acquire_owned().map_err(|_| status(Reason::Overloaded.into(), &call.metadata))
    }

    /// Within the time limit of a request.
    async fn patiently<T, R>(
        &self,
        call: &Taken<T>,
        work: impl Future<Output = Result<R, Problem>>,
    ) -> Result<R, Status> {
        let outcome = tokio::time::timeout(self.0.patience(), work).await;
        outcome
            .unwrap_or_else(|_| Err(Reason::Deadline.into()))
            .map_err(|problem| status(problem, &call.metadata))
    }

    fn question(&self, question: Option<pb::Question>) -> Result<Checked, Problem> {
        let question = question
            .ok_or_else(|| Problem::of_field(Reason::Malformed, "question", "No question was given."))?;
        let pb::Question { lists, purpose, case_number, officer, scheme } = question;
        RawQuestion { lists, purpose, case_number, officer, scheme }.check(&self.0.asker.registry())
    }
}

impl<T> Taken<T> {
    fn done(&self, outcome: &'static str) {
        let took = self.started.elapsed();
        metrics::call("grpc", self.method, 0, took);
        tracing::info!(
            request_id = %LogSafe::new(&self.call.id),
            application = %LogSafe::new(&self.call.application),
            route = self.method,
            outcome,
            took_ms = took.as_secs_f64() * 1000.0,
            "request"
        );
    }

    fn span(&self) -> tracing::Span {
        tracing::info_span!(
            "question",
            request_id = %LogSafe::new(&self.call.id),
            application = %LogSafe::new(&self.call.application)
        )
    }
}

#[tonic::async_trait]
impl GatewayService for Service {
    async fn check(&self, request: Request<pb::CheckRequest>) -> Result<Response<pb::CheckResponse>, Status> {
        let mut call = Self::take("check", request)?;
        let slot = Self::slot(&self.0.requests, &call)?;
        let typed = Zeroizing::new(std::mem::take(&mut call.message.code));
        let checked =
            self.question(call.message.question.take()).map_err(|problem| status(problem, &call.metadata))?;
        let registry = self.0.asker.registry();
        let outcome = match checked.read_code(&typed, &registry) {
            Err(problem) => invalid(&problem, &checked),
            Ok(parsed) => {
                let asking =
                    self.0.asker.check(checked.question.clone(), parsed.subject).instrument(call.span());
                let asking = tokio::spawn(async move {
                    let outcome = asking.await;
                    drop(slot);
                    outcome
                });
                let trouble = |reason: Reason| status(reason.into(), &call.metadata);
                let asked = tokio::time::timeout(self.0.patience(), asking).await;
                let outcome = asked.map_err(|_| trouble(Reason::Deadline))?.map_err(|error| {
                    tracing::error!(request_id = %LogSafe::new(&call.call.id), %error, "a check ended early");
                    trouble(Reason::Internal)
                })?;
                told(&outcome, parsed.changes.iter().map(ToString::to_string).collect(), &checked)
            }
        };
        call.done(kind(&outcome));
        Ok(Response::new(pb::CheckResponse { outcome: Some(outcome) }))
    }

    type CheckManyStream = Pin<Box<dyn Stream<Item = Result<pb::CheckManyResponse, Status>> + Send>>;

    async fn check_many(
        &self,
        request: Request<Streaming<pb::CheckManyRequest>>,
    ) -> Result<Response<Self::CheckManyStream>, Status> {
        let mut call = Self::take("check_many", request)?;
        let slot = Self::slot(&self.0.batches, &call)?;
        let first = first(call.message.message(), &self.0, &call.metadata).await?;
        let question = first.and_then(|message| match message.part {
            Some(check_many_request::Part::Question(question)) => Some(question),
            _ => None,
        });
        let checked = self.question(question).map_err(|problem| status(problem, &call.metadata))?;
        let bounds = self.0.bounds();
        let Taken { message, metadata, call, started, method } = call;
        let taken = Taken { message: (), metadata, call, started, method };
        let scheme = checked.scheme().to_owned();
        let rows = rows(message.map(|message| message.map(|message| message.part.map(Part::from))));
        let entered = taken.span().entered();
        let events = batch::start(&self.0.asker, checked, rows, bounds, slot);
        drop(entered);
        Ok(Response::new(Box::pin(answers(events, taken, scheme))))
    }

    async fn plan(
        &self,
        request: Request<Streaming<pb::PlanRequest>>,
    ) -> Result<Response<pb::PlanResponse>, Status> {
        let mut call = Self::take("plan", request)?;
        let _slot = Self::slot(&self.0.batches, &call)?;
        let first = first(call.message.message(), &self.0, &call.metadata).await?;
        let question = first.and_then(|message| match message.part {
            Some(plan_request::Part::Question(question)) => Some(question),
            _ => None,
        });
        let checked = self.question(question).map_err(|problem| status(problem, &call.metadata))?;
        let Taken { message, metadata, call, started, method } = call;
        let taken = Taken { message: (), metadata, call, started, method };
        let rows = rows(message.map(|message| message.map(|message| message.part.map(Part::from))));
        let (plan, count) = super::plan::plan(&self.0, checked, rows)
            .await
            .map_err(|problem| status(problem, &taken.metadata))?;
        taken.done("planned");
        Ok(Response::new(pb::PlanResponse {
            checks: count.checks,
            invalid: count.invalid,
            new_subjects: plan.new_subjects,
            limits: plan
                .limits
                .iter()
                .map(|limit| pb::AgreementLimit {
                    agreement_id: limit.agreement.to_string(),
                    lists: limit.lists.iter().map(ToString::to_string).collect(),
                    checks_per_day: limit.checks_per_day,
                    new_subjects_per_day: limit.new_subjects_per_day,
                    consent_required: limit.consent_required,
                    checks_per_minute: limit.checks_per_minute,
                })
                .collect(),
        }))
    }

    async fn get_status(
        &self,
        request: Request<pb::GetStatusRequest>,
    ) -> Result<Response<pb::GetStatusResponse>, Status> {
        let call = Self::take("get_status", request)?;
        let _slot = Self::slot(&self.0.requests, &call)?;
        let state = self.0.asker.status().await.map_err(|reason| status(reason.into(), &call.metadata))?;
        call.done("status");
        Ok(Response::new(pb::GetStatusResponse {
            member: self.0.asker.member().to_string(),
            log_size: state.log_size,
            registry_number: self.0.asker.registry().number(),
            lists: state.held,
            subjects: state.subjects,
            as_of_ms: state.as_of.map(|as_of| as_of.0),
            age_ms: state.as_of.map(|as_of| self.0.asker.now().since(as_of)),
            measures: Some(measures::counts(state.measures)),
        }))
    }

    async fn ask_consent(
        &self,
        request: Request<pb::AskConsentRequest>,
    ) -> Result<Response<pb::AskConsentResponse>, Status> {
        let mut call = Self::take("ask_consent", request)?;
        let _slot = Self::slot(&self.0.requests, &call)?;
        let typed = Zeroizing::new(std::mem::take(&mut call.message.code));
        let raw = RawAsk::from(std::mem::take(&mut call.message));
        let asking = async { Ok(consents::ask(&self.0, raw, &typed).await) };
        let outcome = match self.patiently(&call, asking).await? {
            Ok(asked) => ask_consent_response::Outcome::Asked(consents::told(&asked)),
            Err(problem) => ask_consent_response::Outcome::Refusal(refusal(&problem)),
        };
        call.done("asked");
        Ok(Response::new(pb::AskConsentResponse { outcome: Some(outcome) }))
    }

    async fn list_asked_consents(
        &self,
        request: Request<pb::ListAskedConsentsRequest>,
    ) -> Result<Response<pb::ListAskedConsentsResponse>, Status> {
        let mut call = Self::take("list_asked_consents", request)?;
        let _slot = Self::slot(&self.0.requests, &call)?;
        let typed = Zeroizing::new(std::mem::take(&mut call.message.code));
        let scheme = std::mem::take(&mut call.message.scheme);
        let asked = self.patiently(&call, consents::asked(&self.0, &typed, &scheme, "")).await?;
        call.done("listed");
        let now = self.0.asker.now();
        let requests = asked.iter().map(|it| consents::message(it, now)).collect();
        Ok(Response::new(pb::ListAskedConsentsResponse { requests }))
    }

    async fn list_receipts(
        &self,
        request: Request<pb::ListReceiptsRequest>,
    ) -> Result<Response<pb::ListReceiptsResponse>, Status> {
        let mut call = Self::take("list_receipts", request)?;
        let _slot = Self::slot(&self.0.requests, &call)?;
        let pb::ListReceiptsRequest {
            case_number,
            from_ms,
            until_ms,
            cursor,
            limit,
            officer,
            list_id,
            purpose,
            newest_first,
        } = std::mem::take(&mut call.message);
        let time = |ms: u64| (ms > 0).then_some(Millis(ms));
        let (from, until) = (time(from_ms), time(until_ms));
        let filter = RawFilter {
            case_number,
            from,
            until,
            officer,
            list: list_id,
            purpose,
            newest_first,
            cursor,
            limit,
        };
        let page = self.patiently(&call, receipts::page(&self.0, filter)).await?;
        call.done("listed");
        Ok(Response::new(pb::ListReceiptsResponse {
            receipts: page.receipts.iter().map(summary).collect(),
            next_cursor: page.next.map(|next| next.to_string()).unwrap_or_default(),
        }))
    }

    async fn register_measure(
        &self,
        request: Request<pb::RegisterMeasureRequest>,
    ) -> Result<Response<pb::RegisterMeasureResponse>, Status> {
        let mut call = Self::take("register_measure", request)?;
        let _slot = Self::slot(&self.0.requests, &call)?;
        let raw = RawMeasure::from(std::mem::take(&mut call.message));
        let registering = async { Ok(measures::register(&self.0, raw).await) };
        let outcome = match self.patiently(&call, registering).await? {
            Ok(measure) => register_measure_response::Outcome::Measure(measures::message(&measure)),
            Err(problem) => register_measure_response::Outcome::Refusal(refusal(&problem)),
        };
        call.done("registered");
        Ok(Response::new(pb::RegisterMeasureResponse { outcome: Some(outcome) }))
    }

    async fn lift_measure(
        &self,
        request: Request<pb::LiftMeasureRequest>,
    ) -> Result<Response<pb::LiftMeasureResponse>, Status> {
        let mut call = Self::take("lift_measure", request)?;
        let _slot = Self::slot(&self.0.requests, &call)?;
        let pb::LiftMeasureRequest { measure_id, decider } = std::mem::take(&mut call.message);
        let lifting = async { Ok(measures::lift(&self.0, &measure_id, decider).await) };
        let outcome = match self.patiently(&call, lifting).await? {
            Ok(measure) => lift_measure_response::Outcome::Measure(measures::message(&measure)),
            Err(problem) => lift_measure_response::Outcome::Refusal(refusal(&problem)),
        };
        call.done("lifted");
        Ok(Response::new(pb::LiftMeasureResponse { outcome: Some(outcome) }))
    }

    async fn list_measures(
        &self,
        request: Request<pb::ListMeasuresRequest>,
    ) -> Result<Response<pb::ListMeasuresResponse>, Status> {
        let mut call = Self::take("list_measures", request)?;
        let _slot = Self::slot(&self.0.requests, &call)?;
        let pb::ListMeasuresRequest { all, cursor, limit } = std::mem::take(&mut call.message);
        let page = self.patiently(&call, measures::page(&self.0, all, &cursor, limit)).await?;
        call.done("listed");
        Ok(Response::new(pb::ListMeasuresResponse {
            measures: page.measures.iter().map(measures::message).collect(),
            next_cursor: page.next.map(|next| next.to_string()).unwrap_or_default(),
        }))
    }

    async fn get_receipt(
        &self,
        request: Request<pb::GetReceiptRequest>,
    ) -> Result<Response<pb::GetReceiptResponse>, Status> {
        let call = Self::take("get_receipt", request)?;
        let _slot = Self::slot(&self.0.requests, &call)?;
        let record = receipts::record_id(&call.message.record_id)
            .map_err(|problem| status(problem, &call.metadata))?;
        let one = receipts::one(&self.0, record, &call.call.id, Some(&call.call.application));
        let outcome = match self.patiently(&call, one).await? {
            Some(found) => get_receipt_response::Outcome::Receipt(pb::Receipt {
                summary: Some(summary(&found.summary)),
                file: found.bytes.to_vec().into(),
            }),
            None => get_receipt_response::Outcome::Refusal(refusal(&receipts::none())),
        };
        call.done("receipt");
        Ok(Response::new(pb::GetReceiptResponse { outcome: Some(outcome) }))
    }
}

/// The first message of a stream, within the time limit.
async fn first<T>(
    message: impl Future<Output = Result<Option<T>, Status>>,
    app: &App,
    metadata: &MetadataMap,
) -> Result<Option<T>, Status> {
    match tokio::time::timeout(app.patience(), message).await {
        Ok(message) => message,
        Err(_) => Err(status(Reason::Deadline.into(), metadata)),
    }
}

/// A part of a stream after the first: batches and plans have the same.
enum Part {
    Question,
    Subject(pb::Subject),
}

impl From<check_many_request::Part> for Part {
    fn from(part: check_many_request::Part) -> Self {
        match part {
            check_many_request::Part::Question(_) => Self::Question,
            check_many_request::Part::Subject(subject) => Self::Subject(subject),
        }
    }
}

impl From<plan_request::Part> for Part {
    fn from(part: plan_request::Part) -> Self {
        match part {
            plan_request::Part::Question(_) => Self::Question,
            plan_request::Part::Subject(subject) => Self::Subject(subject),
        }
    }
}

/// The rows of a stream; a second question or a broken stream ends it.
fn rows(
    parts: impl Stream<Item = Result<Option<Part>, Status>> + Send + 'static,
) -> impl Stream<Item = Arrived> + Send {
    let mut line = 0;
    parts.map(move |part| {
        line += 1;
        match part {
            Ok(Some(Part::Subject(pb::Subject { row, code }))) => {
                Ok(RowIn { line, row: Some(row), typed: Ok(Zeroizing::new(code)) })
            }
            Ok(Some(Part::Question)) => {
                Err(Problem::of_field(Reason::Malformed, "question", "The question comes first and once."))
            }
            Ok(None) => Err(Problem::of_field(Reason::Malformed, "part", "The message has no part.")),
            Err(_) => Err(Problem::new(Reason::Malformed, "The stream of rows broke off.")),
        }
    })
}

/// Events as messages; a stream that broke ends with a status.
fn answers(
    events: mpsc::Receiver<Event>,
    call: Taken<()>,
    scheme: String,
) -> impl Stream<Item = Result<pb::CheckManyResponse, Status>> + Send {
    stream::unfold(Some((events, call, scheme)), |state| async move {
        let (mut events, call, scheme) = state?;
        match events.recv().await {
            Some(Event::Row(row)) => Some((Ok(message(&row, &scheme)), Some((events, call, scheme)))),
            Some(Event::End(tally)) => {
                call.done(if tally.broken.is_some() { "broken" } else { "complete" });
                tally.broken.map(|problem| (Err(status(problem, &call.metadata)), None))
            }
            // The caller did not read for too long; it is told when it reads again.
            None => Some((Err(status(Reason::Deadline.into(), &call.metadata)), None)),
        }
    })
}
