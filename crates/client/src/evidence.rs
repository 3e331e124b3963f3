//! What is kept of a request: before it is sent, what opens its commitments; when it is settled, what proves its
//! answers (protocol section 9). Sealed as two rows; buckets are kept once, by content.
//!
//! ```text
//! request row: asked, case, officer, [row, matter salt] per check, the request's exact bytes
//! answer row:  checkpoint, [record, path] per item, [z, Ph, input, w...] per check,
//!              per holder: [N..., DLEQ] per list, manifests with their proofs, bucket paths, who stands where
//! ```

use std::sync::Arc;

use bytes::Bytes;
use tacit_ledger::Hash;
use tacit_model::{ListId, Millis, Ulid};
use tacit_wire::common::LoggedRecord;
use zeroize::Zeroizing;

use crate::codec::{CodecError, Reader, Writer};
use crate::manifests::LoggedManifest;
use crate::store::{RecordOutcome, RowKey};

const VERSION: u8 = 1;

/// What is kept of a request before it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeptRequest {
    pub(crate) asked: Millis,
    pub(crate) case: String,
    pub(crate) officer: String,
    /// Per check: the caller's row, and the salt of its matter.
    pub(crate) checks: Vec<(u64, [u8; 32])>,
    /// Exact bytes of the request.
    pub(crate) request: Bytes,
}

impl KeptRequest {
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::with_capacity(self.request.len() + 40 * self.checks.len() + 500);
        writer.u8(VERSION);
        writer.u64(self.asked.0);
        writer.bytes(self.case.as_bytes());
        writer.bytes(self.officer.as_bytes());
        writer.count(self.checks.len());
        for (row, salt) in &self.checks {
            writer.u64(*row);
            writer.raw(salt);
        }
        writer.bytes(&self.request);
        writer.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes);
        version(&mut reader)?;
        let kept = Self {
            asked: Millis(reader.u64("asked")?),
            case: reader.text("case")?.to_owned(),
            officer: reader.text("officer")?.to_owned(),
            checks: reader.many("checks", |r| Ok((r.u64("row")?, r.array("salt")?)))?,
            request: Bytes::copy_from_slice(reader.bytes("request")?),
        };
        reader.finish()?;
        Ok(kept)
    }
}

/// One record of a request.
#[derive(Debug, Clone)]
pub(crate) struct ItemPart {
    pub(crate) check: usize,
    pub(crate) item: usize,
    pub(crate) id: Ulid,
    pub(crate) outcome: RecordOutcome,
    pub(crate) record: LoggedRecord,
}

/// The secrets of one check. Wiped on drop.
pub(crate) struct CheckSecrets {
    pub(crate) z: Zeroizing<[u8; 32]>,
    pub(crate) blinded_subject: [u8; 32],
    pub(crate) input: Zeroizing<Vec<u8>>,
    /// w of each item.
    pub(crate) blinds: Vec<Zeroizing<[u8; 32]>>,
}

/// One list of one call.
#[derive(Debug, Clone)]
pub(crate) struct EvaluationPart {
    pub(crate) list: ListId,
    pub(crate) epoch: u64,
    /// Places of the records whose queries were evaluated, in the order of the proof.
    pub(crate) members: Vec<u32>,
    /// N of each, concatenated.
    pub(crate) evaluated: Bytes,
    pub(crate) dleq: [u8; 64],
}

/// A manifest as it is kept: note, record, checkpoint.
#[derive(Debug, Clone)]
pub(crate) struct ManifestPart {
    pub(crate) note: String,
    pub(crate) record: LoggedRecord,
    pub(crate) checkpoint: Bytes,
}

impl From<&Arc<LoggedManifest>> for ManifestPart {
    fn from(logged: &Arc<LoggedManifest>) -> Self {
        Self {
            note: logged.signed.note().to_owned(),
            record: logged.record.clone(),
            checkpoint: logged.checkpoint.clone(),
        }
    }
}

/// A bucket by the key it is kept under.
#[derive(Debug, Clone)]
pub(crate) struct BucketPart {
    pub(crate) number: u32,
    pub(crate) key: RowKey,
    /// Audit path, concatenated.
    pub(crate) path: Bytes,
}

/// Where one answer comes from; numbers are places in the vectors of its section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AnswerPart {
    /// Place of the record.
    pub(crate) place: u32,
    /// Which evaluation, and which of its members.
    pub(crate) evaluation: u32,
    pub(crate) position: u32,
    pub(crate) manifest: u32,
    pub(crate) bucket: u32,
}

/// What one holder's part of a request gave.
#[derive(Debug, Clone, Default)]
pub(crate) struct Section {
    pub(crate) evaluations: Vec<EvaluationPart>,
    pub(crate) manifests: Vec<ManifestPart>,
    pub(crate) buckets: Vec<BucketPart>,
    pub(crate) answers: Vec<AnswerPart>,
}

/// What is kept of a settled request.
pub(crate) struct KeptAnswer {
    pub(crate) checkpoint: Bytes,
    pub(crate) items: Vec<ItemPart>,
    pub(crate) checks: Vec<CheckSecrets>,
    pub(crate) sections: Vec<Section>,
}

impl KeptAnswer {
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let items: usize =
            self.items.iter().map(|it| it.record.record.len() + it.record.path.len() + 64).sum();
        let lists: usize =
            self.sections.iter().flat_map(|it| &it.evaluations).map(|it| it.members.len()).sum();
        let paths: usize = self.sections.iter().flat_map(|it| &it.buckets).map(|it| it.path.len() + 64).sum();
        let mut w = Writer::with_capacity(8192 + items + 200 * self.checks.len() + 64 * lists + paths);
        w.u8(VERSION);
        w.bytes(&self.checkpoint);
        w.count(self.items.len());
        for item in &self.items {
            w.count(item.check);
            w.count(item.item);
            w.raw(&item.id.0.to_be_bytes());
            w.u8(match item.outcome {
                RecordOutcome::Answered => 1,
                RecordOutcome::Refused => 2,
                RecordOutcome::NotAnswered => 3,
            });
            put_record(&mut w, &item.record);
        }
        w.count(self.checks.len());
        for check in &self.checks {
            w.raw(check.z.as_ref());
            w.raw(&check.blinded_subject);
            w.bytes(&check.input);
            w.count(check.blinds.len());
            check.blinds.iter().for_each(|blind| w.raw(blind.as_ref()));
        }
        w.count(self.sections.len());
        self.sections.iter().for_each(|section| put_section(&mut w, section));
        w.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes);
        version(&mut reader)?;
        let kept = Self {
            checkpoint: Bytes::copy_from_slice(reader.bytes("checkpoint")?),
            items: reader.many("items", item)?,
            checks: reader.many("checks", secrets)?,
            sections: reader.many("sections", section)?,
        };
        reader.finish()?;
        Ok(kept)
    }
}

fn version(reader: &mut Reader<'_>) -> Result<(), CodecError> {
    if reader.u8("version")? == VERSION { Ok(()) } else { Err(CodecError("version")) }
}

fn put_record(w: &mut Writer, record: &LoggedRecord) {
    w.bytes(&record.record);
    w.u64(record.index);
    w.bytes(&record.path);
}

fn record(r: &mut Reader<'_>) -> Result<LoggedRecord, CodecError> {
    Ok(LoggedRecord {
        record: Bytes::copy_from_slice(r.bytes("record")?),
        index: r.u64("index")?,
        path: Bytes::copy_from_slice(r.bytes("path")?),
    })
}

fn put_section(w: &mut Writer, section: &Section) {
    w.count(section.evaluations.len());
    for evaluation in &section.evaluations {
        w.bytes(evaluation.list.as_str().as_bytes());
        w.u64(evaluation.epoch);
        w.count(evaluation.members.len());
        evaluation.members.iter().for_each(|place| w.u32(*place));
        w.bytes(&evaluation.evaluated);
        w.raw(&evaluation.dleq);
    }
    w.count(section.manifests.len());
    for manifest in &section.manifests {
        w.bytes(manifest.note.as_bytes());
        put_record(w, &manifest.record);
        w.bytes(&manifest.checkpoint);
    }
    w.count(section.buckets.len());
    for bucket in &section.buckets {
        w.u32(bucket.number);
        w.raw(&bucket.key);
        w.bytes(&bucket.path);
    }
    w.count(section.answers.len());
    for answer in &section.answers {
        for number in [answer.place, answer.evaluation, answer.position, answer.manifest, answer.bucket] {
            w.u32(number);
        }
    }
}

fn item(r: &mut Reader<'_>) -> Result<ItemPart, CodecError> {
    Ok(ItemPart {
        check: r.count("check")?,
        item: r.count("item")?,
        id: Ulid(u128::from_be_bytes(r.array("id")?)),
        outcome: match r.u8("outcome")? {
            1 => RecordOutcome::Answered,
            2 => RecordOutcome::Refused,
            3 => RecordOutcome::NotAnswered,
            _ => return Err(CodecError("outcome")),
        },
        record: record(r)?,
    })
}

fn secrets(r: &mut Reader<'_>) -> Result<CheckSecrets, CodecError> {
    Ok(CheckSecrets {
        z: Zeroizing::new(r.array("z")?),
        blinded_subject: r.array("Ph")?,
        input: Zeroizing::new(r.bytes("input")?.to_vec()),
        blinds: r.many("blinds", |r| Ok(Zeroizing::new(r.array("w")?)))?,
    })
}

fn section(r: &mut Reader<'_>) -> Result<Section, CodecError> {
    Ok(Section {
        evaluations: r.many("evaluations", |r| {
            Ok(EvaluationPart {
                list: r.parsed("list")?,
                epoch: r.u64("epoch")?,
                members: r.many("members", |r| r.u32("member"))?,
                evaluated: Bytes::copy_from_slice(r.bytes("evaluated")?),
                dleq: r.array("dleq")?,
            })
        })?,
        manifests: r.many("manifests", |r| {
            Ok(ManifestPart {
                note: r.text("note")?.to_owned(),
                record: record(r)?,
                checkpoint: Bytes::copy_from_slice(r.bytes("checkpoint")?),
            })
        })?,
        buckets: r.many("buckets", |r| {
            Ok(BucketPart {
                number: r.u32("number")?,
                key: r.array::<32>("key")? as Hash,
                path: Bytes::copy_from_slice(r.bytes("path")?),
            })
        })?,
        answers: r.many("answers", |r| {
            Ok(AnswerPart {
                place: r.u32("place")?,
                evaluation: r.u32("evaluation")?,
                position: r.u32("position")?,
                manifest: r.u32("manifest")?,
                bucket: r.u32("bucket")?,
            })
        })?,
    })
}
