//! What stands beside a backup, in `FILE.json`: whose it is, what it holds, and its hash.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use tacit_custodian::recovery::SealedSeed;
use tacit_identity::{Role, write_private};
use tacit_model::Millis;
use tacit_store::backup::Copied;

use super::{Site, beside, word};
use crate::exit::Failure;

/// The form that this program writes and reads.
const FORMAT: &str = "tacit-backup/v1";

/// The manifest of a backup.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    format: String,
    /// Whose database it is.
    pub(super) federation: String,
    /// Its role.
    pub(super) role: Role,
    /// Its member.
    pub(super) member: String,
    /// When it was made, RFC 3339.
    pub(super) made: String,
    /// `sqlite` or `postgresql`.
    pub(super) database: String,
    /// Number of the newest migration.
    pub(super) schema: i64,
    /// Length of the backup.
    pub(super) bytes: u64,
    /// BLAKE3 of the backup, hexadecimal.
    blake3: String,
    /// What only rises: records of the log, and so on.
    pub(super) sizes: BTreeMap<String, u64>,
    /// Rows of each table.
    pub(super) tables: BTreeMap<String, u64>,
    /// Of a custodian: the seeds of its pseudonym keys, sealed to a recovery key.
    sealed_seeds: Vec<Sealed>,
    /// BLAKE3 of this document with an empty check, hexadecimal.
    check: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    epoch: u32,
    /// Base64.
    sealed: String,
}

impl Manifest {
    pub(super) fn new(site: &Site, made: Millis, copied: &Copied, seeds: &[SealedSeed]) -> Self {
        let mut manifest = Self {
            format: FORMAT.to_owned(),
            federation: site.federation.to_string(),
            role: site.role,
            member: site.member.to_string(),
            made: made.to_rfc3339(),
            database: word(copied.dialect).to_owned(),
            schema: copied.schema,
            bytes: copied.bytes,
            blake3: hex::encode(copied.hash),
            sizes: copied.sizes.iter().map(|it| (it.name.to_owned(), it.value)).collect(),
            tables: copied.tables.iter().map(|it| (it.name.clone(), it.rows)).collect(),
            sealed_seeds: seeds
                .iter()
                .map(|it| Sealed { epoch: it.epoch, sealed: STANDARD.encode(&it.sealed) })
                .collect(),
            check: String::new(),
        };
        manifest.check = manifest.sum();
        manifest
    }

    /// Where the manifest of a backup stands.
    pub(super) fn path_of(backup: &Path) -> PathBuf {
        beside(backup, ".json")
    }

    pub(super) fn write(&self, backup: &Path) -> Result<(), Failure> {
        let mut text = serde_json::to_vec_pretty(self).map_err(Failure::internal)?;
        text.push(b'\n');
        Ok(write_private(&Self::path_of(backup), &text)?)
    }

    /// Reads the manifest of a backup, and proves that it was not changed by accident.
    pub(super) fn read(backup: &Path) -> Result<Self, Failure> {
        let path = Self::path_of(backup);
        let wrong = |why: String| {
            Failure::trouble(format!("{} is no manifest of a backup", path.display()))
                .why(why)
                .next("name a file that tacit db backup wrote; its manifest must stand beside it")
        };
        let text = std::fs::read(&path).map_err(|error| wrong(error.to_string()))?;
        #[derive(Deserialize)]
        struct Only {
            format: String,
        }
        let only: Only = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        if only.format != FORMAT {
            return Err(wrong(format!("its form is {:?}; this program reads {FORMAT}", only.format)));
        }
        let mut manifest: Self = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        let check = std::mem::take(&mut manifest.check);
        if manifest.sum() != check {
            return Err(wrong("it was changed after it was written".to_owned()));
        }
        manifest.check = check;
        Ok(manifest)
    }

    /// BLAKE3 of the backup.
    pub(super) fn hash(&self) -> Result<[u8; 32], Failure> {
        let mut hash = [0; 32];
        hex::decode_to_slice(&self.blake3, &mut hash).map_err(Failure::internal)?;
        Ok(hash)
    }

    /// The sealed seeds.
    pub(super) fn seeds(&self) -> Result<Vec<SealedSeed>, Failure> {
        let seeds = self.sealed_seeds.iter().map(|it| {
            Ok(SealedSeed {
                epoch: it.epoch,
                sealed: STANDARD.decode(&it.sealed).map_err(Failure::internal)?,
            })
        });
        seeds.collect()
    }

    /// Computed over what the fields say, so how the text is laid out does not matter.
    fn sum(&self) -> String {
        // A struct of texts and numbers always has a JSON form.
        let text = serde_json::to_vec(self).unwrap_or_default();
        blake3::hash(&text).to_hex().to_string()
    }
}
