//! From a receipt to what it proves: every step is computed again, with public keys only.

use std::fmt;

use jiff::tz::TimeZoneDatabase;
use tacit_blind::BlindError;
use tacit_blind::check::{CheckContext, verify_binding};
use tacit_blind::commit;
use tacit_blind::group::{Point, SecretScalar};
use tacit_blind::oprf::{self, DleqProof, VoprfKey};
use tacit_blind::subject;
use tacit_blind::table::{Label, Lookup, verify_bucket};
use tacit_ledger::checkpoint::CheckpointError;
use tacit_ledger::cosignature::Cosignature;
use tacit_ledger::note::{Note, NoteVerifier};
use tacit_ledger::record::{Access, Record};
use tacit_model::entropy::os_rng;
use tacit_model::{Basis, ListId, Millis, SubjectCode};
use tacit_policy::{Pins, Registry, registry_hash};
use zeroize::Zeroizing;

use super::error::{ReceiptError, Step, Whose};
use super::{ListReceipt, Receipt};
use crate::error::{ClientError, Party};
use crate::judge::check_access;
use crate::manifests::LoggedManifest;
use crate::prepared::day;
use crate::question::TableVersion;
use crate::records::LogKey;

/// How far the clocks of coordinator and custodian may differ, in milliseconds: a table that was logged later than
/// this after the permit's end cannot be the one that was read under it.
const SKEW_MS: u64 = 60_000;

/// What a receipt proves about one list. `Debug` does not tell listed from not listed.
#[derive(Clone, PartialEq, Eq)]
pub struct ProvenAnswer {
    /// The list.
    pub list: ListId,
    /// The table it was answered from.
    pub version: TableVersion,
    /// Where the table's record stands in the log, from 0.
    pub table_index: u64,
    /// When the table was recorded.
    pub table_time: Millis,
    /// The entry; `None`: not on the list.
    pub label: Option<Label>,
}

impl fmt::Debug for ProvenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProvenAnswer")
            .field("list", &self.list)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Who cosigned a checkpoint over the question's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// Size of the log at that checkpoint, in records.
    pub size: u64,
    /// Who, and when by its own clock; by name.
    pub cosigned: Vec<Cosignature>,
    /// How many make a quorum.
    pub needed: usize,
    /// How many witnesses the registry names.
    pub of: usize,
}

impl Witnessed {
    /// Whether a quorum stands behind it.
    #[must_use]
    pub fn is_quorum(&self) -> bool {
        self.cosigned.len() >= self.needed
    }
}

/// What a receipt proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The access record, which is in the log.
    pub access: Access,
    /// Where it stands, from 0.
    pub index: u64,
    /// The log's name.
    pub log: String,
    /// Size of the log at the checkpoint, in records.
    pub log_size: u64,
    /// On what the question rests, as the requester bound it. The log has a commitment to it, which only the
    /// coordinator can open.
    pub basis: Basis,
    /// The case, as the record commits to it.
    pub case: String,
    /// The officer, likewise.
    pub officer: String,
    /// One answer per list.
    pub answers: Vec<ProvenAnswer>,
    /// Lists that the record names and the receipt has no answer of.
    pub without_answer: Vec<String>,
    /// Number of the registry it was checked with.
    pub registry_number: u64,
    /// Whether that registry is the one that decided; else a later or earlier one of the same federation.
    pub registry_decided: bool,
    /// Who cosigned; `None` when the registry names no set of witnesses.
    pub witnessed: Option<Witnessed>,
}

/// The access record, proven.
struct Recorded {
    access: Access,
    log: String,
    size: u64,
}

impl Receipt {
    /// Recomputes the answers: the question was recorded and is about this very subject, the holder answered with
    /// the key of a logged manifest, and the bucket of that table says what is returned.
    ///
    /// # Errors
    /// [`ReceiptError`], naming the step and whose proof it is that does not hold.
    pub fn verify(&self, log: &NoteVerifier, registry: &Registry) -> Result<Proven, ReceiptError> {
        let key = LogKey::new(log.clone());
        let Recorded { access, log, size } = self.recorded(&key)?;
        let bound = || ReceiptError::at(Step::Bound, Whose::Requester);
        let subject = Point::decode(&self.blinded_subject).map_err(ClientError::Own).map_err(bound())?;
        let context = verify_binding(&self.context, &self.pseudonym, &subject, &self.proof, &mut os_rng())
            .map_err(ClientError::Own)
            .map_err(bound())?;
        let item = self.item as usize;
        check_access(&context, item, &access).map_err(bound())?;
        let query = item_query(&context, item)?;
        self.check_subject(&subject, query).map_err(ReceiptError::at(Step::Subject, Whose::Requester))?;
        let matter = commit::matter(&self.salt, &self.case, &self.officer)
            .map_err(ClientError::Own)
            .map_err(ReceiptError::at(Step::Matter, Whose::Requester))?;
        if matter != access.matter {
            return Err(ReceiptError::differs(Step::Matter, Whose::Requester, "matter"));
        }
        self.check_lists(&access)?;
        let mut answers = Vec::with_capacity(self.lists.len());
        for list in &self.lists {
            answers.push(self.verify_list(list, query, &access, &key, registry)?);
        }
        let witnessed = self.verify_witnessed(&key, registry)?;
        let answered = |name: &str| answers.iter().any(|answer| answer.list == *name);
        let named = access.lists.iter().map(|at| at.list.as_str());
        Ok(Proven {
            without_answer: named.filter(|name| !answered(name)).map(str::to_owned).collect(),
            index: self.record.index,
            log,
            log_size: size,
            basis: context.basis,
            case: self.case.clone(),
            officer: self.officer.clone(),
            registry_number: registry.number(),
            registry_decided: registry.hash() == access.registry,
            answers,
            access,
            witnessed,
        })
    }

    /// The same with nothing but the log's key and the bytes of the registry that decided: the record in the log
    /// names their hash, so no other key has to be known before.
    ///
    /// # Errors
    /// As [`Receipt::verify`]; [`ReceiptError::OtherRegistry`] and [`ReceiptError::Registry`].
    pub fn verify_alone(&self, log: &NoteVerifier, registry: &[u8]) -> Result<Proven, ReceiptError> {
        let recorded = self.recorded(&LogKey::new(log.clone()))?;
        if registry_hash(registry) != recorded.access.registry {
            return Err(ReceiptError::OtherRegistry);
        }
        let pins = Pins::claimed_by(registry).map_err(Box::new)?;
        let registry = Registry::parse(registry, &pins).map_err(Box::new)?;
        self.verify(log, &registry)
    }

    /// Whether the receipt is about this subject. [`Receipt::verify`] shows that it is about whom it says.
    #[must_use]
    pub fn is_about(&self, code: &SubjectCode) -> bool {
        subject::input_of(code).is_ok_and(|input| input == self.input)
    }

    /// Scheme and code of the subject; `None` when they are not in their form.
    #[must_use]
    pub fn expose_subject(&self) -> Option<(String, Zeroizing<String>)> {
        let rest = self.input.strip_prefix(b"tacit/v1/subject")?;
        let (scheme, rest) = take_lp(rest)?;
        let (code, rest) = take_lp(rest)?;
        rest.is_empty().then(|| (scheme.to_owned(), Zeroizing::new(code.to_owned())))
    }

    fn recorded(&self, key: &LogKey) -> Result<Recorded, ReceiptError> {
        let at = || ReceiptError::at(Step::Recorded, Whose::Log);
        let checkpoint = key.open(&self.checkpoint).map_err(at())?;
        let record = key.verify_under(&self.record, &checkpoint).map_err(at())?.into_record();
        let access = Access::try_from(record)
            .map_err(|_| ReceiptError::differs(Step::Recorded, Whose::Requester, "the kind of the record"))?;
        Ok(Recorded { access, log: checkpoint.checkpoint().origin.clone(), size: checkpoint.size() })
    }

    /// `Ph = z·P` and `M = w·Ph`, so that the query is about this input and no other.
    fn check_subject(&self, subject: &Point, query: &Point) -> Result<(), ClientError> {
        let own = ClientError::Own;
        if self.expose_subject().is_none() {
            return Err(own(BlindError::Field { field: "input" }));
        }
        let z = SecretScalar::decode(&self.z).map_err(own)?;
        let w = SecretScalar::decode(&self.w).map_err(own)?;
        // Finalize under a key z of the input, and of Ph itself unblinded by 1, are hashes of input and point: they
        // are equal exactly when Ph is z·P.
        let mut one = [0; 32];
        one[0] = 1;
        let one = SecretScalar::decode(&one).map_err(own)?;
        let due = VoprfKey::from_secret(z).outputs(&[self.input.as_slice()]).map_err(own)?;
        let found = oprf::finalize(&self.input, &one, subject).map_err(own)?;
        if due != [found] || subject.mul(&w) != *query {
            return Err(own(BlindError::QueryMismatch));
        }
        Ok(())
    }

    /// At least one list, each of the record and once: two answers of one list could say two things.
    fn check_lists(&self, access: &Access) -> Result<(), ReceiptError> {
        let named = |list: &ListReceipt| {
            access.lists.iter().any(|at| at.list == *list.list && at.epoch == list.epoch)
        };
        let repeated = (1..self.lists.len())
            .any(|at| self.lists[..at].iter().any(|earlier| earlier.list == self.lists[at].list));
        if self.lists.is_empty() || repeated || !self.lists.iter().all(named) {
            return Err(ReceiptError::differs(Step::Lists, Whose::Requester, "lists"));
        }
        Ok(())
    }

    fn verify_list(
        &self,
        list: &ListReceipt,
        query: &Point,
        access: &Access,
        log: &LogKey,
        registry: &Registry,
    ) -> Result<ProvenAnswer, ReceiptError> {
        let holder = || Whose::Holder(list.list.holder_id());
        let (manifest, table_time) = verify_table(list, access, log, registry)?;
        self.verify_evaluated(list, query, &manifest)
            .map_err(ReceiptError::at(Step::Evaluated(list.list.clone()), holder()))?;
        let label = self
            .read_bucket(list, &manifest, access, registry)
            .map_err(ReceiptError::at(Step::Bucket(list.list.clone()), holder()))?;
        Ok(ProvenAnswer {
            list: list.list.clone(),
            version: manifest.version(),
            table_index: list.manifest_record.index,
            table_time,
            label,
        })
    }

    /// The one proof over the whole call of which this query is a part.
    fn verify_evaluated(
        &self,
        list: &ListReceipt,
        query: &Point,
        manifest: &LoggedManifest,
    ) -> Result<(), ClientError> {
        let holder = || Party::Holder(list.list.holder_id());
        let queries = Point::decode_all(&list.queries).map_err(ClientError::proof(holder()))?;
        let evaluated = Point::decode_all(&list.evaluated).map_err(ClientError::proof(holder()))?;
        if queries.get(list.position as usize) != Some(query) {
            return Err(ClientError::Proof { party: holder(), problem: BlindError::QueryMismatch });
        }
        let proof = DleqProof::decode(&list.dleq).map_err(ClientError::proof(holder()))?;
        oprf::verify(&manifest.key, &queries, &evaluated, &proof).map_err(ClientError::proof(holder()))
    }

    fn read_bucket(
        &self,
        list: &ListReceipt,
        manifest: &LoggedManifest,
        access: &Access,
        registry: &Registry,
    ) -> Result<Option<Label>, ClientError> {
        let own = ClientError::Own;
        let holder = || Party::Holder(list.list.holder_id());
        let answered = list.evaluated.get(list.position as usize);
        let answered = answered.ok_or_else(|| ClientError::missing(holder(), "evaluated"))?;
        let answered = Point::decode(answered).map_err(ClientError::proof(holder()))?;
        let z = SecretScalar::decode(&self.z).map_err(own)?;
        let blind = SecretScalar::decode(&self.w).map_err(own)?.product(&z);
        let out = oprf::finalize(&self.input, &blind, &answered).map_err(own)?;
        let bucket = verify_bucket(manifest.signed.manifest(), list.bucket, &list.entries, &list.path)
            .map_err(|_| ClientError::OtherRecord("the bucket is not in the logged table"))?;
        let today = registry
            .list(&list.list)
            .and_then(|list| TimeZoneDatabase::bundled().get(&list.time_zone).ok())
            .and_then(|zone| day(&zone, Millis(access.time_ms)))
            .ok_or(ClientError::Registry("the list, or its time zone"))?;
        match bucket.lookup(&out, today) {
            Ok(Lookup::Listed(label)) => Ok(Some(label)),
            Ok(Lookup::NotListed) => Ok(None),
            Err(_) => Err(ClientError::OtherRecord("the entry does not open, or the bucket is another")),
        }
    }

    /// Who cosigned the checkpoint: the later one if there is one, which then has to hold too.
    fn verify_witnessed(&self, log: &LogKey, registry: &Registry) -> Result<Option<Witnessed>, ReceiptError> {
        let at = || ReceiptError::at(Step::Witnessed, Whose::Log);
        let note = match &self.cosigned {
            None => &self.checkpoint,
            Some(cosigned) => {
                let (older, newer) = (log.open(&self.checkpoint), log.open(&cosigned.checkpoint));
                let (older, newer) = (older.map_err(at())?, newer.map_err(at())?);
                newer
                    .verify_extends(&older, &cosigned.consistency)
                    .map_err(ClientError::from)
                    .map_err(at())?;
                &cosigned.checkpoint
            }
        };
        let Ok(witnesses) = registry.witnesses() else { return Ok(None) };
        let size = log.open(note).map_err(at())?.size();
        let parsed =
            Note::parse(note).map_err(CheckpointError::from).map_err(ClientError::from).map_err(at())?;
        let cosigned = witnesses.iter().filter_map(|witness| witness.verify(&parsed).ok()).collect();
        Ok(Some(Witnessed { size, cosigned, needed: witnesses.quorum(), of: witnesses.iter().len() }))
    }
}

fn item_query(context: &CheckContext, item: usize) -> Result<&Point, ReceiptError> {
    let found = context.items.get(item).map(|item| &item.query);
    found.ok_or_else(|| ReceiptError::differs(Step::Bound, Whose::Requester, "items"))
}

/// The list's table: signed, logged, of the record's epoch, not older than the record names and not newer than what
/// could be read under the permit.
fn verify_table(
    list: &ListReceipt,
    access: &Access,
    log: &LogKey,
    registry: &Registry,
) -> Result<(LoggedManifest, Millis), ReceiptError> {
    let step = || Step::Table(list.list.clone());
    let holder = || Whose::Holder(list.list.holder_id());
    let manifest = LoggedManifest::verify(
        &list.list,
        registry,
        log,
        &list.manifest,
        list.manifest_record.clone(),
        list.manifest_checkpoint.clone(),
    )
    .map_err(ReceiptError::at(step(), holder()))?;
    let time = Record::parse(&list.manifest_record.record)
        .map_err(ClientError::from)
        .map_err(ReceiptError::at(step(), Whose::Log))?
        .time_ms();
    let version = manifest.version();
    let named = access.lists.iter().find(|at| at.list == *list.list);
    if version.epoch != list.epoch || named.is_none_or(|at| version.version < at.version) {
        return Err(ReceiptError::differs(
            step(),
            Whose::Requester,
            "the table is older than the record names",
        ));
    }
    if time > access.expires_ms.saturating_add(SKEW_MS) {
        let what = "the table was recorded after the permit had ended";
        return Err(ReceiptError::differs(step(), Whose::Requester, what));
    }
    Ok((manifest, Millis(time)))
}

fn take_lp(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}
