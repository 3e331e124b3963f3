//! When a record is answered: the rules of its list, as the registry states them.

use jiff::tz::TimeZone;
use tacit_blind::encoding::b3;
use tacit_blind::table::{Day, Label};
use tacit_model::{ListId, Millis};
use tacit_policy::registry::entry::{Contested, List};

use super::day;

/// The label's status byte of a listing that is in effect.
pub const STATUS_LISTED: u8 = 1;

/// The label's flag bit of a contested listing.
pub const FLAG_CONTESTED: u8 = 0x01;

/// The registry names a time zone that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the registry gives {list} a time zone that is not known here")]
pub struct UnknownTimeZone {
    /// The list.
    pub list: ListId,
}

/// What the registry says about a list, as far as it decides what is answered.
#[derive(Debug, Clone)]
pub struct ListRules {
    adverse: bool,
    notice_days: u32,
    retention_days: u32,
    withhold: bool,
    zone: TimeZone,
    hash: [u8; 32],
}

/// State of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordState {
    /// Stands as decided.
    Active,
    /// An objection is under way.
    Contested,
    /// No longer listed; the row stays as history.
    Removed,
}

impl RecordState {
    /// The word in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Contested => "contested",
            Self::Removed => "removed",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Active, Self::Contested, Self::Removed].into_iter().find(|state| state.as_str() == word)
    }
}

/// What was decided about a subject. Days count from 1970-01-01 in the list's time zone, 0 means not stated.
#[derive(Clone, PartialEq, Eq)]
pub struct Facts {
    /// Ground of the listing, a category of the registry's catalogue.
    pub category: u16,
    /// The decision, as the holder cites it; at most 200 bytes.
    pub decision_ref: String,
    /// When it was decided.
    pub decided_on: u32,
    /// When the subject was notified.
    pub notified_on: u32,
    /// When it takes effect.
    pub effective_on: u32,
    /// The first day on which it no longer counts.
    pub expires_on: u32,
    /// State of the record.
    pub state: RecordState,
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Facts(..)")
    }
}

/// Whether a record is answered on a day, or why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Answered as listed.
    Listed {
        /// First day of the listing.
        from: u32,
        /// First day after it.
        until: u32,
        /// Whether the answer says that it is contested.
        contested: bool,
    },
    /// Begins later.
    NotYet {
        /// First day of the listing.
        from: u32,
    },
    /// An adverse record whose subject was never notified.
    NotNotified,
    /// Its time is over.
    Expired,
    /// Contested, and the list does not answer contested records.
    Withheld,
    /// Removed.
    Removed,
}

impl Standing {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Listed { .. } => "listed",
            Self::NotYet { .. } => "not_yet_effective",
            Self::NotNotified => "not_notified",
            Self::Expired => "expired",
            Self::Withheld => "withheld",
            Self::Removed => "removed",
        }
    }
}

impl ListRules {
    /// The rules of a list.
    pub fn of(list: &List) -> Result<Self, UnknownTimeZone> {
        let zone = TimeZone::get(&list.time_zone).map_err(|_| UnknownTimeZone { list: list.id.clone() })?;
        let withhold = list.contested == Contested::Withhold;
        let numbers =
            [u32::from(list.adverse), u32::from(list.notice_days), list.retention_days, u32::from(withhold)];
        let numbers: Vec<u8> = numbers.into_iter().flat_map(u32::to_be_bytes).collect();
        let hash = b3(
            "tacit v1 holder list rules",
            &[&numbers, list.scheme.as_bytes(), b"\n", list.time_zone.as_bytes()],
        );
        Ok(Self {
            adverse: list.adverse,
            notice_days: list.notice_days.into(),
            retention_days: list.retention_days,
            withhold,
            zone,
            hash,
        })
    }

    /// Changes when any of the rules does: then the whole list is sealed anew.
    pub(crate) fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The day it is where the list is kept.
    pub fn today(&self, now: Millis) -> u32 {
        day::today(now, &self.zone)
    }

    /// First and end day of a record's listing; `None` while an adverse record's subject is not notified. An adverse
    /// listing begins no earlier than the notice period after the notice, and none outlasts the retention period.
    pub(crate) fn period(&self, facts: &Facts) -> Option<(u32, u32)> {
        let stated = if facts.effective_on > 0 { facts.effective_on } else { facts.decided_on };
        let from = match (self.adverse, facts.notified_on) {
            (true, 0) => return None,
            (true, notified) => facts.effective_on.max(notified.saturating_add(self.notice_days)),
            (false, _) => stated,
        };
        let longest = from.saturating_add(self.retention_days).min(Day::MAX.number());
        let until = if facts.expires_on > 0 { facts.expires_on.min(longest) } else { longest };
        Some((from, until))
    }

    /// Where a record stands on the day `today`.
    pub fn standing(&self, facts: &Facts, today: u32) -> Standing {
        let contested = match facts.state {
            RecordState::Removed => return Standing::Removed,
            RecordState::Contested if self.withhold => return Standing::Withheld,
            RecordState::Contested => true,
            RecordState::Active => false,
        };
        match self.period(facts) {
            None => Standing::NotNotified,
            Some((_, until)) if today >= until => Standing::Expired,
            Some((from, _)) if today < from => Standing::NotYet { from },
            Some((from, until)) => Standing::Listed { from, until, contested },
        }
    }

    /// The label of a record, whether or not it stands today. `reference` is what it shows as the holder's reference.
    pub(crate) fn label(&self, facts: &Facts, reference: u64) -> Label {
        let (from, until) = self.period(facts).unwrap_or_default();
        Label {
            status: STATUS_LISTED,
            flags: if facts.state == RecordState::Contested { FLAG_CONTESTED } else { 0 },
            category: facts.category,
            listed_on: Day::new(from).ok(),
            expires_on: Day::new(until).ok(),
            reference: reference.to_be_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{facts, list_entry};
    use super::*;

    fn rules(change: impl FnOnce(&mut List)) -> ListRules {
        let mut list = list_entry("court/defaulters");
        change(&mut list);
        ListRules::of(&list).unwrap()
    }

    #[test]
    fn an_adverse_record_that_was_never_notified_is_not_sealed() {
        let adverse = rules(|list| list.adverse = true);
        let silent = Facts { notified_on: 0, ..facts() };
        assert_eq!(adverse.standing(&silent, 20_500), Standing::NotNotified);
        let favorable = rules(|list| list.adverse = false);
        assert!(matches!(favorable.standing(&silent, 20_500), Standing::Listed { .. }));
    }

    #[test]
    fn a_listing_begins_no_earlier_than_the_notice_period_after_the_notice() {
        let rules = rules(|list| (list.adverse, list.notice_days) = (true, 10));
        let hasty = Facts { notified_on: 20_100, effective_on: 20_101, ..facts() };
        assert_eq!(rules.standing(&hasty, 20_109), Standing::NotYet { from: 20_110 });
        assert!(matches!(rules.standing(&hasty, 20_110), Standing::Listed { from: 20_110, .. }));
        let later = Facts { effective_on: 20_200, ..hasty };
        assert_eq!(rules.standing(&later, 20_199), Standing::NotYet { from: 20_200 });
    }

    #[test]
    fn an_expired_record_is_not_sealed_and_a_label_carries_its_end() {
        let rules = rules(|list| list.retention_days = 1000);
        let record = Facts { expires_on: 20_300, ..facts() };
        assert!(matches!(rules.standing(&record, 20_299), Standing::Listed { until: 20_300, .. }));
        assert_eq!(rules.standing(&record, 20_300), Standing::Expired);
        assert_eq!(rules.label(&record, 7).expires_on, Day::new(20_300).ok());
        assert_eq!(rules.label(&record, 7).reference, 7_u64.to_be_bytes());
    }

    #[test]
    fn no_listing_outlasts_the_retention_period() {
        let rules = rules(|list| list.retention_days = 100);
        let (from, until) = rules.period(&Facts { expires_on: 0, ..facts() }).unwrap();
        assert_eq!(until, from + 100);
        let (from, until) = rules.period(&Facts { expires_on: 30_000, ..facts() }).unwrap();
        assert_eq!(until, from + 100);
    }

    #[test]
    fn a_contested_record_is_flagged_or_withheld_as_its_list_says() {
        let contested = Facts { state: RecordState::Contested, ..facts() };
        let flagging = rules(|list| list.contested = Contested::Flag);
        assert!(matches!(flagging.standing(&contested, 20_500), Standing::Listed { contested: true, .. }));
        assert_eq!(flagging.label(&contested, 1).flags, FLAG_CONTESTED);
        let withholding = rules(|list| list.contested = Contested::Withhold);
        assert_eq!(withholding.standing(&contested, 20_500), Standing::Withheld);
    }

    #[test]
    fn a_changed_rule_changes_the_hash() {
        let before = rules(|_| ());
        for after in [
            rules(|list| list.adverse = !list.adverse),
            rules(|list| list.notice_days += 1),
            rules(|list| list.retention_days += 1),
            rules(|list| list.contested = Contested::Withhold),
            rules(|list| list.time_zone = "Asia/Shanghai".to_owned()),
        ] {
            assert_ne!(before.hash(), after.hash());
        }
        assert_eq!(before.hash(), rules(|list| list.title = "Another title".to_owned()).hash());
    }
}
