//! Letters: kept as part of what opens their records, under the key of the subject that they are about.

use bytes::Bytes;
use tacit_ledger::record;
use tacit_model::{MemberId, Reason};
use tacit_store::StoreError;

use super::{Commit, Done, records::commit_subject};
use crate::{
    opening::{NoticeOpening, Opening, Raw},
    store::{
        letters::{self, About, StoredLetter},
        pseudonyms::{self, Scope},
        subjects,
    },
};

/// A letter that was handed in, of a sound form.
pub(crate) struct LetterJob {
    pub(crate) sender: MemberId,
    /// Whose pseudonym it is about.
    pub(crate) member: MemberId,
    pub(crate) pseudonym: [u8; 32],
    pub(crate) sealed: Bytes,
    /// Hash of the sealed bytes.
    pub(crate) letter: [u8; 32],
}

impl Commit<'_> {
    /// Logs a letter and keeps it. The same bytes again get the same record, also when they were erased meanwhile.
    pub(super) async fn letter(&mut self, job: &LetterJob) -> Result<Done, StoreError> {
        if let Some(stored) = letters::by_hash(self.conn, &job.letter).await? {
            let about = stored.about.is_none_or(|about| about.pseudonym == job.pseudonym);
            let same = stored.sender == job.sender && stored.member == job.member && about;
            return Ok(if same { Done::Before(stored.log_index) } else { Done::Refused(Reason::Conflict) });
        }
        if job.sender == job.member && !self.is_registered(&job.member, job.pseudonym).await? {
            return Ok(Done::Refused(Reason::NotEnrolled));
        }
        let pseudonym = job.pseudonym;
        let numbers = subjects::number(self.conn, &[pseudonym]).await?;
        let Some(subject) = numbers.get(&pseudonym).copied() else {
            return Err(StoreError::corrupt("subject", "pseudonym", "of a letter", "is missing"));
        };
        let midnight = self.now.utc_midnight();
        let (sent, about) = letters::counts(self.conn, &job.sender, subject, midnight).await?;
        if sent >= self.limits.letters_per_day || about >= self.limits.letters_per_subject_per_day {
            metrics::counter!("tacit_coordinator_letters_refused_total").increment(1);
            tracing::warn!(sender = %job.sender, sent, about, "as many letters were handed in today as may be");
            return Ok(Done::Refused(Reason::QuotaLetters));
        }
        let chain = self.chain_of(subject).await?;
        let link = self.link(&chain);
        let id = self.ulid().to_string();
        let (record, leaf) = self.push(record::Notice {
            id,
            time_ms: self.now.0,
            sender: job.sender.to_string(),
            member: job.member.to_string(),
            letter: job.letter,
            subject: commit_subject(&link, &pseudonym),
        })?;
        let opening = Opening::Notice(NoticeOpening { link, letter: Raw(&job.sealed) });
        self.link_record(subject, chain.after(record.index, leaf), record.index, &opening).await?;
        let stored = StoredLetter {
            log_index: record.index,
            letter: job.letter,
            sender: job.sender.clone(),
            member: job.member.clone(),
            posted: self.now,
            about: Some(About { subject, pseudonym }),
        };
        letters::store(self.conn, &stored).await?;
        Ok(Done::Logged(record))
    }

    /// Whether a member registered this pseudonym itself, in any of its epochs.
    async fn is_registered(&mut self, member: &MemberId, pseudonym: [u8; 32]) -> Result<bool, StoreError> {
        for epoch in self.registry.pseudonym_epochs(member) {
            let scope = Scope { requester: member, epoch };
            if !pseudonyms::lookup(self.conn, scope, &[pseudonym]).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
