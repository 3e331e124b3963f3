//! Evaluation and sealing against the raw limits, on one core, without any I/O.

use std::hint::black_box;
use std::num::NonZeroU64;

use rand_core::Rng as _;
use tacit_blind::commit::blinded_query;
use tacit_blind::evaluate::{PermittedQuery, evaluate};
use tacit_blind::oprf::ListKey;
use tacit_blind::table::{BucketStream, Day, Label, Layout, SealContext, SealedRecord, TableTree, Tag};
use tacit_blind::{Hash, raw, subject};
use tacit_model::{ListId, entropy};

use super::figure::{Figure, Floor};
use super::measure::{Contest, Effort};
use super::{BenchError, subjects};

/// Points of one pass: as many as one call may carry.
const BATCH: usize = 1024;

/// Records of one sealed table.
const TABLE: u32 = 16_384;

/// The raw limits, and what the rest of a run is compared with.
pub(super) struct Raw {
    /// Variable-base multiplications.
    pub(super) multiply: Figure,
    /// Decompress, multiply, batch compress.
    pub(super) evaluation: Figure,
    /// Hash to group, multiply, batch compress.
    pub(super) sealing: Figure,
}

/// Raw limits, evaluation and sealing, in turns.
pub(super) fn run(effort: Effort, figures: &mut Vec<Figure>) -> Result<Raw, BenchError> {
    let mut rng = entropy::os_rng();
    let work = raw::Work::random(BATCH, &mut rng);
    let evaluation = Evaluation::new(&mut rng)?;
    let sealing = Sealing::new()?;
    let table = usize::try_from(TABLE).unwrap_or(usize::MAX);
    let rates = effort.race(&mut [
        Contest::new(BATCH, || {
            black_box(work.multiply());
            Ok(())
        }),
        Contest::new(BATCH, || {
            black_box(work.decode_multiply_encode());
            Ok(())
        }),
        Contest::new(BATCH, || evaluation.without_proof()),
        Contest::new(BATCH, || evaluation.with_proof()),
        Contest::new(BATCH, || {
            black_box(work.hash_multiply_encode());
            Ok(())
        }),
        Contest::new(table, || sealing.seal()),
    ])?;
    let [multiply, decode, plain, proven, hash, sealed] = rates[..] else {
        return Err(BenchError::Wrong("a contest was lost"));
    };
    let raw = Raw {
        multiply: Figure::new("raw.multiply", "variable-base multiplications, one core", multiply, "1/s"),
        evaluation: Figure::new("raw.evaluation", "decompress, multiply, compress, one core", decode, "1/s"),
        sealing: Figure::new("raw.sealing", "hash to group, multiply, compress, one core", hash, "1/s"),
    };
    figures.extend([raw.multiply.clone(), raw.evaluation.clone(), raw.sealing.clone()]);
    figures.push(
        Figure::new("evaluation", "match, decode, multiply, encode, one core", plain, "1/s")
            .of(&raw.evaluation)
            .floor(Floor::RatioAtLeast(0.7)),
    );
    figures.push(
        Figure::new("evaluation.proven", "the same with its DLEQ proof, one core", proven, "1/s")
            .of(&raw.evaluation),
    );
    figures.push(
        Figure::new("sealing", "outputs, entries, buckets, root, one core", sealed, "1/s")
            .of(&raw.sealing)
            .floor(Floor::RatioAtLeast(0.6)),
    );
    Ok(raw)
}

fn list() -> Result<ListId, BenchError> {
    "court/debarred".parse().map_err(|_| BenchError::Wrong("the list's name"))
}

fn key(rng: &mut entropy::Rng, list: &ListId) -> Result<ListKey, BenchError> {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    Ok(ListKey::derive(&seed, list, 1)?)
}

/// What a holder does with the queries of one call once their permits are verified.
struct Evaluation {
    key: ListKey,
    queries: Vec<([u8; 32], Hash)>,
}

impl Evaluation {
    fn new(rng: &mut entropy::Rng) -> Result<Self, BenchError> {
        let encoded = raw::Work::random(BATCH, rng)
            .decode_multiply_encode()
            .ok_or(BenchError::Wrong("a point that is none"))?;
        let queries = encoded.into_iter().map(|query| (query, blinded_query(&query))).collect();
        Ok(Self { key: key(rng, &list()?)?, queries })
    }

    fn open(&self) -> Result<Vec<PermittedQuery>, BenchError> {
        let open = |(query, record): &([u8; 32], Hash)| Ok(PermittedQuery::open(record, query)?);
        self.queries.iter().map(open).collect()
    }

    fn without_proof(&self) -> Result<(), BenchError> {
        let queries = self.open()?;
        let points: Vec<_> = queries.iter().map(|query| *query.query()).collect();
        black_box(self.key.evaluate_batch(&points));
        Ok(())
    }

    fn with_proof(&self) -> Result<(), BenchError> {
        black_box(evaluate(&self.key, &self.open()?, &mut entropy::os_rng())?);
        Ok(())
    }
}

/// What a holder does to publish a table, without its database.
struct Sealing {
    key: ListKey,
    context: SealContext,
    layout: Layout,
    codes: Vec<String>,
}

impl Sealing {
    fn new() -> Result<Self, BenchError> {
        let list = list()?;
        Ok(Self {
            key: key(&mut entropy::os_rng(), &list)?,
            context: SealContext::new(&list, 1),
            layout: Layout::for_records(TABLE.into()).map_err(|_| BenchError::Wrong("the layout"))?,
            codes: (0..u64::from(TABLE)).map(subjects::code).collect(),
        })
    }

    fn seal(&self) -> Result<(), BenchError> {
        let mut rng = entropy::os_rng();
        let inputs: Result<Vec<_>, _> =
            self.codes.iter().map(|code| subject::input(subjects::SCHEME, code)).collect();
        let outputs = self.key.outputs_for_subjects(&inputs?)?;
        let label = Label {
            status: 1,
            flags: 0,
            category: 7,
            listed_on: Day::new(20_000).ok(),
            expires_on: None,
            reference: [9; 8],
        };
        let mut records: Vec<SealedRecord> = (1..)
            .filter_map(NonZeroU64::new)
            .zip(&outputs)
            .map(|(reference, output)| {
                let entry = self.context.seal(&self.context.entry_keys(output), &label, &mut rng);
                SealedRecord { entry, reference }
            })
            .collect();
        records.sort_unstable_by_key(|record| Tag::of(&record.entry));
        let mut leaves = Vec::new();
        for bucket in BucketStream::new(self.layout, records, &mut rng) {
            leaves.push(bucket?.leaf());
        }
        let tree = TableTree::new(&leaves).map_err(|_| BenchError::Wrong("the number of buckets"))?;
        black_box(tree.root());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_measure_of_the_cryptography_gives_a_figure() {
        let mut figures = Vec::new();
        let raw = run(Effort { runs: 1, at_least: Duration::ZERO }, &mut figures).unwrap();
        assert!(raw.multiply.value > 0.0 && figures.len() == 6);
        assert!(figures.iter().all(|figure| figure.value.is_finite() && figure.value > 0.0));
    }
}
