//! `tacit log export --year`: one year of the log in a folder, with what proves it.
//!
//! ```text
//! DIR/vkey                       the log's key, first: it marks whose log the folder holds
//! DIR/range                      which year, and which records
//! DIR/tile/<L>/<N>               the hashes that the root is computed from, fetched and proven
//! DIR/tile/entries/<N>           the records, as they come, and the hashes over each bundle
//! DIR/witness-vkeys, DIR/checkpoint
//! ```

use std::{ops::Range, path::Path};

use indicatif::ProgressBar;
use tacit_ledger::{
    bundle::BundleId,
    checkpoint::VerifiedCheckpoint,
    layout::{CHECKPOINT, LogFile},
    shard::{Shard, ShardTiles, YearStart},
    tile::TILE_WIDTH,
};
use tacit_model::Reason;

use super::{
    export::{BUNDLES, Export, Exported},
    folder::Folder,
    progress,
    remote::{Heads, Remote},
    verify::fails,
    years,
};
use crate::{cli::Context, exit::Failure};

/// Brings one year into the folder.
pub(super) async fn export(
    context: &Context,
    remote: &Remote,
    heads: &Heads,
    root: &Path,
    year: u16,
    newest: bool,
) -> Result<Exported, Failure> {
    let earlier =
        if root.join(CHECKPOINT).exists() { Folder::open(root)?.checkpoint(&remote.key)? } else { None };
    let earlier_size = earlier.as_ref().map_or(0, VerifiedCheckpoint::size);
    let newest = if newest { &heads.newest } else { heads.of_at_least(earlier_size) };
    let size = newest.size();
    let all = remote.years(size).await?;
    let shard = Shard::of(&all, year, size).ok_or_else(|| none(&all, year, size))?;
    for start in all.iter().filter(|it| [shard.first, shard.end].contains(&it.first_index)) {
        years::check_start(remote, heads, start).await?;
    }
    let folder = Folder::prepare(root, &remote.key, Some(&shard))?;
    if let Some(earlier) = &earlier {
        if earlier.size() > size {
            let why = format!("the log has {size} records now, {} were exported before", earlier.size());
            return Err(fails(&folder.path(CHECKPOINT), why));
        }
        if !remote.extends(earlier, newest).await? {
            let why = format!("the first {} records are not those that were exported before", earlier.size());
            return Err(fails(&folder.path(CHECKPOINT), why));
        }
    }
    let mut spine = Vec::new();
    for (id, width) in shard.spine(size) {
        spine.push(remote.get(LogFile::Tile(id, width)).await?);
    }
    let tiles = ShardTiles::open(shard, newest, spine.iter().cloned()).map_err(false_log)?;
    let mut export = Export::new(remote, &folder, size);
    let bar = progress(context, shard.held(size).end - shard.held(size).start);
    let done = records(&mut export, &tiles, &bar).await;
    bar.finish_and_clear();
    done?;
    for ((id, width), hashes) in shard.spine(size).into_iter().zip(&spine) {
        folder.write(LogFile::Tile(id, width), hashes)?;
    }
    export.finish(newest, &heads.witnesses, |file| shard.has(file, size))?;
    let (fetched, kept) = (export.fetched, export.kept);
    Ok(Exported { folder, shard: Some(shard), newest: newest.clone(), fetched, kept })
}

/// Brings in the records, and compares each bundle with the proven hashes.
async fn records(export: &mut Export<'_>, tiles: &ShardTiles, bar: &ProgressBar) -> Result<(), Failure> {
    let Range { mut start, end } = tiles.shard().bundles();
    while start < end {
        let round = start..end.min(start + BUNDLES);
        for (index, leaves) in round.clone().zip(export.round(round.clone()).await?) {
            let id = BundleId(index);
            tiles.check(id, &leaves).map_err(false_log)?;
            if leaves.len() == usize::from(TILE_WIDTH) {
                export.folder.write(LogFile::Tile(id.tile(), TILE_WIDTH), leaves.as_flattened())?;
            }
            bar.inc(leaves.len() as u64);
        }
        start = round.end;
    }
    Ok(())
}

fn false_log(why: impl std::fmt::Display) -> Failure {
    Failure::trouble("what the coordinator gave is not the log that it signed")
        .why(why)
        .reason(Reason::LogInconsistent)
        .next("export into a new folder; if that fails too, keep both and tell the other auditors")
}

fn none(years: &[YearStart], year: u16, size: u64) -> Failure {
    let known: Vec<_> = years.iter().map(|it| it.year.to_string()).collect();
    Failure::trouble(format!("the log has no record of {year}"))
        .why(format!("among its {size} records are the years {}", known.join(", ")))
        .reason(Reason::NotFound)
}
