//! Letters between a member and the consent authorities, about one subject (docs/PROTOCOL.md, P190 to P198).
//!
//! ```text
//! node ──seal──▶ SealedLetter ──post──▶ C: record `notice`, letter kept ──▶ chain ──▶ authority, with its reading
//! authority ──seal──▶ SealedLetter ──post──▶ C ──▶ node, by cursor
//! ```
//!
//! A letter is sealed once and posted until its record is known: the same bytes get the same record. So who must not
//! send twice keeps the [`SealedLetter`] before it posts it.

mod node;

pub use node::{LetterDraft, LetterPage, LetterProof, ReceivedLetter};

use std::fmt;

use bytes::Bytes;
use tacit_blind::letter::{self, Envelope, LetterFault, LetterPublicKey, LetterSecretKey, OpenedLetter};
use tacit_ledger::Hash;
use tacit_ledger::ed25519::{SigningKey, VerifyingKey};
use tacit_ledger::record;
use tacit_model::entropy::os_rng;
use tacit_model::{MemberId, Millis};
use tacit_policy::{PublicKey, Registry};
use tacit_wire::coordinator::letter_service_client::LetterServiceClient;
use tacit_wire::coordinator::{PostLetterRequest, post_letter_response};
use tonic::transport::Channel;

use crate::error::{ClientError, Party};
use crate::judge::record_id;
use crate::question::RecordRef;
use crate::quorum::WitnessedLog;
use crate::retry::{self, Deadlines};

/// A letter as it goes, and as it is kept to be posted again. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedLetter {
    /// Who wrote it.
    pub sender: MemberId,
    /// Whose pseudonym it is about: the sender, when the letter is to the subject; else whom it is for.
    pub member: MemberId,
    /// T.
    pub pseudonym: [u8; 32],
    /// The sealed bytes.
    pub bytes: Bytes,
}

impl fmt::Debug for SealedLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedLetter(..)")
    }
}

impl SealedLetter {
    /// The hash by which its record names it.
    #[must_use]
    pub fn hash(&self) -> Hash {
        letter::letter_hash(&self.bytes)
    }

    /// Whether it is to the subject.
    #[must_use]
    pub fn is_to_subject(&self) -> bool {
        self.sender == self.member
    }

    fn envelope(&self) -> Envelope<'_> {
        Envelope { sender: &self.sender, member: &self.member, pseudonym: &self.pseudonym }
    }

    pub(crate) fn seal(
        sender: &MemberId,
        member: &MemberId,
        pseudonym: [u8; 32],
        content: &[u8],
        signing: &SigningKey,
        recipients: &[(&MemberId, PublicKey)],
    ) -> Result<Self, ClientError> {
        let mut sealed =
            Self { sender: sender.clone(), member: member.clone(), pseudonym, bytes: Bytes::new() };
        let keys = recipients.iter().map(|(_, key)| LetterPublicKey::decode(&key.0));
        let keys = keys.collect::<Result<Vec<_>, _>>().map_err(ClientError::Own)?;
        let recipients: Vec<_> = recipients.iter().map(|(id, _)| *id).zip(&keys).collect();
        let bytes = letter::seal(&sealed.envelope(), content, signing, &recipients, &mut os_rng());
        sealed.bytes = bytes.map_err(ClientError::Own)?.into();
        Ok(sealed)
    }

    /// Opens it as `recipient`, under a signing key that its sender has or had.
    pub(crate) fn open(
        &self,
        recipient: &MemberId,
        secret: &LetterSecretKey,
        registry: &Registry,
    ) -> Result<OpenedLetter, LetterFault> {
        self.signed(registry, |sender| letter::open(&self.bytes, &self.envelope(), recipient, secret, sender))
    }

    /// Opens it with its own key, as [`OpenedLetter::key`] gave it.
    ///
    /// # Errors
    /// [`LetterFault`].
    pub fn open_with(&self, key: &[u8; 32], registry: &Registry) -> Result<OpenedLetter, LetterFault> {
        self.signed(registry, |sender| letter::open_with(&self.bytes, &self.envelope(), key, sender))
    }

    /// Under a signing key that its sender has or had, the present one first: a letter may be older than that.
    fn signed(
        &self,
        registry: &Registry,
        open: impl Fn(&VerifyingKey) -> Result<OpenedLetter, LetterFault>,
    ) -> Result<OpenedLetter, LetterFault> {
        let keys = registry.member(&self.sender).into_iter().flat_map(|it| it.keys.signing_keys().rev());
        let mut outcomes = keys.map(|key| open(&key.0));
        outcomes
            .find(|outcome| !matches!(outcome, Err(LetterFault::Signature)))
            .unwrap_or(Err(LetterFault::Signature))
    }
}

/// A letter that is in the log.
#[derive(Debug, Clone)]
pub struct LetterSent {
    /// The letter's hash, as the record names it.
    pub letter: Hash,
    /// The record of kind `notice`.
    pub record: RecordRef,
    /// Time of the record.
    pub time: Millis,
    /// The checkpoint it was proven under, a signed note.
    pub checkpoint: Bytes,
}

/// Posts a letter, and verifies that it is in the log.
pub(crate) async fn post(
    sealed: &SealedLetter,
    coordinator: Channel,
    log: &WitnessedLog,
    deadlines: &Deadlines,
) -> Result<LetterSent, ClientError> {
    let request = PostLetterRequest {
        pseudonym: Bytes::copy_from_slice(&sealed.pseudonym),
        member: sealed.member.to_string(),
        letter: sealed.bytes.clone(),
    };
    let response = retry::call(Party::Coordinator, deadlines, request, |request| {
        let mut client = LetterServiceClient::new(coordinator.clone());
        async move { client.post_letter(request).await }
    })
    .await?;
    let logged = match response.outcome {
        Some(post_letter_response::Outcome::Logged(logged)) => logged,
        Some(post_letter_response::Outcome::Refusal(refusal)) => {
            return Err(ClientError::Refused { party: Party::Coordinator, refusal: (&refusal).into() });
        }
        None => return Err(ClientError::missing(Party::Coordinator, "outcome")),
    };
    let verified = log.key().verify(logged.record.as_ref(), &logged.checkpoint)?;
    log.accept_alone(&logged.checkpoint).await?;
    let index = verified.index();
    let record: record::Notice = verified
        .into_record()
        .try_into()
        .map_err(|_| ClientError::OtherRecord("it is not of kind notice"))?;
    let letter = sealed.hash();
    if record.sender != *sealed.sender || record.member != *sealed.member || record.letter != letter {
        return Err(ClientError::OtherRecord("the record is about another letter"));
    }
    Ok(LetterSent {
        letter,
        record: RecordRef { id: record_id(&record.id)?, index },
        time: Millis(record.time_ms),
        checkpoint: logged.checkpoint,
    })
}
