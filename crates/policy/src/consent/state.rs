//! What becomes of a consent.
//!
//! ```text
//! requested -> given | refused | expired
//! given, resumed, renewed -> paused | renewed | withdrawn | expired
//! paused -> resumed | withdrawn | expired
//! expired -> renewed | withdrawn
//! refused, withdrawn: dead for ever
//! ```
//! Only given, resumed and renewed allow a check. Numbers rise with every change, so that an old signed change cannot
//! be played again.

use std::{fmt, str::FromStr};

use tacit_ledger::ed25519::{SigningKey, VerifyingKey};
use tacit_model::Ulid;

/// A state, with the word of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConsentState {
    /// A requester asked; the subject has not decided. Not signed by the authority, number 0.
    Requested,
    /// The subject allowed. Number 1.
    Given,
    /// The subject said no.
    Refused,
    /// The subject stopped it for now.
    Paused,
    /// The subject lifted a pause.
    Resumed,
    /// The subject confirmed it again; the authority signs a new text with the same id and a later `expires`.
    Renewed,
    /// The subject took it back: dead for ever.
    Withdrawn,
    /// Its time ran out.
    Expired,
}

impl ConsentState {
    /// All states.
    pub const ALL: [Self; 8] = [
        Self::Requested,
        Self::Given,
        Self::Refused,
        Self::Paused,
        Self::Resumed,
        Self::Renewed,
        Self::Withdrawn,
        Self::Expired,
    ];

    /// The word that is signed and logged.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Given => "given",
            Self::Refused => "refused",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Renewed => "renewed",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
        }
    }

    /// Whether it allows a check.
    #[must_use]
    pub const fn is_live(self) -> bool {
        match self {
            Self::Given | Self::Resumed | Self::Renewed => true,
            Self::Requested | Self::Refused | Self::Paused | Self::Withdrawn | Self::Expired => false,
        }
    }

    /// Whether nothing can follow.
    #[must_use]
    pub const fn is_dead(self) -> bool {
        matches!(self, Self::Refused | Self::Withdrawn)
    }

    const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Requested => matches!(next, Self::Given | Self::Refused | Self::Expired),
            Self::Given | Self::Resumed | Self::Renewed => {
                matches!(next, Self::Paused | Self::Renewed | Self::Withdrawn | Self::Expired)
            }
            Self::Paused => matches!(next, Self::Resumed | Self::Withdrawn | Self::Expired),
            Self::Expired => matches!(next, Self::Renewed | Self::Withdrawn),
            Self::Refused | Self::Withdrawn => false,
        }
    }
}

impl fmt::Display for ConsentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Not the word of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a consent state is requested, given, refused, paused, resumed, renewed, withdrawn or expired")]
pub struct UnknownState;

impl FromStr for ConsentState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownState)
    }
}

/// The state that a consent is in, and the number of the change that brought it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsentStatus {
    state: ConsentState,
    number: u64,
}

/// A change that cannot follow. The authority that signed it is at fault, or somebody plays an old one again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTransition {
    /// A consent starts as requested (number 0) or given (number 1).
    #[error(
        "a consent starts as requested with number 0 or given with number 1, not as {state} with number {number}"
    )]
    Start {
        /// The state it would start with.
        state: ConsentState,
        /// The number it would start with.
        number: u64,
    },
    /// The consent is dead.
    #[error("the consent is {state} and dead for ever; ask for a new one")]
    Dead {
        /// Refused or withdrawn.
        state: ConsentState,
    },
    /// This state cannot follow that one.
    #[error("a consent that is {from} cannot become {to}")]
    State {
        /// The present state.
        from: ConsentState,
        /// The state asked for.
        to: ConsentState,
    },
    /// The number does not rise.
    #[error(
        "the change has number {number}, a number above {last} is needed; it may be an old one played again"
    )]
    Number {
        /// Of the change.
        number: u64,
        /// Of the last change.
        last: u64,
    },
}

impl ConsentStatus {
    /// The first state of a consent.
    ///
    /// # Errors
    /// [`InvalidTransition::Start`] unless it is requested (0) or given (1).
    pub fn start(state: ConsentState, number: u64) -> Result<Self, InvalidTransition> {
        match (state, number) {
            (ConsentState::Requested, 0) | (ConsentState::Given, 1) => Ok(Self { state, number }),
            _ => Err(InvalidTransition::Start { state, number }),
        }
    }

    /// A status read back from one's own database, where only what [`ConsentStatus::apply`] gave was written.
    #[must_use]
    pub fn restored(state: ConsentState, number: u64) -> Self {
        Self { state, number }
    }

    /// The status after a change to `state` with `number`.
    ///
    /// # Errors
    /// [`InvalidTransition`]; the status stays as it was.
    pub fn apply(self, state: ConsentState, number: u64) -> Result<Self, InvalidTransition> {
        if self.state.is_dead() {
            return Err(InvalidTransition::Dead { state: self.state });
        }
        if !self.state.may_become(state) {
            return Err(InvalidTransition::State { from: self.state, to: state });
        }
        if number <= self.number {
            return Err(InvalidTransition::Number { number, last: self.number });
        }
        Ok(Self { state, number })
    }

    /// The state.
    #[must_use]
    pub fn state(self) -> ConsentState {
        self.state
    }

    /// The number of the last change.
    #[must_use]
    pub fn number(self) -> u64 {
        self.number
    }
}

/// One change of state, as the authority signs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// The consent.
    pub id: Ulid,
    /// The state it goes to.
    pub state: ConsentState,
    /// Above the number of the change before.
    pub number: u64,
}

/// A change whose signature has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedChange {
    change: StateChange,
    signature: [u8; 64],
}

/// The signature over a change is not the authority's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not the authority's over this change of state")]
pub struct ChangeSignatureInvalid;

impl SignedChange {
    /// Signs as the consent's authority.
    #[must_use]
    pub fn sign(change: StateChange, key: &SigningKey) -> Self {
        Self { change, signature: key.sign(&state_message(&change)) }
    }

    /// Checks what came from outside against the pinned signing key of the consent's authority.
    ///
    /// # Errors
    /// [`ChangeSignatureInvalid`]: whoever sent it is at fault.
    pub fn verify(
        change: StateChange,
        signature: [u8; 64],
        key: &VerifyingKey,
    ) -> Result<Self, ChangeSignatureInvalid> {
        key.verify(&state_message(&change), &signature).map_err(|_| ChangeSignatureInvalid)?;
        Ok(Self { change, signature })
    }

    /// The change.
    #[must_use]
    pub fn change(&self) -> StateChange {
        self.change
    }

    /// The authority's Ed25519 signature.
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }
}

/// What is signed: `"tacit/v1/consent-state" || lp(id) || lp(state) || u64 number`, lengths and number big-endian.
#[must_use]
pub fn state_message(change: &StateChange) -> Vec<u8> {
    let id = change.id.to_string();
    let state = change.state.as_str();
    let mut message = b"tacit/v1/consent-state".to_vec();
    for text in [id.as_str(), state] {
        // An id has 26 bytes, the longest state 9.
        message.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
        message.extend_from_slice(text.as_bytes());
    }
    message.extend_from_slice(&change.number.to_be_bytes());
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_withdrawn_consent_is_dead_for_ever() {
        let withdrawn =
            ConsentStatus::start(ConsentState::Given, 1).unwrap().apply(ConsentState::Withdrawn, 2).unwrap();
        for state in ConsentState::ALL {
            assert_eq!(
                withdrawn.apply(state, u64::MAX),
                Err(InvalidTransition::Dead { state: ConsentState::Withdrawn })
            );
        }
    }

    #[test]
    fn an_old_change_cannot_be_played_again() {
        let paused =
            ConsentStatus::start(ConsentState::Given, 1).unwrap().apply(ConsentState::Paused, 4).unwrap();
        let resumed = paused.apply(ConsentState::Resumed, 5).unwrap();
        assert_eq!(
            resumed.apply(ConsentState::Paused, 4),
            Err(InvalidTransition::Number { number: 4, last: 5 })
        );
        assert_eq!(resumed.apply(ConsentState::Paused, 6).unwrap().number(), 6);
    }

    #[test]
    fn only_what_the_picture_shows_can_follow() {
        let allowed = "requested-given requested-refused requested-expired given-paused given-renewed given-withdrawn \
            given-expired paused-resumed paused-withdrawn paused-expired resumed-paused resumed-renewed \
            resumed-withdrawn resumed-expired renewed-paused renewed-renewed renewed-withdrawn renewed-expired \
            expired-renewed expired-withdrawn";
        let allowed: Vec<_> = allowed.split_whitespace().collect();
        for from in ConsentState::ALL {
            assert_eq!(from.as_str().parse(), Ok(from));
            for to in ConsentState::ALL {
                let result = ConsentStatus::restored(from, 3).apply(to, 4);
                assert_eq!(
                    result.is_ok(),
                    allowed.contains(&format!("{from}-{to}").as_str()),
                    "{from} -> {to}"
                );
            }
        }
    }

    #[test]
    fn a_consent_starts_asked_for_or_given() {
        for state in ConsentState::ALL {
            for number in 0..3 {
                let fine = matches!((state, number), (ConsentState::Requested, 0) | (ConsentState::Given, 1));
                assert_eq!(ConsentStatus::start(state, number).is_ok(), fine);
            }
        }
        assert!("Given".parse::<ConsentState>().is_err());
    }
}
