//! The kinds of letters.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tacit_model::{ListId, MemberId, Millis, Ulid};

use super::text::{LetterText, day, limits, maybe_day};
use crate::registry::text::{rfc3339, ulid};

/// What a letter says, by its kind.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Body {
    /// Holder to subject: you are to be listed, from when, and how to object.
    ListingNotice(ListingNotice),
    /// Subject to the body that listed.
    Objection(Objection),
    /// The body that listed to the subject: it arrived, and is decided by when.
    ObjectionReceived(ObjectionReceived),
    /// The body that listed, or the reviewing one, to the subject.
    Decision(Decision),
    /// Subject to the reviewing body; the body that listed gets the same letter.
    Appeal(Box<Appeal>),
    /// Authority to the body that listed: what the reviewing body decided, as it signed it.
    ReviewDecision(ReviewDecision),
    /// Holder to subject: a listing is over.
    Removal(Removal),
    /// Another member to the authority: an objection that was handed in at its counter.
    Misdirected(Misdirected),
    /// Subject to the holder of a favorable list: I consent to stand there, or no longer.
    ListingConsent(ListingConsent),
    /// Requester to subject: an answer about you was acted on.
    AdverseAction(AdverseAction),
    /// Requester to subject: that is over.
    MeasureLifted(MeasureLifted),
}

/// Tells that a subject is to be listed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListingNotice {
    /// The list.
    pub list: ListId,
    /// Ground of the listing.
    pub category: u16,
    /// The decision that it rests on.
    pub decision_ref: LetterText,
    /// When that was decided.
    #[serde(with = "day")]
    pub decided_on: Date,
    /// Who decided to list.
    pub listing_body: LetterText,
    /// The law.
    pub legal_basis: LetterText,
    /// What being listed means.
    pub what_listing_means: LetterText,
    /// Days after the record of this notice before which it does not take effect.
    pub notice_days: u16,
    /// The day from which it takes effect; later, if the notice days end later.
    #[serde(with = "day")]
    pub effective_on: Date,
    /// The first day on which it no longer counts, if the record states one.
    #[serde(default, with = "maybe_day", skip_serializing_if = "Option::is_none")]
    pub expires_on: Option<Date>,
    /// Where to object beside this portal.
    pub objections: LetterText,
}

/// An objection of a subject.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objection {
    /// The list; its holder is the body that listed.
    pub list: ListId,
    /// The words of the subject.
    pub text: LetterText,
    /// At whose counter it was handed in, when it was not the authority's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed_in: Option<MemberId>,
}

/// What a contested record is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UntilDecided {
    /// Not at all: a stay.
    NotAnswered,
    /// As listed, with the word that it is contested.
    Flagged,
    /// The list has no record of the subject.
    NoRecord,
}

/// Tells that an objection arrived.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectionReceived {
    /// The list.
    pub list: ListId,
    /// The day on which it arrived, in the list's time zone.
    #[serde(with = "day")]
    pub received_on: Date,
    /// The last day on which it is decided in time.
    #[serde(with = "day")]
    pub decide_by: Date,
    /// What the list answers until then.
    pub until_decided: UntilDecided,
}

/// First or second level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The body that listed.
    First,
    /// The reviewing body.
    Review,
}

impl Level {
    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Review => "review",
        }
    }
}

/// What was decided about an objection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The listing stands.
    Upheld,
    /// The record is removed.
    Annulled,
    /// The record stands with other values.
    Corrected,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 3] = [Self::Upheld, Self::Annulled, Self::Corrected];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upheld => "upheld",
            Self::Annulled => "annulled",
            Self::Corrected => "corrected",
        }
    }
}

/// Not an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the outcome is one of: upheld, annulled, corrected")]
pub struct UnknownOutcome;

impl std::str::FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(word: &str) -> Result<Self, UnknownOutcome> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word).ok_or(UnknownOutcome)
    }
}

/// How a decision is appealed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WayToAppeal {
    /// The reviewing body.
    pub to: MemberId,
    /// The last day on which an appeal is written in time.
    #[serde(with = "day")]
    pub until: Date,
}

/// A decision, of either level.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Whose.
    pub level: Level,
    /// The list.
    pub list: ListId,
    /// What was decided.
    pub outcome: Outcome,
    /// What is corrected; with [`Outcome::Corrected`] alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrected: Option<LetterText>,
    /// Why.
    pub reasons: LetterText,
    /// Who decided: a name or an office.
    pub by: LetterText,
    /// The day, in the list's time zone.
    #[serde(with = "day")]
    pub decided_on: Date,
    /// The way to appeal, of a first decision about a list that has a reviewing body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appeal: Option<WayToAppeal>,
}

/// A letter inside another, with what proves its author.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enclosed {
    /// Who wrote it.
    pub sender: MemberId,
    /// Whose pseudonym it was addressed by.
    pub member: MemberId,
    /// The pseudonym.
    pub pseudonym: crate::keys::PublicKey,
    /// The very content that was signed.
    pub content: String,
    /// The sender's signature over the envelope and the content.
    pub signature: crate::keys::Signature,
}

/// An appeal of a subject.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Appeal {
    /// The list.
    pub list: ListId,
    /// The reviewing body.
    pub to: MemberId,
    /// The words of the subject.
    pub text: LetterText,
    /// The objection, as the authority signed it.
    pub objection: Enclosed,
    /// The first decision, as the body that listed signed it.
    pub decision: Enclosed,
}

/// The second decision on its way to who carries it out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewDecision {
    /// The list.
    pub list: ListId,
    /// The decision, as the reviewing body signed it.
    pub decision: Enclosed,
}

/// Tells that a listing is over.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removal {
    /// The list.
    pub list: ListId,
    /// A word of the catalogue: fulfilled, expired, annulled, corrected.
    pub reason: RemovalReason,
    /// The day of removal, in the list's time zone.
    #[serde(with = "day")]
    pub removed_on: Date,
    /// The decision that it carries out, if one does.
    #[serde(default, with = "maybe_ulid", skip_serializing_if = "Option::is_none")]
    pub decision: Option<Ulid>,
}

/// Why a record is removed and a listing is over: the catalogue of reasons. Good deeds elsewhere are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemovalReason {
    /// The duty was fulfilled.
    Fulfilled,
    /// Its time is over.
    Expired,
    /// The decision was annulled.
    Annulled,
    /// It was listed by mistake.
    Corrected,
}

impl RemovalReason {
    /// All reasons.
    pub const ALL: [Self; 4] = [Self::Fulfilled, Self::Expired, Self::Annulled, Self::Corrected];

    /// The word in letters, on the command line and in the history.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fulfilled => "fulfilled",
            Self::Expired => "expired",
            Self::Annulled => "annulled",
            Self::Corrected => "corrected",
        }
    }
}

/// Not a reason of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the reason is one of: fulfilled, expired, annulled, corrected; good deeds elsewhere, as a donation or voluntary \
     work, are none"
)]
pub struct UnknownRemovalReason;

impl std::str::FromStr for RemovalReason {
    type Err = UnknownRemovalReason;

    fn from_str(word: &str) -> Result<Self, UnknownRemovalReason> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word).ok_or(UnknownRemovalReason)
    }
}

/// An objection handed in at another member than the one that listed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Misdirected {
    /// The list that it is about.
    pub list: ListId,
    /// The words of the subject.
    pub text: LetterText,
}

/// Whether a subject consents to stand on a favorable list.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListingConsent {
    /// The list.
    pub list: ListId,
    /// False: it does not, or withdraws.
    pub given: bool,
}

/// Tells that an answer was acted on. An answer is not a decision: who is named here decided.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdverseAction {
    /// The list whose answer it rests on.
    pub list: ListId,
    /// The record that registered the measure.
    #[serde(with = "ulid")]
    pub measure: Ulid,
    /// The record of the question whose answer it rests on.
    #[serde(with = "ulid")]
    pub answer: Ulid,
    /// Who acts, in words; the measure is contested there.
    pub agency: LetterText,
    /// What it does, in the words of the agreement that allows it.
    pub words: LetterText,
    /// Who decided: a name or an office.
    pub by: LetterText,
    /// The law.
    pub legal_basis: LetterText,
    /// The day, in the list's time zone.
    #[serde(with = "day")]
    pub registered_on: Date,
    /// When it ends by itself, if that was stated.
    #[serde(default, with = "maybe_time", skip_serializing_if = "Option::is_none")]
    pub until: Option<Millis>,
    /// Where to object to the listing beside this portal.
    pub objections: LetterText,
}

/// Tells that a measure is over.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureLifted {
    /// The list whose answer it rested on.
    pub list: ListId,
    /// The record that registered the measure.
    #[serde(with = "ulid")]
    pub measure: Ulid,
    /// Who acted, in words.
    pub agency: LetterText,
    /// What it did, in the words of the agreement that allowed it.
    pub words: LetterText,
    /// Who decided that it is lifted: a name or an office.
    pub by: LetterText,
    /// The day, in the list's time zone.
    #[serde(with = "day")]
    pub lifted_on: Date,
}

impl Body {
    /// The word of its kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ListingNotice(_) => "listing-notice",
            Self::Objection(_) => "objection",
            Self::ObjectionReceived(_) => "objection-received",
            Self::Decision(_) => "decision",
            Self::Appeal(_) => "appeal",
            Self::ReviewDecision(_) => "review-decision",
            Self::Removal(_) => "removal",
            Self::Misdirected(_) => "misdirected",
            Self::ListingConsent(_) => "listing-consent",
            Self::AdverseAction(_) => "adverse-action",
            Self::MeasureLifted(_) => "measure-lifted",
        }
    }

    /// The list that it is about.
    #[must_use]
    pub fn list(&self) -> &ListId {
        match self {
            Self::ListingNotice(it) => &it.list,
            Self::Objection(it) => &it.list,
            Self::ObjectionReceived(it) => &it.list,
            Self::Decision(it) => &it.list,
            Self::Appeal(it) => &it.list,
            Self::ReviewDecision(it) => &it.list,
            Self::Removal(it) => &it.list,
            Self::Misdirected(it) => &it.list,
            Self::ListingConsent(it) => &it.list,
            Self::AdverseAction(it) => &it.list,
            Self::MeasureLifted(it) => &it.list,
        }
    }

    /// Whether texts are within their bounds, and fields fit each other.
    pub(super) fn check(&self) -> Option<()> {
        let short = |text: &LetterText| text.check(limits::SHORT).ok();
        match self {
            Self::ListingNotice(it) => {
                it.what_listing_means.check(limits::LONG).ok()?;
                short(&it.decision_ref)?;
                short(&it.listing_body)?;
                short(&it.legal_basis)?;
                short(&it.objections)
            }
            Self::Objection(it) => it.text.check(limits::OBJECTION).ok(),
            Self::Misdirected(it) => it.text.check(limits::OBJECTION).ok(),
            Self::Decision(it) => it.check(),
            Self::Appeal(it) => it.text.check(limits::APPEAL).ok(),
            Self::AdverseAction(it) => {
                short(&it.agency)?;
                short(&it.words)?;
                it.by.check(limits::BY).ok()?;
                short(&it.legal_basis)?;
                short(&it.objections)
            }
            Self::MeasureLifted(it) => {
                short(&it.agency)?;
                short(&it.words)?;
                it.by.check(limits::BY).ok()
            }
            Self::ObjectionReceived(_)
            | Self::ReviewDecision(_)
            | Self::Removal(_)
            | Self::ListingConsent(_) => Some(()),
        }
    }
}

impl Decision {
    fn check(&self) -> Option<()> {
        self.reasons.check(limits::REASONS).ok()?;
        self.by.check(limits::BY).ok()?;
        if let Some(corrected) = &self.corrected {
            corrected.check(limits::CORRECTED).ok()?;
        }
        let fits = self.corrected.is_some() == (self.outcome == Outcome::Corrected);
        let ends = self.level == Level::First || self.appeal.is_none();
        (fits && ends).then_some(())
    }
}

/// A ULID that need not be there.
mod maybe_ulid {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use tacit_model::Ulid;

    #[derive(Serialize, Deserialize)]
    struct Id(#[serde(with = "super::ulid")] Ulid);

    pub(super) fn serialize<S: Serializer>(id: &Option<Ulid>, serializer: S) -> Result<S::Ok, S::Error> {
        id.map(Id).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Ulid>, D::Error> {
        Ok(Option::<Id>::deserialize(deserializer)?.map(|id| id.0))
    }
}

/// A time that need not be stated.
mod maybe_time {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use tacit_model::Millis;

    #[derive(Serialize, Deserialize)]
    struct Time(#[serde(with = "super::rfc3339")] Millis);

    pub(super) fn serialize<S: Serializer>(time: &Option<Millis>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(Time).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Millis>, D::Error> {
        Ok(Option::<Time>::deserialize(deserializer)?.map(|time| time.0))
    }
}
