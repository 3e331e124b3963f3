//! Erasures: what opens a pseudonym's records is destroyed, and that is a record of its own.

use tacit_ledger::record;
use tacit_model::{MemberId, Reason, Ulid};
use tacit_store::StoreError;

use super::{Commit, Done, records::commit_subject};
use crate::{
    erasures::{self, Entry},
    opening::{ErasureOpening, Link, Opening},
    store::{chains, consents, openings::Chain, subjects},
};

/// An erasure that an authority asked for.
#[derive(Clone)]
pub(crate) struct EraseJob {
    pub(crate) pseudonym: [u8; 32],
    pub(crate) authority: MemberId,
    /// One of the ledger's grounds.
    pub(crate) ground: String,
    /// Set when the journal knows the erasure already, and the database lost it.
    pub(crate) again: Option<Again>,
}

/// An erasure that was done again before its record could be.
#[derive(Clone, Copy)]
pub(crate) struct Again {
    /// The record's id, as the journal has it.
    pub(crate) id: Ulid,
    /// Openings that were erased.
    pub(crate) openings: u64,
}

impl Commit<'_> {
    /// Destroys the key and the openings of all records of a pseudonym. The very same again, when nothing followed
    /// it, gets the same record.
    pub(super) async fn erase(&mut self, job: &EraseJob) -> Result<Done, StoreError> {
        let Some((subject, chain)) = chains::head(self.conn, &job.pseudonym).await? else {
            return Ok(Done::Refused(Reason::NotFound));
        };
        // Another authority's user too: only who signed all the consents there takes their chain away.
        if job.again.is_none() && consents::has_others(self.conn, &job.pseudonym, &job.authority).await? {
            return Ok(Done::Refused(Reason::NotPermitted));
        }
        let walked = chains::walk(self.conn, subject, &chain).await?;
        if let [only] = walked.as_slice()
            && only.erasure
        {
            return Ok(Done::Before(only.index));
        }
        let (id, before) = match job.again {
            Some(again) => (again.id, again.openings),
            None if walked.is_empty() => return Ok(Done::Refused(Reason::Internal)),
            None => (self.ulid(), 0),
        };
        if job.again.is_none() {
            let entry = Entry {
                id,
                authority: job.authority.clone(),
                ground: job.ground.clone(),
                // The name that the subject keeps: a backup may be older than the ones it was carried to.
                pseudonym: erasures::hash(&subjects::first(self.conn, subject).await?),
            };
            // Before the commit: whatever happens to the database from here on, the erasure is not forgotten.
            if let Err(error) = self.journal.add(&entry).await {
                tracing::error!(%error, "the journal of erasures cannot be written; nothing was erased");
                return Ok(Done::Refused(Reason::Unavailable));
            }
        }
        // No way back: neither the record before nor its hash.
        let link =
            Link { salt: self.salt(), sequence: chain.sequence, previous: [0; 32], previous_index: None };
        let (record, leaf) = self.push(record::Erasure {
            id: id.to_string(),
            time_ms: self.now.0,
            authority: job.authority.to_string(),
            ground: job.ground.clone(),
            openings: before + walked.len() as u64,
            subject: commit_subject(&link, &job.pseudonym),
        })?;
        let key = self.salt();
        chains::erase(self.conn, subject, &walked, &key).await?;
        let opening = Opening::Erasure(ErasureOpening { link });
        let next = Chain { opening_key: key, ..chain.after(record.index, leaf) };
        self.link_record(subject, next, record.index, &opening).await?;
        Ok(Done::Logged(record))
    }
}
