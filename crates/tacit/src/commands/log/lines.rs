//! An exported log as lines: CSV with a column for each field, JSON with the proof of each record.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    ops::Range,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use tacit_ledger::{
    Hash,
    bundle::{self, BundleId},
    checkpoint::VerifiedCheckpoint,
    layout::LogFile,
    tile::TILE_WIDTH,
    tree::{LoadError, TreeView},
};

use super::{
    folder::{Folder, Tiles},
    fsck::on_all_cores,
    words,
};
use crate::exit::Failure;

/// Bundles that are taken up at a time.
const BUNDLES: usize = 64;

/// Columns of the CSV: the index, then the fields of all kinds in the order of docs/PROTOCOL.md.
const COLUMNS: &[&str] = &[
    "index",
    "kind",
    "id",
    "time",
    "requester",
    "holder",
    "lists",
    "purpose",
    "registry",
    "reason",
    "query",
    "matter",
    "cnf",
    "expires",
    "authority",
    "state",
    "terms",
    "subject",
    "evidence",
    "list",
    "epoch",
    "version",
    "key",
    "buckets",
    "capacity",
    "root",
    "note",
    "number",
    "custodian",
    "count",
    "ground",
    "openings",
    "reader",
    "pseudonyms",
    "from",
    "step",
    "auditor",
    "second",
    "registration",
    "about",
    "due",
    "records",
    "until",
    "form",
];

/// How the lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// CSV with a header.
    Csv,
    /// One object a line.
    Json,
}

/// Writes records of a folder to `path`, whole or not at all.
pub(super) fn write(
    folder: &Folder,
    checkpoint: &VerifiedCheckpoint,
    records: &Range<u64>,
    path: &Path,
    form: Form,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let unfinished = PathBuf::from(format!("{}.unfinished", path.display()));
    let failed =
        |error: std::io::Error| Failure::trouble(format!("{} cannot be written", path.display())).why(error);
    let mut out = BufWriter::new(File::create(&unfinished).map_err(failed)?);
    if form == Form::Csv {
        out.write_all(&row(COLUMNS.iter().copied())?).map_err(failed)?;
    }
    let mut tree = TreeView::new(checkpoint.size()).map_err(Failure::internal)?;
    let width = u64::from(TILE_WIDTH);
    let bundles: Vec<_> = (records.start / width..records.end.div_ceil(width))
        .map(|index| (BundleId(index), BundleId(index).width_at(checkpoint.size())))
        .collect();
    for round in bundles.chunks(BUNDLES) {
        let mut parts = Vec::with_capacity(round.len());
        for (id, width) in round {
            let file = LogFile::Entries(*id, *width);
            let bytes = folder.read(file)?.ok_or_else(|| changed(file.path()))?;
            let first = id.first_entry();
            let indexes = first.max(records.start)..(first + u64::from(*width)).min(records.end);
            let proofs =
                if form == Form::Json { proofs(folder, &mut tree, indexes.clone())? } else { Vec::new() };
            parts.push((indexes, *id, *width, bytes, proofs));
        }
        let lines = on_all_cores(parts, |(indexes, id, width, bytes, proofs)| {
            let all = bundle::decode_exactly(&bytes, width).map_err(|error| changed(error.to_string()))?;
            let records: Vec<&[u8]> = (id.first_entry()..)
                .zip(all)
                .filter_map(|(index, record)| indexes.contains(&index).then_some(record))
                .collect();
            match form {
                Form::Csv => csv_lines(indexes.start, &records),
                Form::Json => json_lines(indexes.start, &records, &proofs, checkpoint),
            }
        });
        for (part, (_, width)) in lines.into_iter().zip(round) {
            out.write_all(&part?).map_err(failed)?;
            bar.inc(u64::from(*width));
        }
    }
    let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&unfinished, path).map_err(failed)
}

fn changed(what: String) -> Failure {
    Failure::trouble("the exported folder was changed meanwhile").why(what).next("export again")
}

fn proofs(folder: &Folder, tree: &mut TreeView, indexes: Range<u64>) -> Result<Vec<Vec<Hash>>, Failure> {
    let size = tree.size();
    let missing = tree.missing_for_inclusion(indexes.clone(), size).map_err(Failure::internal)?;
    tree.load(&mut Tiles(folder), &missing).map_err(|error| match error {
        LoadError::Reader(error) => changed(error.to_string()),
        LoadError::Tree(error) => changed(error.to_string()),
    })?;
    let proofs = tree.inclusion_batch(indexes, size).map_err(Failure::internal)?;
    tree.trim();
    Ok(proofs)
}

fn csv_lines(start: u64, records: &[&[u8]]) -> Result<Vec<u8>, Failure> {
    let mut lines = Vec::new();
    for (index, record) in (start..).zip(records) {
        let index = index.to_string();
        let mut cells = vec![""; COLUMNS.len()];
        let fields = words::fields(record);
        for (name, text) in [("index", index.as_str())].into_iter().chain(fields) {
            if let Some(at) = COLUMNS.iter().position(|column| *column == name) {
                cells[at] = text;
            }
        }
        lines.extend(row(cells)?);
    }
    Ok(lines)
}

fn row<'a>(cells: impl IntoIterator<Item = &'a str>) -> Result<Vec<u8>, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).map_err(Failure::internal)?;
    writer.into_inner().map_err(Failure::internal)
}

fn json_lines(
    start: u64,
    records: &[&[u8]],
    proofs: &[Vec<Hash>],
    checkpoint: &VerifiedCheckpoint,
) -> Result<Vec<u8>, Failure> {
    let root = BASE64.encode(checkpoint.root());
    let mut lines = Vec::new();
    for ((index, record), proof) in (start..).zip(records).zip(proofs) {
        let mut value = words::value(index, record);
        let proof: Vec<String> = proof.iter().map(|hash| BASE64.encode(hash)).collect();
        let proven = json!({
            "text": String::from_utf8_lossy(record), "inclusion": proof, "size": checkpoint.size(), "tree_root": root,
        });
        if let (Some(all), Value::Object(proven)) = (value.as_object_mut(), proven) {
            all.extend(proven);
        }
        serde_json::to_writer(&mut lines, &value).map_err(Failure::internal)?;
        lines.push(b'\n');
    }
    Ok(lines)
}
