//! What the last commit left in memory of two small tables that every check is decided by.
//!
//! Both change only in commits that append records. So as long as the log is as large as this process left it, nobody
//! else wrote to them either, and they need not be read again.

use std::collections::HashMap;

use tacit_model::{ListId, Ulid};
use tacit_store::{Conn, StoreError};

use crate::store::{
    manifests::{self, EpochHead},
    uses::{self, AgreementUses},
};

/// After a failed commit, and when another process appended, all of it is dropped and read again.
#[derive(Default)]
pub(super) struct Lately {
    heads: HashMap<ListId, Vec<EpochHead>>,
    /// Permitted checks of one day, by agreement.
    agreement_uses: Option<(u64, HashMap<Ulid, AgreementUses>)>,
}

impl Lately {
    /// The newest two epochs of a list, newest first.
    pub(super) async fn heads(
        &mut self,
        conn: &mut Conn,
        list: &ListId,
    ) -> Result<Vec<EpochHead>, StoreError> {
        if let Some(heads) = self.heads.get(list) {
            return Ok(heads.clone());
        }
        let heads = manifests::heads(conn, list).await?;
        // A list that is unknown is whatever a requester writes.
        if !heads.is_empty() {
            self.heads.insert(list.clone(), heads.clone());
        }
        Ok(heads)
    }

    /// A manifest of the list is logged in this commit.
    pub(super) fn list_changes(&mut self, list: &ListId) {
        self.heads.remove(list);
    }

    /// Permitted checks of `day` under each agreement.
    pub(super) async fn agreement_uses(
        &mut self,
        conn: &mut Conn,
        day: u64,
    ) -> Result<HashMap<Ulid, AgreementUses>, StoreError> {
        if let Some((_, uses)) = self.agreement_uses.as_ref().filter(|(known, _)| *known == day) {
            return Ok(uses.clone());
        }
        let uses = uses::agreement_uses(conn, day).await?;
        self.agreement_uses = Some((day, uses.clone()));
        Ok(uses)
    }

    /// This commit permits more of them, in this minute of the day.
    pub(super) fn add_agreement_uses(&mut self, day: u64, minute: u64, added: &HashMap<Ulid, u64>) {
        if let Some((_, uses)) = self.agreement_uses.as_mut().filter(|(known, _)| *known == day) {
            for (agreement, more) in added {
                uses.entry(*agreement).or_default().add(minute, *more);
            }
        }
    }
}
