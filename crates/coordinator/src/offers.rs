//! The operator's side of registry versions, beside a running coordinator: over its database, so that every replica
//! hears of it and a crash loses nothing.

use tacit_model::{Clock, Millis};
use tacit_policy::registry_hash;
use tacit_store::{Db, StoreError};

use crate::{MIGRATIONS, store::registries};

/// What became of an offered version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has looked at it.
    Waiting,
    /// It breaks a rule; why.
    Refused(String),
    /// It is in the log, and a quorum has not cosigned that yet.
    Logged {
        /// Index of its record.
        index: u64,
    },
    /// It is in the log and never counts: a recovery version came into force in its place.
    Overtaken {
        /// Index of its record.
        index: u64,
    },
    /// It counts.
    Counts {
        /// Index of its record.
        index: u64,
        /// Since when.
        since: Millis,
    },
    /// It was never offered here.
    Unknown,
}

/// A stored version.
#[derive(Debug, Clone)]
pub struct Version {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: [u8; 32],
    /// Index of its record.
    pub index: u64,
    /// Since when it counts, if it does.
    pub since: Option<Millis>,
    /// The file.
    pub bytes: Vec<u8>,
}

/// The versions in a coordinator's database.
#[derive(Debug, Clone)]
pub struct Offers {
    db: Db,
}

impl Offers {
    /// Opens the database of this URL.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(database: &str) -> Result<Self, StoreError> {
        Ok(Self { db: Db::open(database, &MIGRATIONS).await? })
    }

    /// Hands a signed version to the coordinator; its hash.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn offer(&self, bytes: &[u8], clock: &dyn Clock) -> Result<[u8; 32], StoreError> {
        let hash = registry_hash(bytes);
        if registries::find(&mut *self.db.read().await?, &hash).await?.is_none() {
            registries::offer(&mut *self.db.write().await?, &hash, bytes, clock.now()).await?;
        }
        Ok(hash)
    }

    /// What became of a version.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn standing(&self, hash: &[u8; 32]) -> Result<Standing, StoreError> {
        let mut conn = self.db.read().await?;
        if let Some(logged) = registries::find(&mut conn, hash).await? {
            let index = logged.log_index;
            if let Some(since) = logged.counted {
                return Ok(Standing::Counts { index, since });
            }
            let in_force = registries::in_force(&mut conn).await?;
            let is_overtaken = in_force.is_some_and(|it| it.logged.number > logged.number);
            return Ok(if is_overtaken { Standing::Overtaken { index } } else { Standing::Logged { index } });
        }
        Ok(match registries::offered(&mut conn, hash).await? {
            None => Standing::Unknown,
            Some(None) => Standing::Waiting,
            Some(Some(why)) => Standing::Refused(why),
        })
    }

    /// The version in force; none before the first start.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn in_force(&self) -> Result<Option<Version>, StoreError> {
        let stored = registries::in_force(&mut *self.db.read().await?).await?;
        Ok(stored.map(version))
    }

    /// The files that wait to be taken up, the one that waits longest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn waiting(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut files = Vec::new();
        for hash in registries::all_waiting(&mut *self.db.read().await?).await? {
            files.extend(registries::offered_file(&mut *self.db.read().await?, &hash).await?);
        }
        Ok(files)
    }

    /// Every logged version, ascending by number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn all(&self) -> Result<Vec<Version>, StoreError> {
        let (mut all, mut after) = (Vec::new(), 0);
        while let Some((number, _)) = registries::next(&mut *self.db.read().await?, after).await? {
            let stored = registries::by_number(&mut *self.db.read().await?, number).await?;
            all.extend(stored.map(version));
            after = number;
        }
        Ok(all)
    }
}

fn version(stored: registries::StoredRegistry) -> Version {
    let registries::StoredRegistry { logged, bytes, cosigned: _ } = stored;
    Version {
        number: logged.number,
        hash: logged.hash,
        index: logged.log_index,
        since: logged.counted,
        bytes,
    }
}
