//! A folder with one year of a log, verified without a network: what it proves, and what it cannot.

use std::collections::BTreeMap;

use serde_json::json;
use tacit_ledger::{
    bundle::BundleId,
    checkpoint::VerifiedCheckpoint,
    layout::{LogFile, RANGE},
    note::NoteVerifier,
    shard::{Shard, ShardTiles},
    tile::TILE_WIDTH,
};
use tacit_model::Millis;

use super::{
    folder::Folder,
    fsck::{Journal, Stretch, on_all_cores},
    offline::{BUNDLES, Cosigned, check_tile, key_words, stretch, wrong},
    progress,
    verify::tell_findings,
};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// What the records say of the year's borders.
#[derive(Debug, Default)]
struct Borders {
    /// Years of the record before the first, of the first, and of the one after the last, as far as they are there.
    years: BTreeMap<u64, u16>,
    findings: Vec<String>,
}

impl Borders {
    fn look(&mut self, shard: &Shard, index: u64, time_ms: u64) {
        let year = Millis(time_ms).utc_year();
        if (shard.first..shard.end).contains(&index) && year > shard.year {
            self.findings.push(format!("record {index} is of {year}, a later year"));
        }
        if [shard.first.checked_sub(1), Some(shard.first), Some(shard.end)].contains(&Some(index)) {
            self.years.insert(index, year);
        }
    }

    /// Whether the year was seen to begin and to end where the folder says; findings when it does not.
    fn judge(&mut self, shard: &Shard, size: u64) -> (bool, bool) {
        let before = shard.first.checked_sub(1);
        let year_before = before.and_then(|before| self.years.get(&before));
        if self.years.get(&shard.first) != Some(&shard.year)
            || year_before.is_some_and(|it| *it >= shard.year)
        {
            self.findings.push(format!("record {} is not the first one of {}", shard.first, shard.year));
        }
        let year_after = self.years.get(&shard.end);
        if year_after.is_some_and(|it| *it <= shard.year) {
            self.findings
                .push(format!("record {} is of {} too, or of an earlier year", shard.end, shard.year));
        }
        (before.is_none() || year_before.is_some(), shard.end == size || year_after.is_some())
    }
}

/// Verifies the folder: every record that is in it, under the checkpoint of the whole log.
pub(super) fn folder(
    context: &Context,
    folder: &Folder,
    key: &NoteVerifier,
    head: &VerifiedCheckpoint,
    given: bool,
) -> Result<Exit, Failure> {
    let shard = folder.range()?.ok_or_else(|| wrong(format!("{RANGE} is missing")))?;
    let cosigned = Cosigned::of(folder, head)?;
    let size = head.size();
    let mut spine = Vec::new();
    for (id, width) in shard.spine(size) {
        let file = LogFile::Tile(id, width);
        spine.push(folder.read(file)?.ok_or_else(|| wrong(format!("{} is missing", file.path())))?);
    }
    let tiles = ShardTiles::open(shard, head, spine).map_err(|error| wrong(error.to_string()))?;
    let held = shard.held(size);
    let (mut journal, mut borders) = (Journal::default(), Borders::default());
    let bar = progress(context, held.end - held.start);
    let bundles: Vec<_> = shard.bundles().map(BundleId).collect();
    for round in bundles.chunks(BUNDLES) {
        let checked = on_all_cores(round.to_vec(), |id| checked(folder, &tiles, id, size));
        for (stretch, id) in checked.into_iter().zip(round) {
            let mut stretch = stretch?;
            for (index, time_ms) in (id.first_entry()..).zip(&stretch.times) {
                borders.look(&shard, index, *time_ms);
            }
            bar.inc(stretch.leaves.len() as u64);
            journal.take(&mut stretch);
        }
    }
    bar.finish_and_clear();
    if let Some(stray) = folder.stray(|file| shard.has(file, size), true)? {
        return Err(wrong(format!("{stray} does not belong to the year {} of this log", shard.year)));
    }
    let (begins, ends) = borders.judge(&shard, size);
    journal.findings.extend(borders.findings);
    if !journal.findings.is_empty() {
        return tell_findings(context, &journal.findings);
    }
    let root = hex::encode(head.root());
    context.output.result(
        &json!({
            "verified": true, "log": key.name(), "vkey": key.to_string(), "size": size, "root": root,
            "year": shard.year, "first": shard.first, "end": shard.end, "records": shard.records(),
            "checked_first": held.start, "checked_end": held.end, "begins_there": begins, "ends_there": ends,
            "kinds": journal.kinds, "cosigned": cosigned.times, "witnesses": cosigned.witnesses,
            "quorum": cosigned.is_quorum(),
        }),
        || {
            let mut text = format!(
                "Verified the year {}: records {} to {} of {size}, under the root {root}",
                shard.year,
                shard.first,
                shard.end - 1
            );
            let unseen = |what: &str| format!("\n  NOT checked, for lack of the record: whether {what}");
            if !begins {
                text.push_str(&unseen(&format!("record {} is of an earlier year", shard.first - 1)));
            }
            if !ends {
                text.push_str(&unseen(&format!("record {} is of a later year", shard.end)));
            }
            if shard.end == size {
                text.push_str("\n  the last of them is the newest of the log: the year may go on");
            }
            text.push_str(&format!(
                "\n  records {} to {} are in the folder, and in the log; others were not looked at",
                held.start,
                held.end - 1
            ));
            text.push_str(&cosigned.words());
            text.push_str(&key_words(key, given));
            text
        },
    )?;
    Ok(Exit::Done)
}

/// A bundle whose records are those of the log, as the tile beside it says too.
fn checked(folder: &Folder, tiles: &ShardTiles, id: BundleId, size: u64) -> Result<Stretch, Failure> {
    let width = id.width_at(size);
    let stretch = stretch(folder, id, width)?;
    tiles.check(id, &stretch.leaves).map_err(|error| wrong(error.to_string()))?;
    if width == TILE_WIDTH {
        check_tile(folder, id.tile(), width, stretch.leaves.as_flattened())?;
    }
    Ok(stretch)
}
