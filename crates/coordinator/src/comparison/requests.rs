//! The same for requests for consent: their columns, and the signatures of requester and authority.

use std::sync::Arc;

use tacit_ledger::ed25519::VerifyingKey;
use tacit_model::MemberId;
use tacit_policy::{
    StateChange,
    consent::{request_message, state_message},
};
use tacit_store::StoreError;

use super::{Comparison, Keys, PAGE, Stage};
use crate::{
    services::off_threads,
    store::consent_requests::{self, StoredRequest},
};

impl Comparison {
    /// Compares the next page of requests, or goes on to the next stage.
    pub(super) async fn page_of_requests(&mut self) -> Result<(), StoreError> {
        // Reading a row compares its columns.
        let page = consent_requests::after(&mut *self.db.read().await?, self.last, PAGE).await?;
        let Some(last) = page.last().map(|request| request.terms.id) else {
            (self.stage, self.last) = (self.stage.next(), None);
            return Ok(());
        };
        if self.stage == Stage::RequestSignatures {
            let keys = Arc::clone(&self.keys);
            let differs = move |request: &StoredRequest| keys.verify_request(request).is_err();
            let differ = off_threads(|| page.into_iter().filter(differs).collect::<Vec<_>>()).await?;
            for request in differ {
                self.verify_by_other_keys(|keys| keys.verify_request(&request)).await?;
            }
        }
        self.last = Some(last);
        Ok(())
    }
}

impl Keys {
    /// Checks the signatures over the text, and over what was decided.
    fn verify_request(&self, request: &StoredRequest) -> Result<(), StoreError> {
        let StoredRequest { terms, text, .. } = request;
        let fault =
            |column| StoreError::corrupt("consent_request", column, terms.id, "does not fit its signature");
        if !self.signed(&terms.requester, &request_message(text), &request.signature) {
            return Err(fault("text"));
        }
        let Some(decided) = &request.decided else { return Ok(()) };
        let change = StateChange { id: terms.id, state: decided.state, number: 1 };
        if self.signed(&terms.authority, &state_message(&change), &decided.signature) {
            Ok(())
        } else {
            Err(fault("state"))
        }
    }

    fn signed(&self, member: &MemberId, message: &[u8], signature: &[u8; 64]) -> bool {
        let keys: &[VerifyingKey] = self.of.get(member).map_or(&[], Vec::as_slice);
        keys.iter().any(|key| key.verify(message, signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, time::Duration};

    use tacit_ledger::ed25519::SigningKey;
    use tacit_model::{Millis, Ulid};
    use tacit_policy::{ConsentRequest, Frequency, SignedRequest, Unit};
    use tacit_store::Db;

    use super::*;
    use crate::MIGRATIONS;

    fn stored() -> StoredRequest {
        let terms = ConsentRequest {
            id: Ulid::from_parts(1, 7),
            authority: "portal".parse().unwrap(),
            requester: "procurement".parse().unwrap(),
            pseudonym: [9; 32],
            epoch: 1,
            lists: vec!["court/judgment-defaulters".parse().unwrap()],
            purposes: vec!["eligibility".parse().unwrap()],
            not_before: Millis(1),
            expires: Millis(9),
            frequency: Frequency::new(10, Unit::Day).unwrap(),
        };
        let signed = SignedRequest::sign(terms.clone(), &SigningKey::from_seed(&[1; 32])).unwrap();
        StoredRequest {
            until: terms.stands_until(Millis(2)),
            terms,
            text: signed.bytes().to_vec(),
            signature: *signed.signature(),
            requested: Millis(2),
            log_index: 1,
            decided: None,
        }
    }

    /// What the comparison finds in a database with this one request.
    async fn found(change: impl FnOnce(&mut StoredRequest)) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let url = tacit_store::conformance::url(folder.path(), "coordinator");
        let db = Db::open(&url, &MIGRATIONS).await.unwrap();
        let mut request = stored();
        change(&mut request);
        let mut lease = db.write().await.unwrap();
        let mut tx = tacit_store::begin(&mut lease).await.unwrap();
        consent_requests::store(&mut tx, &request).await.unwrap();
        tx.commit().await.unwrap();
        drop(lease);
        let key = SigningKey::from_seed(&[1; 32]).verifying_key();
        let of = HashMap::from([("procurement".parse().unwrap(), vec![key])]);
        let begun = Comparison::begin_within(Duration::from_secs(9), db, Keys { of, known_to: 0 }).await;
        match begun {
            Err(error) => Some(error.to_string()),
            Ok(begun) => {
                let closing = tokio::sync::watch::channel(false);
                begun.beside(closing.1).await.map(|error| error.to_string())
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_request_that_is_not_as_it_was_signed_is_found() {
        assert_eq!(found(|_| {}).await, None);
        let column = found(|it| it.terms.authority = "portak".parse().unwrap()).await.unwrap();
        assert!(column.contains("consent_request.authority"), "{column}");
        let until = found(|it| it.until = Millis(8)).await.unwrap();
        assert!(until.contains("consent_request.until_ms"), "{until}");
        let signature = found(|it| it.signature[3] ^= 1).await.unwrap();
        assert!(signature.contains("consent_request.text"), "{signature}");
    }
}
