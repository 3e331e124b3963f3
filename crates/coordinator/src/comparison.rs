//! Whether stored consents are what their authorities signed, and stored letters and measures what their records
//! say.
//!
//! Consents are selected by columns that repeat what the signed text in the same row says, and who reads a row compares
//! both. But a changed column hides its row from those who would select it, and nobody reads what is hidden; and who
//! decides under a consent does not verify its signatures anew. So at the start all rows are read, whatever their
//! columns say, once for the columns and once for the signatures:
//!
//! ```text
//! start ─▶ columns, in pages ascending by id ─┬─ all, or a second is over ─▶ serves ─▶ beside that:
//!                                             └─ a difference ─▶ does not start        the rest of the columns
//!                                                                                      signatures, from the first
//!                                                                                      a difference ends the process
//! ```
//!
//! A core compares the columns of some 100,000 rows in a second, and verifies the two signatures (of the text, and of
//! the state with its number) of some 6,500. So nobody waits for signatures, and what goes on beside the service takes
//! a quarter of a processor at most: for a million consents the columns are done in less than a minute, the signatures
//! in ten.

mod letters;
mod measures;
mod requests;

use std::{collections::HashMap, sync::Arc, time::Duration};

use tacit_ledger::ed25519::VerifyingKey;
use tacit_model::{MemberId, Ulid};
use tacit_policy::{
    Pins, Registry, StateChange,
    consent::{consent_message, state_message},
};
use tacit_store::{Db, StoreError};
use tokio::{sync::watch, time::Instant};

use crate::{
    services::off_threads,
    store::{
        consents::{self, StoredConsent},
        registries,
    },
};

/// Consents of one page.
const PAGE: usize = 256;

/// How long the start waits: a coordinator that was killed serves again within 2 s.
const WAIT: Duration = Duration::from_secs(1);

/// Pause after each page beside the service, in times that the page took.
const PAUSE: u32 = 3;

/// Pause after the database could not be read, beside the service.
const AGAIN: Duration = Duration::from_secs(5);

/// Signing keys by member, the newest first, and the registry version up to which older ones are known.
#[derive(Clone)]
struct Keys {
    of: HashMap<MemberId, Vec<VerifyingKey>>,
    known_to: u64,
}

/// What is compared with the signed text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Columns,
    RequestColumns,
    Letters,
    Measures,
    Signatures,
    RequestSignatures,
    Done,
}

impl Stage {
    fn next(self) -> Self {
        match self {
            Self::Columns => Self::RequestColumns,
            Self::RequestColumns => Self::Letters,
            Self::Letters => Self::Measures,
            Self::Measures => Self::Signatures,
            Self::Signatures => Self::RequestSignatures,
            Self::RequestSignatures | Self::Done => Self::Done,
        }
    }

    fn is_columns(self) -> bool {
        matches!(self, Self::Columns | Self::RequestColumns | Self::Letters | Self::Measures)
    }
}

/// A comparison under way.
pub(crate) struct Comparison {
    db: Db,
    keys: Arc<Keys>,
    stage: Stage,
    /// The last consent that was compared in this stage.
    last: Option<Ulid>,
    /// Log index of the next letter.
    letters_from: u64,
    /// Log index of the next measure.
    measures_from: u64,
    compared: usize,
}

impl Comparison {
    /// Compares the columns of all consents, for at most a second.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] names the first row that says other than was signed; what the database says.
    pub(crate) async fn begin(db: Db, registry: &Registry) -> Result<Self, StoreError> {
        let keys = registry.members().map(|member| (member.id.clone(), vec![member.keys.signing.0]));
        Self::begin_within(WAIT, db, Keys { of: keys.collect(), known_to: 0 }).await
    }

    async fn begin_within(wait: Duration, db: Db, keys: Keys) -> Result<Self, StoreError> {
        let mut begun = Self {
            db,
            keys: Arc::new(keys),
            stage: Stage::Columns,
            last: None,
            letters_from: 0,
            measures_from: 0,
            compared: 0,
        };
        let columns = async {
            while begun.stage.is_columns() {
                begun.page().await?;
            }
            Ok(())
        };
        // What is not compared yet is compared beside the service.
        tokio::time::timeout(wait, columns).await.unwrap_or(Ok(())).map(|()| begun)
    }

    /// Goes on until all is compared or the server ends: the difference that was found, if any.
    pub(crate) async fn beside(mut self, mut closing: watch::Receiver<bool>) -> Option<StoreError> {
        while self.stage != Stage::Done {
            let begun = Instant::now();
            let page = tokio::select! {
                biased;
                // Also when everything that could close it is gone.
                _ = closing.wait_for(|closing| *closing) => return None,
                page = self.page() => page,
            };
            let pause = match page {
                Ok(()) => begun.elapsed() * PAUSE,
                Err(error) if error.is_corruption() => {
                    tracing::error!(%error, "a consent is not as it was signed; the coordinator ends");
                    return Some(error);
                }
                Err(error) => {
                    tracing::warn!(%error, "consents could not be compared with what was signed; it is tried again");
                    AGAIN
                }
            };
            tokio::time::sleep(pause).await;
        }
        tracing::info!(consents = self.compared, "all consents are as they were signed");
        None
    }

    /// Compares the next page, or goes on to the next stage.
    async fn page(&mut self) -> Result<(), StoreError> {
        if matches!(self.stage, Stage::RequestColumns | Stage::RequestSignatures) {
            return self.page_of_requests().await;
        }
        if self.stage == Stage::Letters {
            return self.page_of_letters().await;
        }
        if self.stage == Stage::Measures {
            return self.page_of_measures().await;
        }
        // Reading a row compares its columns.
        let page = consents::after(&mut *self.db.read().await?, self.last, PAGE).await?;
        let Some(last) = page.last().map(|consent| consent.terms.id) else {
            (self.stage, self.last) = (self.stage.next(), None);
            return Ok(());
        };
        if self.stage == Stage::Signatures {
            let count = page.len();
            self.verify(page).await?;
            self.compared += count;
        }
        self.last = Some(last);
        Ok(())
    }

    async fn verify(&mut self, page: Vec<StoredConsent>) -> Result<(), StoreError> {
        let keys = Arc::clone(&self.keys);
        let differs = move |consent: &StoredConsent| keys.verify(consent).is_err();
        let differ = off_threads(|| page.into_iter().filter(differs).collect::<Vec<_>>());
        for consent in differ.await? {
            self.verify_by_other_keys(|keys| keys.verify(&consent)).await?;
        }
        Ok(())
    }

    /// What no known key of its signer signed: the key may have been replaced in the registry since, or
    /// by another replica with a newer registry.
    async fn verify_by_other_keys(
        &mut self,
        verify: impl Fn(&Keys) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        loop {
            let Err(error) = verify(&self.keys) else { return Ok(()) };
            let next = registries::next(&mut *self.db.read().await?, self.keys.known_to).await?;
            let Some((number, bytes)) = next else { return Err(error) };
            let claimed = off_threads(move || Pins::claimed_by(&bytes))
                .await?
                .map_err(|_| StoreError::corrupt("registry_version", "bytes", number, "are no registry"))?;
            Arc::make_mut(&mut self.keys).add(number, claimed.members);
        }
    }
}

impl Keys {
    fn add(&mut self, number: u64, members: impl IntoIterator<Item = (MemberId, VerifyingKey)>) {
        self.known_to = number;
        for (member, key) in members {
            let keys = self.of.entry(member).or_default();
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }

    /// Checks the signatures over the text and over id, state and number.
    fn verify(&self, consent: &StoredConsent) -> Result<(), StoreError> {
        let StoredConsent { terms, text, state, number, .. } = consent;
        let keys = self.of.get(&terms.authority).map_or(&[][..], Vec::as_slice);
        let signed = |message: &[u8], by: &[u8]| keys.iter().any(|key| key.verify(message, by).is_ok());
        if !signed(&consent_message(text), &consent.signature) {
            return Err(StoreError::corrupt("consent", "text", terms.id, "does not fit its signature"));
        }
        let change = StateChange { id: terms.id, state: *state, number: *number };
        if !signed(&state_message(&change), &consent.state_signature) {
            return Err(StoreError::corrupt("consent", "state", terms.id, "does not fit its signature"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tacit_ledger::ed25519::SigningKey;
    use tacit_model::Millis;
    use tacit_policy::{Consent, ConsentState, Frequency, SignedChange, SignedConsent, Unit};
    use tempfile::TempDir;

    use super::*;
    use crate::MIGRATIONS;

    fn key() -> SigningKey {
        SigningKey::from_seed(&[1; 32])
    }

    fn signed(n: u64) -> StoredConsent {
        let terms = Consent {
            id: Ulid::from_parts(n, 7),
            authority: "portal".parse().unwrap(),
            requester: "procurement".parse().unwrap(),
            pseudonym: [9; 32],
            epoch: 1,
            lists: vec!["court/judgment-defaulters".parse().unwrap()],
            purposes: vec!["eligibility".parse().unwrap()],
            not_before: Millis(1),
            expires: Millis(2),
            frequency: Frequency::new(10, Unit::Day).unwrap(),
            notice: [5; 32],
        };
        let signed = SignedConsent::sign(terms.clone(), &key()).unwrap();
        let change = StateChange { id: terms.id, state: ConsentState::Given, number: 1 };
        StoredConsent {
            terms,
            text: signed.bytes().to_vec(),
            signature: *signed.signature(),
            state: ConsentState::Given,
            number: 1,
            state_signature: *SignedChange::sign(change, &key()).signature(),
            log_index: 1,
            uses: 0,
            carried_to: None,
        }
    }

    async fn stored(count: usize, change: impl FnOnce(&mut [StoredConsent])) -> (TempDir, Db) {
        let folder = tempfile::tempdir().unwrap();
        let url = tacit_store::conformance::url(folder.path(), "coordinator");
        let db = Db::open(&url, &MIGRATIONS).await.unwrap();
        let mut consents: Vec<_> = (0..count as u64).map(signed).collect();
        change(&mut consents);
        let mut lease = db.write().await.unwrap();
        let mut tx = tacit_store::begin(&mut lease).await.unwrap();
        for consent in &consents {
            consents::store(&mut tx, consent).await.unwrap();
        }
        tx.commit().await.unwrap();
        drop(lease);
        (folder, db)
    }

    fn keys() -> Keys {
        Keys { of: [("portal".parse().unwrap(), vec![key().verifying_key()])].into(), known_to: 0 }
    }

    async fn beside(begun: Comparison) -> Option<StoreError> {
        let closing = watch::channel(false);
        begun.beside(closing.1).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_consent_is_compared_wherever_a_page_ends() {
        for count in [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE] {
            let (_folder, db) = stored(count, |_| {}).await;
            let mut begun = Comparison::begin_within(WAIT, db, keys()).await.unwrap();
            while begun.stage != Stage::Done {
                begun.page().await.unwrap();
            }
            assert_eq!(begun.compared, count);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_column_that_was_changed_is_found_in_the_last_row_too_at_the_start_or_beside_the_service() {
        let hide = |consents: &mut [StoredConsent]| {
            consents.last_mut().unwrap().terms.authority = "portak".parse().unwrap();
        };
        let (_folder, db) = stored(2 * PAGE + 1, hide).await;
        let mut conn = db.read().await.unwrap();
        let listed = consents::by_authority(&mut conn, "portal", &[]).await.unwrap();
        assert_eq!(listed.len(), 2 * PAGE, "whoever looks for it does not see that it is missing");
        drop(conn);
        let named = format!("corrupt data in consent.authority (row {})", signed(2 * PAGE as u64).terms.id);
        let error = Comparison::begin_within(WAIT, db.clone(), keys()).await.err().unwrap();
        assert!(error.is_corruption() && error.to_string().starts_with(&named), "{error}");
        // When there is no time for it before; what the database had at hand is compared all the same.
        let error = match Comparison::begin_within(Duration::ZERO, db, keys()).await {
            Ok(begun) => beside(begun).await.unwrap(),
            Err(error) => error,
        };
        assert!(error.to_string().starts_with(&named), "{error}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_goes_on_beside_the_service_ends_with_it() {
        let (_folder, db) = stored(1, |consents| consents[0].number = 2).await;
        let begun = Comparison::begin_within(WAIT, db, keys()).await.unwrap();
        let (closing, closes) = watch::channel(true);
        assert!(begun.beside(closes).await.is_none());
        drop(closing);
    }
}
