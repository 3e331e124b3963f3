//! A consent authority's side: letters to members about a subject, and those to the subject that its readings find.

use tacit_blind::letter::{Envelope, LetterFault, OpenedLetter};
use tacit_model::{MemberId, Reason, SubjectCode};

use super::ConsentAuthority;
use crate::error::{ClientError, Party};
use crate::letters::{LetterSent, SealedLetter, post};

impl ConsentAuthority {
    /// Seals a letter to a member, under that member's pseudonym of the subject. Keep what comes, if it must not be sent
    /// twice, then [`ConsentAuthority::post_letter`].
    ///
    /// # Errors
    /// [`ClientError::Question`] for a member that gets no letters; [`ClientError::Own`] for content outside its bounds.
    pub fn seal_letter(
        &self,
        member: &MemberId,
        pseudonym: [u8; 32],
        content: &[u8],
    ) -> Result<SealedLetter, ClientError> {
        let registry = self.registry();
        let key = registry.letter_key(member);
        let key = key.ok_or(ClientError::Question { reason: Reason::UnknownMember, field: "member" })?;
        SealedLetter::seal(self.member(), member, pseudonym, content, &self.0.keys.signing, &[(member, key)])
    }

    /// [`ConsentAuthority::seal_letter`] about a subject whose pseudonym is evaluated first, which counts against the cap.
    ///
    /// # Errors
    /// As that; [`ClientError::Refused`] beyond the cap.
    pub async fn seal_letter_about(
        &self,
        member: &MemberId,
        subject: &SubjectCode,
        content: &[u8],
    ) -> Result<SealedLetter, ClientError> {
        let pseudonyms = self.pseudonyms(member, std::slice::from_ref(subject)).await?;
        let [pseudonym] = pseudonyms[..] else {
            return Err(ClientError::missing(Party::Custodian, "evaluated"));
        };
        self.seal_letter(member, pseudonym.pseudonym, content)
    }

    /// The signature that every sealing of this letter has: for whom it is shown to inside another.
    ///
    /// # Errors
    /// [`ClientError::Own`] for content outside its bounds.
    pub fn sign_letter(
        &self,
        member: &MemberId,
        pseudonym: &[u8; 32],
        content: &[u8],
    ) -> Result<[u8; 64], ClientError> {
        let envelope = Envelope { sender: self.member(), member, pseudonym };
        envelope.sign(content, &self.0.keys.signing).map_err(ClientError::Own)
    }

    /// Posts a letter, and verifies that it is in the log. The same letter again gets the same record.
    ///
    /// # Errors
    /// A refusal, `quota_letters` among them; a record that does not hold.
    pub async fn post_letter(&self, sealed: &SealedLetter) -> Result<LetterSent, ClientError> {
        let inner = &self.0;
        post(sealed, inner.coordinator.clone(), &inner.log, &inner.config.deadlines).await
    }

    /// Opens a letter to a subject, as its chain has it, and verifies that its sender signed it.
    ///
    /// # Errors
    /// [`LetterFault`].
    pub fn open_letter(&self, letter: &SealedLetter) -> Result<OpenedLetter, LetterFault> {
        let secret = self.0.keys.letters.as_ref().ok_or(LetterFault::Recipient)?;
        letter.open(self.member(), secret, &self.registry())
    }
}
