//! Consent: the text that an authority signs for a subject, and what may happen to it afterwards (protocol section 8).

mod state;
mod text;

pub use self::{
    state::{
        ChangeSignatureInvalid, ConsentState, ConsentStatus, InvalidTransition, SignedChange, StateChange,
        UnknownState, state_message,
    },
    text::{Consent, ConsentError, MAX_CONSENT_BYTES, SignedConsent, consent_message, consent_terms},
};
