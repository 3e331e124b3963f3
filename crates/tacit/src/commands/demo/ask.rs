//! Asking, as `tacit check` does: through the gateway of the agency's own node, with its token.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tacit_federation::config::{Environment, NodeFile, RoleFile as _};
use tacit_wire::{
    common::Refusal,
    gateway::{
        self as pb, CheckManyRequest, CheckOutcome, CheckRequest, ListAnswer, PlanRequest, PlanResponse,
        check_many_request, check_outcome::Outcome, list_answer, plan_request,
    },
};

use super::report::ms;
use crate::{
    exit::Failure,
    parties::{GatewayClient, gateway_of},
};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Who asks, as the agencies of the demonstration name their officers.
pub(super) const OFFICER: &str = "officer-17";

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) lists: &'a [&'a str],
    pub(super) purpose: &'a str,
    pub(super) case: &'a str,
}

impl From<Question<'_>> for pb::Question {
    fn from(question: Question<'_>) -> Self {
        Self {
            lists: question.lists.iter().map(|list| (*list).to_owned()).collect(),
            purpose: question.purpose.to_owned(),
            case_number: question.case.to_owned(),
            officer: OFFICER.to_owned(),
            scheme: String::new(),
        }
    }
}

/// What came back about one subject.
#[derive(Debug)]
pub(super) struct Told {
    /// Answers, one per list; empty when the question was refused or lost as a whole.
    pub(super) lists: Vec<ListAnswer>,
    /// Why there is none, a stable reason code.
    refused: Option<Refusal>,
    pub(super) took: Duration,
}

impl Told {
    fn of(outcome: CheckOutcome, took: Duration) -> Self {
        let (lists, refused) = match outcome.outcome {
            Some(Outcome::Answers(answers)) => (answers.lists, None),
            Some(Outcome::Refusal(refusal)) => (Vec::new(), Some(refusal)),
            Some(Outcome::NotAnswered(lost)) => {
                (Vec::new(), Some(Refusal { reason: lost.reason, ..Refusal::default() }))
            }
            None => (Vec::new(), Some(Refusal { reason: "not_answered".to_owned(), ..Refusal::default() })),
        };
        Self { lists, refused, took }
    }

    /// The first refusal, of the whole or of a list.
    pub(super) fn refusal(&self) -> Option<&Refusal> {
        let of_list = self.lists.iter().find_map(|it| match &it.answer {
            Some(list_answer::Answer::Refusal(refusal)) => Some(refusal),
            _ => None,
        });
        self.refused.as_ref().or(of_list)
    }

    /// The outcome in a word: `listed`, `not_listed`, or a reason code; of several lists the one that matters most.
    pub(super) fn word(&self) -> String {
        match self.refusal() {
            Some(refusal) => refusal.reason.clone(),
            None if self.listed().is_some() => "listed".to_owned(),
            None => "not_listed".to_owned(),
        }
    }

    /// The first hit.
    pub(super) fn listed(&self) -> Option<(&ListAnswer, &pb::Listed)> {
        self.lists.iter().find_map(|it| match &it.answer {
            Some(list_answer::Answer::Listed(listed)) => Some((it, listed)),
            _ => None,
        })
    }

    /// Indexes of the records of this question in the log.
    pub(super) fn records(&self) -> Vec<u64> {
        self.lists.iter().filter(|it| !it.record_id.is_empty()).map(|it| it.record_index).collect()
    }

    /// Lists that were answered.
    pub(super) fn answers(&self) -> u64 {
        let answered = |it: &&ListAnswer| {
            matches!(it.answer, Some(list_answer::Answer::Listed(_) | list_answer::Answer::NotListed(_)))
        };
        self.lists.iter().filter(answered).count() as u64
    }

    pub(super) fn facts(&self, code: &str) -> Value {
        let lists: Vec<&str> = self.lists.iter().map(|it| it.list_id.as_str()).collect();
        let ids: Vec<&str> = self.lists.iter().map(|it| it.record_id.as_str()).collect();
        json!({ "code": code, "lists": lists, "record_ids": ids, "records": self.records(), "took_ms": ms(self.took) })
    }
}

/// An officer's desk at an agency.
pub(super) struct Desk(GatewayClient);

impl Desk {
    /// At the agency of this configuration file.
    pub(super) fn of(config: &Path) -> Result<Self, Failure> {
        Ok(Self(gateway_of(&NodeFile::load(config, Environment::Ignored)?)?))
    }

    /// The gateway itself, for what is no question.
    pub(super) fn gateway(&mut self) -> &mut GatewayClient {
        &mut self.0
    }

    /// One question about one subject.
    pub(super) async fn ask(&mut self, question: Question<'_>, code: &str) -> Result<Told, Failure> {
        self.ask_as(OFFICER, question, code).await
    }

    /// The same by another officer.
    pub(super) async fn ask_as(
        &mut self,
        officer: &str,
        question: Question<'_>,
        code: &str,
    ) -> Result<Told, Failure> {
        let started = Instant::now();
        let question = pb::Question { officer: officer.to_owned(), ..question.into() };
        let mut request =
            tonic::Request::new(CheckRequest { question: Some(question), code: code.to_owned() });
        request.set_timeout(PATIENCE);
        let response = self.0.check(request).await.map_err(troubled)?.into_inner();
        Ok(Told::of(response.outcome.unwrap_or_default(), started.elapsed()))
    }

    /// Asks a subject for consent, as `tacit consent ask` does.
    pub(super) async fn ask_consent(
        &mut self,
        code: &str,
        list: &str,
        purpose: &str,
        days: u32,
        frequency: &str,
    ) -> Result<pb::ConsentAsked, Failure> {
        let request = pb::AskConsentRequest {
            code: code.to_owned(),
            lists: vec![list.to_owned()],
            purposes: vec![purpose.to_owned()],
            days,
            frequency: frequency.to_owned(),
            officer: OFFICER.to_owned(),
            ..pb::AskConsentRequest::default()
        };
        match self.0.ask_consent(request).await.map_err(troubled)?.into_inner().outcome {
            Some(pb::ask_consent_response::Outcome::Asked(asked)) => Ok(asked),
            Some(pb::ask_consent_response::Outcome::Refusal(refusal)) => {
                Err(Failure::of_refusal("the coordinator", &refusal))
            }
            None => Err(Failure::internal("the gateway sent an outcome of no kind")),
        }
    }

    /// What a batch would cost.
    pub(super) async fn plan(
        &mut self,
        question: Question<'_>,
        codes: &[String],
    ) -> Result<PlanResponse, Failure> {
        use plan_request::Part;
        let rows = subjects(codes).map(Part::Subject);
        let parts: Vec<_> = std::iter::once(Part::Question(question.into())).chain(rows).collect();
        let requests = parts.into_iter().map(|part| PlanRequest { part: Some(part) });
        Ok(self.0.plan(futures::stream::iter(requests)).await.map_err(troubled)?.into_inner())
    }

    /// A batch, and how long it took.
    pub(super) async fn ask_many(
        &mut self,
        question: Question<'_>,
        codes: &[String],
    ) -> Result<(Vec<Told>, Duration), Failure> {
        use check_many_request::Part;
        let started = Instant::now();
        let rows = subjects(codes).map(Part::Subject);
        let parts: Vec<_> = std::iter::once(Part::Question(question.into())).chain(rows).collect();
        let requests = parts.into_iter().map(|part| CheckManyRequest { part: Some(part) });
        let mut answers =
            self.0.check_many(futures::stream::iter(requests)).await.map_err(troubled)?.into_inner();
        let mut told = Vec::with_capacity(codes.len());
        while let Some(answer) = answers.message().await.map_err(troubled)? {
            told.push(Told::of(answer.outcome.unwrap_or_default(), started.elapsed()));
        }
        Ok((told, started.elapsed()))
    }
}

fn subjects(codes: &[String]) -> impl Iterator<Item = pb::Subject> {
    codes.iter().zip(1..).map(|(code, row)| pb::Subject { row, code: code.clone() })
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
pub(super) fn troubled(status: tonic::Status) -> Failure {
    Failure::of_status("the gateway", &status)
}
