//! The years of a log: one tree that never begins anew, read and stored a year at a time.
//!
//! ```text
//! years   <year> <index of its first record>          one a line, years and indexes rise
//! range   tacit-log-range/v1                          in a folder that has one year
//!         year <year>
//!         first <index of its first record>
//!         end <index after its last record; the checkpoint's size when it may go on>
//! ```
//!
//! A record belongs to the newest year that has begun before it or with it. Such a folder has the bundles that the
//! year's records are in, and the hash tiles that prove these under the checkpoint of the whole log: the tiles above
//! the bundles, and the partial ones at the right edge of the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::Hash;
use crate::bundle::BundleId;
use crate::checkpoint::{VerifiedCheckpoint, parse_decimal};
use crate::layout::LogFile;
use crate::merkle;
use crate::tile::{TILE_HEIGHT, TILE_WIDTH, TileId};
use crate::tree::{TreeError, TreeView};

/// First line of the file about the range.
const HEADER: &str = "tacit-log-range/v1";

/// The largest year that a record's time can have.
const LAST_YEAR: u16 = 9999;

/// Where a year begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct YearStart {
    /// The year, UTC.
    pub year: u16,
    /// Index of its first record.
    pub first_index: u64,
}

/// Why something is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// Not the text of years.
    #[error("not a list of rising years with rising indexes")]
    Years,
    /// Not the text of a range.
    #[error("not a file of `{HEADER}`")]
    Range,
    /// The range is not one of the log at this size.
    #[error("the range ends after {end} records, the checkpoint has {size}")]
    Beyond {
        /// End of the range.
        end: u64,
        /// Records in the log.
        size: u64,
    },
    /// A hash tile is too short, too long, or contradicts another.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A tile is not of the width that it must have.
    #[error("tile {}/{} has another width", .0.level, .0.index)]
    Width(TileId),
    /// The tiles do not give the signed root.
    #[error("the hash tiles do not give the root that was signed")]
    Root,
    /// The records of a bundle are not those of the log.
    #[error("the records of bundle {0} are not those of the log")]
    Records(u64),
}

/// Writes where the years begin.
#[must_use]
pub fn format_years(years: &[YearStart]) -> String {
    years.iter().map(|it| format!("{} {}\n", it.year, it.first_index)).collect()
}

/// Reads where the years begin. The first year begins with record 0.
///
/// # Errors
/// [`ShardError::Years`].
pub fn parse_years(text: &str) -> Result<Vec<YearStart>, ShardError> {
    let mut years: Vec<YearStart> = Vec::new();
    for line in text.split_terminator('\n') {
        let (year, first_index) = line.split_once(' ').ok_or(ShardError::Years)?;
        let year = parse_decimal(year).filter(|year| *year <= LAST_YEAR).ok_or(ShardError::Years)?;
        let first_index = parse_decimal(first_index).ok_or(ShardError::Years)?;
        let rises = match years.last() {
            Some(last) => last.year < year && last.first_index < first_index,
            None => first_index == 0,
        };
        if !rises {
            return Err(ShardError::Years);
        }
        years.push(YearStart { year, first_index });
    }
    if format_years(&years) == text { Ok(years) } else { Err(ShardError::Years) }
}

/// The records of one year in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The year, UTC.
    pub year: u16,
    /// Index of its first record.
    pub first: u64,
    /// Index after the last of its records, more than `first`.
    pub end: u64,
}

impl Shard {
    /// A year in a log of `size`; nothing when it has no record there.
    #[must_use]
    pub fn of(years: &[YearStart], year: u16, size: u64) -> Option<Self> {
        let first = years.iter().find(|it| it.year == year)?.first_index;
        let next = years.iter().find(|it| it.year > year).map_or(size, |next| next.first_index);
        let end = next.min(size);
        (first < end).then_some(Self { year, first, end })
    }

    /// The text of the file about the range.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{HEADER}\nyear {}\nfirst {}\nend {}\n", self.year, self.first, self.end)
    }

    /// Reads such a text, strictly.
    ///
    /// # Errors
    /// [`ShardError::Range`].
    pub fn parse(text: &str) -> Result<Self, ShardError> {
        let read = || {
            let mut lines = text.lines().skip(1);
            let mut number = |name: &str| -> Option<u64> {
                lines.next()?.strip_prefix(name)?.strip_prefix(' ').and_then(parse_decimal)
            };
            let year = u16::try_from(number("year")?).ok()?;
            let shard = Self { year, first: number("first")?, end: number("end")? };
            (shard.year <= LAST_YEAR && shard.first < shard.end && shard.to_text() == text).then_some(shard)
        };
        read().ok_or(ShardError::Range)
    }

    /// Number of records.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.end - self.first
    }

    /// The bundles that its records are in, by index.
    #[must_use]
    pub fn bundles(&self) -> Range<u64> {
        let width = u64::from(TILE_WIDTH);
        self.first / width..self.end.div_ceil(width)
    }

    /// The records that are in these bundles, by index: the year's and those beside them, in a log of `size`.
    #[must_use]
    pub fn held(&self, size: u64) -> Range<u64> {
        let width = u64::from(TILE_WIDTH);
        let bundles = self.bundles();
        bundles.start * width..bundles.end.saturating_mul(width).min(size)
    }

    /// The hash tiles of such a folder but for the full ones of the lowest level, which the records give: higher
    /// levels first.
    #[must_use]
    pub fn spine(&self, size: u64) -> Vec<(TileId, u16)> {
        let mut ids = BTreeSet::new();
        let bundles = self.bundles();
        let levels = (0..8_u8).take_while(|level| size >> (TILE_HEIGHT * u32::from(*level)) > 0);
        for level in levels {
            let nodes = size >> (TILE_HEIGHT * u32::from(level));
            ids.insert(TileId { level, index: (nodes - 1) / u64::from(TILE_WIDTH) });
            if level > 0 {
                let shift = TILE_HEIGHT * u32::from(level);
                let (first, last) = (bundles.start >> shift, bundles.end.saturating_sub(1) >> shift);
                ids.extend((first..=last).map(|index| TileId { level, index }));
            }
        }
        let is_held = |id: &TileId| {
            let width = id.width_at(size);
            let above = id.level > 0 && self.is_above(*id);
            width > 0 && (width < TILE_WIDTH || above)
        };
        ids.into_iter().rev().filter(is_held).map(|id| (id, id.width_at(size))).collect()
    }

    /// Whether a tile stands above one of the bundles, or beside it.
    fn is_above(&self, id: TileId) -> bool {
        let (bundles, shift) = (self.bundles(), TILE_HEIGHT * u32::from(id.level));
        (bundles.start >> shift..=bundles.end.saturating_sub(1) >> shift).contains(&id.index)
    }

    /// Whether a file is one of the folder's, in a log of `size`.
    #[must_use]
    pub fn has(&self, file: LogFile, size: u64) -> bool {
        let is_held = match file {
            LogFile::Checkpoint => true,
            LogFile::Tile(id, width) => width < TILE_WIDTH || self.is_above(id),
            LogFile::Entries(id, _) => self.bundles().contains(&id.0),
        };
        is_held && file.is_of(size)
    }
}

/// The hash tiles of one year, proven under a checkpoint: what its records are compared with.
#[derive(Debug)]
pub struct ShardTiles {
    shard: Shard,
    size: u64,
    tiles: BTreeMap<TileId, Vec<u8>>,
}

impl ShardTiles {
    /// Verifies the tiles of [`Shard::spine`], in that order, against each other and against the signed root.
    ///
    /// # Errors
    /// [`ShardError`].
    pub fn open(
        shard: Shard,
        head: &VerifiedCheckpoint,
        tiles: impl IntoIterator<Item = Vec<u8>>,
    ) -> Result<Self, ShardError> {
        let size = head.size();
        if shard.end > size {
            return Err(ShardError::Beyond { end: shard.end, size });
        }
        let mut tree = TreeView::new(size)?;
        let mut tiles = tiles.into_iter();
        let mut held = BTreeMap::new();
        for (id, width) in shard.spine(size) {
            let bytes = tiles.next().ok_or(TreeError::MissingTile(id))?;
            if bytes.len() != usize::from(width) * size_of::<Hash>() {
                return Err(ShardError::Width(id));
            }
            // A full tile stands below another one, which was there before it and is compared with it.
            tree.insert(id, &bytes)?;
            held.insert(id, bytes);
        }
        if tree.root(size)? != *head.root() {
            return Err(ShardError::Root);
        }
        Ok(Self { shard, size, tiles: held })
    }

    /// The year.
    #[must_use]
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Checks that a bundle of the year has exactly these leaves.
    ///
    /// # Errors
    /// [`ShardError::Records`].
    pub fn check(&self, id: BundleId, leaves: &[Hash]) -> Result<(), ShardError> {
        let is_held = self.shard.bundles().contains(&id.0);
        let width = id.width_at(self.size);
        let same = if width < TILE_WIDTH {
            self.tiles.get(&id.tile()).is_some_and(|tile| leaves.as_flattened() == tile)
        } else {
            let parent = TileId { level: 1, index: id.0 / u64::from(TILE_WIDTH) };
            let at = usize::try_from(id.0 % u64::from(TILE_WIDTH)).unwrap_or(usize::MAX);
            let above = self.tiles.get(&parent).and_then(|tile| tile.as_chunks::<32>().0.get(at));
            above.is_some_and(|above| *above == merkle::root(leaves))
        };
        if is_held && leaves.len() == usize::from(width) && same {
            Ok(())
        } else {
            Err(ShardError::Records(id.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::ed25519::SigningKey;
    use crate::layout::files_of;
    use crate::merkle::leaf_hash;
    use crate::note::NoteSigner;

    const YEARS: [YearStart; 3] = [
        YearStart { year: 2026, first_index: 0 },
        YearStart { year: 2027, first_index: 300 },
        YearStart { year: 2030, first_index: 512 },
    ];

    #[test]
    fn years_and_ranges_have_one_spelling() {
        assert_eq!(parse_years(&format_years(&YEARS)), Ok(YEARS.to_vec()));
        assert_eq!(parse_years(""), Ok(Vec::new()));
        for text in [
            "2026 0",
            "2026  0\n",
            "2026 00\n",
            "02026 0\n",
            "2026 1\n",
            "2026 0\n2026 5\n",
            "2026 0\n2027 0\n",
            "2027 0\n2026 5\n",
            "2026 0\n\n",
            "2026\n",
            "x 0\n",
            "20260 0\n",
            "2026 0\r\n",
        ] {
            assert_eq!(parse_years(text), Err(ShardError::Years), "{text:?}");
        }
        let shard = Shard { year: 2027, first: 300, end: 512 };
        assert_eq!(shard.to_text(), "tacit-log-range/v1\nyear 2027\nfirst 300\nend 512\n");
        assert_eq!(Shard::parse(&shard.to_text()), Ok(shard));
        for (found, other) in
            [("2027", "02027"), ("300", "512"), ("v1", "v2"), ("\nend", "\n\nend"), ("512\n", "512")]
        {
            let text = shard.to_text().replace(found, other);
            assert_eq!(Shard::parse(&text), Err(ShardError::Range), "{text:?}");
        }
    }

    #[test]
    fn a_year_is_what_stands_between_two_beginnings() {
        let of = |year, size| Shard::of(&YEARS, year, size).map(|shard| (shard.first, shard.end));
        assert_eq!(of(2026, 1000), Some((0, 300)));
        assert_eq!(of(2027, 1000), Some((300, 512)));
        assert_eq!(of(2030, 1000), Some((512, 1000)));
        assert_eq!(of(2027, 400), Some((300, 400)));
        assert_eq!((of(2027, 300), of(2028, 1000), of(2031, 1000)), (None, None, None));
        let shard = Shard::of(&YEARS, 2027, 1000).unwrap();
        assert_eq!((shard.bundles(), shard.held(1000), shard.records()), (1..2, 256..512, 212));
    }

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    fn tile(leaves: &[Hash], id: TileId, width: u16) -> Vec<u8> {
        let span = 1_usize << (TILE_HEIGHT * u32::from(id.level));
        let first = usize::try_from(id.index).unwrap() * usize::from(TILE_WIDTH);
        let nodes =
            (first..first + usize::from(width)).map(|n| merkle::root(&leaves[n * span..(n + 1) * span]));
        nodes.collect::<Vec<_>>().as_flattened().to_vec()
    }

    #[test]
    fn the_tiles_of_a_year_prove_its_records_and_those_beside_them_and_nothing_else() {
        let signer = NoteSigner::new("c/log", SigningKey::from_seed(&[1; 32])).unwrap();
        for (size, first, end) in [
            (1, 0, 1),
            (255, 3, 200),
            (256, 0, 256),
            (257, 256, 257),
            (257, 0, 256),
            (1000, 300, 512),
            (1000, 0, 1000),
            (66_000, 300, 700),
            (66_000, 65_000, 65_537),
            (66_000, 65_999, 66_000),
            (65_536, 65_535, 65_536),
            (131_072, 70_000, 70_001),
            (131_072 + 256, 131_072, 131_073),
        ] {
            let leaves = leaves(size);
            let checkpoint = Checkpoint { origin: "c/log".to_owned(), size, root: merkle::root(&leaves) };
            let head = checkpoint.sign(&signer).unwrap();
            let shard = Shard { year: 2026, first, end };
            let spine = shard.spine(size);
            let bytes: Vec<_> = spine.iter().map(|(id, width)| tile(&leaves, *id, *width)).collect();
            let tiles = ShardTiles::open(shard, &head, bytes.clone()).unwrap();
            let of = |id: BundleId| {
                let start = usize::try_from(id.first_entry()).unwrap();
                &leaves[start..start + usize::from(id.width_at(size))]
            };
            for index in 0..size.div_ceil(256) {
                let is_held = shard.bundles().contains(&index);
                assert_eq!(
                    tiles.check(BundleId(index), of(BundleId(index))).is_ok(),
                    is_held,
                    "{size} {index}"
                );
            }
            // One record of the year differs, or is not there.
            let id = BundleId::of_entry(first);
            let mut other = of(id).to_vec();
            other[0] = [7; 32];
            assert_eq!(tiles.check(id, &other), Err(ShardError::Records(id.0)));
            assert!(tiles.check(id, &of(id)[1..]).is_err());
            // Any tile that differs, is cut off or is missing.
            for at in 0..bytes.len() {
                let mut altered = bytes.clone();
                altered[at][5] ^= 1;
                assert!(ShardTiles::open(shard, &head, altered).is_err(), "{size} {at}");
                let mut short = bytes.clone();
                short[at].truncate(bytes[at].len() - 32);
                assert!(ShardTiles::open(shard, &head, short).is_err(), "{size} {at}");
            }
            assert!(ShardTiles::open(shard, &head, bytes[..bytes.len() - 1].to_vec()).is_err());
            // The folder has these tiles and those of the bundles, and what any reader needs for any proof.
            let mut tree = TreeView::new(size).unwrap();
            let needed: BTreeSet<_> =
                tree.missing_for_inclusion(shard.held(size), size).unwrap().into_iter().collect();
            let held: BTreeSet<_> = files_of(size)
                .filter_map(|file| match file {
                    LogFile::Tile(id, _) if shard.has(file, size) => Some(id),
                    LogFile::Tile(..) | LogFile::Checkpoint | LogFile::Entries(..) => None,
                })
                .collect();
            assert!(needed.is_subset(&held), "{size} {first} {end}: {needed:?} {held:?}");
            for id in held.iter().rev() {
                tree.insert(*id, &tile(&leaves, *id, id.width_at(size))).unwrap();
            }
            let proof = tree.inclusion(first, size).unwrap();
            head.verify_inclusion(&leaves[usize::try_from(first).unwrap()], first, &proof).unwrap();
        }
    }

    #[test]
    fn a_year_beyond_the_checkpoint_is_refused() {
        let signer = NoteSigner::new("c/log", SigningKey::from_seed(&[1; 32])).unwrap();
        let root = merkle::root(&leaves(10));
        let head = Checkpoint { origin: "c/log".to_owned(), size: 10, root }.sign(&signer).unwrap();
        let shard = Shard { year: 2026, first: 0, end: 11 };
        assert_eq!(ShardTiles::open(shard, &head, []).unwrap_err(), ShardError::Beyond { end: 11, size: 10 });
    }
}
