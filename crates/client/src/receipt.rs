//! Receipts (protocol section 9): what proves an answer, offline and with public keys only.
//!
//! A receipt shows its subject, the answer, and other subjects' sealed entries in the same bucket: it is for the
//! subject, a court, an auditor, and goes to nobody else.

use std::fmt;

use bytes::Bytes;
use jiff::tz::TimeZoneDatabase;
use tacit_blind::check::{CheckContext, verify_binding};
use tacit_blind::group::{Point, SecretScalar};
use tacit_blind::oprf::{self, DleqProof, VoprfKey};
use tacit_blind::table::{Label, Lookup, verify_bucket};
use tacit_blind::{BlindError, commit};
use tacit_ledger::Hash;
use tacit_ledger::note::NoteVerifier;
use tacit_ledger::record::Access;
use tacit_model::entropy::os_rng;
use tacit_model::{ListId, Millis, Ulid};
use tacit_policy::Registry;
use tacit_wire::Message;
use tacit_wire::common::LoggedRecord;
use tacit_wire::coordinator::AuthorizeRequest;
use zeroize::Zeroizing;

use crate::codec::{CodecError, Reader, Writer};
use crate::error::{ClientError, Party};
use crate::evidence::{AnswerPart, KeptAnswer, Section};
use crate::judge::check_access;
use crate::manifests::LoggedManifest;
use crate::prepared::day;
use crate::question::TableVersion;
use crate::records::LogKey;
use crate::requester::Requester;
use crate::vault::Kind;

const MAGIC: &[u8] = b"tacit-receipt/v1\n";

/// What proves the answers of one record. `Debug` shows the record's place only.
#[derive(Clone, PartialEq)]
pub struct Receipt {
    record: LoggedRecord,
    checkpoint: Bytes,
    /// The check: context, bind proof, T, and the signature over the request's checks is with the coordinator.
    context: Bytes,
    proof: [u8; 64],
    pseudonym: [u8; 32],
    item: u32,
    /// Opens `matter`.
    salt: [u8; 32],
    case: String,
    officer: String,
    /// Opens the query.
    blinded_subject: [u8; 32],
    input: Zeroizing<Vec<u8>>,
    z: Zeroizing<[u8; 32]>,
    w: Zeroizing<[u8; 32]>,
    lists: Vec<ListReceipt>,
}

/// The part of one list.
#[derive(Clone, PartialEq)]
struct ListReceipt {
    list: ListId,
    epoch: u64,
    /// M and N of the whole call, which its one proof covers.
    queries: Vec<[u8; 32]>,
    evaluated: Vec<[u8; 32]>,
    dleq: [u8; 64],
    /// Which of them is this query.
    position: u32,
    manifest: Bytes,
    manifest_record: LoggedRecord,
    manifest_checkpoint: Bytes,
    bucket: u32,
    entries: Bytes,
    path: Vec<Hash>,
}

/// What a receipt proves about one list. `Debug` does not tell listed from not listed.
#[derive(Clone, PartialEq, Eq)]
pub struct ProvenAnswer {
    /// The list.
    pub list: ListId,
    /// The table it was answered from.
    pub version: TableVersion,
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

/// What a receipt proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The access record, which is in the log.
    pub access: Access,
    /// The case, as the record commits to it.
    pub case: String,
    /// The officer, likewise.
    pub officer: String,
    /// One answer per list.
    pub answers: Vec<ProvenAnswer>,
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").field("index", &self.record.index).finish_non_exhaustive()
    }
}

impl Requester {
    /// The receipt of a record; `None` when this record is not ours or got no answer.
    ///
    /// # Errors
    /// The storage.
    pub async fn receipt(&self, record: Ulid) -> Result<Option<Receipt>, ClientError> {
        let Some(stored) = self.store().record(record).await? else { return Ok(None) };
        let (request, answer) = self.open_stored(&stored)?;
        let Some(place) = stored.records.first().map(|record| record.place) else { return Ok(None) };
        let sent = AuthorizeRequest::decode(request.request.clone()).map_err(|_| CodecError("request"))?;
        let queries = |place: u32| -> Option<[u8; 32]> {
            let item = answer.items.get(place as usize)?;
            let context = CheckContext::parse(&sent.checks.get(item.check)?.context).ok()?;
            Some(context.items.get(item.item)?.query.encode())
        };
        let mut lists = Vec::new();
        for section in &answer.sections {
            for part in section.answers.iter().filter(|part| part.place == place) {
                let list = list_receipt(section, part, &queries).ok_or(CodecError("answer"))?;
                let key = section.buckets.get(part.bucket as usize).ok_or(CodecError("bucket"))?.key;
                let sealed = self.store().bucket(key).await?.ok_or(CodecError("bucket"))?;
                let entries = Bytes::copy_from_slice(&self.vault().open(Kind::Bucket, &key, &sealed)?);
                lists.push(ListReceipt { entries, ..list });
            }
        }
        if lists.is_empty() {
            return Ok(None);
        }
        let receipt = assemble(&answer, &request, &sent, place, lists);
        Ok(Some(receipt.ok_or(CodecError("answer"))?))
    }
}

fn assemble(
    answer: &KeptAnswer,
    request: &crate::evidence::KeptRequest,
    sent: &AuthorizeRequest,
    place: u32,
    lists: Vec<ListReceipt>,
) -> Option<Receipt> {
    let item = answer.items.get(place as usize)?;
    let check = sent.checks.get(item.check)?;
    let secrets = answer.checks.get(item.check)?;
    let (_, salt) = request.checks.get(item.check)?;
    Some(Receipt {
        record: item.record.clone(),
        checkpoint: answer.checkpoint.clone(),
        context: check.context.clone(),
        proof: check.proof.as_ref().try_into().ok()?,
        pseudonym: check.pseudonym.as_ref().try_into().ok()?,
        item: u32::try_from(item.item).ok()?,
        salt: *salt,
        case: request.case.clone(),
        officer: request.officer.clone(),
        blinded_subject: secrets.blinded_subject,
        input: secrets.input.clone(),
        z: secrets.z.clone(),
        w: secrets.blinds.get(item.item)?.clone(),
        lists,
    })
}

/// All but the bucket's bytes.
fn list_receipt(
    section: &Section,
    part: &AnswerPart,
    query: &impl Fn(u32) -> Option<[u8; 32]>,
) -> Option<ListReceipt> {
    let evaluation = section.evaluations.get(part.evaluation as usize)?;
    let manifest = section.manifests.get(part.manifest as usize)?;
    let bucket = section.buckets.get(part.bucket as usize)?;
    Some(ListReceipt {
        list: evaluation.list.clone(),
        epoch: evaluation.epoch,
        queries: evaluation.members.iter().map(|&place| query(place)).collect::<Option<_>>()?,
        evaluated: evaluation.evaluated.as_chunks::<32>().0.to_vec(),
        dleq: evaluation.dleq,
        position: part.position,
        manifest: Bytes::copy_from_slice(manifest.note.as_bytes()),
        manifest_record: manifest.record.clone(),
        manifest_checkpoint: manifest.checkpoint.clone(),
        bucket: bucket.number,
        entries: Bytes::new(),
        path: bucket.path.as_chunks::<32>().0.to_vec(),
    })
}

impl Receipt {
    /// Recomputes the answers: the question was recorded and is about this very subject, the holder answered with
    /// the key of a logged manifest, and the bucket of that table says what is returned.
    ///
    /// # Errors
    /// [`ClientError`] naming the party whose proof does not hold.
    pub fn verify(&self, log: &NoteVerifier, registry: &Registry) -> Result<Proven, ClientError> {
        let log = LogKey::new(log.clone());
        let record = log.verify(Some(&self.record), &self.checkpoint)?.into_record();
        let access: Access =
            record.try_into().map_err(|_| ClientError::OtherRecord("it is not of kind access"))?;
        let own = ClientError::Own;
        let subject = Point::decode(&self.blinded_subject).map_err(own)?;
        let context = verify_binding(&self.context, &self.pseudonym, &subject, &self.proof, &mut os_rng())
            .map_err(own)?;
        let item = self.item as usize;
        check_access(&context, item, &access)?;
        let query = &context.items[item].query;
        self.check_subject(&subject, query)?;
        if commit::matter(&self.salt, &self.case, &self.officer).map_err(own)? != access.matter {
            return Err(ClientError::OtherRecord("matter"));
        }
        let asked = access.lists.iter().map(|at| (at.list.as_str(), at.epoch));
        if !self.lists.iter().all(|list| asked.clone().any(|at| at == (list.list.as_str(), list.epoch))) {
            return Err(ClientError::OtherRecord("lists"));
        }
        let answers = self
            .lists
            .iter()
            .map(|list| self.verify_list(list, query, &access, &log, registry))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Proven { access, case: self.case.clone(), officer: self.officer.clone(), answers })
    }

    /// `Ph = z·P` and `M = w·Ph`, so that the query is about this input and no other.
    fn check_subject(&self, subject: &Point, query: &Point) -> Result<(), ClientError> {
        let own = ClientError::Own;
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

    fn verify_list(
        &self,
        list: &ListReceipt,
        query: &Point,
        access: &Access,
        log: &LogKey,
        registry: &Registry,
    ) -> Result<ProvenAnswer, ClientError> {
        let holder = || Party::Holder(list.list.holder_id());
        let manifest = LoggedManifest::verify(
            &list.list,
            registry,
            log,
            &list.manifest,
            list.manifest_record.clone(),
            list.manifest_checkpoint.clone(),
        )?;
        let version = manifest.version();
        let named = access.lists.iter().find(|at| at.list == *list.list);
        if version.epoch != list.epoch || named.is_none_or(|at| version.version < at.version) {
            return Err(ClientError::OtherRecord("the table is older than the record names"));
        }
        let queries = Point::decode_all(&list.queries).map_err(ClientError::proof(holder()))?;
        let evaluated = Point::decode_all(&list.evaluated).map_err(ClientError::proof(holder()))?;
        let position = list.position as usize;
        let (Some(asked), Some(answered)) = (queries.get(position), evaluated.get(position)) else {
            return Err(ClientError::missing(holder(), "evaluated"));
        };
        if asked != query {
            return Err(ClientError::Proof { party: holder(), problem: BlindError::QueryMismatch });
        }
        let proof = DleqProof::decode(&list.dleq).map_err(ClientError::proof(holder()))?;
        oprf::verify(&manifest.key, &queries, &evaluated, &proof).map_err(ClientError::proof(holder()))?;
        let own = ClientError::Own;
        let z = SecretScalar::decode(&self.z).map_err(own)?;
        let blind = SecretScalar::decode(&self.w).map_err(own)?.product(&z);
        let out = oprf::finalize(&self.input, &blind, answered).map_err(own)?;
        let rejected = |_| ClientError::OtherRecord("the bucket is not in the logged table");
        let bucket = verify_bucket(manifest.signed.manifest(), list.bucket, &list.entries, &list.path)
            .map_err(rejected)?;
        let today = registry
            .list(&list.list)
            .and_then(|list| TimeZoneDatabase::bundled().get(&list.time_zone).ok())
            .and_then(|zone| day(&zone, Millis(access.time_ms)))
            .ok_or(ClientError::Registry("the list, or its time zone"))?;
        let label = match bucket.lookup(&out, today) {
            Ok(Lookup::Listed(label)) => Some(label),
            Ok(Lookup::NotListed) => None,
            Err(_) => return Err(ClientError::OtherRecord("the entry does not open")),
        };
        Ok(ProvenAnswer { list: list.list.clone(), version, label })
    }

    /// The receipt as one file.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut w = Writer::with_capacity(4096);
        w.raw(MAGIC);
        put_record(&mut w, &self.record, &self.checkpoint);
        w.bytes(&self.context);
        w.raw(&self.proof);
        w.raw(&self.pseudonym);
        w.u32(self.item);
        w.raw(&self.salt);
        w.bytes(self.case.as_bytes());
        w.bytes(self.officer.as_bytes());
        w.raw(&self.blinded_subject);
        w.bytes(&self.input);
        w.raw(self.z.as_ref());
        w.raw(self.w.as_ref());
        w.count(self.lists.len());
        for list in &self.lists {
            w.bytes(list.list.as_bytes());
            w.u64(list.epoch);
            w.bytes(list.queries.as_flattened());
            w.bytes(list.evaluated.as_flattened());
            w.raw(&list.dleq);
            w.u32(list.position);
            w.bytes(&list.manifest);
            put_record(&mut w, &list.manifest_record, &list.manifest_checkpoint);
            w.u32(list.bucket);
            w.bytes(&list.entries);
            w.bytes(list.path.as_flattened());
        }
        w.finish()
    }

    /// Reads such a file. Says nothing about whether it proves anything: see [`Receipt::verify`].
    ///
    /// # Errors
    /// [`CodecError`] names the field.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
        if r.raw("heading", MAGIC.len())? != MAGIC {
            return Err(CodecError("heading"));
        }
        let (record, checkpoint) = take_record(&mut r)?;
        let receipt = Self {
            record,
            checkpoint,
            context: Bytes::copy_from_slice(r.bytes("context")?),
            proof: r.array("proof")?,
            pseudonym: r.array("pseudonym")?,
            item: r.u32("item")?,
            salt: r.array("salt")?,
            case: r.text("case")?.to_owned(),
            officer: r.text("officer")?.to_owned(),
            blinded_subject: r.array("Ph")?,
            input: Zeroizing::new(r.bytes("input")?.to_vec()),
            z: Zeroizing::new(r.array("z")?),
            w: Zeroizing::new(r.array("w")?),
            lists: r.many("lists", take_list)?,
        };
        r.finish()?;
        Ok(receipt)
    }
}

fn take_list(r: &mut Reader<'_>) -> Result<ListReceipt, CodecError> {
    let (list, epoch) = (r.parsed("list")?, r.u64("epoch")?);
    let (queries, evaluated) = (r.hashes("queries")?, r.hashes("evaluated")?);
    let (dleq, position) = (r.array("dleq")?, r.u32("position")?);
    let manifest = Bytes::copy_from_slice(r.bytes("manifest")?);
    let (manifest_record, manifest_checkpoint) = take_record(r)?;
    Ok(ListReceipt {
        list,
        epoch,
        queries,
        evaluated,
        dleq,
        position,
        manifest,
        manifest_record,
        manifest_checkpoint,
        bucket: r.u32("bucket")?,
        entries: Bytes::copy_from_slice(r.bytes("entries")?),
        path: r.hashes("path")?,
    })
}

fn put_record(w: &mut Writer, record: &LoggedRecord, checkpoint: &[u8]) {
    w.bytes(&record.record);
    w.u64(record.index);
    w.bytes(&record.path);
    w.bytes(checkpoint);
}

fn take_record(r: &mut Reader<'_>) -> Result<(LoggedRecord, Bytes), CodecError> {
    let record = LoggedRecord {
        record: Bytes::copy_from_slice(r.bytes("record")?),
        index: r.u64("index")?,
        path: Bytes::copy_from_slice(r.bytes("path")?),
    };
    Ok((record, Bytes::copy_from_slice(r.bytes("checkpoint")?)))
}
