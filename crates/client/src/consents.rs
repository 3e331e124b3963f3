//! Consents under our own pseudonyms: known from enrollment, asked for when none is known, kept fresh by the
//! coordinator's pushes.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tacit_model::{ListId, Millis, PurposeCode, Ulid};
use tacit_policy::{Consent, ConsentState};
use tacit_wire::coordinator::consent_service_client::ConsentServiceClient;
use tacit_wire::coordinator::{ListConsentsRequest, LiveConsent, WatchConsentsRequest};
use zeroize::Zeroizing;

use crate::codec::{CodecError, Reader, Writer};
use crate::connections::MAX_MESSAGE;
use crate::error::{ClientError, Party};
use crate::requester::{Requester, heavy};
use crate::retry;
use crate::store::{ConsentRow, RowKey};
use crate::vault::Kind;

/// Pseudonyms of one question for consents.
const AT_ONCE: usize = 1024;
/// Pause before a lost stream is opened again.
const RECONNECT: Duration = Duration::from_millis(500);

/// A consent as the coordinator tells it.
#[derive(Debug, Clone)]
pub(crate) struct KnownConsent {
    pub(crate) id: Ulid,
    consent: Consent,
    text: Vec<u8>,
    state: ConsentState,
    number: u64,
    /// The pseudonym that checks name it under: its own, or the one that its subject was carried to.
    under: [u8; 32],
}

impl KnownConsent {
    pub(crate) fn from_wire(live: &LiveConsent) -> Result<Self, ClientError> {
        let wrong = |problem| ClientError::Malformed {
            party: Party::Coordinator,
            problem: tacit_wire::Malformed { field: "consent", problem },
        };
        let consent = Consent::parse(&live.consent).map_err(|_| wrong("is no consent"))?;
        let state = live.state.parse().map_err(|_| wrong("is in an unknown state"))?;
        if consent.id.to_string() != live.consent_id || consent.pseudonym != *live.pseudonym {
            return Err(wrong("is another one than announced"));
        }
        let under = match live.carried_to.as_ref() {
            [] => consent.pseudonym,
            to => to.try_into().map_err(|_| wrong("is carried to no pseudonym"))?,
        };
        let (id, number) = (consent.id, live.state_number);
        Ok(Self { id, consent, text: live.consent.to_vec(), state, number, under })
    }

    /// What the subject allowed.
    pub(crate) fn terms(self) -> Consent {
        self.consent
    }

    /// Whether a check may name it: alive, in its time, for this list and purpose.
    pub(crate) fn covers(&self, list: &ListId, purpose: &PurposeCode, now: Millis) -> bool {
        self.state.is_live()
            && self.consent.not_before <= now
            && now < self.consent.expires
            && self.consent.lists.contains(list)
            && self.consent.purposes.contains(purpose)
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::with_capacity(self.text.len() + 40);
        writer.u64(self.number);
        writer.bytes(self.state.as_str().as_bytes());
        writer.bytes(&self.text);
        writer.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes);
        let number = reader.u64("number")?;
        let state = reader.parsed("state")?;
        let text = reader.bytes("consent")?.to_vec();
        reader.finish()?;
        let consent = Consent::parse(&text).map_err(|_| CodecError("consent"))?;
        Ok(Self { id: consent.id, under: consent.pseudonym, consent, text, state, number })
    }
}

/// Consents withdrawn while this process runs: what was permitted under them is not used any more.
#[derive(Debug, Default)]
pub(crate) struct Withdrawn(Mutex<HashSet<Ulid>>);

impl Withdrawn {
    pub(crate) fn contains(&self, id: Ulid) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    fn note(&self, consents: &[KnownConsent]) {
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ids.extend(consents.iter().filter(|it| it.state == ConsentState::Withdrawn).map(|it| it.id));
    }
}

impl Requester {
    pub(crate) fn pseudonym_key(&self, pseudonym: &[u8; 32]) -> RowKey {
        self.vault().row_key(Kind::Consent, &[pseudonym])
    }

    /// Sealed rows of what the coordinator told, of consents to this requester only.
    pub(crate) fn consent_rows(
        &self,
        told: &[LiveConsent],
        rng: &mut impl rand_core::CryptoRng,
    ) -> Result<Vec<ConsentRow>, ClientError> {
        let consents = told.iter().map(KnownConsent::from_wire).collect::<Result<Vec<_>, _>>()?;
        self.withdrawn().note(&consents);
        let own = consents.iter().filter(|it| it.consent.requester == *self.member());
        Ok(own
            .map(|known| {
                let pseudonym = self.pseudonym_key(&known.under);
                let sealed = self.vault().seal(Kind::Consent, &pseudonym, &known.encode(), rng);
                ConsentRow { pseudonym, id: known.id, number: known.number, sealed }
            })
            .collect())
    }

    /// What is known under each pseudonym, in order. Where nothing that lives is known, the coordinator is asked
    /// once.
    pub(crate) async fn consents_of(
        &self,
        pseudonyms: &[[u8; 32]],
        now: Millis,
    ) -> Result<Vec<Vec<KnownConsent>>, ClientError> {
        let keys: Vec<RowKey> = pseudonyms.iter().map(|t| self.pseudonym_key(t)).collect();
        let mut known = self.stored_consents(&keys).await?;
        let lives = |consent: &KnownConsent| consent.state.is_live() && now < consent.consent.expires;
        let missing: Vec<usize> = (0..keys.len()).filter(|&at| !known[at].iter().any(lives)).collect();
        if missing.is_empty() {
            return Ok(known);
        }
        let wanted: Vec<[u8; 32]> = missing.iter().map(|&at| pseudonyms[at]).collect();
        if !self.read_consents_of(&wanted).await? {
            return Ok(known);
        }
        let again: Vec<RowKey> = missing.iter().map(|&at| keys[at]).collect();
        for (at, consents) in missing.into_iter().zip(self.stored_consents(&again).await?) {
            known[at] = consents;
        }
        Ok(known)
    }

    /// Asks the coordinator about consents under these pseudonyms, and keeps what it tells; false when that is
    /// nothing.
    pub(crate) async fn read_consents_of(&self, pseudonyms: &[[u8; 32]]) -> Result<bool, ClientError> {
        let told = self.list_consents(pseudonyms).await?;
        let rows = self.consent_rows(&told, &mut tacit_model::entropy::os_rng())?;
        self.store().put_consents(rows).await?;
        Ok(!told.is_empty())
    }

    async fn stored_consents(&self, keys: &[RowKey]) -> Result<Vec<Vec<KnownConsent>>, ClientError> {
        let rows = self.store().consents(keys.to_vec()).await?;
        let this = self.clone();
        heavy(rows.len(), move || rows.iter().map(|rows| this.open_consents(rows)).collect()).await?
    }

    fn open_consents(&self, rows: &[ConsentRow]) -> Result<Vec<KnownConsent>, ClientError> {
        rows.iter()
            .map(|row| {
                let plain = self.vault().open(Kind::Consent, &row.pseudonym, &row.sealed)?;
                Ok(KnownConsent::decode(&plain)?)
            })
            .collect()
    }

    pub(crate) async fn list_consents(
        &self,
        pseudonyms: &[[u8; 32]],
    ) -> Result<Vec<LiveConsent>, ClientError> {
        let mut told = Vec::new();
        for part in pseudonyms.chunks(AT_ONCE) {
            let pseudonyms = part.iter().map(|t| bytes::Bytes::copy_from_slice(t)).collect();
            let request = ListConsentsRequest { pseudonyms };
            let response = retry::call(Party::Coordinator, self.deadlines(), request, |request| {
                let mut client = ConsentServiceClient::new(self.connections().coordinator())
                    .max_decoding_message_size(MAX_MESSAGE);
                async move { client.list_consents(request).await }
            })
            .await?;
            told.extend(response.consents);
        }
        Ok(told)
    }

    /// Keeps what is known about consents fresh, for ever: run it as a task beside the requester. After each
    /// (re)connection all known consents are read again, so that a change in between is not missed.
    pub async fn follow_consents(self) {
        loop {
            match self.follow_once().await {
                Ok(()) => tracing::debug!("the stream of consents was closed"),
                Err(error) => tracing::debug!(%error, "the stream of consents ended"),
            }
            tokio::time::sleep(RECONNECT).await;
        }
    }

    async fn follow_once(&self) -> Result<(), ClientError> {
        let lost =
            |status| ClientError::NoAnswer { party: Party::Coordinator, reason: retry::reason(&status) };
        let mut client = ConsentServiceClient::new(self.connections().coordinator());
        let mut stream = client.watch_consents(WatchConsentsRequest {}).await.map_err(lost)?.into_inner();
        self.read_consents_again().await?;
        while let Some(change) = stream.message().await.map_err(lost)? {
            let rows = self.consent_rows(change.consent.as_slice(), &mut tacit_model::entropy::os_rng())?;
            self.store().put_consents(rows).await?;
        }
        Ok(())
    }

    async fn read_consents_again(&self) -> Result<(), ClientError> {
        let mut after = Ulid(0);
        loop {
            let rows = self.store().consents_after(after, 1024).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.id;
            let mut pseudonyms: Vec<[u8; 32]> =
                self.open_consents(&rows)?.iter().map(|known| known.consent.pseudonym).collect();
            pseudonyms.sort_unstable();
            pseudonyms.dedup();
            self.read_consents_of(&pseudonyms).await?;
        }
    }
}
