//! Letters inside letters: who wrote them, and what they say.

use tacit_blind::letter::Envelope;
use tacit_model::MemberId;
use tacit_policy::{
    Registry,
    letter::{Enclosed, Letter},
};

/// An enclosed letter whose author's signature holds.
pub(super) struct Proven {
    pub(super) sender: MemberId,
    pub(super) member: MemberId,
    pub(super) letter: Letter,
}

/// Verifies an enclosed letter: signed by a signing key that its sender has or had, and of a form that is known.
pub(super) fn proven(enclosed: &Enclosed, registry: &Registry) -> Option<Proven> {
    let keys = &registry.member(&enclosed.sender)?.keys;
    let envelope =
        Envelope { sender: &enclosed.sender, member: &enclosed.member, pseudonym: &enclosed.pseudonym.0 };
    let content = enclosed.content.as_bytes();
    let mut signing = std::iter::once(keys.signing.0).chain(keys.changes.iter().map(|change| change.key.0));
    signing.find(|key| envelope.verify(content, &enclosed.signature.0, key).is_ok())?;
    let letter = Letter::parse(content).ok()?;
    Some(Proven { sender: enclosed.sender.clone(), member: enclosed.member.clone(), letter })
}
