//! Manifests: what a holder may log, and what members read.

use tacit_blind::table::SignedManifest;
use tacit_model::{ListId, MemberId, Reason};
use tacit_store::StoreError;
use tacit_wire::coordinator as pb;

use super::Shared;
use crate::{caller::manifest_verifier, store::manifests};

/// Longest signed manifest, in bytes.
const MAX_NOTE_BYTES: usize = 64 << 10;

impl Shared {
    /// A manifest that the calling holder signed for a list of its own.
    pub(super) fn own_manifest(&self, note: &[u8], holder: &MemberId) -> Result<SignedManifest, Reason> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(Reason::TooLarge);
        }
        let note = std::str::from_utf8(note).map_err(|_| Reason::ManifestRejected)?;
        // Which list it is decides by whose key it must be signed, so the name is read before it is verified.
        let list: ListId =
            note.lines().nth(1).and_then(|line| line.parse().ok()).ok_or(Reason::ManifestRejected)?;
        if list.holder() != holder.as_str() {
            return Err(Reason::WrongRole);
        }
        let key = manifest_verifier(&self.registry(), &list).ok_or(Reason::UnknownList)?;
        SignedManifest::verify(note, &key).map_err(|error| {
            tracing::warn!(%error, list = list.as_str(), "a manifest was refused");
            Reason::ManifestRejected
        })
    }

    /// A logged manifest with its record; epoch or version 0 means the newest.
    pub(super) async fn find_manifest(
        &self,
        asked: &pb::GetManifestRequest,
    ) -> Result<Result<pb::Manifest, Reason>, StoreError> {
        let list: Option<ListId> = asked.list_id.parse().ok();
        let Some(list) = list.filter(|list| self.registry().list(list).is_some()) else {
            return Ok(Err(Reason::UnknownList));
        };
        let mut conn = self.db.read().await?;
        let epoch = match asked.epoch {
            0 => manifests::heads(&mut conn, &list).await?.first().map(|head| head.epoch),
            epoch => Some(epoch),
        };
        let found = match (epoch, asked.version) {
            (None, _) => None,
            (Some(epoch), 0) => manifests::newest(&mut conn, &list, epoch).await?,
            (Some(epoch), version) => manifests::find(&mut conn, &list, epoch, version).await?,
        };
        drop(conn);
        let Some(stored) = found else { return Ok(Err(Reason::ListNotReady)) };
        let (record, checkpoint) = self.logged(stored.log_index).await?;
        Ok(Ok(pb::Manifest { manifest: stored.note.into(), record: Some(record), checkpoint }))
    }
}
