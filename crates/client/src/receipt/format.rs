//! The file of a receipt, byte for byte.
//!
//! ```text
//! "tacit-receipt\n" || u8 version = 1
//!   record part     the access record
//!   question part   context, proof (64), T (32), u32 item, salt (32), case, officer
//!   subject part    Ph (32), input, z (32), w (32)
//!   u32 lists || for each:
//!     list id || u64 epoch || queries || evaluated || DLEQ (64) || u32 position
//!     manifest, a signed note || record part of the manifest || u32 bucket || entries || path
//!   u8 witnessed || if 1: consistency || note      from the record's checkpoint to one that witnesses cosigned
//! b3("tacit v1 receipt", all of the above)(32)
//!
//! record part = record || u64 index || path || checkpoint, a signed note
//! ```
//!
//! Integers are big-endian, a number beside a name is its length, all else has a u32 length in front; points,
//! scalars and hashes have 32 bytes each. The hash at the end finds damage, nothing else: anybody can compute it.

use bytes::Bytes;
use tacit_blind::encoding::b3;
use tacit_wire::common::LoggedRecord;
use zeroize::Zeroizing;

use super::error::{FileProblem, ReceiptError};
use super::{Cosigned, ListReceipt, Receipt};
use crate::codec::{CodecError, Reader, Writer};

const HEADING: &[u8] = b"tacit-receipt\n";
const VERSION: u8 = 1;
const CHECKSUM: usize = 32;
const CHECKSUM_OF: &str = "tacit v1 receipt";

/// Largest file, in bytes: 16 lists, each with a call of 1024 queries and a bucket of the largest size, take less.
pub const MAX_RECEIPT_BYTES: usize = 64 << 20;

impl Receipt {
    /// The receipt as one file.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let lists: usize = self.lists.iter().map(size_of_list).sum();
        let fixed = self.context.len() + self.checkpoint.len() + self.record.record.len() + 8192;
        let mut w = Writer::with_capacity(fixed + lists);
        w.raw(HEADING);
        w.u8(VERSION);
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
        self.lists.iter().for_each(|list| put_list(&mut w, list));
        match &self.cosigned {
            None => w.u8(0),
            Some(cosigned) => {
                w.u8(1);
                w.bytes(cosigned.consistency.as_flattened());
                w.bytes(&cosigned.checkpoint);
            }
        }
        let mut bytes = w.finish();
        let checksum = b3(CHECKSUM_OF, &[&bytes]);
        bytes.extend_from_slice(&checksum);
        bytes
    }

    /// Reads such a file. Says nothing about whether it proves anything: see [`Receipt::verify`].
    ///
    /// # Errors
    /// [`ReceiptError::File`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() > MAX_RECEIPT_BYTES {
            return Err(FileProblem::TooLarge.into());
        }
        let version = bytes.strip_prefix(HEADING).ok_or(FileProblem::NotAReceipt)?.first();
        match version {
            Some(&VERSION) => {}
            Some(&other) => return Err(FileProblem::Version(other).into()),
            None => return Err(FileProblem::Damaged.into()),
        }
        let (content, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(FileProblem::Damaged)?;
        if b3(CHECKSUM_OF, &[content]) != *checksum {
            return Err(FileProblem::Damaged.into());
        }
        // A file shorter than heading and checksum together has no content.
        let content = content.get(HEADING.len() + 1..).ok_or(FileProblem::Damaged)?;
        Ok(read(content).map_err(FileProblem::Form)?)
    }
}

fn read(content: &[u8]) -> Result<Receipt, CodecError> {
    let mut r = Reader::new(content);
    let (record, checkpoint) = take_record(&mut r)?;
    let receipt = Receipt {
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
        cosigned: match r.u8("witnessed")? {
            0 => None,
            1 => Some(Cosigned {
                consistency: r.hashes("consistency")?,
                checkpoint: Bytes::copy_from_slice(r.bytes("checkpoint")?),
            }),
            _ => return Err(CodecError("witnessed")),
        },
    };
    r.finish()?;
    Ok(receipt)
}

/// Room for one list, so that what is secret is not copied while the file grows.
fn size_of_list(list: &ListReceipt) -> usize {
    64 * list.queries.len() + list.manifest.len() + list.manifest_checkpoint.len() + list.entries.len() + 8192
}

fn put_list(w: &mut Writer, list: &ListReceipt) {
    w.bytes(list.list.as_bytes());
    w.u64(list.epoch);
    w.bytes(list.queries.as_flattened());
    w.bytes(list.evaluated.as_flattened());
    w.raw(&list.dleq);
    w.u32(list.position);
    w.bytes(&list.manifest);
    put_record(w, &list.manifest_record, &list.manifest_checkpoint);
    w.u32(list.bucket);
    w.bytes(&list.entries);
    w.bytes(list.path.as_flattened());
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
