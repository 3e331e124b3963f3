//! When a record is answered: the rules of its list and of its category, as the registry states them, the stricter
//! one of both.

use std::{collections::HashMap, sync::Arc};

use jiff::tz::TimeZone;
use tacit_blind::encoding::b3;
use tacit_blind::table::{Day, Label};
use tacit_model::{ListId, Millis, Schemes};
use tacit_policy::{
    Registry,
    registry::entry::{Category, Contested, List},
};

use super::day;
use super::row::Column;

/// The label's status byte of a listing that is in effect.
pub const STATUS_LISTED: u8 = 1;

pub use tacit_desk::words::FLAG_CONTESTED;

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
    /// Of each category whose records may stand on the list.
    categories: Arc<HashMap<u16, Strict>>,
    /// Of an adverse list whose codes tell the date of birth.
    births: Option<Births>,
    zone: TimeZone,
    hash: [u8; 32],
}

/// Where dates of birth are read.
#[derive(Debug, Clone)]
struct Births {
    schemes: Schemes,
    scheme: String,
}

/// The stricter of a list's rule and a category's.
#[derive(Debug, Clone, Copy)]
struct Strict {
    notice_days: u32,
    retention_days: u32,
    withhold: bool,
}

impl Strict {
    fn of(list: &List, category: &Category) -> Self {
        Self {
            notice_days: list.notice_days.max(category.notice_days).into(),
            retention_days: list.retention_days.min(category.retention_days),
            withhold: list.contested.max(category.contested) == Contested::Withhold,
        }
    }
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
    /// The decision, as the holder cites it; at most 200 characters.
    pub decision_ref: String,
    /// When it was decided.
    pub decided_on: u32,
    /// When the subject was notified.
    pub notified_on: u32,
    /// When it takes effect.
    pub effective_on: u32,
    /// The first day on which it no longer counts.
    pub expires_on: u32,
    /// When the subject consented to stand on a favorable list; 0 also after it withdrew.
    pub consented_on: u32,
    /// State of the record.
    pub state: RecordState,
    /// Who found the facts; at most 200 characters, empty when not stated.
    pub fact_finding_body: String,
    /// Who decided to list; at most 200 characters, empty when it was the holder.
    pub listing_body: String,
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
    /// A favorable record whose subject has not consented, or withdrew.
    NotConsented,
    /// An adverse record of a person who was under 18 on a day that it names.
    UnderAge,
    /// Its category is not, or no longer, one that the registry's catalogue has for this list.
    NotInCatalogue,
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
            Self::NotConsented => "not_consented",
            Self::UnderAge => "under_age",
            Self::NotInCatalogue => "not_in_catalogue",
            Self::Expired => "expired",
            Self::Withheld => "withheld",
            Self::Removed => "removed",
        }
    }
}

impl ListRules {
    /// The rules of a list of this registry.
    pub fn of(list: &List, registry: &Registry) -> Result<Self, UnknownTimeZone> {
        Self::with(list, registry.categories(), registry.schemes())
    }

    fn with<'a>(
        list: &List,
        categories: impl Iterator<Item = &'a Category>,
        schemes: &Schemes,
    ) -> Result<Self, UnknownTimeZone> {
        let zone = TimeZone::get(&list.time_zone).map_err(|_| UnknownTimeZone { list: list.id.clone() })?;
        let mut numbers = u32::from(list.adverse).to_be_bytes().to_vec();
        let mut strict = HashMap::new();
        // In the order of their codes, so that the hash is that of the rules.
        for category in categories.filter(|category| category.fits(list)) {
            let rule = Strict::of(list, category);
            let terms =
                [category.code.into(), rule.notice_days, rule.retention_days, u32::from(rule.withhold)];
            numbers.extend(terms.into_iter().flat_map(u32::to_be_bytes));
            strict.insert(category.code, rule);
        }
        let birth_rule = schemes.birth_rule(&list.scheme).filter(|_| list.adverse);
        let ages = birth_rule.map_or(String::new(), |rule| format!("\n18 {rule}"));
        // What was sealed before consents were asked for is sealed anew.
        let joined = if list.adverse { "" } else { "\nby consent" };
        let hash = b3(
            "tacit v1 holder list rules",
            &[
                &numbers,
                list.scheme.as_bytes(),
                b"\n",
                list.time_zone.as_bytes(),
                ages.as_bytes(),
                joined.as_bytes(),
            ],
        );
        let births = birth_rule.map(|_| Births { schemes: schemes.clone(), scheme: list.scheme.clone() });
        Ok(Self { adverse: list.adverse, categories: Arc::new(strict), births, zone, hash })
    }

    /// Whether standing on the list counts against its subjects.
    pub(crate) fn is_adverse(&self) -> bool {
        self.adverse
    }

    /// Whether the catalogue has this category for the list.
    pub(crate) fn takes(&self, category: u16) -> bool {
        self.categories.contains_key(&category)
    }

    /// Days between the notice of a record of this category and its effect; `None` when the list does not take it.
    pub(crate) fn notice_days(&self, category: u16) -> Option<u32> {
        self.categories.get(&category).map(|rule| rule.notice_days)
    }

    /// Whether a contested record of this category is not answered.
    pub(crate) fn stays(&self, category: u16) -> bool {
        self.categories.get(&category).is_some_and(|rule| rule.withhold)
    }

    /// Changes when any of the rules does: then the whole list is sealed anew.
    pub(crate) fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The day it is where the list is kept.
    pub fn today(&self, now: Millis) -> u32 {
        day::today(now, &self.zone)
    }

    /// First and end day of a record's listing; `None` while an adverse record's subject is not notified, a favorable
    /// one's has not consented, or its category is not in the catalogue. An adverse listing begins no earlier than the
    /// notice period after the notice, a favorable one no earlier than the consent, and none outlasts the retention
    /// period.
    pub(crate) fn period(&self, facts: &Facts) -> Option<(u32, u32)> {
        let rule = self.categories.get(&facts.category)?;
        let stated = if facts.effective_on > 0 { facts.effective_on } else { facts.decided_on };
        let from = match (self.adverse, facts.notified_on) {
            (true, 0) => return None,
            (true, notified) => facts.effective_on.max(notified.saturating_add(rule.notice_days)),
            (false, _) if facts.consented_on == 0 => return None,
            (false, _) => stated.max(facts.consented_on),
        };
        let longest = from.saturating_add(rule.retention_days).min(Day::MAX.number());
        let until = if facts.expires_on > 0 { facts.expires_on.min(longest) } else { longest };
        Some((from, until))
    }

    /// The first of the days that a record names on which its person was under 18; `None` when there is none, the list
    /// is favorable, or the code tells no date of birth. When the conduct was is not known here: it was before.
    pub(crate) fn under_age(&self, code: &str, facts: &Facts) -> Option<Column> {
        let births = self.births.as_ref()?;
        let of_age = day::of_age(births.schemes.born_on(&births.scheme, code)?);
        let days = [
            (Column::DecidedOn, facts.decided_on),
            (Column::NotifiedOn, facts.notified_on),
            (Column::EffectiveOn, facts.effective_on),
        ];
        days.into_iter().find(|(_, day)| *day > 0 && *day < of_age).map(|(column, _)| column)
    }

    /// Where the record of a code in its normal form stands on the day `today`.
    pub fn standing(&self, code: &str, facts: &Facts, today: u32) -> Standing {
        let contested = match (facts.state, self.categories.get(&facts.category)) {
            (RecordState::Removed, _) => return Standing::Removed,
            _ if self.under_age(code, facts).is_some() => return Standing::UnderAge,
            (_, None) => return Standing::NotInCatalogue,
            (RecordState::Contested, Some(rule)) if rule.withhold => return Standing::Withheld,
            (state, Some(_)) => state == RecordState::Contested,
        };
        match self.period(facts) {
            None if self.adverse => Standing::NotNotified,
            None => Standing::NotConsented,
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
    use tacit_model::PatternRules;

    use super::super::day::parse_day;
    use super::super::testing::{category, facts, list_entry};
    use super::*;

    /// A company, from the protocol's published vectors.
    const CODE: &str = "91350100M000100Y43";
    /// The worked example of GB 11643-1999, born in 2004 instead: 18 on 2022-02-28 or 2022-03-01.
    const BORN_ON_28_FEBRUARY: &str = "110105200402280025";
    const BORN_ON_29_FEBRUARY: &str = "110105200402290020";

    fn schemes() -> Schemes {
        let mut schemes = Schemes::built_in();
        let pattern =
            "(?<birth_year>[0-9]{4})(?<birth_month>[0-9]{2})(?<birth_day>[0-9]{2})-[0-9]{4}|[A-Z]{4}";
        let rules = PatternRules { pattern: pattern.to_owned(), normalize: Vec::new() };
        schemes.define("X-born", &rules).unwrap();
        schemes
    }

    fn rules(change: impl FnOnce(&mut List)) -> ListRules {
        both(|list, category| {
            change(list);
            category.adverse = list.adverse;
        })
    }

    fn both(change: impl FnOnce(&mut List, &mut Category)) -> ListRules {
        let (mut list, mut category) = (list_entry("court/defaulters"), category(facts().category));
        change(&mut list, &mut category);
        ListRules::with(&list, [category].iter(), &schemes()).unwrap()
    }

    #[test]
    fn a_record_is_under_the_stricter_rule_of_its_list_and_its_category() {
        let record = Facts { notified_on: 20_000, effective_on: 20_000, ..facts() };
        for (list_days, category_days) in [(5, 10), (10, 5)] {
            let rules = both(|list, category| {
                (list.notice_days, category.notice_days) = (list_days, category_days);
                (list.retention_days, category.retention_days) =
                    (u32::from(category_days) * 10, u32::from(list_days) * 10);
            });
            assert_eq!(rules.period(&record), Some((20_010, 20_060)));
        }
        let contested = Facts { state: RecordState::Contested, ..facts() };
        let withheld = both(|_, category| category.contested = Contested::Withhold);
        assert_eq!(withheld.standing(CODE, &contested, 20_500), Standing::Withheld);
    }

    #[test]
    fn a_record_whose_category_is_not_in_the_catalogue_for_its_list_is_not_answered() {
        for rules in [
            both(|_, category| category.code += 1),
            both(|_, category| category.adverse = false),
            both(|_, category| category.origin_context = "tax".to_owned()),
        ] {
            assert!(!rules.takes(facts().category));
            assert_eq!(rules.standing(CODE, &facts(), 20_500), Standing::NotInCatalogue);
        }
    }

    #[test]
    fn an_adverse_record_that_was_never_notified_is_not_sealed() {
        let adverse = rules(|list| list.adverse = true);
        let silent = Facts { notified_on: 0, ..facts() };
        assert_eq!(adverse.standing(CODE, &silent, 20_500), Standing::NotNotified);
        let favorable = rules(|list| list.adverse = false);
        let joined = Facts { consented_on: 20_000, ..silent };
        assert!(matches!(favorable.standing(CODE, &joined, 20_500), Standing::Listed { .. }));
    }

    #[test]
    fn a_favorable_record_stands_by_consent_and_no_earlier_than_it() {
        let favorable = rules(|list| list.adverse = false);
        assert_eq!(favorable.standing(CODE, &facts(), 20_500), Standing::NotConsented);
        let joined = Facts { consented_on: 20_400, ..facts() };
        assert_eq!(favorable.standing(CODE, &joined, 20_399), Standing::NotYet { from: 20_400 });
        assert!(matches!(favorable.standing(CODE, &joined, 20_400), Standing::Listed { from: 20_400, .. }));
        // An adverse list asks nobody.
        let adverse = rules(|list| list.adverse = true);
        assert!(matches!(adverse.standing(CODE, &facts(), 20_500), Standing::Listed { from: 20_000, .. }));
    }

    #[test]
    fn a_listing_begins_no_earlier_than_the_notice_period_after_the_notice() {
        let rules = rules(|list| (list.adverse, list.notice_days) = (true, 10));
        let hasty = Facts { notified_on: 20_100, effective_on: 20_101, ..facts() };
        assert_eq!(rules.standing(CODE, &hasty, 20_109), Standing::NotYet { from: 20_110 });
        assert!(matches!(rules.standing(CODE, &hasty, 20_110), Standing::Listed { from: 20_110, .. }));
        let later = Facts { effective_on: 20_200, ..hasty };
        assert_eq!(rules.standing(CODE, &later, 20_199), Standing::NotYet { from: 20_200 });
    }

    #[test]
    fn an_expired_record_is_not_sealed_and_a_label_carries_its_end() {
        let rules = rules(|list| list.retention_days = 1000);
        let record = Facts { expires_on: 20_300, ..facts() };
        assert!(matches!(rules.standing(CODE, &record, 20_299), Standing::Listed { until: 20_300, .. }));
        assert_eq!(rules.standing(CODE, &record, 20_300), Standing::Expired);
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
        assert!(matches!(
            flagging.standing(CODE, &contested, 20_500),
            Standing::Listed { contested: true, .. }
        ));
        assert_eq!(flagging.label(&contested, 1).flags, FLAG_CONTESTED);
        let withholding = rules(|list| list.contested = Contested::Withhold);
        assert_eq!(withholding.standing(CODE, &contested, 20_500), Standing::Withheld);
    }

    fn persons(scheme: &str, adverse: bool) -> ListRules {
        rules(|list| (list.scheme, list.adverse) = (scheme.to_owned(), adverse))
    }

    /// A record that names these days, as `decided notified effective`, `-` for one that is not stated.
    fn on_days(days: &str) -> Facts {
        let mut days = days.split(' ').map(|day| parse_day(day).unwrap_or(0));
        let mut next = || days.next().unwrap();
        Facts { decided_on: next(), notified_on: next(), effective_on: next(), ..facts() }
    }

    #[test]
    fn nothing_adverse_is_answered_about_who_was_under_18_on_a_day_of_the_record() {
        let adverse = persons("CN-RID", true);
        let today = parse_day("2024-06-01").unwrap();
        for (code, days, under) in [
            (BORN_ON_28_FEBRUARY, "2022-02-28 2022-02-28 2022-02-28", None),
            (BORN_ON_28_FEBRUARY, "2022-02-27 2022-02-28 2022-02-28", Some(Column::DecidedOn)),
            (BORN_ON_28_FEBRUARY, "2022-02-28 2022-02-27 2022-02-28", Some(Column::NotifiedOn)),
            (BORN_ON_28_FEBRUARY, "2022-02-28 2022-02-28 2022-02-27", Some(Column::EffectiveOn)),
            (BORN_ON_28_FEBRUARY, "2022-02-28 2022-02-28 -", None),
            (BORN_ON_28_FEBRUARY, "2001-01-01 2022-02-28 -", Some(Column::DecidedOn)),
            (BORN_ON_29_FEBRUARY, "2022-03-01 2022-03-01 2022-03-01", None),
            (BORN_ON_29_FEBRUARY, "2022-02-28 2022-03-01 2022-03-01", Some(Column::DecidedOn)),
            ("11010519491231002X", "2022-02-28 2022-02-28 -", None),
        ] {
            let record = on_days(days);
            assert_eq!(adverse.under_age(code, &record), under, "{days}");
            let standing = adverse.standing(code, &record, today);
            assert_eq!(standing == Standing::UnderAge, under.is_some(), "{days}: {standing:?}");
            assert!(under.is_some() || matches!(standing, Standing::Listed { .. }), "{days}: {standing:?}");
        }
        let early = on_days("2021-01-01 2021-01-01 2021-01-01");
        let favorable = persons("CN-RID", false);
        let joined = Facts { consented_on: early.decided_on, ..early.clone() };
        assert!(matches!(favorable.standing(BORN_ON_28_FEBRUARY, &joined, today), Standing::Listed { .. }));
        let removed = Facts { state: RecordState::Removed, ..early };
        assert_eq!(adverse.standing(BORN_ON_28_FEBRUARY, &removed, today), Standing::Removed);
    }

    #[test]
    fn a_scheme_of_the_registry_tells_the_age_by_its_groups() {
        let (rules, record) = (persons("X-born", true), on_days("2022-02-27 2022-03-01 -"));
        assert_eq!(rules.under_age("20040228-0023", &record), Some(Column::DecidedOn));
        assert_eq!(rules.under_age("20040227-0023", &record), None);
        assert_eq!(rules.under_age("ABCD", &record), None);
    }

    #[test]
    fn a_changed_rule_changes_the_hash() {
        let before = rules(|_| ());
        // How codes tell an age counts where it decides: on an adverse list.
        assert!(persons("X-born", false).births.is_none());
        let of = |schemes: &Schemes| {
            let mut list = list_entry("court/defaulters");
            list.scheme = "X-born".to_owned();
            *ListRules::with(&list, [category(2)].iter(), schemes).unwrap().hash()
        };
        let mut silent = Schemes::built_in();
        let pattern = PatternRules { pattern: "[0-9]{8}-[0-9]{4}".to_owned(), normalize: Vec::new() };
        silent.define("X-born", &pattern).unwrap();
        assert_ne!(of(&schemes()), of(&silent));
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
