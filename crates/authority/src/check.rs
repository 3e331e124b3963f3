//! Checks that users make of lists about themselves: the ordinary flow of a requester, for purpose `subject-access`, one
//! list at a time. Nothing is added up over lists.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tacit_client::{ListAnswer, Outcome, Question, Requester, RowKey, Subject};
use tacit_desk::problem::Problem;
use tacit_model::{ListId, MemberId, Millis, Reason, SubjectCode};
use tacit_policy::Registry;

/// The purpose of every check here.
pub(crate) const SUBJECT_ACCESS: &str = "subject-access";
/// Case of every check here, for the audit box.
pub(crate) const CASE: &str = "subject-access";
/// Who asks, for the audit box.
const OFFICER: &str = "the person themself";
const MINUTE_MS: u64 = 60_000;

/// Makes the checks.
pub(crate) struct SelfChecks {
    pub(crate) requester: Requester,
    /// Checks of a user in the minute of the number beside.
    pub(crate) lately: Mutex<HashMap<RowKey, (u64, u32)>>,
    pub(crate) per_minute: u32,
}

impl SelfChecks {
    /// Asks one list about a user.
    pub(crate) async fn check(
        &self,
        user: RowKey,
        subject: SubjectCode,
        list: ListId,
        now: Millis,
    ) -> Result<ListAnswer, Problem> {
        let registry = self.requester.registry();
        agreed(&registry, self.requester.member(), &list, now)?;
        self.count(user, now)?;
        let purpose = SUBJECT_ACCESS.parse().map_err(|_| Problem::from(Reason::Internal))?;
        let question =
            Question { lists: vec![list], purpose, case: CASE.to_owned(), officer: OFFICER.to_owned() };
        let requester = self.requester.clone();
        let subjects = vec![Subject { row: 0, code: subject }];
        // To its end also when who asks goes away: what is on record is to be answered, and its receipt kept.
        let asked = tokio::spawn(async move { requester.check_batch(&question, subjects).await });
        let row = asked.await.ok().and_then(|mut rows| rows.pop()).ok_or(Problem::from(Reason::Internal))?;
        match row.outcome {
            Outcome::Answers(mut answers) => answers.pop().ok_or(Problem::from(Reason::Internal)),
            Outcome::Refused(refusal) => Err(Problem::from(&refusal)),
            Outcome::NotAnswered(reason) => Err(Problem::not_answered(reason, &row.unanswered)),
        }
    }

    /// Counts a check of a user against the limit of a minute.
    fn count(&self, user: RowKey, now: Millis) -> Result<(), Problem> {
        let minute = now.0 / MINUTE_MS;
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        lately.retain(|_, (of, _)| *of == minute);
        let (_, checks) = lately.entry(user).or_insert((minute, 0));
        if *checks >= self.per_minute {
            return Err(Problem::from(Reason::QuotaRate));
        }
        *checks += 1;
        Ok(())
    }
}

/// Whether the holder of a list has agreed to answer its subjects through this authority.
fn agreed(registry: &Registry, own: &MemberId, list: &ListId, now: Millis) -> Result<(), Problem> {
    if registry.list(list).is_none() {
        return Err(Problem::of_field(Reason::UnknownList, "list", Reason::UnknownList.meaning()));
    }
    let holder = list.holder_id();
    let covers = registry.agreements_between(own, &holder).any(|agreement| {
        agreement.in_force(now)
            && agreement.covers_list(list)
            && agreement.purposes.iter().any(|purpose| purpose.as_str() == SUBJECT_ACCESS)
    });
    if covers {
        return Ok(());
    }
    let message = format!(
        "{holder} has no agreement in force with {own} by which people may ask {list} about themselves. Nothing was asked; \
         the list's contact for objections can be asked directly."
    );
    Err(Problem::of_field(Reason::NotPermitted, "list", message))
}
