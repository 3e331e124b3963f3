//! Receipts (protocol section 9): what proves an answer, offline and with public keys only.
//!
//! ```text
//! Requester::receipts ─▶ which there are        Requester::receipt ─▶ Receipt ─▶ to_bytes ─▶ a file
//! from_bytes ─▶ Receipt ─▶ verify(key of the log, registry) ─▶ Proven, or whose proof does not hold
//! ```
//!
//! A receipt shows its subject, the answer, and other subjects' sealed entries in the same bucket: it is for the
//! subject, a court, an auditor, and goes to nobody else.

mod error;
mod format;
mod kept;
mod verify;
mod witnessed;

use std::fmt;

use bytes::Bytes;
use tacit_blind::check::CheckContext;
use tacit_ledger::Hash;
use tacit_model::{ListId, Ulid};
use tacit_wire::Message;
use tacit_wire::common::LoggedRecord;
use tacit_wire::coordinator::AuthorizeRequest;
use zeroize::Zeroizing;

use crate::codec::CodecError;
use crate::error::ClientError;
use crate::evidence::{AnswerPart, KeptAnswer, KeptRequest, Section};
use crate::requester::Requester;
use crate::vault::Kind;

pub use error::{FileProblem, ReceiptError, Step, Whose};
pub use format::MAX_RECEIPT_BYTES;
pub use kept::{MAX_RECEIPTS, ReceiptFilter, ReceiptPage, ReceiptSummary};
pub use verify::{Proven, ProvenAnswer, Witnessed};

/// What proves the answers of one record. `Debug` shows the record's place only.
#[derive(Clone, PartialEq)]
pub struct Receipt {
    record: LoggedRecord,
    checkpoint: Bytes,
    /// The check: context, bind proof, T. The signature over the request's checks is with the coordinator.
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
    /// A checkpoint that witnesses cosigned, with the record in it.
    cosigned: Option<Cosigned>,
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

/// What witnesses stand behind, made later than the permit.
#[derive(Clone, PartialEq)]
struct Cosigned {
    /// RFC 6962 consistency proof from the record's checkpoint to this one; empty when their sizes are equal.
    consistency: Vec<Hash>,
    /// The note with the cosignatures on it.
    checkpoint: Bytes,
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").field("index", &self.record.index).finish_non_exhaustive()
    }
}

impl Receipt {
    /// Where the record stands in the log, from 0. Not proven yet.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.record.index
    }

    /// The exact bytes of the record. Not proven yet.
    #[must_use]
    pub fn record(&self) -> &[u8] {
        &self.record.record
    }

    /// T under which was asked. Not proven yet.
    pub(crate) fn pseudonym(&self) -> &[u8; 32] {
        &self.pseudonym
    }

    /// The receipt with a checkpoint, a note with the cosignatures on it, that witnesses stand behind, and the
    /// consistency proof from the record's own checkpoint to it; empty when their sizes are equal.
    #[must_use]
    pub fn with_cosigned(mut self, consistency: Vec<Hash>, checkpoint: Bytes) -> Self {
        self.cosigned = Some(Cosigned { consistency, checkpoint });
        self
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
    request: &KeptRequest,
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
        cosigned: None,
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
