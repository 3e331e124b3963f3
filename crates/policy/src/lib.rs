//! The rules: who may ask whom about which list, for what, on which basis, how often.
//!
//! * [`registry`]: the signed registry of a federation (members, lists, purposes, agreements), read and written;
//! * [`letter`]: what stands in letters between members and subjects, and the terms of objection and review;
//! * [`consent`]: the text of a consent, its signature, and its states;
//! * [`decide()`]: a pure function from a question to [`Allowed`] or [`Refusal`]; [`holder_decide`] is the holder's own
//!   check by the same rules. After the built-in rules stand those of the federation's own, in Cedar
//!   ([`RULES_SCHEMA`]).
//!
//! No input or output, no clock, no randomness, no storage, no counting: time and counters are arguments. Not here: the
//! bind proof, freshness and list epochs (facts of protocol and log), and the quota of new subjects, which is charged
//! when subjects are enrolled ([`Registry::new_subject_quota`] says how many).

pub mod consent;
mod decide;
mod duration;
mod keys;
pub mod letter;
mod own;
pub mod registry;

pub use self::{
    consent::{
        Consent, ConsentRequest, ConsentState, ConsentStatus, SignedChange, SignedConsent, SignedRequest,
        StateChange,
    },
    decide::{
        Allowed, Asked, ConsentView, Counters, ExactReason, HolderAllowed, Permitted, Question, Refusal,
        Rule, RuleName, UnknownExactReason, decide, holder_decide, permission,
    },
    duration::{Frequency, FrequencyError, MAX_VALUE, Span, Unit},
    keys::{Ed25519Key, PublicKey, Signature},
    own::SCHEMA as RULES_SCHEMA,
    registry::{NoWitnesses, Pins, Registry, RegistryError, RegistryProblem, registry_hash},
};
