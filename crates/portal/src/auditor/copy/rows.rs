//! What the filters ask for of each record, in few bytes: names are numbers into one table.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use tacit_ledger::record::{self, Access, Refused};
use tacit_model::{Millis, Ulid};

use super::tally::Tally;

/// Number of the empty name.
const NONE: u32 = 0;
/// Fields whose member a record is by, when it names no requester.
const MEMBERS: &[&str] = &["requester", "authority", "reader", "auditor", "custodian", "holder"];

/// The fields of a record as they are written, without the line that names the format.
pub(in crate::auditor) fn fields(record: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let text = std::str::from_utf8(record).unwrap_or_default();
    text.lines().skip(1).filter_map(|line| line.split_once(' '))
}

/// Each name once.
#[derive(Debug)]
struct Names {
    all: Vec<Box<str>>,
    known: HashMap<Box<str>, u32>,
}

impl Default for Names {
    fn default() -> Self {
        Self { all: vec!["".into()], known: HashMap::from([("".into(), NONE)]) }
    }
}

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.known.get(name) {
            return *number;
        }
        // As many names as a log can have in a lifetime are far below.
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(name.into());
        self.known.insert(name.into(), number);
        number
    }

    fn find(&self, name: &str) -> Option<u32> {
        self.known.get(name).copied()
    }

    fn name(&self, number: u32) -> &str {
        usize::try_from(number).ok().and_then(|number| self.all.get(number)).map_or("", |name| name)
    }
}

#[derive(Debug, Clone, Copy)]
struct Packed {
    id: Ulid,
    time: Millis,
    kind: u32,
    member: u32,
    holder: u32,
    purpose: u32,
    outcome: u32,
    lists: u32,
    list_count: u32,
}

/// What is known of all records.
#[derive(Debug, Default)]
pub(in crate::auditor) struct Rows {
    names: Names,
    rows: Vec<Packed>,
    lists: Vec<u32>,
    members: BTreeSet<u32>,
    purposes: BTreeSet<u32>,
    reasons: BTreeSet<u32>,
    listed: BTreeSet<u32>,
    registry: u64,
    tally: Tally,
    /// What the custodian counted last, by requester and pseudonym epoch.
    evaluated: HashMap<(u32, u32), u64>,
}

/// A record as a page shows it in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::auditor) struct Row<'r> {
    pub(in crate::auditor) index: u64,
    pub(in crate::auditor) id: Ulid,
    pub(in crate::auditor) time: Millis,
    pub(in crate::auditor) kind: &'r str,
    /// Who asked, or whose record it is.
    pub(in crate::auditor) member: &'r str,
    pub(in crate::auditor) holder: &'r str,
    pub(in crate::auditor) purpose: &'r str,
    /// Why a check was refused; what became of a consent or a measure.
    pub(in crate::auditor) outcome: &'r str,
    pub(in crate::auditor) lists: Vec<&'r str>,
}

/// What counts ask for of a record.
#[derive(Debug, Clone, Copy)]
pub(in crate::auditor) struct Brief<'r> {
    pub(in crate::auditor) time: Millis,
    pub(in crate::auditor) kind: &'r str,
    pub(in crate::auditor) member: &'r str,
}

/// How many verified records say the same of who and what.
#[derive(Debug, Clone, Copy)]
pub(in crate::auditor) struct Count<'r> {
    pub(in crate::auditor) kind: &'r str,
    pub(in crate::auditor) member: &'r str,
    pub(in crate::auditor) outcome: &'r str,
    pub(in crate::auditor) count: u64,
}

/// What became of a check, or of a consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::auditor) enum Decision {
    Permitted,
    Refused,
    /// Refused with this word.
    For(String),
    /// A consent or a measure that became so.
    Became(String),
}

/// Which records; what is not named does not matter.
#[derive(Debug, Clone, Default)]
pub(in crate::auditor) struct Filter {
    pub(in crate::auditor) since: Option<Millis>,
    pub(in crate::auditor) until: Option<Millis>,
    pub(in crate::auditor) kind: Option<String>,
    pub(in crate::auditor) member: Option<String>,
    pub(in crate::auditor) purpose: Option<String>,
    pub(in crate::auditor) list: Option<String>,
    pub(in crate::auditor) decision: Option<Decision>,
    pub(in crate::auditor) id: Option<Ulid>,
    pub(in crate::auditor) index: Option<u64>,
}

/// Where a page begins. An index means the same however the log grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::auditor) enum Start {
    Newest,
    /// Records before this one.
    Before(u64),
    /// Records after this one.
    After(u64),
}

/// A page of records, newest first.
#[derive(Debug)]
pub(in crate::auditor) struct Found<'r> {
    pub(in crate::auditor) rows: Vec<Row<'r>>,
    pub(in crate::auditor) total: usize,
    /// Whether there are newer and older ones.
    pub(in crate::auditor) newer: bool,
    pub(in crate::auditor) older: bool,
}

/// A filter in numbers.
struct Wanted<'f> {
    filter: &'f Filter,
    kind: Option<u32>,
    member: Option<u32>,
    purpose: Option<u32>,
    list: Option<u32>,
    outcome: Option<u32>,
    permitted: u32,
    refused: u32,
}

impl Rows {
    pub(in crate::auditor) fn push(&mut self, bytes: &[u8], time_ms: u64) {
        let mut row = Packed {
            id: Ulid::from_bytes([0; 16]),
            time: Millis(time_ms),
            kind: NONE,
            member: NONE,
            holder: NONE,
            purpose: NONE,
            outcome: NONE,
            lists: u32::try_from(self.lists.len()).unwrap_or(u32::MAX),
            list_count: 0,
        };
        let mut rank = MEMBERS.len();
        let (mut epoch, mut count) = (0, 0);
        for (field, value) in fields(bytes) {
            match field {
                "kind" => row.kind = self.names.number(value),
                "id" => row.id = value.parse().unwrap_or(row.id),
                "purpose" => {
                    row.purpose = self.names.number(value);
                    self.purposes.insert(row.purpose);
                }
                "reason" => {
                    row.outcome = self.names.number(value);
                    self.reasons.insert(row.outcome);
                }
                "state" => row.outcome = self.names.number(value),
                "list" | "lists" => {
                    for at in value.split(' ') {
                        let list = self.names.number(at.split('@').next().unwrap_or_default());
                        self.listed.insert(list);
                        self.lists.push(list);
                        row.list_count += 1;
                    }
                }
                "number" if self.names.name(row.kind) == record::Registry::KIND => {
                    self.registry = self.registry.max(value.parse().unwrap_or_default());
                }
                "epoch" => epoch = value.parse().unwrap_or_default(),
                "count" => count = value.parse().unwrap_or_default(),
                _ => {}
            }
            if field == "holder" {
                row.holder = self.names.number(value);
            }
            if let Some(place) = MEMBERS.iter().position(|known| *known == field).filter(|it| *it < rank) {
                rank = place;
                row.member = self.names.number(value);
            }
        }
        if row.member != NONE {
            self.members.insert(row.member);
        }
        if self.names.name(row.kind) == record::Enrollment::KIND {
            self.evaluated.insert((row.member, epoch), count);
        }
        self.rows.push(row);
    }

    /// Number of the newest registry that the records name.
    pub(in crate::auditor) fn registry(&self) -> u64 {
        self.registry
    }

    /// How many subjects the custodian says that it evaluated for a requester.
    pub(in crate::auditor) fn evaluated(&self, requester: &str) -> u64 {
        let number = self.names.find(requester);
        self.evaluated.iter().filter(|((of, _), _)| Some(*of) == number).map(|(_, count)| count).sum()
    }

    /// The record at this index.
    pub(in crate::auditor) fn get(&self, index: u64) -> Option<Row<'_>> {
        let row = self.rows.get(usize::try_from(index).ok()?)?;
        Some(self.unpack(index, row))
    }

    /// Where the records with these ids stand, among the first `size`.
    pub(in crate::auditor) fn places(&self, ids: &HashSet<Ulid>, size: u64) -> HashMap<Ulid, u64> {
        // Most rows are told apart by a comparison.
        let (Some(first), Some(last)) = (ids.iter().min(), ids.iter().max()) else { return HashMap::new() };
        let between = *first..=*last;
        let rows = (0..size).zip(&self.rows);
        let found = rows.filter(|(_, row)| between.contains(&row.id) && ids.contains(&row.id));
        found.map(|(index, row)| (row.id, index)).take(ids.len()).collect()
    }

    fn lists_of(&self, row: &Packed) -> &[u32] {
        let start = usize::try_from(row.lists).unwrap_or(usize::MAX);
        let count = usize::try_from(row.list_count).unwrap_or(0);
        self.lists.get(start..start.saturating_add(count)).unwrap_or(&[])
    }

    fn unpack(&self, index: u64, row: &Packed) -> Row<'_> {
        let name = |number| self.names.name(number);
        Row {
            index,
            id: row.id,
            time: row.time,
            kind: name(row.kind),
            member: name(row.member),
            holder: name(row.holder),
            purpose: name(row.purpose),
            outcome: name(row.outcome),
            lists: self.lists_of(row).iter().map(|list| name(*list)).collect(),
        }
    }

    /// None when a name was never in the log, so that nothing can be found.
    fn wanted<'f>(&self, filter: &'f Filter) -> Option<Wanted<'f>> {
        let number = |name: &Option<String>| match name {
            Some(name) => self.names.find(name).map(Some),
            None => Some(None),
        };
        let outcome = match &filter.decision {
            Some(Decision::For(word) | Decision::Became(word)) => Some(self.names.find(word)?),
            _ => None,
        };
        let known = |word: &str| self.names.find(word).unwrap_or(u32::MAX);
        Some(Wanted {
            filter,
            kind: number(&filter.kind)?,
            member: number(&filter.member)?,
            purpose: number(&filter.purpose)?,
            list: number(&filter.list)?,
            outcome,
            permitted: known(Access::KIND),
            refused: known(Refused::KIND),
        })
    }

    fn takes(&self, wanted: &Wanted<'_>, index: u64, row: &Packed) -> bool {
        let is = |wanted: Option<u32>, found: u32| wanted.is_none_or(|wanted| wanted == found);
        let filter = wanted.filter;
        filter.since.is_none_or(|since| row.time >= since)
            && filter.until.is_none_or(|until| row.time < until)
            && filter.index.is_none_or(|wanted| wanted == index)
            && filter.id.is_none_or(|id| id == row.id)
            && is(wanted.kind, row.kind)
            && wanted.member.is_none_or(|member| row.member == member || row.holder == member)
            && is(wanted.purpose, row.purpose)
            && wanted.list.is_none_or(|list| self.lists_of(row).contains(&list))
            && match &filter.decision {
                None => true,
                Some(Decision::Permitted) => row.kind == wanted.permitted,
                Some(Decision::Refused) => row.kind == wanted.refused,
                Some(Decision::For(_)) => row.kind == wanted.refused && is(wanted.outcome, row.outcome),
                Some(Decision::Became(_)) => row.kind != wanted.refused && is(wanted.outcome, row.outcome),
            }
    }

    /// The indexes of what a filter takes among the first `size` records, newest first.
    pub(in crate::auditor) fn indexes<'s>(
        &'s self,
        filter: &'s Filter,
        size: u64,
    ) -> impl Iterator<Item = u64> + 's {
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(self.rows.len());
        let wanted = self.wanted(filter);
        let rows = self.rows[..if wanted.is_some() { size } else { 0 }].iter().enumerate().rev();
        rows.filter_map(move |(place, row)| {
            let index = place as u64;
            wanted.as_ref().is_some_and(|wanted| self.takes(wanted, index, row)).then_some(index)
        })
    }

    /// A page of what a filter takes among the first `size` records.
    pub(in crate::auditor) fn find(
        &self,
        filter: &Filter,
        size: u64,
        start: Start,
        page: usize,
    ) -> Found<'_> {
        let mut taken: VecDeque<u64> = VecDeque::with_capacity(page);
        let (mut total, mut newer, mut older) = (0, 0_usize, 0_usize);
        for index in self.indexes(filter, size) {
            total += 1;
            match start {
                Start::Before(before) if index >= before => newer += 1,
                Start::After(after) if index <= after => older += 1,
                Start::After(_) => {
                    // The last ones of those that are newer.
                    if taken.len() == page {
                        taken.pop_front();
                        newer += 1;
                    }
                    taken.push_back(index);
                }
                Start::Newest | Start::Before(_) if taken.len() == page => older += 1,
                Start::Newest | Start::Before(_) => taken.push_back(index),
            }
        }
        let rows = taken.into_iter().filter_map(|index| self.get(index)).collect();
        Found { rows, total, newer: newer > 0, older: older > 0 }
    }

    /// Counts the records up to this one, which were verified.
    pub(in crate::auditor) fn verified(&mut self, size: u64) {
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(self.rows.len());
        let known = |word: &str| self.names.find(word).unwrap_or(u32::MAX);
        let (permitted, refused) = (known(Access::KIND), known(Refused::KIND));
        for row in self.rows.get(self.tally.size..size).unwrap_or_default() {
            self.tally.count(row.kind, row.member, row.outcome);
            if row.kind == permitted || row.kind == refused {
                self.tally.check(row.time, row.kind == refused);
            }
        }
        self.tally.size = self.tally.size.max(size);
    }

    /// How many verified records there are of each kind, member and outcome.
    pub(in crate::auditor) fn counts(&self) -> impl Iterator<Item = Count<'_>> {
        let name = |number| self.names.name(number);
        self.tally.counts().map(move |([kind, member, outcome], count)| Count {
            kind: name(kind),
            member: name(member),
            outcome: name(outcome),
            count,
        })
    }

    /// Verified checks since then: by quarter of an hour, how many were permitted and refused.
    pub(in crate::auditor) fn quarters(&self, since: Millis) -> impl Iterator<Item = (Millis, [u64; 2])> {
        self.tally.quarters(since)
    }

    /// Every record among the first `size`, in order: for counting.
    pub(in crate::auditor) fn all(&self, size: u64) -> impl Iterator<Item = Brief<'_>> {
        let rows = self.rows.iter().take(usize::try_from(size).unwrap_or(usize::MAX));
        let name = |number| self.names.name(number);
        rows.map(move |row| Brief { time: row.time, kind: name(row.kind), member: name(row.member) })
    }

    /// Names that stand in the log, for the filters to offer.
    pub(in crate::auditor) fn members(&self) -> Vec<&str> {
        self.sorted(&self.members)
    }

    pub(in crate::auditor) fn purposes(&self) -> Vec<&str> {
        self.sorted(&self.purposes)
    }

    pub(in crate::auditor) fn reasons(&self) -> Vec<&str> {
        self.sorted(&self.reasons)
    }

    pub(in crate::auditor) fn listed(&self) -> Vec<&str> {
        self.sorted(&self.listed)
    }

    fn sorted(&self, numbers: &BTreeSet<u32>) -> Vec<&str> {
        let mut names: Vec<&str> = numbers.iter().map(|number| self.names.name(*number)).collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64) -> String {
        let id = Ulid::from_bytes(u128::from(number).to_be_bytes());
        let head = |kind: &str| format!("tacit-log/v1\nkind {kind}\nid {id}\ntime T\n");
        match number % 4 {
            0 => {
                head("access")
                    + "requester procurement\nholder court\nlists court/a@1.2 court/b@3.4\npurpose screening\n"
            }
            1 => {
                head("refused")
                    + "requester bank\nholder tax\nlists tax/c\npurpose lending\nreason quota_checks\n"
            }
            2 => head("manifest") + "holder court\nlist court/a\n",
            _ => {
                head("enrollment") + &format!("custodian custody\nrequester bank\nepoch 1\ncount {number}\n")
            }
        }
    }

    fn rows(count: u64) -> Rows {
        let mut rows = Rows::default();
        (0..count).for_each(|number| rows.push(record(number).as_bytes(), 1000 + number));
        rows
    }

    fn indexes(rows: &Rows, filter: &Filter, start: Start) -> (Vec<u64>, bool, bool) {
        let found = rows.find(filter, 40, start, 3);
        (found.rows.iter().map(|row| row.index).collect(), found.newer, found.older)
    }

    #[test]
    fn each_part_of_a_filter_takes_what_it_names_and_nothing_else() {
        let rows = rows(44);
        let none = Filter::default;
        let total = |filter: Filter| rows.find(&filter, 40, Start::Newest, 3).total;
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(total(none()), 40, "what is not verified yet is not found");
        assert_eq!(total(Filter { kind: name("access"), ..none() }), 10);
        assert_eq!(total(Filter { kind: name("nothing"), ..none() }), 0);
        assert_eq!(total(Filter { member: name("bank"), ..none() }), 20);
        assert_eq!(total(Filter { member: name("court"), ..none() }), 20, "as a holder too");
        assert_eq!(total(Filter { purpose: name("lending"), ..none() }), 10);
        assert_eq!(total(Filter { list: name("court/b"), ..none() }), 10);
        assert_eq!(total(Filter { list: name("court/a"), ..none() }), 20);
        assert_eq!(total(Filter { decision: Some(Decision::Permitted), ..none() }), 10);
        assert_eq!(total(Filter { decision: Some(Decision::Refused), ..none() }), 10);
        assert_eq!(total(Filter { decision: Some(Decision::For("quota_checks".into())), ..none() }), 10);
        assert_eq!(total(Filter { decision: Some(Decision::For("x".into())), ..none() }), 0);
        assert_eq!(total(Filter { since: Some(Millis(1030)), ..none() }), 10);
        assert_eq!(total(Filter { until: Some(Millis(1030)), ..none() }), 30);
        assert_eq!(total(Filter { index: Some(7), ..none() }), 1);
        assert_eq!(total(Filter { id: Some(Ulid::from_bytes(7_u128.to_be_bytes())), ..none() }), 1);
        assert_eq!((rows.evaluated("bank"), rows.evaluated("procurement")), (43, 0), "the last count holds");
        assert_eq!(rows.members(), ["bank", "court", "procurement"]);
        assert_eq!(rows.get(0).unwrap().lists, ["court/a", "court/b"]);
    }

    #[test]
    fn a_cursor_leads_through_every_record_once_forth_and_back() {
        let rows = rows(44);
        let filter = Filter { kind: Some("access".to_owned()), ..Filter::default() };
        assert_eq!(indexes(&rows, &filter, Start::Newest), (vec![36, 32, 28], false, true));
        assert_eq!(indexes(&rows, &filter, Start::Before(28)), (vec![24, 20, 16], true, true));
        assert_eq!(indexes(&rows, &filter, Start::Before(4)), (vec![0], true, false));
        assert_eq!(indexes(&rows, &filter, Start::After(16)), (vec![28, 24, 20], true, true));
        assert_eq!(indexes(&rows, &filter, Start::After(28)), (vec![36, 32], false, true));
    }
}
