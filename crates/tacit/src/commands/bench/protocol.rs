//! All cryptography of a check over all parties, in memory and on one core: what batches could reach if
//! messages, databases and the log cost nothing.

use std::hint::black_box;
use std::num::NonZeroU64;

use rand_core::Rng as _;
use tacit_blind::audit_box::{self, AuditorPublicKey, AuditorSecretKey, BoxContents, Registered};
use tacit_blind::check::{
    AuthorizeIn, BoundCheck, CheckDraft, CheckIn, DraftItem, Expected, ListEpoch, authorize_message,
    prove_checks,
};
use tacit_blind::commit;
use tacit_blind::enroll::{
    Enrolled, Enrollment, Parties, RegisterEntryIn, RegisterIn, blind_subjects, prove_register, unblind,
};
use tacit_blind::evaluate::{AskedQuery, PermittedQuery, evaluate, verify_and_finalize};
use tacit_blind::group::Point;
use tacit_blind::oprf::{ListKey, PseudonymKey};
use tacit_blind::subject::{self, Subject};
use tacit_blind::table::{
    Bucket, BucketStream, Day, Label, Layout, Manifest, SealContext, SealedRecord, TableTree, Tag,
    verify_bucket,
};
use tacit_ledger::ed25519::SigningKey;
use tacit_model::{Basis, ListId, MemberId, Millis, PurposeCode, entropy};

use super::figure::Figure;
use super::measure::{Contest, Effort};
use super::{BenchError, subjects};

/// Checks of one pass: a full batch.
const BATCH: u64 = 1024;
const EPOCH: u32 = 1;
const TODAY: u32 = 20_700;

/// Limits that the whole product is compared with, over all cores.
pub(super) struct Limits {
    /// Checks of enrolled subjects.
    pub(super) enrolled: Figure,
    /// Checks of first-time subjects.
    pub(super) first_time: Figure,
}

/// Measures both limits on one core and multiplies by `cores`.
pub(super) fn run(effort: Effort, cores: usize, figures: &mut Vec<Figure>) -> Result<Limits, BenchError> {
    let world = World::new()?;
    let enrolled = world.enroll()?;
    let batch = usize::try_from(BATCH).unwrap_or(usize::MAX);
    let rates = effort.race(&mut [
        Contest::new(batch, || world.check(&enrolled)),
        Contest::new(batch, || world.enroll().and_then(|enrolled| world.check(&enrolled))),
    ])?;
    let [again, first] = rates[..] else {
        return Err(BenchError::Wrong("a contest was lost"));
    };
    #[expect(clippy::cast_precision_loss, reason = "a number of cores")]
    let cores = cores as f64;
    let limits = Limits {
        enrolled: Figure::new(
            "raw.check",
            "cryptography of a check, all parties, all cores",
            again * cores,
            "1/s",
        ),
        first_time: Figure::new(
            "raw.check.first",
            "the same of a first-time subject, all cores",
            first * cores,
            "1/s",
        ),
    };
    figures.extend([limits.enrolled.clone(), limits.first_time.clone()]);
    Ok(limits)
}

fn wrong<E>(what: &'static str) -> impl FnOnce(E) -> BenchError {
    move |_| BenchError::Wrong(what)
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, BenchError> {
    text.parse().map_err(wrong("a name"))
}

/// Everybody's keys and one sealed table; the n-th code is listed when n is even.
struct World {
    custodian: MemberId,
    coordinator: MemberId,
    requester: MemberId,
    holder: MemberId,
    list: ListId,
    purpose: PurposeCode,
    basis: Basis,
    pseudonyms: PseudonymKey,
    auditors: [AuditorPublicKey; 2],
    signing: SigningKey,
    list_key: ListKey,
    manifest: Manifest,
    buckets: Vec<Bucket>,
    tree: TableTree,
    codes: Vec<String>,
}

impl World {
    fn new() -> Result<Self, BenchError> {
        let mut rng = entropy::os_rng();
        let mut seeds = [[0; 32]; 5];
        seeds.iter_mut().for_each(|seed| rng.fill_bytes(seed));
        let [pseudonyms, first_auditor, second_auditor, signing, list_seed] = seeds;
        let requester: MemberId = parse("procurement")?;
        let list: ListId = parse("court/debarred")?;
        let list_key = ListKey::derive(&list_seed, &list, 1)?;
        let codes: Vec<String> = (0..BATCH).map(subjects::code).collect();

        let context = SealContext::new(&list, 1);
        let inputs: Result<Vec<_>, _> =
            codes.iter().step_by(2).map(|code| subject::input(subjects::SCHEME, code)).collect();
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
            .zip(list_key.outputs_for_subjects(&inputs?)?)
            .map(|(reference, output)| {
                let entry = context.seal(&context.entry_keys(&output), &label, &mut rng);
                SealedRecord { entry, reference }
            })
            .collect();
        records.sort_unstable_by_key(|record| Tag::of(&record.entry));
        let layout = Layout::for_records(BATCH).map_err(wrong("the layout"))?;
        let buckets: Vec<Bucket> = BucketStream::new(layout, records, &mut rng).collect::<Result<_, _>>()?;
        let leaves: Vec<_> = buckets.iter().map(Bucket::leaf).collect();
        let tree = TableTree::new(&leaves).map_err(wrong("the number of buckets"))?;
        let manifest = Manifest {
            list: list.clone(),
            epoch: 1,
            version: 1,
            key: list_key.public().encode(),
            layout,
            root: tree.root(),
            from: Millis(1_780_000_000_000),
            until: Millis(1_780_086_400_000),
        };
        Ok(Self {
            custodian: parse("custodian")?,
            coordinator: parse("coordinator")?,
            holder: parse("court")?,
            purpose: parse("screening")?,
            basis: parse("agreement:01KAQ7Z3J5X8M2N4P6R8T0V2W4")?,
            pseudonyms: PseudonymKey::derive(&pseudonyms, &requester, EPOCH)?,
            auditors: [first_auditor, second_auditor].map(|seed| AuditorSecretKey::derive(&seed).1),
            signing: SigningKey::from_seed(&signing),
            requester,
            list,
            list_key,
            manifest,
            buckets,
            tree,
            codes,
        })
    }

    /// Section 3 for a whole batch: blind, evaluate, unblind, box, prove, verify.
    fn enroll(&self) -> Result<Vec<Enrolled>, BenchError> {
        let mut rng = entropy::os_rng();
        let subjects: Result<Vec<Subject>, _> =
            self.codes.iter().map(|code| Subject::from_parts(subjects::SCHEME, code)).collect();
        let blinded = blind_subjects(&subjects?, &mut rng);
        // The custodian decodes what it gets.
        let points: Result<Vec<Point>, _> =
            blinded.iter().map(|blinded| Point::decode(blinded.blinded_subject().as_bytes())).collect();
        let (evaluated, dleq) = self.pseudonyms.evaluate_with_proof(&points?, &mut rng)?;
        let enrollments = unblind(blinded, &evaluated, &dleq, self.pseudonyms.public())?;
        let mut boxes = Vec::with_capacity(enrollments.len());
        for (code, enrollment) in self.codes.iter().zip(&enrollments) {
            let contents = BoxContents {
                scheme: subjects::SCHEME,
                code,
                z: enrollment.z(),
                case: "BENCH-1",
                officer: "officer-1",
            };
            let of = Registered {
                blinded_subject: enrollment.blinded_subject(),
                evaluated: enrollment.evaluated(),
                pseudonym: enrollment.pseudonym(),
            };
            boxes.push(audit_box::seal(&contents, &of, (&self.auditors[0], &self.auditors[1]), &mut rng)?);
        }
        let entries: Vec<(&Enrollment, &[u8])> =
            enrollments.iter().zip(boxes.iter().map(Vec::as_slice)).collect();
        let parties = Parties {
            custodian: &self.custodian,
            coordinator: &self.coordinator,
            requester: &self.requester,
        };
        let proofs = prove_register(&entries, &parties, EPOCH, &mut rng)?;
        let entries = enrollments
            .iter()
            .zip(boxes)
            .zip(proofs)
            .map(|((enrollment, audit_box), proof)| RegisterEntryIn {
                blinded_subject: enrollment.blinded_subject().encode(),
                evaluated: enrollment.evaluated().encode(),
                pseudonym: enrollment.pseudonym().encode(),
                proof,
                audit_box,
            })
            .collect();
        let message = RegisterIn { epoch: EPOCH, entries, dleq: dleq.encode() };
        black_box(message.verify(&parties, self.pseudonyms.public(), &mut rng)?);
        Ok(enrollments.iter().map(Enrollment::to_enrolled).collect())
    }

    fn draft(&self, rng: &mut entropy::Rng) -> Result<CheckDraft, BenchError> {
        let (mut nonce, mut salt) = ([0; 16], [0; 32]);
        rng.fill_bytes(&mut nonce);
        rng.fill_bytes(&mut salt);
        Ok(CheckDraft {
            coordinator: self.coordinator.clone(),
            requester: self.requester.clone(),
            cnf: [9; 32],
            nonce,
            timestamp: Millis(1_780_000_000_123),
            purpose: self.purpose.clone(),
            basis: self.basis,
            matter: commit::matter(&salt, "BENCH-1", "officer-1")?,
            items: vec![DraftItem {
                holder: self.holder.clone(),
                lists: vec![ListEpoch { list: self.list.clone(), epoch: 1 }],
            }],
        })
    }

    /// Sections 4, 6 and 7 for a whole batch: bind, sign, verify, evaluate, finalize, look up.
    fn check(&self, enrolled: &[Enrolled]) -> Result<(), BenchError> {
        let mut rng = entropy::os_rng();
        let mut drafts = Vec::with_capacity(enrolled.len());
        for subject in enrolled {
            drafts.push((self.draft(&mut rng)?, subject));
        }
        let bound = prove_checks(drafts, &mut rng)?;
        self.authorize(&bound, enrolled, &mut rng)?;

        let mut permitted = Vec::with_capacity(bound.len());
        for check in &bound {
            let query = check.context().items[0].query.encode();
            permitted.push(PermittedQuery::open(&commit::blinded_query(&query), &query)?);
        }
        let (evaluated, proof) = evaluate(&self.list_key, &permitted, &mut rng)?;

        let inputs: Result<Vec<_>, _> =
            self.codes.iter().map(|code| subject::input(subjects::SCHEME, code)).collect();
        let inputs = inputs?;
        let asked: Vec<AskedQuery<'_>> = bound
            .iter()
            .zip(&inputs)
            .map(|(check, input)| AskedQuery {
                input,
                total_blind: &check.total_blinds()[0],
                query: &check.context().items[0].query,
            })
            .collect();
        let list_key = Point::decode(&self.manifest.key)?;
        let outputs = verify_and_finalize(&list_key, &asked, &evaluated, &proof)?;
        self.look_up(&outputs)
    }

    fn authorize(
        &self,
        bound: &[BoundCheck],
        enrolled: &[Enrolled],
        rng: &mut entropy::Rng,
    ) -> Result<(), BenchError> {
        let hashes: Vec<_> = bound.iter().map(BoundCheck::hash).collect();
        let request = AuthorizeIn {
            checks: bound
                .iter()
                .map(|check| CheckIn {
                    pseudonym: *check.pseudonym(),
                    context: check.context_bytes().to_vec(),
                    proof: *check.proof(),
                })
                .collect(),
            signature: self.signing.sign(&authorize_message(&hashes)),
        };
        let signing_key = self.signing.verifying_key();
        let expected = Expected {
            coordinator: &self.coordinator,
            requester: &self.requester,
            cnf: &[9; 32],
            signing_key: signing_key.as_bytes(),
        };
        // The coordinator keeps encodings.
        let registered: Result<Vec<_>, _> = enrolled
            .iter()
            .map(|subject| Point::decode(subject.blinded_subject().as_bytes()).map(Some))
            .collect();
        let verified = request.parse()?.authenticate(&expected)?.verify_bindings(&registered?, rng)?;
        verified.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(())
    }

    fn look_up(&self, outputs: &[[u8; 64]]) -> Result<(), BenchError> {
        let context = SealContext::new(&self.list, 1);
        let today = Day::new(TODAY).map_err(wrong("the day"))?;
        for (n, output) in outputs.iter().enumerate() {
            let number = self.manifest.layout.bucket_of(&context.entry_keys(output).tag());
            let bucket = self.buckets.get(number as usize).ok_or(BenchError::Wrong("a bucket is missing"))?;
            let path = self.tree.path(number).map_err(wrong("a path is missing"))?;
            let bucket = verify_bucket(&self.manifest, number, bucket.entries(), &path)
                .map_err(wrong("a bucket does not verify"))?;
            let answer = bucket.lookup(output, today).map_err(wrong("an entry does not open"))?;
            if answer.is_listed() != n.is_multiple_of(2) {
                return Err(BenchError::Wrong("an answer is wrong"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_whole_protocol_runs_in_memory_and_answers_rightly() {
        let mut figures = Vec::new();
        let limits = run(Effort { runs: 1, at_least: Duration::ZERO }, 2, &mut figures).unwrap();
        assert!(limits.enrolled.value > limits.first_time.value);
    }
}
