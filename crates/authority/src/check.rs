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

/// Makes the checks.
pub(crate) struct SelfChecks {
    pub(crate) requester: Requester,
    pub(crate) lately: Lately,
}

/// Counts checks of each user against the limit of a minute.
pub(crate) struct Lately {
    per_minute: u32,
    /// Checks of a user, in the minute of the number beside.
    counts: Mutex<HashMap<RowKey, (u64, u32)>>,
}

impl Lately {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { per_minute, counts: Mutex::default() }
    }

    /// Counts one check of a user.
    pub(crate) fn count(&self, user: RowKey, now: Millis) -> Result<(), Problem> {
        let minute = now.utc_minute();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.retain(|_, (of, _)| *of == minute);
        let (_, checks) = counts.entry(user).or_insert((minute, 0));
        if *checks >= self.per_minute {
            return Err(Problem::from(Reason::QuotaRate));
        }
        *checks += 1;
        Ok(())
    }
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
        self.lately.count(user, now)?;
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
}

/// Whether the holder of a list has agreed to answer its subjects through this authority.
pub(crate) fn agreed(registry: &Registry, own: &MemberId, list: &ListId, now: Millis) -> Result<(), Problem> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_checks_as_often_as_a_minute_allows_and_no_more() {
        let lately = Lately::new(2);
        let at = |ms: u64| Millis(1_795_300_140_000 + ms);
        assert!(lately.count([1; 32], at(0)).is_ok() && lately.count([1; 32], at(1)).is_ok());
        let refused = lately.count([1; 32], at(59_999)).unwrap_err();
        assert_eq!(refused.reason(), Reason::QuotaRate);
        assert!(lately.count([2; 32], at(59_999)).is_ok(), "another person");
        assert!(lately.count([1; 32], at(60_000)).is_ok(), "another minute");
    }
}
