//! Consents of a user, and requests for them: what the readings brought, and what this authority did itself since.
//!
//! ```text
//! readings ─▶ records of kind consent ──────────┐
//!                                               ├▶ by id, change by change ─▶ Story
//! done here ─▶ acknowledged, or sent and silent ┘
//! ```
//!
//! Nobody outside is asked.

use std::collections::{BTreeMap, HashMap, HashSet};

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use tacit_client::{Acknowledged, Kind, RowKey};
use tacit_ledger::record::Record;
use tacit_model::{MemberId, Millis, Ulid};
use tacit_policy::{
    Consent, ConsentRequest, ConsentState, Registry,
    consent::{ConsentStatus, consent_message, request_message},
};

use crate::{
    redress::Logged,
    sealed::{Chain, Entry, Opening, RowError, Rows},
    store::consents::ChangeRow,
    users::Kept,
};

/// How long after it was sent a change may still come into the log unseen: what the coordinator's clock says later does
/// not hold it.
const LATE_MS: u64 = 60_000;
/// Beside a text that its party did not sign.
const UNSIGNED: &str = "NOT verified: the text is not signed by the party that it names";

/// What a person was shown. `Debug` shows nothing.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Shown {
    pub(crate) language: String,
    pub(crate) text: String,
}

/// A change of a consent that this authority made for a user, or what is left of a consent after an erasure. `Debug` shows
/// nothing.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct OwnChange {
    #[serde(with = "word")]
    pub(crate) id: Ulid,
    pub(crate) number: u64,
    #[serde(with = "word")]
    pub(crate) state: ConsentState,
    /// The text that stands with it: of the consent or, of a request, its own.
    pub(crate) text: String,
    /// Over the text of a request: its requester's. Empty for what the authority signs itself.
    pub(crate) signature: Vec<u8>,
    /// Of what its caller said, so that a retry is told from another wish.
    pub(crate) asked: Option<[u8; 32]>,
    pub(crate) shown: Option<Shown>,
    pub(crate) sent_ms: u64,
    pub(crate) logged: Option<Logged>,
    /// What proved it was erased.
    pub(crate) erased: bool,
}

crate::sealed::hidden!(Shown, OwnChange);

impl OwnChange {
    pub(crate) fn acknowledged(self, by: &Acknowledged) -> Self {
        let Acknowledged { number, record, time, .. } = by;
        let logged = Logged { record: record.id.to_string(), index: record.index, time_ms: time.0 };
        Self { number: *number, logged: Some(logged), ..self }
    }

    pub(crate) fn requester(&self) -> Option<MemberId> {
        Text::parse(&self.text).map(|text| text.requester().clone())
    }
}

impl Rows {
    /// The row of a change of a user's consent.
    pub(crate) fn consent_change(&self, user: &RowKey, id: Ulid, number: u64) -> RowKey {
        self.0.row_key(Kind::ConsentChange, &[user, &id.to_bytes(), &number.to_be_bytes()])
    }

    pub(crate) fn seal_change(
        &self,
        user: &RowKey,
        change: &OwnChange,
        rng: &mut impl CryptoRng,
    ) -> Result<ChangeRow, RowError> {
        let key = self.consent_change(user, change.id, change.number);
        let sealed = self.seal(Kind::ConsentChange, &key, change, rng)?;
        Ok(ChangeRow { key, user: *user, logged: change.logged.is_some(), sealed })
    }

    pub(crate) fn open_change(&self, row: &ChangeRow) -> Result<OwnChange, RowError> {
        self.open(Kind::ConsentChange, &row.key, &row.sealed)
    }
}

/// The text that stands beside a change.
pub(crate) enum Text {
    Consent(Consent),
    Request(ConsentRequest),
}

impl Text {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let consent = Consent::parse(text.as_bytes()).map(Self::Consent).ok();
        consent.or_else(|| ConsentRequest::parse(text.as_bytes()).map(Self::Request).ok())
    }

    fn id(&self) -> Ulid {
        match self {
            Self::Consent(it) => it.id,
            Self::Request(it) => it.id,
        }
    }

    pub(crate) fn authority(&self) -> &MemberId {
        match self {
            Self::Consent(it) => &it.authority,
            Self::Request(it) => &it.authority,
        }
    }

    pub(crate) fn requester(&self) -> &MemberId {
        match self {
            Self::Consent(it) => &it.requester,
            Self::Request(it) => &it.requester,
        }
    }

    /// The pseudonym that it names, with its epoch.
    pub(crate) fn pseudonym(&self) -> ([u8; 32], u32) {
        match self {
            Self::Consent(it) => (it.pseudonym, it.epoch),
            Self::Request(it) => (it.pseudonym, it.epoch),
        }
    }

    /// Whether the party that it names signed it, with a key that it has or had.
    fn is_signed(&self, text: &str, signature: &[u8], registry: &Registry) -> bool {
        let (signer, message) = match self {
            Self::Consent(it) => (&it.authority, consent_message(text.as_bytes())),
            Self::Request(it) => (&it.requester, request_message(text.as_bytes())),
        };
        let Some(member) = registry.member(signer) else { return false };
        member.keys.signing_keys().any(|key| key.0.verify(&message, signature).is_ok())
    }
}

/// A change of a consent.
pub(crate) struct Event<'a> {
    pub(crate) state: ConsentState,
    pub(crate) number: u64,
    pub(crate) at: Millis,
    pub(crate) record: String,
    pub(crate) index: u64,
    /// `verified`, what was wrong, `acknowledged` when no reading has brought it yet, or `erased`.
    pub(crate) proof: String,
    /// The text that stood then, as it was signed.
    pub(crate) text: &'a str,
    /// Where a reading found it.
    pub(crate) read: Option<(&'a Chain, &'a Entry)>,
    /// The party that the text names signed it, as far as is known.
    signed: bool,
    signature: &'a [u8],
}

/// A consent or a request for one, with everything that became of it. There is an event, or a change that was sent.
pub(crate) struct Story<'a> {
    pub(crate) id: Ulid,
    /// What stands with the newest change.
    pub(crate) text: Text,
    /// Changes by their numbers.
    pub(crate) events: BTreeMap<u64, Event<'a>>,
    /// A change that was sent and that neither its acknowledgement nor a reading has brought.
    pub(crate) unconfirmed: Option<&'a OwnChange>,
    /// What the person was shown with the text that stands, when it was shown here.
    pub(crate) shown: Option<&'a Shown>,
    /// Checks permitted under it, as far as was read.
    pub(crate) uses: u64,
    /// No record that could tell of a use was erased.
    pub(crate) uses_complete: bool,
}

impl Story<'_> {
    pub(crate) fn last(&self) -> Option<&Event<'_>> {
        self.events.last_key_value().map(|(_, event)| event)
    }

    /// Where it stands: what was sent and not confirmed counts for nothing, but for the consent that begins with it.
    pub(crate) fn status(&self) -> ConsentStatus {
        let sent = self.unconfirmed.map_or((ConsentState::Given, 1), |sent| (sent.state, sent.number));
        let (state, number) = self.last().map_or(sent, |event| (event.state, event.number));
        ConsentStatus::restored(state, number)
    }

    /// Whether a change to this state with the next number can follow.
    pub(crate) fn may_become(&self, state: ConsentState) -> bool {
        let status = self.status();
        status.apply(state, status.number().saturating_add(1)).is_ok()
    }

    /// Until when a request that waits can be decided.
    pub(crate) fn decide_by(&self) -> Option<Millis> {
        let Text::Request(request) = &self.text else { return None };
        let event = self.last().filter(|event| event.state == ConsentState::Requested)?;
        Some(request.stands_until(event.at))
    }

    /// Whether it is a request that its requester signed and that can be decided at `now`.
    pub(crate) fn is_open(&self, now: Millis) -> bool {
        let signed = self.last().is_some_and(|event| event.signed);
        signed && self.decide_by().is_some_and(|until| now < until)
    }

    /// Whether it is a consent that allows checks at `now`.
    pub(crate) fn allows(&self, now: Millis) -> bool {
        let Text::Consent(consent) = &self.text else { return false };
        let live = self.last().is_some_and(|event| event.state.is_live());
        live && consent.not_before <= now && now < consent.expires
    }
}

/// Consents and requests of a user, the newest first; `uses` counts the checks permitted under each.
pub(crate) fn stories<'a>(
    kept: &'a [Kept],
    own: &'a [OwnChange],
    uses: &HashMap<Ulid, u64>,
    registry: &Registry,
) -> Vec<Story<'a>> {
    let mut found: HashMap<Ulid, BTreeMap<u64, Event<'a>>> = HashMap::new();
    for (chain, entry) in kept.iter().flat_map(|(chain, entries)| entries.iter().map(move |it| (chain, it))) {
        let Some((id, event)) = read(chain, entry, registry) else { continue };
        // A chain that was carried into another epoch is read under each of its names: by the one that opens this record.
        let changes = found.entry(id).or_default();
        if crate::proof::opens(chain, entry) || !changes.contains_key(&event.number) {
            changes.insert(event.number, event);
        }
    }
    for change in own {
        let Some(event) = acknowledged(change, registry) else { continue };
        found.entry(change.id).or_default().entry(change.number).or_insert(event);
    }
    let mut sent = unconfirmed(kept, own, &found);
    let ids: HashSet<Ulid> = found.keys().chain(sent.keys()).copied().collect();
    let story = |id: Ulid| {
        let events = found.remove(&id).unwrap_or_default();
        let unconfirmed = sent.remove(&id);
        let stands = events.last_key_value().map(|(_, event)| event.text);
        let text = Text::parse(stands.or(unconfirmed.map(|change| change.text.as_str()))?)?;
        let with = |change: &&OwnChange| change.id == id && Some(change.text.as_str()) == stands;
        let shown = own.iter().filter(with).find_map(|change| change.shown.as_ref());
        let erased = kept.iter().any(|(chain, _)| chain.requester == *text.requester() && chain.erased > 0);
        let uses = uses.get(&id).copied().unwrap_or(0);
        Some(Story { id, text, events, unconfirmed, shown, uses, uses_complete: !erased })
    };
    let mut stories: Vec<Story<'a>> = ids.into_iter().filter_map(story).collect();
    stories.sort_by_key(|story| std::cmp::Reverse(story.id));
    stories
}

/// A change that a reading brought.
fn read<'a>(chain: &'a Chain, entry: &'a Entry, registry: &Registry) -> Option<(Ulid, Event<'a>)> {
    let Opening::Consent { text, signature, number, .. } = &entry.opening else { return None };
    let Record::Consent(record) = Record::parse(entry.record.as_bytes()).ok()? else { return None };
    let parsed = Text::parse(text)?;
    // What was read before signatures were kept: a request is open only with one.
    let unknown = signature.is_empty() && matches!(parsed, Text::Consent(_));
    let signed = unknown || parsed.is_signed(text, signature, registry);
    let event = Event {
        state: record.state.parse().ok()?,
        number: *number,
        at: Millis(record.time_ms),
        record: record.id,
        index: entry.index,
        proof: if signed { chain.proof() } else { UNSIGNED.to_owned() },
        text,
        read: Some((chain, entry)),
        signed,
        signature,
    };
    Some((parsed.id(), event))
}

/// A change whose acknowledgement is kept.
fn acknowledged<'a>(change: &'a OwnChange, registry: &Registry) -> Option<Event<'a>> {
    let Logged { record, index, time_ms } = change.logged.as_ref()?;
    // What this authority signs itself is kept without a signature.
    let signed = change.signature.is_empty()
        || Text::parse(&change.text)?.is_signed(&change.text, &change.signature, registry);
    let proof = match (signed, change.erased) {
        (false, _) => UNSIGNED,
        (true, true) => "erased",
        (true, false) => "acknowledged",
    };
    Some(Event {
        state: change.state,
        number: change.number,
        at: Millis(*time_ms),
        record: record.clone(),
        index: *index,
        proof: proof.to_owned(),
        text: &change.text,
        read: None,
        signed,
        signature: &change.signature,
    })
}

/// The newest change of each consent that was sent without an answer, while no reading since has shown what became of it.
fn unconfirmed<'a>(
    kept: &[Kept],
    own: &'a [OwnChange],
    found: &HashMap<Ulid, BTreeMap<u64, Event<'_>>>,
) -> HashMap<Ulid, &'a OwnChange> {
    let mut sent: HashMap<Ulid, &OwnChange> = HashMap::new();
    for change in own.iter().filter(|change| change.logged.is_none()) {
        let last = found.get(&change.id).and_then(|events| events.last_key_value());
        let requester = change.requester();
        let read_since = |(chain, _): &Kept| {
            Some(&chain.requester) == requester.as_ref() && chain.as_of_ms > change.sent_ms + LATE_MS
        };
        let newer = last.is_none_or(|(number, _)| change.number > *number);
        if newer && !kept.iter().any(read_since) {
            let newest = sent.entry(change.id).or_insert(change);
            if newest.number < change.number {
                *newest = change;
            }
        }
    }
    sent
}

/// What is left of the consents for a requester when the records about them were erased: of what is dead nothing; of what
/// still allows a check, or can be decided, its newest change, so that the person can end it.
pub(crate) fn left(stories: &[Story<'_>], requester: &MemberId, now: Millis) -> Vec<OwnChange> {
    let stands = |story: &&Story<'_>| {
        let dead = story.status().state().is_dead();
        *story.text.requester() == *requester && !dead && (story.decide_by().is_none() || story.is_open(now))
    };
    let newest = |story: &Story<'_>| {
        let event = story.last()?;
        Some(OwnChange {
            id: story.id,
            number: event.number,
            state: event.state,
            text: event.text.to_owned(),
            signature: event.signature.to_vec(),
            asked: None,
            shown: story.shown.cloned(),
            sent_ms: event.at.0,
            logged: Some(Logged { record: event.record.clone(), index: event.index, time_ms: event.at.0 }),
            erased: true,
        })
    };
    stories.iter().filter(stands).filter_map(newest).collect()
}

/// A value in its one spelling.
mod word {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(|_| D::Error::custom("is not in its spelling"))
    }
}
