//! What the records of a log say together, computed on all cores: their leaf hashes, how many there are of each kind,
//! and what contradicts itself.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZero,
    thread,
};

use tacit_ledger::{
    Hash,
    merkle::leaf_hash,
    record::{Record, RecordError},
};

/// Records that are taken up at a time: enough to keep all cores busy, little enough for memory.
pub(super) const ROUND: usize = 16_384;
/// The most findings that are told one by one.
const FINDINGS: usize = 1000;

/// A version of a list, and the index of its manifest's record.
type Version = (String, u64, u64);

/// Neighboring records, looked at by themselves.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    pub(super) leaves: Vec<Hash>,
    kinds: BTreeMap<&'static str, u64>,
    /// When each was made, in milliseconds since 1970-01-01T00:00:00Z; 0 for what is no record.
    pub(super) times: Vec<u64>,
    start: u64,
    manifests: Vec<(Version, u64)>,
    /// Numbers of the registry, each with the index of its record.
    registries: Vec<(u64, u64)>,
    malformed: Vec<(u64, RecordError)>,
}

impl Stretch {
    /// An empty one that begins at this index.
    pub(super) fn at(start: u64) -> Self {
        Self { start, ..Self::default() }
    }

    /// Takes up the next record, not read yet.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.push_read(bytes, &Record::parse(bytes));
    }

    /// Takes up the next record, read before.
    pub(super) fn push_read(&mut self, bytes: &[u8], record: &Result<Record, RecordError>) {
        let index = self.start + self.leaves.len() as u64;
        self.leaves.push(leaf_hash(bytes));
        match record {
            Ok(record) => {
                *self.kinds.entry(record.kind()).or_insert(0) += 1;
                self.times.push(record.time_ms());
                match record {
                    Record::Manifest(it) => {
                        self.manifests.push(((it.list.clone(), it.epoch, it.version), index));
                    }
                    Record::Registry(it) => self.registries.push((it.number, index)),
                    _ => {}
                }
            }
            Err(problem) => {
                // A record without a time contradicts nobody's.
                self.times.push(0);
                self.malformed.push((index, *problem));
            }
        }
    }
}

/// What all records so far say.
#[derive(Debug, Default)]
pub(super) struct Journal {
    pub(super) kinds: BTreeMap<&'static str, u64>,
    /// Time of the newest record, in milliseconds since 1970-01-01T00:00:00Z.
    pub(super) newest_ms: u64,
    pub(super) findings: Vec<String>,
    manifests: HashMap<Version, u64>,
    /// The highest number of the registry, and the index of its record.
    registry: Option<(u64, u64)>,
}

impl Journal {
    /// Takes up the next stretch: in order, since order is what is judged.
    pub(super) fn take(&mut self, stretch: &mut Stretch) {
        for (kind, count) in &stretch.kinds {
            *self.kinds.entry(kind).or_insert(0) += count;
        }
        for (index, problem) in &stretch.malformed {
            self.find(format!("record {index}: {problem}"));
        }
        for (time, index) in stretch.times.iter().zip(stretch.start..) {
            if *time != 0 && *time < self.newest_ms {
                self.find(format!("record {index} is dated before an earlier record"));
            }
            self.newest_ms = self.newest_ms.max(*time);
        }
        for (version, index) in std::mem::take(&mut stretch.manifests) {
            let (list, epoch, number) = &version;
            let words = format!("{index}: two manifests of {list} version {epoch}.{number}");
            if let Some(first) = self.manifests.insert(version, index) {
                self.find(format!("records {first} and {words}"));
            }
        }
        for (number, index) in &stretch.registries {
            self.registry(*number, *index);
        }
    }

    /// Each version of the registry is logged once, and numbers rise: another record is of one that was shown to some.
    fn registry(&mut self, number: u64, index: u64) {
        match self.registry {
            Some((known, first)) if number <= known => self.find(format!(
                "records {first} and {index}: registry version {number} is logged after version {known}"
            )),
            _ => self.registry = Some((number, index)),
        }
    }

    fn find(&mut self, finding: String) {
        if self.findings.len() < FINDINGS {
            self.findings.push(finding);
        }
    }
}

/// Does `work` with every item, on all cores, and gives the outcomes in the order of the items.
pub(super) fn on_all_cores<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let share = items.len().div_ceil(cores).max(1);
    let mut items = items.into_iter();
    let work = &work;
    thread::scope(|scope| {
        let mut workers = Vec::with_capacity(cores);
        loop {
            let part: Vec<T> = items.by_ref().take(share).collect();
            if part.is_empty() {
                break;
            }
            workers.push(scope.spawn(move || part.into_iter().map(work).collect::<Vec<R>>()));
        }
        let join = |worker: thread::ScopedJoinHandle<'_, Vec<R>>| {
            // A panic stays one.
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        workers.into_iter().flat_map(join).collect()
    })
}

#[cfg(test)]
mod tests {
    use tacit_ledger::record::{Manifest, Registry};

    use super::*;

    fn manifest(time_ms: u64, version: u64) -> Vec<u8> {
        let record = Manifest {
            id: "01KAM2V7Q3ZJ6V6T1V8M3W9R5C".to_owned(),
            time_ms,
            holder: "court".to_owned(),
            list: "court/x".to_owned(),
            epoch: 1,
            version,
            key: [1; 32],
            buckets: 1,
            capacity: 128,
            root: [2; 32],
            note: [3; 32],
        };
        record.to_bytes().unwrap()
    }

    fn registry(number: u64) -> Vec<u8> {
        let id = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C".to_owned();
        Registry { id, time_ms: 2000, number, registry: [1; 32] }.to_bytes().unwrap()
    }

    #[test]
    fn outcomes_come_in_the_order_of_the_items() {
        for count in [0_u32, 1, 2, 3, 100] {
            let items: Vec<u32> = (0..count).collect();
            let due: Vec<u32> = items.iter().map(|it| it * 2).collect();
            assert_eq!(on_all_cores(items, |it| it * 2), due);
        }
    }

    #[test]
    fn what_contradicts_itself_is_found_across_stretches() {
        let records = [
            manifest(1000, 1),
            manifest(2000, 2),
            b"x".to_vec(),
            manifest(1500, 3),
            manifest(2000, 1),
            registry(1),
            registry(3),
            registry(3),
            registry(2),
            registry(4),
        ];
        let mut journal = Journal::default();
        for (start, part) in (0..).step_by(2).zip(records.chunks(2)) {
            let mut stretch = Stretch::at(start);
            part.iter().for_each(|record| stretch.push(record));
            journal.take(&mut stretch);
        }
        assert_eq!((journal.kinds["manifest"], journal.kinds["registry"]), (4, 5));
        assert_eq!(journal.newest_ms, 2000);
        let [malformed, back, twice, same, lower] = &*journal.findings else {
            panic!("{:?}", journal.findings)
        };
        assert!(malformed.starts_with("record 2: "), "{malformed}");
        assert_eq!(back, "record 3 is dated before an earlier record");
        assert_eq!(twice, "records 0 and 4: two manifests of court/x version 1.1");
        assert_eq!(same, "records 6 and 7: registry version 3 is logged after version 3");
        assert_eq!(lower, "records 6 and 8: registry version 2 is logged after version 3");
    }
}
