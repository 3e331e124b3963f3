//! Removals that nobody objected for: their subjects are told too.

use tacit_policy::letter::{Body, Removal, Whom};

use super::{Redress, RedressError};
use crate::store::{
    begin,
    holder::{notices, records},
};

/// Letters of one transaction.
const PAGE: u32 = 200;

impl Redress {
    /// Writes the letters about removals that have none yet. A subject that never heard of its listing hears of no
    /// removal either.
    pub(super) async fn tell_removals(&self) -> Result<(), RedressError> {
        loop {
            if notices::untold(&mut *self.db.read().await?, 1).await?.is_empty() {
                return Ok(());
            }
            let mut conn = self.db.write().await?;
            let mut tx = begin(&mut conn).await?;
            for untold in notices::untold(&mut tx, PAGE).await? {
                notices::told(&mut tx, untold.record).await?;
                let record = records::by_ids(&mut tx, &[untold.record]).await?.pop();
                let Some(record) = record else { continue };
                let facts = &record.facts;
                if facts.notified_on == 0 && facts.consented_on == 0 {
                    continue;
                }
                // A list that left the registry tells nobody anything.
                let Ok(entry) = self.own(&untold.list) else { continue };
                let Ok(reason) = untold.reason.parse() else { continue };
                let removed_on = self.day(entry, untold.removed)?;
                let body = Removal { list: untold.list, reason, removed_on, decision: None };
                let about = Whom { scheme: entry.scheme.clone(), code: record.code.to_string() };
                self.write(&mut tx, None, None, &about, Body::Removal(body)).await?;
            }
            tx.commit().await?;
        }
    }
}
