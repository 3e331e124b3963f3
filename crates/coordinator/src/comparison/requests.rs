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
