//! Asking for consent, as a requester, under its own pseudonym of the subject.

use bytes::Bytes;
use rand_core::CryptoRng;
use tacit_ledger::record;
use tacit_model::entropy::os_rng;
use tacit_model::{ListId, MemberId, Millis, PurposeCode, Reason, SubjectCode, Ulid, new_ulid};
use tacit_policy::registry::entry::Role;
use tacit_policy::{ConsentRequest, ConsentState, Frequency, SignedRequest};
use tacit_wire::coordinator::consent_service_client::ConsentServiceClient;
use tacit_wire::coordinator::{RequestConsentRequest, request_consent_response};

use crate::asked::{self, AskedConsent};
use crate::consents::KnownConsent;
use crate::error::{ClientError, Party};
use crate::judge::record_id;
use crate::question::{Question, RecordRef};
use crate::requester::Requester;
use crate::retry;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ConsentWanted {
    /// At which authority; none for the only one that the registry names.
    pub authority: Option<MemberId>,
    /// Lists, 1 to 64.
    pub lists: Vec<ListId>,
    /// Purposes, 1 to 64.
    pub purposes: Vec<PurposeCode>,
    /// From when.
    pub not_before: Millis,
    /// Until when; this instant is outside.
    pub expires: Millis,
    /// How often at most.
    pub frequency: Frequency,
    /// The agency's case number; empty to name the request itself. Only the audit box of a new subject has it.
    pub case: String,
    /// Who asks, as the agency names its officers; only the audit box of a new subject has it.
    pub officer: String,
}

/// A request for consent that is in the log.
#[derive(Debug, Clone)]
pub struct ConsentAsked {
    /// Its id; that of the consent too, once it is given.
    pub id: Ulid,
    /// The authority that it waits at.
    pub authority: MemberId,
    /// Until when it stands.
    pub until: Millis,
    /// The record.
    pub record: RecordRef,
    /// Time of the record.
    pub time: Millis,
}

impl Requester {
    /// Asks a subject for consent, through its authority, and verifies that this is in the log. A new subject is
    /// enrolled first, which counts against the quota of new subjects.
    ///
    /// # Errors
    /// [`ClientError::Question`] for terms outside their bounds, or an authority that is none; a refusal; a record that
    /// does not hold.
    pub async fn ask_consent(
        &self,
        wanted: ConsentWanted,
        code: SubjectCode,
    ) -> Result<ConsentAsked, ClientError> {
        self.ask_consent_with(wanted, code, &mut os_rng()).await
    }

    async fn ask_consent_with(
        &self,
        wanted: ConsentWanted,
        code: SubjectCode,
        rng: &mut impl CryptoRng,
    ) -> Result<ConsentAsked, ClientError> {
        let authority = self.authority_of(wanted.authority)?;
        let id = new_ulid(self.now(), rng);
        let purpose = wanted.purposes.first().cloned();
        let question = Question {
            lists: wanted.lists.clone(),
            purpose: purpose
                .ok_or(ClientError::Question { reason: Reason::PurposeRequired, field: "purposes" })?,
            case: if wanted.case.is_empty() { format!("consent:{id}") } else { wanted.case },
            officer: wanted.officer,
        };
        let known = self.know(&question, std::slice::from_ref(&code)).await?.pop();
        let known = known
            .ok_or(ClientError::Worker)?
            .map_err(|refusal| ClientError::Refused { party: Party::Custodian, refusal })?;
        let registry = self.registry();
        let epoch = registry.member(self.member()).and_then(|member| member.pseudonym_epoch);
        let request = ConsentRequest {
            id,
            authority,
            requester: self.member().clone(),
            pseudonym: *known.enrolled.pseudonym(),
            epoch: epoch.ok_or(ClientError::Registry("our pseudonym epoch"))?,
            lists: wanted.lists,
            purposes: wanted.purposes,
            not_before: wanted.not_before,
            expires: wanted.expires,
            frequency: wanted.frequency,
        };
        let signed = SignedRequest::sign(request, &self.signing()).map_err(|error| {
            tracing::debug!(%error, "a request for consent was not signed");
            ClientError::Question { reason: Reason::ConsentInvalid, field: "request" }
        })?;
        match self.send_request(&signed).await {
            // The coordinator lost what it knew of the subject.
            Err(ClientError::Refused { refusal, .. }) if refusal.reason == Reason::NotEnrolled => {
                self.register_again(&question, vec![(code, known)]).await?;
                self.send_request(&signed).await
            }
            outcome => outcome,
        }
    }

    /// The authority that is meant.
    fn authority_of(&self, named: Option<MemberId>) -> Result<MemberId, ClientError> {
        let unknown = ClientError::Question { reason: Reason::UnknownMember, field: "authority" };
        let registry = self.registry();
        let mut authorities =
            registry.members().filter(|it| it.has(Role::Authority)).map(|member| &member.id);
        match named {
            Some(named) if authorities.any(|id| *id == named) => Ok(named),
            Some(_) => Err(unknown),
            None => match (authorities.next(), authorities.next()) {
                (Some(only), None) => Ok(only.clone()),
                _ => Err(unknown),
            },
        }
    }

    async fn send_request(&self, signed: &SignedRequest) -> Result<ConsentAsked, ClientError> {
        let request = RequestConsentRequest {
            request: Bytes::copy_from_slice(signed.bytes()),
            signature: Bytes::copy_from_slice(signed.signature()),
        };
        let response = retry::call(Party::Coordinator, self.deadlines(), request, |request| {
            let mut client = ConsentServiceClient::new(self.connections().coordinator());
            async move { client.request_consent(request).await }
        })
        .await?;
        let logged = match response.outcome {
            Some(request_consent_response::Outcome::Logged(logged)) => logged,
            Some(request_consent_response::Outcome::Refusal(refusal)) => {
                return Err(ClientError::Refused { party: Party::Coordinator, refusal: (&refusal).into() });
            }
            None => return Err(ClientError::missing(Party::Coordinator, "outcome")),
        };
        let verified = self.log().verify(logged.record.as_ref(), &logged.checkpoint)?;
        self.witnessed().accept_alone(&logged.checkpoint).await?;
        let index = verified.index();
        let record: record::Consent = verified
            .into_record()
            .try_into()
            .map_err(|_| ClientError::OtherRecord("it is not of kind consent"))?;
        let asked = signed.request();
        if record.authority != *asked.authority
            || record.requester != *asked.requester
            || record.state != ConsentState::Requested.as_str()
        {
            return Err(ClientError::OtherRecord("the record is about another request"));
        }
        let time = Millis(record.time_ms);
        Ok(ConsentAsked {
            id: asked.id,
            authority: asked.authority.clone(),
            until: asked.stands_until(time),
            record: RecordRef { id: record_id(&record.id)?, index },
            time,
        })
    }

    /// Requests for consent that we made, in order of their ids, with what became of them: of one subject, or all.
    /// Nobody is enrolled for that.
    ///
    /// # Errors
    /// No usable answer.
    pub async fn asked_consents(&self, code: Option<&SubjectCode>) -> Result<Vec<AskedConsent>, ClientError> {
        let pseudonyms = match code {
            None => Vec::new(),
            Some(code) => match self.pseudonym_of(code).await? {
                Some(pseudonym) => vec![Bytes::copy_from_slice(&pseudonym)],
                None => return Ok(Vec::new()),
            },
        };
        let coordinator = self.connections().coordinator();
        let mut found = asked::list(coordinator, self.deadlines(), &self.registry(), pseudonyms).await?;
        found.retain(|it| it.request().requester == *self.member());
        let given = found.iter().filter(|it| it.state == ConsentState::Given);
        let mut pseudonyms: Vec<[u8; 32]> = given.map(|it| it.request().pseudonym).collect();
        pseudonyms.sort_unstable();
        pseudonyms.dedup();
        for consent in self.list_consents(&pseudonyms).await? {
            let about = found.iter_mut().find(|it| it.id().to_string() == consent.consent_id);
            if let (Some(it), Ok(state)) = (about, consent.state.parse()) {
                (it.state, it.uses) = (state, consent.uses);
                it.given = Some(KnownConsent::from_wire(&consent)?.terms());
            }
        }
        Ok(found)
    }
}
