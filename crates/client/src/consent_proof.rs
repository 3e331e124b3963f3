//! What proves a consent and everything that became of it: the signed texts, the signed changes, and their records in
//! the log. Verified offline, with the log's key and the members' keys only.
//!
//! ```text
//! request ── signed by the requester ─┐
//! texts ──── signed by the authority ─┼─▶ terms and subject of each record open ─▶ each record is in the log
//! changes ── signed by the authority ─┘         numbers without a gap, states as they may follow
//! ```
//!
//! It shows the pseudonym: it is for the subject, the requester, a court or an auditor. It proves what was on record at
//! the checkpoint of its last change; what came later it cannot know.

use std::fmt;

use bytes::Bytes;
use tacit_blind::commit;
use tacit_ledger::Hash;
use tacit_ledger::checkpoint::{CheckpointOpener, VerifiedCheckpoint};
use tacit_ledger::ed25519::VerifyingKey;
use tacit_ledger::merkle::leaf_hash;
use tacit_ledger::note::NoteVerifier;
use tacit_ledger::record;
use tacit_model::{MemberId, Millis, Reason, Ulid};
use tacit_policy::consent::{ConsentStatus, SignedRequest, StateChange, consent_terms};
use tacit_policy::{Consent, ConsentRequest, ConsentState, Registry, SignedChange, SignedConsent};
use tacit_wire::chunks32;
use tacit_wire::coordinator::{ConsentDetails, SubjectEntry, subject_entry};

use crate::authority::ConsentAuthority;
use crate::chain_finding::ChainFinding;
use crate::error::{ClientError, Party};
use crate::question::RecordRef;
use crate::records::MAX_PATH;
use crate::subject_log::KnownChain;

/// One change of state with what proves it. `Debug` shows its place only.
#[derive(Clone, PartialEq, Eq)]
pub struct ChangeProof {
    /// The state, as the record says it.
    pub state: ConsentState,
    /// Number of the change; 0 of a request.
    pub number: u64,
    /// The text that stood then.
    pub text: Bytes,
    /// Over the text: the authority's, of a request the requester's.
    pub text_signature: [u8; 64],
    /// The authority's, over the change; none of a request.
    pub state_signature: Option<[u8; 64]>,
    /// The record.
    pub record: Bytes,
    /// Its log index.
    pub index: u64,
    /// The checkpoint that it is proven under, a signed note.
    pub checkpoint: Bytes,
    /// RFC 6962 inclusion proof.
    pub path: Vec<Hash>,
    /// Opens `terms`.
    pub salt_terms: [u8; 32],
    /// Opens `subject`, with the two that follow.
    pub salt: [u8; 32],
    /// Place in the chain of the pseudonym.
    pub sequence: u64,
    /// Leaf hash of the record before in that chain.
    pub previous: Hash,
}

impl fmt::Debug for ChangeProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeProof").field("number", &self.number).field("index", &self.index).finish()
    }
}

/// A consent, or a request for one, with the proof of all its changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentProof {
    /// Changes, oldest first.
    pub changes: Vec<ChangeProof>,
}

/// What a proof of consent proves.
#[derive(Debug, Clone)]
pub struct ProvenConsent {
    /// What was asked for, when it was.
    pub request: Option<ConsentRequest>,
    /// The terms that stand; none when a request was never allowed.
    pub consent: Option<Consent>,
    /// All changes, oldest first.
    pub events: Vec<ConsentEvent>,
    /// Size of the tree that the last of them was proven in.
    pub size: u64,
}

/// A change of state that is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsentEvent {
    /// The state.
    pub state: ConsentState,
    /// Number of the change; 0 of a request.
    pub number: u64,
    /// Time of its record.
    pub time: Millis,
    /// Its record.
    pub record: RecordRef,
}

/// Why a proof of consent does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConsentProofError {
    /// There is no change in it.
    #[error("it holds no change of state")]
    Empty,
    /// A checkpoint is not the log's.
    #[error("a checkpoint is not signed by the log")]
    Checkpoint,
    /// A record is not in the log, or is none of a consent.
    #[error("record {0} is not a consent record of this log")]
    Record(u64),
    /// The text or the pseudonym is not what the record commits to.
    #[error("record {0} does not open as one about this text and pseudonym")]
    NotOpened(u64),
    /// A text is not what its party signed.
    #[error("the text of change {0} is not signed by the party that it names")]
    Text(u64),
    /// A change is not what the authority signed.
    #[error("change {0} is not signed by the authority")]
    Change(u64),
    /// A change is about something else, or cannot follow.
    #[error("change {0} does not follow from the one before")]
    Order(u64),
}

/// Terms that a request and a consent share.
#[derive(PartialEq, Eq, Clone)]
struct About {
    id: Ulid,
    authority: MemberId,
    requester: MemberId,
    pseudonym: [u8; 32],
}

impl ConsentProof {
    /// Verifies all of it. `registry` has the signing keys of the requester and of the authority.
    ///
    /// # Errors
    /// [`ConsentProofError`] for the first thing that does not hold.
    pub fn verify(
        &self,
        log: &NoteVerifier,
        registry: &Registry,
    ) -> Result<ProvenConsent, ConsentProofError> {
        let opener = CheckpointOpener::new(log.clone());
        let key = |member: &MemberId| registry.member(member).map(|member| member.keys.signing.0);
        let mut proven = ProvenConsent { request: None, consent: None, events: Vec::new(), size: 0 };
        let mut about: Option<About> = None;
        let mut status: Option<ConsentStatus> = None;
        let mut last = None;
        for change in &self.changes {
            let number = change.number;
            let this = change.read_text(&mut proven, key)?;
            let order = ConsentProofError::Order(number);
            if about.get_or_insert_with(|| this.clone()) != &this || last >= Some(change.sequence) {
                return Err(order);
            }
            last = Some(change.sequence);
            status = Some(match status {
                None => ConsentStatus::start(change.state, number).map_err(|_| order)?,
                Some(status) if number == status.number() + 1 => {
                    status.apply(change.state, number).map_err(|_| order)?
                }
                Some(_) => return Err(order),
            });
            change.check_state(&this, key)?;
            let checkpoint = opener.open(&change.checkpoint).map_err(|_| ConsentProofError::Checkpoint)?;
            proven.size = checkpoint.size();
            proven.events.push(change.check_record(&this, &checkpoint)?);
        }
        if proven.events.is_empty() { Err(ConsentProofError::Empty) } else { Ok(proven) }
    }
}

impl ChangeProof {
    /// Whose text it is, and whether they signed it; the text stands from now on.
    fn read_text(
        &self,
        proven: &mut ProvenConsent,
        key: impl Fn(&MemberId) -> Option<VerifyingKey>,
    ) -> Result<About, ConsentProofError> {
        let wrong = ConsentProofError::Text(self.number);
        if let Ok(request) = ConsentRequest::parse(&self.text) {
            let about = About {
                id: request.id,
                authority: request.authority.clone(),
                requester: request.requester.clone(),
                pseudonym: request.pseudonym,
            };
            SignedRequest::verify(self.text.to_vec(), self.text_signature, |it| key(it))
                .map_err(|_| wrong)?;
            // After a consent there is no request again, and a request gives nothing.
            let first = proven.request.as_ref().is_none_or(|before| *before == request);
            let gives = self.state.is_live() || self.state == ConsentState::Paused;
            if proven.consent.is_some() || !first || gives {
                return Err(ConsentProofError::Order(self.number));
            }
            proven.request = Some(request);
            return Ok(about);
        }
        let signed = SignedConsent::verify(self.text.to_vec(), self.text_signature, |it| key(it))
            .map_err(|_| wrong)?;
        let consent = signed.consent();
        let follows = match (&proven.consent, &proven.request) {
            (Some(before), _) if self.state == ConsentState::Renewed => before.renewed_by(consent).is_ok(),
            (Some(before), _) => before == consent,
            (None, Some(request)) => request.allows(consent).is_ok(),
            (None, None) => true,
        };
        if !follows {
            return Err(ConsentProofError::Order(self.number));
        }
        proven.consent = Some(consent.clone());
        Ok(About {
            id: consent.id,
            authority: consent.authority.clone(),
            requester: consent.requester.clone(),
            pseudonym: consent.pseudonym,
        })
    }

    /// Whether the authority signed the change; a request it does not sign.
    fn check_state(
        &self,
        about: &About,
        key: impl Fn(&MemberId) -> Option<VerifyingKey>,
    ) -> Result<(), ConsentProofError> {
        let wrong = ConsentProofError::Change(self.number);
        match self.state_signature {
            None if self.state == ConsentState::Requested => Ok(()),
            Some(signature) if self.state != ConsentState::Requested => {
                let change = StateChange { id: about.id, state: self.state, number: self.number };
                let key = key(&about.authority).ok_or(wrong)?;
                SignedChange::verify(change, signature, &key).map(|_| ()).map_err(|_| wrong)
            }
            None | Some(_) => Err(wrong),
        }
    }

    /// The record is in the log, and commits to this text and pseudonym.
    fn check_record(
        &self,
        about: &About,
        checkpoint: &VerifiedCheckpoint,
    ) -> Result<ConsentEvent, ConsentProofError> {
        let wrong = ConsentProofError::Record(self.index);
        checkpoint.verify_inclusion(&leaf_hash(&self.record), self.index, &self.path).map_err(|_| wrong)?;
        let record: record::Consent =
            record::Record::parse(&self.record).ok().and_then(|it| it.try_into().ok()).ok_or(wrong)?;
        let opens = record.terms == consent_terms(&self.salt_terms, &self.text)
            && record.subject == commit::subject(&self.salt, &about.pseudonym, self.sequence, &self.previous)
            && record.authority == *about.authority
            && record.requester == *about.requester
            && record.state == self.state.as_str();
        if !opens {
            return Err(ConsentProofError::NotOpened(self.index));
        }
        let id = tacit_model::parse_ulid(&record.id).ok_or(wrong)?;
        Ok(ConsentEvent {
            state: self.state,
            number: self.number,
            time: Millis(record.time_ms),
            record: RecordRef { id, index: self.index },
        })
    }
}

impl ConsentAuthority {
    /// What proves a consent of this authority, or a request that names it, read from the pseudonym's chain.
    ///
    /// # Errors
    /// [`ClientError::Question`] when there is none with this id, or what opens its records was erased.
    pub async fn consent_proof(&self, id: Ulid) -> Result<ConsentProof, ChainFinding> {
        let unknown = ClientError::Question { reason: Reason::NotFound, field: "consent_id" };
        let pseudonym = match self.show(id).await {
            Ok(kept) => kept.consent.pseudonym,
            Err(error) if error.reason() == Reason::NotFound => self.request(id).await?.request().pseudonym,
            Err(error) => return Err(error.into()),
        };
        let chains = self.chains();
        let chain = chains.read(&pseudonym).await?;
        // By the names that the coordinator says: whose the other records are proves nothing here, and each of the
        // consent's own is proven by itself, under the pseudonym of its text.
        let names = chain.said_names();
        let checkpoint = chains.verify_among(&pseudonym, &names, &chain, KnownChain::default())?.checkpoint;
        self.accept(&checkpoint).await?;
        let mut changes = Vec::new();
        for entry in chain.0.iter().flat_map(|message| &message.entries) {
            let Some(subject_entry::Opening::Consent(details)) = &entry.opening else { continue };
            if id_of(&details.consent) == Some(id) {
                changes.push(self.change_proof(id, entry, details, &checkpoint)?);
            }
        }
        // The chain comes newest first.
        changes.reverse();
        if changes.is_empty() { Err(unknown.into()) } else { Ok(ConsentProof { changes }) }
    }

    fn change_proof(
        &self,
        id: Ulid,
        entry: &SubjectEntry,
        details: &ConsentDetails,
        checkpoint: &Bytes,
    ) -> Result<ChangeProof, ClientError> {
        let malformed = ClientError::malformed(Party::Coordinator);
        let logged =
            entry.record.as_ref().ok_or_else(|| ClientError::missing(Party::Coordinator, "record"))?;
        let state = match record::Record::parse(&logged.record) {
            Ok(record::Record::Consent(record)) => record.state.parse().ok(),
            _ => None,
        };
        let state = state.ok_or(ClientError::OtherRecord("it is not of kind consent"))?;
        let number = details.number;
        // Signatures are the same each time they are made: what the coordinator keeps no more is made again.
        let signed = (state != ConsentState::Requested).then_some(StateChange { id, state, number });
        let path = chunks32("path", &logged.path, MAX_PATH);
        Ok(ChangeProof {
            state,
            number,
            text: details.consent.clone(),
            text_signature: tacit_wire::array("signature", &details.signature).map_err(&malformed)?,
            state_signature: signed.map(|change| self.sign_change(change)),
            record: logged.record.clone(),
            index: logged.index,
            checkpoint: checkpoint.clone(),
            path: path.map_err(&malformed)?,
            salt_terms: tacit_wire::array("salt_terms", &details.salt_terms).map_err(&malformed)?,
            salt: tacit_wire::array("salt", &entry.salt).map_err(&malformed)?,
            sequence: entry.sequence,
            previous: tacit_wire::array("previous", &entry.previous).map_err(&malformed)?,
        })
    }
}

/// The id in a text, of either kind.
fn id_of(text: &[u8]) -> Option<Ulid> {
    let consent = Consent::parse(text).map(|consent| consent.id).ok();
    consent.or_else(|| ConsentRequest::parse(text).map(|request| request.id).ok())
}
