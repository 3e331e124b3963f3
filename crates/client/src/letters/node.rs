//! A member's side: letters to its subjects, and those that came for it.

use std::fmt;

use bytes::Bytes;
use tacit_blind::letter::{LetterFault, OpenedLetter};
use tacit_ledger::Hash;
use tacit_ledger::checkpoint::VerifiedCheckpoint;
use tacit_ledger::record;
use tacit_model::{Millis, SubjectCode};
use tacit_policy::registry::entry::Role;
use tacit_wire::chunks32;
use tacit_wire::coordinator::letter_service_client::LetterServiceClient;
use tacit_wire::coordinator::{ListLettersRequest, MailedLetter};

use super::{LetterSent, SealedLetter, post};
use crate::connections::MAX_MESSAGE;
use crate::enroll::EnrolledFor;
use crate::error::{ClientError, Party};
use crate::judge::record_id;
use crate::question::RecordRef;
use crate::record_subject::opens_under;
use crate::records::MAX_PATH;
use crate::requester::Requester;
use crate::retry;

/// What a member writes to a subject.
#[derive(Clone)]
pub struct LetterDraft {
    /// Content, 1 to 48 KiB.
    pub content: Vec<u8>,
    /// The agency's case number; only the audit box of a new subject has it.
    pub case: String,
    /// Who writes, as the agency names its officers; only the audit box of a new subject has it.
    pub officer: String,
}

impl fmt::Debug for LetterDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LetterDraft(..)")
    }
}

/// A letter that came for this member: in the log, about the pseudonym that it names, from an authority.
#[derive(Debug, Clone)]
pub struct ReceivedLetter {
    /// As it came.
    pub letter: SealedLetter,
    /// The record.
    pub record: RecordRef,
    /// Time of the record.
    pub time: Millis,
    /// What is in it, signed by its sender; or why it cannot be read.
    pub opened: Result<OpenedLetter, LetterFault>,
    /// What proves the record.
    pub proof: LetterProof,
}

/// What proves that a letter is in the log, and about whom.
#[derive(Clone)]
pub struct LetterProof {
    /// The record's bytes.
    pub record: Bytes,
    /// Inclusion proof under the checkpoint.
    pub path: Vec<Hash>,
    /// The checkpoint, a signed note.
    pub checkpoint: Bytes,
    /// Salt of the record's subject commitment.
    pub salt: [u8; 32],
    /// Its place in the chain of the pseudonym.
    pub sequence: u64,
    /// Leaf hash of the record before.
    pub previous: Hash,
}

impl fmt::Debug for LetterProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LetterProof(..)")
    }
}

/// Some letters, oldest first, and from where on to ask for more.
#[derive(Debug, Clone)]
pub struct LetterPage {
    /// Ascending by log index. None when there are no more.
    pub letters: Vec<ReceivedLetter>,
    /// The cursor of the next page.
    pub next: u64,
}

impl Requester {
    /// Seals a letter to a subject, under the own pseudonym. A new subject is enrolled first, which counts against the
    /// quota of new subjects. Keep what comes, if it must not be sent twice, then [`Requester::post_letter`].
    ///
    /// # Errors
    /// [`ClientError::Own`] for content outside its bounds; [`ClientError::Registry`] while no authority gets letters; a
    /// refusal of the enrollment.
    pub async fn seal_letter(
        &self,
        draft: &LetterDraft,
        code: &SubjectCode,
    ) -> Result<SealedLetter, ClientError> {
        let pseudonym = self.own_pseudonym(&draft.case, &draft.officer, code).await?;
        let registry = self.registry();
        let recipients: Vec<_> = registry.letter_authorities().collect();
        if recipients.is_empty() {
            return Err(ClientError::Registry("an authority that gets letters"));
        }
        let (member, signing) = (self.member(), self.signing());
        SealedLetter::seal(member, member, pseudonym, &draft.content, &signing, &recipients)
    }

    /// Posts a letter that [`Requester::seal_letter`] gave, and verifies that it is in the log. The same letter again gets
    /// the same record.
    ///
    /// # Errors
    /// A refusal: `not_enrolled` for a pseudonym that this member has not registered, `quota_letters`; a record that does
    /// not hold.
    pub async fn post_letter(&self, sealed: &SealedLetter) -> Result<LetterSent, ClientError> {
        post(sealed, self.connections().coordinator(), self.witnessed(), self.deadlines()).await
    }

    /// [`Requester::seal_letter`] and [`Requester::post_letter`] in one. After a lost answer it would be sent twice.
    ///
    /// # Errors
    /// As these.
    pub async fn send_letter(
        &self,
        draft: &LetterDraft,
        code: &SubjectCode,
    ) -> Result<LetterSent, ClientError> {
        self.post_letter(&self.seal_letter(draft, code).await?).await
    }

    /// Letters for this member from a cursor on, verified and opened; 0 begins. Ask again from [`LetterPage::next`] until
    /// none come.
    ///
    /// # Errors
    /// [`ClientError::OtherRecord`] for what is no letter for this member from an authority; no usable answer.
    pub async fn letters_from(&self, cursor: u64) -> Result<LetterPage, ClientError> {
        let request = ListLettersRequest { from_index: cursor };
        let response = retry::call(Party::Coordinator, self.deadlines(), request, |request| {
            let mut client = LetterServiceClient::new(self.connections().coordinator())
                .max_decoding_message_size(MAX_MESSAGE);
            async move { client.list_letters(request).await }
        })
        .await?;
        let mut page = LetterPage { letters: Vec::new(), next: cursor };
        if response.letters.is_empty() {
            return Ok(page);
        }
        let checkpoint = self.log().open(&response.checkpoint)?;
        self.witnessed().accept_alone(&response.checkpoint).await?;
        for mailed in &response.letters {
            let letter = self.received(mailed, &checkpoint, &response.checkpoint)?;
            if letter.record.index < page.next {
                return Err(ClientError::OtherRecord("the letters are out of order"));
            }
            page.next = letter.record.index.saturating_add(1);
            page.letters.push(letter);
        }
        Ok(page)
    }

    /// The own pseudonym of a subject. A new one is enrolled, which counts against the quota of new subjects.
    ///
    /// # Errors
    /// A refusal of the enrollment; no usable answer.
    pub async fn own_pseudonym(
        &self,
        case: &str,
        officer: &str,
        code: &SubjectCode,
    ) -> Result<[u8; 32], ClientError> {
        let ground = EnrolledFor { case, officer };
        let known = self.know(ground, std::slice::from_ref(code)).await?.pop();
        let known = known
            .ok_or(ClientError::Worker)?
            .map_err(|refusal| ClientError::Refused { party: Party::Custodian, refusal })?;
        Ok(*known.enrolled.pseudonym())
    }

    /// Whether a pseudonym is the own one of this subject, in any epoch. Nobody is enrolled for that.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub async fn is_own_pseudonym(
        &self,
        code: &SubjectCode,
        pseudonym: &[u8; 32],
    ) -> Result<bool, ClientError> {
        Ok(self.own_pseudonyms(code).await?.contains(pseudonym))
    }

    fn received(
        &self,
        mailed: &MailedLetter,
        checkpoint: &VerifiedCheckpoint,
        note: &Bytes,
    ) -> Result<ReceivedLetter, ClientError> {
        let malformed = ClientError::malformed(Party::Coordinator);
        let logged =
            mailed.record.as_ref().ok_or_else(|| ClientError::missing(Party::Coordinator, "record"))?;
        let verified = self.log().verify_under(logged, checkpoint)?;
        let index = verified.index();
        let path = chunks32("path", &logged.path, MAX_PATH).map_err(&malformed)?;
        let record: record::Notice = verified
            .into_record()
            .try_into()
            .map_err(|_| ClientError::OtherRecord("it is not of kind notice"))?;
        let registry = self.registry();
        let sender = record.sender.parse().map_err(|_| ClientError::OtherRecord("sender"))?;
        let letter = SealedLetter {
            member: self.member().clone(),
            pseudonym: tacit_wire::array("pseudonym", &mailed.pseudonym).map_err(&malformed)?,
            bytes: mailed.letter.clone(),
            sender,
        };
        let known = registry.member(&letter.sender).is_some_and(|member| member.has(Role::Authority));
        if !known || record.member != **self.member() || record.letter != letter.hash() {
            return Err(ClientError::OtherRecord("it is of no letter for this member"));
        }
        let proof = LetterProof {
            record: logged.record.clone(),
            path,
            checkpoint: note.clone(),
            salt: tacit_wire::array("salt", &mailed.salt).map_err(&malformed)?,
            sequence: mailed.sequence,
            previous: tacit_wire::array("previous", &mailed.previous).map_err(&malformed)?,
        };
        if !opens_under(&letter.pseudonym, &proof.record, &proof.salt, proof.sequence, &proof.previous) {
            return Err(ClientError::OtherRecord("it is about another pseudonym"));
        }
        let opened = match self.letters_key() {
            Some(secret) => letter.open(self.member(), secret, &registry),
            None => Err(LetterFault::Recipient),
        };
        Ok(ReceivedLetter {
            letter,
            record: RecordRef { id: record_id(&record.id)?, index },
            time: Millis(record.time_ms),
            opened,
            proof,
        })
    }
}
