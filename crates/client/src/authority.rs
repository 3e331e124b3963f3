//! The consent authority (protocol section 8): pseudonyms of its users for any requester, consents under them, and
//! the proof that each change is in the log.

mod changes;
mod letters;
mod requests;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use rand_core::CryptoRng;
use tacit_blind::encoding::b3;
use tacit_blind::enroll;
use tacit_blind::group::Point;
use tacit_blind::letter::LetterSecretKey;
use tacit_blind::subject::Subject;
use tacit_ledger::ed25519::SigningKey;
use tacit_ledger::note::NoteVerifier;
use tacit_model::entropy::{os_rng, seeded_rng};
use tacit_model::{Clock, ListId, MemberId, Millis, PurposeCode, Reason, SubjectCode, Ulid, new_ulid};
use tacit_policy::{Consent, ConsentState, Frequency, Registry};
use tacit_wire::concat32;
use tacit_wire::coordinator::ListConsentsRequest;
use tacit_wire::coordinator::consent_service_client::ConsentServiceClient;
use tacit_wire::custodian::EvaluateRequest;
use tacit_wire::custodian::pseudonym_service_client::PseudonymServiceClient;
use tonic::transport::Channel;
use zeroize::Zeroizing;

use crate::connections::MAX_MESSAGE;
use crate::enroll::read_evaluated;
use crate::error::{ClientError, Party};
use crate::question::RecordRef;
use crate::quorum::WitnessedLog;
use crate::requester::heavy;
use crate::retry::{self, Deadlines};
use crate::subject_log::SubjectChains;

pub use requests::Narrower;

/// Subjects of one call to the custodian.
const AT_ONCE: usize = enroll::MAX_BATCH;

/// Who the authority is, and how patient.
#[derive(Debug, Clone)]
pub struct AuthorityConfig {
    /// The authority's member id.
    pub member: MemberId,
    /// The pinned key of the coordinator's log.
    pub log_key: NoteVerifier,
    /// How long others are waited for.
    pub deadlines: Deadlines,
}

/// The authority's secrets. Never printed; the blind key is wiped on drop.
pub struct AuthorityKeys {
    /// The member signing key, whose public half is pinned by all members.
    pub signing: SigningKey,
    /// What blinds are derived from, so that a subject asked about again costs no quota.
    pub blind: Zeroizing<[u8; 32]>,
    /// What letters to subjects open with; none for an authority that gets no letters.
    pub letters: Option<LetterSecretKey>,
}

impl fmt::Debug for AuthorityKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthorityKeys(..)")
    }
}

/// A subject's pseudonym for one requester. `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pseudonym {
    /// T.
    pub pseudonym: [u8; 32],
    /// Its pseudonym epoch.
    pub epoch: u32,
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pseudonym").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// What a subject allows.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Who may ask.
    pub requester: MemberId,
    /// Lists, 1 to 64.
    pub lists: Vec<ListId>,
    /// Purposes, 1 to 64.
    pub purposes: Vec<PurposeCode>,
    /// From when.
    pub not_before: Millis,
    /// Until when; this instant is outside.
    pub expires: Millis,
    /// How often.
    pub frequency: Frequency,
    /// Hash of the notice that the subject was shown.
    pub notice: [u8; 32],
}

/// A change of consent with the proof that it is in the log. Of a withdrawal it is the acknowledgement: no access
/// record under this consent can follow it.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    /// The consent.
    pub id: Ulid,
    /// Its state now.
    pub state: ConsentState,
    /// Number of the change.
    pub number: u64,
    /// The record.
    pub record: RecordRef,
    /// Time of the record.
    pub time: Millis,
    /// The checkpoint it was proven under, a signed note.
    pub checkpoint: Bytes,
}

/// A consent as the coordinator keeps it.
#[derive(Debug, Clone)]
pub struct KeptConsent {
    /// Its terms.
    pub consent: Consent,
    /// Its state.
    pub state: ConsentState,
    /// Number of the last change.
    pub number: u64,
    /// Permitted checks under it so far.
    pub uses: u64,
}

/// A consent authority. Clones share everything.
#[derive(Clone)]
pub struct ConsentAuthority(Arc<Inner>);

struct Inner {
    config: AuthorityConfig,
    keys: AuthorityKeys,
    registry: RwLock<Arc<Registry>>,
    log: WitnessedLog,
    coordinator: Channel,
    custodian: Channel,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for ConsentAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentAuthority").field("member", &self.0.config.member).finish_non_exhaustive()
    }
}

impl ConsentAuthority {
    /// An authority.
    #[must_use]
    pub fn new(
        config: AuthorityConfig,
        keys: AuthorityKeys,
        registry: Arc<Registry>,
        coordinator: Channel,
        custodian: Channel,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let key = config.log_key.clone();
        let log =
            WitnessedLog::new(key, &registry, coordinator.clone(), config.deadlines, Arc::clone(&clock));
        let registry = RwLock::new(registry);
        Self(Arc::new(Inner { config, keys, registry, log, coordinator, custodian, clock }))
    }

    /// What is on record about pseudonyms.
    #[must_use]
    pub fn chains(&self) -> SubjectChains {
        let Inner { config, coordinator, .. } = &*self.0;
        SubjectChains::new(coordinator.clone(), config.log_key.clone(), config.deadlines)
    }

    /// Who the authority is.
    #[must_use]
    pub fn member(&self) -> &MemberId {
        &self.0.config.member
    }

    /// Whether a quorum of the witnesses stands behind a checkpoint: only then anything is taken from under it.
    ///
    /// # Errors
    /// [`ClientError::Quorum`], [`ClientError::Log`] when it is on another branch; no answer.
    pub async fn accept(&self, checkpoint: &[u8]) -> Result<(), ClientError> {
        self.0.log.accept_alone(checkpoint).await.map(drop)
    }

    /// The registry in use.
    #[must_use]
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.0.registry.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Uses another registry from now on.
    pub fn set_registry(&self, registry: Arc<Registry>) {
        self.0.log.set_registry(&registry);
        *self.0.registry.write().unwrap_or_else(PoisonError::into_inner) = registry;
    }

    /// Pseudonyms of subjects for a requester, each in its place. The custodian counts new ones against the
    /// authority's cap; neither it nor the coordinator learns who they are.
    ///
    /// # Errors
    /// [`ClientError::Refused`] beyond the cap; a wrong proof; no answer.
    pub async fn pseudonyms(
        &self,
        requester: &MemberId,
        subjects: &[SubjectCode],
    ) -> Result<Vec<Pseudonym>, ClientError> {
        let registry = self.registry();
        let epoch = registry
            .member(requester)
            .and_then(|member| member.pseudonym_epoch)
            .ok_or(ClientError::Question { reason: Reason::UnknownMember, field: "requester" })?;
        self.pseudonyms_in(requester, epoch, subjects).await
    }

    /// A subject's pseudonyms for a requester in every epoch whose key is published, the newest first. Which of them
    /// stand for one chain the coordinator knows (P41): a reader names them all.
    ///
    /// # Errors
    /// As [`ConsentAuthority::pseudonyms`].
    pub async fn all_pseudonyms(
        &self,
        requester: &MemberId,
        subject: &SubjectCode,
    ) -> Result<Vec<Pseudonym>, ClientError> {
        let registry = self.registry();
        let newest = registry.member(requester).and_then(|member| member.pseudonym_epoch);
        let newest =
            newest.ok_or(ClientError::Question { reason: Reason::UnknownMember, field: "requester" })?;
        let mut all = Vec::new();
        for epoch in registry.pseudonym_epochs(requester).into_iter().rev().filter(|it| *it <= newest) {
            all.extend(self.pseudonyms_in(requester, epoch, std::slice::from_ref(subject)).await?);
        }
        Ok(all)
    }

    /// [`ConsentAuthority::pseudonyms`] of a pseudonym epoch whose key is published.
    ///
    /// # Errors
    /// As [`ConsentAuthority::pseudonyms`].
    pub async fn pseudonyms_in(
        &self,
        requester: &MemberId,
        epoch: u32,
        subjects: &[SubjectCode],
    ) -> Result<Vec<Pseudonym>, ClientError> {
        let registry = self.registry();
        let key = registry
            .pseudonym_key(requester, epoch)
            .ok_or(ClientError::Registry("the requester's pseudonym key"))?;
        let key = Point::decode(&key.0).map_err(ClientError::proof(Party::Custodian))?;
        let mut pseudonyms = Vec::with_capacity(subjects.len());
        for part in subjects.chunks(AT_ONCE) {
            let (this, requester, part) = (self.clone(), requester.clone(), part.to_vec());
            let blinded = {
                let requester = requester.clone();
                heavy(part.len(), move || this.blind(&requester, &part)).await??
            };
            let points: Vec<[u8; 32]> = blinded.iter().map(|it| it.blinded_subject().encode()).collect();
            let request =
                EvaluateRequest { epoch, blinded: concat32(&points), acting_for: requester.to_string() };
            let response = retry::call(Party::Custodian, &self.0.config.deadlines, request, |request| {
                let mut custodian = PseudonymServiceClient::new(self.0.custodian.clone());
                async move { custodian.evaluate(request).await }
            })
            .await?;
            let (evaluated, proof) = read_evaluated(response, points.len())?
                .map_err(|refusal| ClientError::Refused { party: Party::Custodian, refusal })?;
            let enrolled =
                heavy(points.len(), move || enroll::unblind(blinded, &evaluated, &proof, &key)).await?;
            let enrolled = enrolled.map_err(ClientError::proof(Party::Custodian))?;
            pseudonyms
                .extend(enrolled.iter().map(|it| Pseudonym { pseudonym: it.pseudonym().encode(), epoch }));
        }
        Ok(pseudonyms)
    }

    /// Blinds with factors that only this authority can derive again, the same in every epoch: a subject costs quota
    /// once.
    fn blind(
        &self,
        requester: &MemberId,
        subjects: &[SubjectCode],
    ) -> Result<Vec<enroll::Blinded>, ClientError> {
        let mut blinded = Vec::with_capacity(subjects.len());
        for code in subjects {
            let subject = Subject::new(code).map_err(ClientError::Own)?;
            let length = (requester.len() as u64).to_be_bytes();
            let parts: [&[u8]; 4] =
                [self.0.keys.blind.as_ref(), &length, requester.as_bytes(), subject.expose_input()];
            let seed = Zeroizing::new(b3("tacit v1 authority blind", &parts));
            blinded.extend(enroll::blind_subjects(&[subject], &mut seeded_rng(*seed)));
        }
        Ok(blinded)
    }

    /// Signs and stores a consent of a subject, and verifies that it is in the log.
    ///
    /// # Errors
    /// [`ClientError::Question`] for terms outside their bounds, a refusal, or a record that does not hold.
    pub async fn grant(&self, grant: Grant, subject: &SubjectCode) -> Result<Acknowledged, ClientError> {
        let [pseudonym] = self.pseudonyms(&grant.requester, std::slice::from_ref(subject)).await?[..] else {
            return Err(ClientError::missing(Party::Custodian, "evaluated"));
        };
        self.grant_under(grant, pseudonym, &mut os_rng()).await
    }

    /// [`ConsentAuthority::grant`] under a pseudonym that is known already.
    ///
    /// # Errors
    /// As [`ConsentAuthority::grant`].
    pub async fn grant_under(
        &self,
        grant: Grant,
        pseudonym: Pseudonym,
        rng: &mut impl CryptoRng,
    ) -> Result<Acknowledged, ClientError> {
        let id = new_ulid(self.0.clock.now(), rng);
        let consent = Consent {
            id,
            authority: self.0.config.member.clone(),
            requester: grant.requester,
            pseudonym: pseudonym.pseudonym,
            epoch: pseudonym.epoch,
            lists: grant.lists,
            purposes: grant.purposes,
            not_before: grant.not_before,
            expires: grant.expires,
            frequency: grant.frequency,
            notice: grant.notice,
        };
        self.put(consent).await
    }

    /// One consent of this authority.
    ///
    /// # Errors
    /// [`ClientError::Question`] when there is none with this id.
    pub async fn show(&self, id: Ulid) -> Result<KeptConsent, ClientError> {
        let unknown = ClientError::Question { reason: Reason::NotFound, field: "consent_id" };
        self.list(&[]).await?.into_iter().find(|kept| kept.consent.id == id).ok_or(unknown)
    }

    /// Consents that this authority stored, dead ones too, in order of their ids: those under these pseudonyms, or
    /// all when none is named.
    ///
    /// # Errors
    /// No usable answer.
    pub async fn list(&self, pseudonyms: &[Pseudonym]) -> Result<Vec<KeptConsent>, ClientError> {
        let pseudonyms = pseudonyms.iter().map(|it| Bytes::copy_from_slice(&it.pseudonym)).collect();
        let request = ListConsentsRequest { pseudonyms };
        let response = retry::call(Party::Coordinator, &self.0.config.deadlines, request, |request| {
            let mut client = self.consents();
            async move { client.list_consents(request).await }
        })
        .await?;
        let wrong = |field| ClientError::missing(Party::Coordinator, field);
        let kept = response.consents.into_iter().map(|live| {
            let consent = Consent::parse(&live.consent).map_err(|_| wrong("consent"))?;
            let state = live.state.parse().map_err(|_| wrong("state"))?;
            Ok(KeptConsent { consent, state, number: live.state_number, uses: live.uses })
        });
        let kept: Result<Vec<_>, ClientError> = kept.collect();
        Ok(kept?.into_iter().filter(|kept| kept.consent.authority == self.0.config.member).collect())
    }

    /// The pinned key of the log.
    #[must_use]
    pub fn log_key(&self) -> &NoteVerifier {
        &self.0.config.log_key
    }

    fn consents(&self) -> ConsentServiceClient<Channel> {
        ConsentServiceClient::new(self.0.coordinator.clone()).max_decoding_message_size(MAX_MESSAGE)
    }
}
