//! A question looked up in the registry: which list is whose, under which agreement, on what basis.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use tacit_blind::check::{MAX_ITEMS, MAX_LISTS};
use tacit_blind::table::Day;
use tacit_ledger::note::NoteVerifier;
use tacit_model::{Basis, ListId, MemberId, Millis, PurposeCode, Reason, Ulid};
use tacit_policy::Registry;
use tacit_policy::registry::entry::Agreement;

use crate::batch::AgreementLimit;
use crate::consents::KnownConsent;
use crate::error::ClientError;
use crate::pace::Burst;
use crate::question::{MAX_WORDS, Question, Refusal};

/// One list of a question.
#[derive(Debug)]
pub(crate) struct PreparedList {
    pub(crate) list: ListId,
    pub(crate) holder: MemberId,
    pub(crate) scheme: String,
    time_zone: TimeZone,
    agreement: Option<Terms>,
}

/// The agreement that a list is asked under.
#[derive(Debug, Clone, Copy)]
struct Terms {
    id: Ulid,
    /// Whether it covers list and purpose now. One that does not is named all the same, so that the refused
    /// question is recorded.
    covers: bool,
    needs_consent: bool,
    max_lists: usize,
    /// Checks a minute.
    burst: Option<u64>,
}

/// A question in sound form.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) registry: Arc<Registry>,
    pub(crate) question: Question,
    pub(crate) requester: MemberId,
    pub(crate) lists: Vec<PreparedList>,
}

/// One check to make: a basis, and per holder the lists by their place in the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) basis: Basis,
    pub(crate) items: Vec<AskItem>,
}

/// One holder of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AskItem {
    pub(crate) holder: MemberId,
    pub(crate) lists: Vec<usize>,
}

impl Prepared {
    /// Checks form and names, and chooses agreements.
    ///
    /// # Errors
    /// [`ClientError::Question`]: the caller is at fault.
    pub(crate) fn new(
        registry: Arc<Registry>,
        requester: &MemberId,
        question: &Question,
        now: Millis,
    ) -> Result<Self, ClientError> {
        let wrong = |reason, field| Err(ClientError::Question { reason, field });
        if question.case.is_empty() || question.officer.is_empty() {
            let field = if question.case.is_empty() { "case_number" } else { "officer" };
            return wrong(Reason::CaseRequired, field);
        }
        if question.case.len() > MAX_WORDS || question.officer.len() > MAX_WORDS {
            return wrong(Reason::TooLarge, "case_number or officer");
        }
        if question.lists.is_empty() {
            return wrong(Reason::UnknownList, "lists");
        }
        if question.lists.len() > MAX_ITEMS * MAX_LISTS {
            return wrong(Reason::TooMany, "lists");
        }
        if registry.purpose(&question.purpose).is_none() {
            return wrong(Reason::UnknownPurpose, "purpose");
        }
        let mut seen = HashSet::new();
        let mut lists = Vec::with_capacity(question.lists.len());
        for id in &question.lists {
            if !seen.insert(id) {
                return wrong(Reason::Malformed, "lists");
            }
            let Some(list) = registry.list(id) else { return wrong(Reason::UnknownList, "lists") };
            let Ok(time_zone) = TimeZoneDatabase::bundled().get(&list.time_zone) else {
                return Err(ClientError::Registry("the time zone of the list"));
            };
            let holder = id.holder_id();
            let agreement = terms(&registry, requester, id, &question.purpose, now);
            lists.push(PreparedList {
                list: id.clone(),
                holder,
                scheme: list.scheme.clone(),
                time_zone,
                agreement,
            });
        }
        Ok(Self { registry, question: question.clone(), requester: requester.clone(), lists })
    }

    /// Whether any list is asked under an agreement that needs the subject's consent.
    pub(crate) fn needs_consents(&self) -> bool {
        self.lists.iter().filter_map(|list| list.agreement).any(|terms| terms.covers && terms.needs_consent)
    }

    /// The agreements that cover lists of the question, with their limits.
    pub(crate) fn limits(&self) -> Vec<AgreementLimit> {
        let mut limits: Vec<AgreementLimit> = Vec::new();
        for list in &self.lists {
            let Some(terms) = list.agreement.filter(|terms| terms.covers) else { continue };
            if let Some(limit) = limits.iter_mut().find(|limit| limit.agreement == terms.id) {
                limit.lists.push(list.list.clone());
            } else if let Some(agreement) = self.registry.agreement(terms.id) {
                limits.push(AgreementLimit {
                    agreement: terms.id,
                    lists: vec![list.list.clone()],
                    checks_per_day: agreement.quotas.checks_per_day,
                    checks_per_minute: agreement.quotas.checks_per_minute,
                    new_subjects_per_day: agreement.quotas.new_subjects_per_day,
                    consent_required: terms.needs_consent,
                });
            }
        }
        limits
    }

    /// The checks that ask `wanted` (places of lists) about a subject with these consents, and the lists about which
    /// nobody can be asked.
    pub(crate) fn asks(
        &self,
        wanted: &[usize],
        consents: &[KnownConsent],
        now: Millis,
    ) -> (Vec<Ask>, Vec<(usize, Refusal)>) {
        let mut asks: Vec<Ask> = Vec::with_capacity(1);
        let mut refused = Vec::new();
        for &place in wanted {
            let list = &self.lists[place];
            let Some(terms) = list.agreement else {
                refused.push((place, Reason::NotPermitted.into()));
                continue;
            };
            let consent = (terms.covers && terms.needs_consent)
                .then(|| {
                    consents.iter().find(|consent| consent.covers(&list.list, &self.question.purpose, now))
                })
                .flatten();
            let basis = consent.map_or(Basis::Agreement(terms.id), |consent| Basis::Consent(consent.id));
            put(&mut asks, basis, &list.holder, place, terms.max_lists);
        }
        (asks, refused)
    }

    /// The agreement of a list, if it says how many checks a minute it allows.
    pub(crate) fn burst(&self, list: usize) -> Option<Burst> {
        let terms = self.lists.get(list)?.agreement?;
        Some((terms.id, terms.burst?))
    }

    /// Those that a check counts under: one for each item.
    pub(crate) fn bursts(&self, ask: &Ask) -> Vec<Burst> {
        ask.items.iter().filter_map(|item| self.burst(*item.lists.first()?)).collect()
    }

    /// The most checks that all agreements of the question allow in a minute; `None` without a limit.
    pub(crate) fn most_a_minute(&self) -> Option<u64> {
        (0..self.lists.len()).filter_map(|list| self.burst(list)).map(|(_, most)| most).min()
    }

    /// The day at `time` where the list is kept.
    pub(crate) fn day(&self, place: usize, time: Millis) -> Option<Day> {
        day(&self.lists[place].time_zone, time)
    }
}

/// Adds a list to the check of this basis, in the item of its holder, or begins another one.
fn put(asks: &mut Vec<Ask>, basis: Basis, holder: &MemberId, place: usize, max_lists: usize) {
    for ask in asks.iter_mut().filter(|ask| ask.basis == basis) {
        match ask.items.iter().position(|item| item.holder == *holder) {
            Some(item) if ask.items[item].lists.len() < max_lists => {
                return ask.items[item].lists.push(place);
            }
            None if ask.items.len() < MAX_ITEMS => {
                return ask.items.push(AskItem { holder: holder.clone(), lists: vec![place] });
            }
            Some(_) | None => {}
        }
    }
    asks.push(Ask { basis, items: vec![AskItem { holder: holder.clone(), lists: vec![place] }] });
}

/// The agreement under which a list is asked: one that covers the question, without consent before with; else the one that
/// comes nearest.
fn terms(
    registry: &Registry,
    requester: &MemberId,
    list: &ListId,
    purpose: &PurposeCode,
    now: Millis,
) -> Option<Terms> {
    let rank = |agreement: &Agreement| {
        let (force, named) = (agreement.in_force(now), agreement.covers_list(list));
        let covers = force && named && agreement.covers_purpose(purpose);
        let needs_consent = registry.needs_consent(agreement);
        let terms = Terms {
            id: agreement.id,
            covers,
            needs_consent,
            max_lists: usize::from(agreement.max_lists_per_check).clamp(1, MAX_LISTS),
            burst: agreement.quotas.checks_per_minute,
        };
        ((covers, covers && !needs_consent, force && named, force), terms)
    };
    // The first of the best, so that lists of one holder share an agreement where they can.
    let mut best = None;
    for agreement in registry.agreements_between(requester, &list.holder_id()) {
        let (score, terms) = rank(agreement);
        if best.is_none_or(|(other, _)| score > other) {
            best = Some((score, terms));
        }
    }
    best.map(|(_, terms)| terms)
}

/// The agreement under which `requester` asks a list for a purpose at `now`; `None` when none covers that.
#[must_use]
pub fn asked_under<'r>(
    registry: &'r Registry,
    requester: &MemberId,
    list: &ListId,
    purpose: &PurposeCode,
    now: Millis,
) -> Option<&'r Agreement> {
    let terms = terms(registry, requester, list, purpose, now).filter(|terms| terms.covers)?;
    registry.agreement(terms.id)
}

/// The calendar day of a moment in a time zone; `None` beyond what a label can say.
pub(crate) fn day(time_zone: &TimeZone, time: Millis) -> Option<Day> {
    let moment = Timestamp::from_millisecond(time.to_i64()).ok()?;
    let date = time_zone.to_datetime(moment).date();
    let days = date.duration_since(Date::constant(1970, 1, 1)).as_hours() / 24;
    Day::new(u32::try_from(days).ok()?).ok()
}

/// The verifier of a holder's manifests.
pub(crate) fn manifest_verifier(registry: &Registry, list: &ListId) -> Result<NoteVerifier, ClientError> {
    let missing = ClientError::Registry("the manifest key of the list's holder");
    let Some(key) = registry.member(&list.holder_id()).and_then(|member| member.keys.manifest) else {
        return Err(missing);
    };
    NoteVerifier::new(&tacit_blind::table::manifest_key_name(list), key.0).map_err(|_| missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_where_the_list_is_kept() {
        let shanghai = TimeZoneDatabase::bundled().get("Asia/Shanghai").unwrap();
        let utc = TimeZoneDatabase::bundled().get("UTC").unwrap();
        // 2026-11-21T22:29:03Z is already the 22nd in Shanghai.
        let time = Millis(1_795_300_143_000);
        let (here, there) = (day(&utc, time).unwrap(), day(&shanghai, time).unwrap());
        assert_eq!((here.number(), there.number()), (20_778, 20_779));
        assert_eq!(day(&utc, Millis(0)), None);
    }

    #[test]
    fn a_check_has_one_basis_and_no_more_lists_than_its_agreement_allows() {
        let (a, b): (MemberId, MemberId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let (one, two) = (Basis::Agreement(Ulid(1)), Basis::Consent(Ulid(2)));
        let mut asks = Vec::new();
        put(&mut asks, one, &a, 0, 2);
        put(&mut asks, two, &b, 1, 2);
        put(&mut asks, one, &a, 2, 2);
        put(&mut asks, one, &a, 3, 2);
        put(&mut asks, two, &a, 4, 2);
        let lists = |ask: &Ask| ask.items.iter().map(|item| item.lists.clone()).collect::<Vec<_>>();
        assert_eq!(asks.len(), 3);
        assert_eq!((asks[0].basis, lists(&asks[0])), (one, vec![vec![0, 2]]));
        assert_eq!((asks[1].basis, lists(&asks[1])), (two, vec![vec![1], vec![4]]));
        assert_eq!((asks[2].basis, lists(&asks[2])), (one, vec![vec![3]]));
    }
}
