//! Consent: what a requester asks for, the text that an authority signs for a subject, and what may happen to it
//! afterwards (protocol section 8).

mod request;
mod state;
mod text;

pub use self::{
    request::{ConsentRequest, NotAsked, REQUEST_STANDS_MS, RequestError, SignedRequest, request_message},
    state::{
        ChangeSignatureInvalid, ConsentState, ConsentStatus, InvalidTransition, SignedChange, StateChange,
        UnknownState, state_message,
    },
    text::{
        Consent, ConsentError, MAX_CONSENT_BYTES, NotRenewed, SignedConsent, consent_message, consent_notice,
        consent_terms,
    },
};
