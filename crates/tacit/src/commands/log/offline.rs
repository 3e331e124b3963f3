//! An exported folder, or one proof, verified without a network and without trust in whoever gave it.

use std::{collections::BTreeMap, path::Path};

use serde_json::json;
use tacit_ledger::{
    Hash,
    bundle::{self, BundleId},
    checkpoint::{CheckpointError, VerifiedCheckpoint},
    layout::{LogFile, VKEY, WITNESS_VKEYS, bundles_of},
    merkle::verify_inclusion,
    note::{Note, NoteError, NoteVerifier},
    proof::TlogProof,
    record::Record,
    tile::{TILE_WIDTH, TileId},
    tree::TreeView,
};
use tacit_model::{Millis, Reason};

use super::{
    folder::{Folder, Tiles},
    fsck::{Journal, ROUND, Stretch, on_all_cores},
    keys, progress, shard,
    tiler::Tiler,
    verify::tell_findings,
    words,
};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// Bundles that are taken up at a time.
pub(super) const BUNDLES: usize = ROUND / TILE_WIDTH as usize;

/// Verifies a folder: every file recomputed, nothing missing, nothing beside. One with a year of a log says so itself.
pub(super) fn folder(context: &Context, root: &Path, vkey: Option<&str>) -> Result<Exit, Failure> {
    let folder = Folder::open(root)?;
    let key = match vkey {
        Some(given) => keys::log_key(given)?,
        None => keys::key_in(&folder.path(VKEY))?,
    };
    let head = folder.checkpoint(&key)?.ok_or_else(|| wrong("the checkpoint is missing"))?;
    if folder.range()?.is_some() {
        return shard::folder(context, &folder, &key, &head, vkey.is_some());
    }
    let cosigned = Cosigned::of(&folder, &head)?;
    let size = head.size();
    let mut journal = Journal::default();
    let mut tiler = Tiler::new([]).map_err(Failure::internal)?;
    let bar = progress(context, size);
    let bundles: Vec<_> = bundles_of(size).collect();
    for round in bundles.chunks(BUNDLES) {
        let stretches = on_all_cores(round.to_vec(), |(id, width)| stretch(&folder, id, width));
        for read in stretches {
            let mut read = read?;
            journal.take(&mut read);
            for (id, hashes) in tiler.append(&read.leaves).map_err(Failure::internal)? {
                check_tile(&folder, id, TILE_WIDTH, &hashes)?;
            }
        }
        bar.set_position(tiler.size());
    }
    bar.finish_and_clear();
    for (id, hashes) in tiler.edge() {
        check_tile(&folder, id, u16::try_from(hashes.len() / 32).unwrap_or(TILE_WIDTH), hashes)?;
    }
    if tiler.root() != head.root() {
        return Err(wrong("the records do not give the root that was signed"));
    }
    let proofs = check_proofs(&folder, &head, &key)?;
    if let Some(stray) = folder.stray(|file| file.is_of(size), false)? {
        return Err(wrong(format!("{stray} does not belong to a log of {size} records")));
    }
    if !journal.findings.is_empty() {
        return tell_findings(context, &journal.findings);
    }
    let root = hex::encode(head.root());
    let newest = Millis(journal.newest_ms).to_rfc3339();
    context.output.result(
        &json!({
            "verified": true, "log": key.name(), "vkey": key.to_string(), "size": size, "root": root,
            "kinds": journal.kinds, "newest_record": newest, "cosigned": cosigned.times,
            "witnesses": cosigned.witnesses, "quorum": cosigned.is_quorum(), "proof_files": proofs,
        }),
        || {
            let kinds: Vec<_> = journal.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            let mut text = format!("Verified to tree size {size}, root {root}\n  {}", kinds.join(", "));
            if size > 0 {
                text.push_str(&format!("\n  newest record of {newest}"));
            }
            text.push_str(&cosigned.words());
            if proofs > 0 {
                text.push_str(&format!("\n  {proofs} proof files hold"));
            }
            text.push_str(&key_words(&key, vkey.is_some()));
            text
        },
    )?;
    Ok(Exit::Done)
}

/// Under which key all this was verified, and where it came from.
pub(super) fn key_words(key: &NoteVerifier, given: bool) -> String {
    let whose = if given {
        ""
    } else {
        "\n  The key came with the folder: compare it with the log's key from elsewhere."
    };
    format!("\n  under the key {key}{whose}")
}

/// Who of a folder's witnesses cosigned its checkpoint.
pub(super) struct Cosigned {
    /// By key name: when (RFC 3339).
    pub(super) times: BTreeMap<String, String>,
    /// Witnesses in the folder.
    pub(super) witnesses: usize,
}

impl Cosigned {
    /// A false cosignature of a known witness is refused.
    pub(super) fn of(folder: &Folder, head: &VerifiedCheckpoint) -> Result<Self, Failure> {
        let witnesses = keys::witness_keys(&folder.path(WITNESS_VKEYS))?;
        let note = Note::parse(head.note()).map_err(|error| wrong(error.to_string()))?;
        let mut times = BTreeMap::new();
        for witness in &witnesses {
            match witness.verify(&note) {
                Ok(cosignature) => {
                    let time = Millis(cosignature.time_s().saturating_mul(1000)).to_rfc3339();
                    times.insert(witness.name().to_owned(), time);
                }
                Err(CheckpointError::Note(NoteError::UnknownSigners)) => {}
                Err(error) => return Err(wrong(format!("cosignature of {}: {error}", witness.name()))),
            }
        }
        Ok(Self { times, witnesses: witnesses.len() })
    }

    fn due(&self) -> usize {
        self.witnesses / 2 + 1
    }

    pub(super) fn is_quorum(&self) -> bool {
        self.times.len() >= self.due()
    }

    /// Lines that begin with a line feed.
    pub(super) fn words(&self) -> String {
        let mut text = String::new();
        for (name, time) in &self.times {
            text.push_str(&format!("\n  cosigned by {name} at {time}"));
        }
        if !self.is_quorum() {
            let (found, of, due) = (self.times.len(), self.witnesses, self.due());
            text.push_str(&format!(
                "\n  WARNING: {found} of {of} witnesses cosigned it, {due} make a quorum"
            ));
        }
        text
    }
}

pub(super) fn stretch(folder: &Folder, id: BundleId, width: u16) -> Result<Stretch, Failure> {
    let file = LogFile::Entries(id, width);
    let bytes = folder.read(file)?.ok_or_else(|| wrong(format!("{} is missing", file.path())))?;
    let records =
        bundle::decode_exactly(&bytes, width).map_err(|error| wrong(format!("{}: {error}", file.path())))?;
    let mut stretch = Stretch::at(id.first_entry());
    records.into_iter().for_each(|record| stretch.push(record));
    Ok(stretch)
}

pub(super) fn check_tile(folder: &Folder, id: TileId, width: u16, due: &[u8]) -> Result<(), Failure> {
    let file = LogFile::Tile(id, width);
    match folder.read(file)? {
        Some(found) if found == due => Ok(()),
        Some(_) => Err(wrong(format!("{} is not what the records give", file.path()))),
        None => Err(wrong(format!("{} is missing", file.path()))),
    }
}

/// Checks every proof file in the folder: of a record of this log, under a checkpoint that this log continues.
fn check_proofs(folder: &Folder, head: &VerifiedCheckpoint, key: &NoteVerifier) -> Result<u64, Failure> {
    let mut tree = TreeView::new(head.size()).map_err(Failure::internal)?;
    let mut count = 0;
    for name in folder.proofs()? {
        let failed = |why: String| wrong(format!("{name}: {why}"));
        let bytes = std::fs::read(folder.path(&name))?;
        let proof = TlogProof::parse(&bytes).map_err(|error| failed(error.to_string()))?;
        let checkpoint =
            VerifiedCheckpoint::open(&proof.checkpoint, key).map_err(|error| failed(error.to_string()))?;
        if proof.index >= head.size() || checkpoint.size() > head.size() {
            return Err(failed(format!("it is about a larger log than these {} records", head.size())));
        }
        let leaf = leaf_at(folder, proof.index, head.size())?;
        verify_inclusion(&leaf, proof.index, &proof.hashes, checkpoint.size(), checkpoint.root())
            .map_err(|error| failed(error.to_string()))?;
        let missing =
            tree.missing_for_consistency(checkpoint.size(), head.size()).map_err(Failure::internal)?;
        tree.load(&mut Tiles(folder), &missing).map_err(|_| failed("a tile cannot be read".to_owned()))?;
        let between = tree.consistency(checkpoint.size(), head.size()).map_err(Failure::internal)?;
        head.verify_extends(&checkpoint, &between).map_err(|error| failed(error.to_string()))?;
        tree.trim();
        count += 1;
    }
    Ok(count)
}

/// A leaf, from the tile that was compared with the records.
fn leaf_at(folder: &Folder, index: u64, size: u64) -> Result<Hash, Failure> {
    let id = BundleId::of_entry(index);
    let file = LogFile::Tile(id.tile(), id.width_at(size));
    let bytes = folder.read(file)?.unwrap_or_default();
    let at = usize::try_from(index - id.first_entry()).unwrap_or(usize::MAX);
    bytes.as_chunks::<32>().0.get(at).copied().ok_or_else(|| wrong(format!("{} is too short", file.path())))
}

/// Verifies one proof file against the record that it should be about.
pub(super) fn proof(
    context: &Context,
    path: &Path,
    vkey: Option<&str>,
    record: Option<&Path>,
) -> Result<Exit, Failure> {
    let (Some(vkey), Some(record)) = (vkey, record) else {
        return Err(Failure::usage("a proof is verified with the log's key and the record").next(
            "add --vkey KEY and --record FILE; the record is the exact text, as `tacit log proof` writes it",
        ));
    };
    let key = keys::log_key(vkey)?;
    let read = |path: &Path| {
        std::fs::read(path)
            .map_err(|error| Failure::trouble(format!("{} cannot be read", path.display())).why(error))
    };
    let (proof, record) = (read(path)?, read(record)?);
    let unproven = |why: String| {
        Failure::trouble("the record is NOT proven")
            .why(why)
            .next("see that record, proof and key belong together, byte for byte")
    };
    let proof = TlogProof::parse(&proof).map_err(|error| unproven(error.to_string()))?;
    let head = proof.verify(&record, &key).map_err(|error| unproven(error.to_string()))?;
    let said = Record::parse(&record).map_err(|error| unproven(format!("it is no record: {error}")))?;
    let (index, size, root) = (proof.index, head.size(), hex::encode(head.root()));
    context.output.result(
        &json!({
            "verified": true, "record": words::value(index, &record), "log": key.name(), "vkey": key.to_string(),
            "size": size, "root": root,
        }),
        || {
            format!(
                "Proven: {}\n  record {index} of the first {size} of {}, under the signed root {root}\n  \
                 The log's key signed that root. It does not say what was answered.",
                words::line(index, &said).trim_start(),
                key.name()
            )
        },
    )?;
    Ok(Exit::Done)
}

pub(super) fn wrong(why: impl Into<String>) -> Failure {
    Failure::trouble("the folder FAILS verification")
        .why(why.into())
        .reason(Reason::LogInconsistent)
        .next("keep the folder as it is; ask who gave it to you, and compare with another auditor's export")
}
