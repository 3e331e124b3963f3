//! One epoch of a list in memory: its key, its table's shape and hashes, and how far its newest version came.

use std::sync::Arc;

use tacit_blind::table::{Bucket, Layout, Manifest, SealContext, SignedManifest, TableTree, TreeError};
use tacit_ledger::note::NoteSigner;
use tacit_model::{ListId, Millis};
use tacit_store::{Conn, StoreError};

use super::error::HolderError;
use super::live::LiveEpoch;
use super::secret::ListSecret;
use crate::records::ListRules;
use crate::store::holder::buckets;
use crate::store::holder::epochs::StoredEpoch;
use crate::store::holder::lists::{HeldList, ListNo};
use crate::store::holder::tables::{self, StoredTable, StoredVersion};

/// How many logged versions are remembered, to say which are too old.
const REMEMBERED: u32 = 64;

/// What sealing needs to know of a list at one moment.
#[derive(Debug, Clone)]
pub(super) struct ListNow {
    pub(super) list: ListId,
    pub(super) no: ListNo,
    pub(super) scheme: String,
    pub(super) rules: ListRules,
    /// By a clock that was not off; a whole tick goes by it, for the clock may be set meanwhile.
    pub(super) time: Millis,
    pub(super) today: u32,
}

impl ListNow {
    pub(super) fn new(list: &ListId, held: &HeldList, rules: ListRules, now: Millis) -> Self {
        let today = rules.today(now);
        Self { list: list.clone(), no: held.no, scheme: held.scheme.clone(), rules, time: now, today }
    }
}

/// The table of an epoch: what is known of it without its buckets. About 70 bytes per bucket.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) stored: StoredTable,
    pub(super) tree: TableTree,
    /// Fillers left in each bucket.
    pub(super) fillers: Vec<u32>,
}

impl Table {
    pub(super) fn new(stored: StoredTable, buckets: &[([u8; 32], u32)]) -> Result<Self, TreeError> {
        let leaves: Vec<[u8; 32]> = buckets.iter().map(|(leaf, _)| *leaf).collect();
        let fillers = buckets.iter().map(|(_, fillers)| *fillers).collect();
        Ok(Self { stored, tree: TableTree::new(&leaves)?, fillers })
    }

    async fn load(conn: &mut Conn, id: tables::TableId) -> Result<Self, HolderError> {
        let stored = tables::load(conn, id).await?;
        let leaves = buckets::leaves(conn, &stored).await?;
        Ok(Self::new(stored, &leaves)?)
    }

    pub(super) fn layout(&self) -> Layout {
        self.stored.layout
    }

    pub(super) fn is_full(&self, bucket: u32) -> bool {
        self.fillers.get(bucket as usize).is_none_or(|fillers| *fillers == 0)
    }

    /// Takes rewritten buckets over.
    pub(super) fn update(&mut self, buckets: &[Bucket]) -> Result<(), TreeError> {
        let leaves: Vec<_> = buckets.iter().map(|bucket| (bucket.number(), bucket.leaf())).collect();
        self.tree.update(&leaves)?;
        for bucket in buckets {
            if let Some(fillers) = self.fillers.get_mut(bucket.number() as usize) {
                *fillers = u32::try_from(bucket.fillers()).unwrap_or(u32::MAX);
            }
        }
        Ok(())
    }
}

/// An epoch of a list.
#[derive(Debug, Clone)]
pub(super) struct Epoch {
    pub(super) epoch: u64,
    pub(super) secret: Arc<ListSecret>,
    pub(super) context: Arc<SealContext>,
    pub(super) from: Millis,
    pub(super) until: Millis,
    /// Hash of the rules it was sealed under.
    pub(super) rules: [u8; 32],
    /// When its first manifest was in the log.
    pub(super) first_logged: Option<Millis>,
    pub(super) table: Table,
    /// The newest version.
    pub(super) version: StoredVersion,
    /// The last logged versions, ascending, and when.
    pub(super) logged: Vec<(u64, Millis)>,
}

impl Epoch {
    /// An epoch as stored; `None` when no version of it was completed.
    pub(super) async fn load(
        conn: &mut Conn,
        list: &ListId,
        no: ListNo,
        stored: &StoredEpoch,
    ) -> Result<Option<Self>, HolderError> {
        let mut versions = tables::versions(conn, no, stored.epoch, REMEMBERED).await?;
        versions.reverse();
        let logged = versions.iter().filter_map(|version| Some((version.version, version.logged?))).collect();
        let Some(version) = versions.pop() else { return Ok(None) };
        Ok(Some(Self {
            epoch: stored.epoch,
            secret: Arc::new(ListSecret::derive(&stored.seed, list, stored.epoch)?),
            context: Arc::new(SealContext::new(list, stored.epoch)),
            from: stored.from,
            until: stored.until,
            rules: stored.rules,
            first_logged: stored.logged,
            table: Table::load(conn, version.table).await?,
            version,
            logged,
        }))
    }

    /// Signs the manifest of a version with this root.
    pub(super) fn manifest(
        &self,
        version: u64,
        layout: Layout,
        root: [u8; 32],
        signer: &NoteSigner,
    ) -> Result<SignedManifest, HolderError> {
        let manifest = Manifest {
            list: self.context.list().clone(),
            epoch: self.epoch,
            version,
            key: self.secret.public(),
            layout,
            root,
            from: self.from,
            until: self.until,
        };
        Ok(manifest.sign(signer)?)
    }

    /// The signed manifest of the newest version, read back.
    pub(super) fn newest_manifest(&self, signer: &NoteSigner) -> Result<SignedManifest, HolderError> {
        let signed = SignedManifest::verify(&self.version.note, signer.verifier());
        signed.map_err(|_| {
            // Another manifest key than the one that signed: the registry's matters, and the custodian will say so.
            StoreError::corrupt(
                "table_version",
                "note",
                self.version.version,
                "is not signed by this manifest key",
            )
            .into()
        })
    }

    /// Notes that the newest version is logged.
    pub(super) fn note_logged(&mut self, at: Millis) {
        self.version.logged = Some(at);
        self.first_logged.get_or_insert(at);
        if self.logged.last().is_none_or(|(version, _)| *version < self.version.version) {
            self.logged.push((self.version.version, at));
        }
        if self.logged.len() > REMEMBERED as usize {
            self.logged.remove(0);
        }
    }

    /// What the evaluation service sees of it.
    pub(super) fn live(&self, ends: Option<Millis>) -> LiveEpoch {
        LiveEpoch {
            epoch: self.epoch,
            secret: Arc::clone(&self.secret),
            newest: self.version.version,
            logged: self.logged.clone(),
            ends,
        }
    }
}
