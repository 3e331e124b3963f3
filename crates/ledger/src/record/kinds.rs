//! The kinds of records, declared once. See docs/PROTOCOL.md, section "Record, then permit".

use super::fields::{
    Base64, Ground, Hex, ListId, Lists, ListsAt, MeasureState, Name, Number, Number32, Reader, Reason, State,
    Step, Time, TimeOrNone, Ulid, Writer,
};
use super::{ListAt, MAX_PERMIT_MS, RecordError, WrongKind};
use crate::Hash;

/// Declares the kinds: `"name on the line" field_name: type = form`, in the order of the lines. Every
/// kind begins with `id` and `time`, and has a `check` of what its fields say together.
macro_rules! kinds {
    ($(
        $(#[doc = $doc:literal])*
        $kind:ident = $word:literal {
            $( $(#[doc = $field_doc:literal])* $name:literal $field:ident: $type:ty = $form:ident, )*
        }
    )*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $kind {
                /// Identifies the record: a ULID, 26 characters.
                pub id: String,
                /// When it was written, in milliseconds since 1970-01-01T00:00:00Z, by the coordinator's clock.
                pub time_ms: u64,
                $( $(#[doc = $field_doc])* pub $field: $type, )*
            }

            impl $kind {
                /// The word on the `kind` line.
                pub const KIND: &'static str = $word;

                /// The exact bytes of the record.
                ///
                /// # Errors
                /// [`RecordError::Field`] for a value that has no text in the form its field requires,
                /// [`RecordError::Contradiction`], or [`RecordError::TooLong`].
                pub fn to_bytes(&self) -> Result<Vec<u8>, RecordError> {
                    self.check()?;
                    let mut writer = Writer::new($word);
                    writer.field::<Ulid>("id", &self.id)?;
                    writer.field::<Time>("time", &self.time_ms)?;
                    $( writer.field::<$form>($name, &self.$field)?; )*
                    writer.finish()
                }

                fn read(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
                    let record = Self {
                        id: reader.field::<Ulid>("id")?,
                        time_ms: reader.field::<Time>("time")?,
                        $( $field: reader.field::<$form>($name)?, )*
                    };
                    record.check()?;
                    Ok(record)
                }
            }

            impl From<$kind> for Record {
                fn from(record: $kind) -> Self {
                    Self::$kind(record)
                }
            }

            impl TryFrom<Record> for $kind {
                type Error = WrongKind;

                fn try_from(record: Record) -> Result<Self, WrongKind> {
                    match record {
                        Record::$kind(record) => Ok(record),
                        other => Err(WrongKind { expected: $word, found: other.kind() }),
                    }
                }
            }
        )*

        /// A record of any kind.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Record {
            $( $(#[doc = $doc])* $kind($kind), )*
        }

        impl Record {
            /// Every word that may stand on the `kind` line.
            pub const KINDS: &'static [&'static str] = &[$($word),*];

            /// The word on the `kind` line.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self { $( Self::$kind(_) => $word, )* }
            }

            /// The record's ULID.
            #[must_use]
            pub fn id(&self) -> &str {
                match self { $( Self::$kind(record) => &record.id, )* }
            }

            /// When it was written, in milliseconds since 1970-01-01T00:00:00Z.
            #[must_use]
            pub fn time_ms(&self) -> u64 {
                match self { $( Self::$kind(record) => record.time_ms, )* }
            }

            /// The exact bytes of the record.
            ///
            /// # Errors
            /// As the `to_bytes` of its kind.
            pub fn to_bytes(&self) -> Result<Vec<u8>, RecordError> {
                match self { $( Self::$kind(record) => record.to_bytes(), )* }
            }

            pub(super) fn parse_kind(kind: &str, reader: &mut Reader<'_>) -> Result<Self, RecordError> {
                match kind {
                    $( $word => $kind::read(reader).map(Self::$kind), )*
                    _ => Err(RecordError::UnknownKind),
                }
            }
        }
    };
}

kinds! {
    /// A question that was permitted, before it was answered. With its inclusion proof it is the permit.
    Access = "access" {
        /// Member that asks.
        "requester" requester: String = Name,
        /// Member that is asked.
        "holder" holder: String = Name,
        /// The holder's lists that are asked, with the versions logged then; 1 to 16, none twice.
        "lists" lists: Vec<ListAt> = ListsAt,
        /// Purpose code.
        "purpose" purpose: String = Name,
        /// Hash of the registry version that decided.
        "registry" registry: Hash = Hex,
        /// Hash of the blinded query M: says which point the holder may evaluate.
        "query" query: Hash = Base64,
        /// Commitment to case and officer.
        "matter" matter: Hash = Base64,
        /// SHA-256 of the requester's TLS public key (SPKI).
        "cnf" cnf: Hash = Base64,
        /// When the permit ends, in milliseconds since 1970-01-01T00:00:00Z; at most 60 s after the time.
        "expires" expires_ms: u64 = Time,
        /// Commitment to the subject's pseudonym and its hidden chain.
        "subject" subject: Hash = Base64,
        /// Commitment to the evidence that the requester asked this.
        "evidence" evidence: Hash = Base64,
    }

    /// A question that was well proven and refused.
    Refused = "refused" {
        /// Member that asked.
        "requester" requester: String = Name,
        /// Member that would have been asked.
        "holder" holder: String = Name,
        /// The lists named in the question; 1 to 16, none twice.
        "lists" lists: Vec<String> = Lists,
        /// Purpose code.
        "purpose" purpose: String = Name,
        /// Hash of the registry version that decided.
        "registry" registry: Hash = Hex,
        /// The reason code that the requester got.
        "reason" reason: String = Reason,
        /// Commitment to case and officer.
        "matter" matter: Hash = Base64,
        /// Commitment to the subject's pseudonym and its hidden chain.
        "subject" subject: Hash = Base64,
        /// Commitment to the evidence that the requester asked this.
        "evidence" evidence: Hash = Base64,
    }

    /// A change of state of a consent.
    Consent = "consent" {
        /// Consent authority.
        "authority" authority: String = Name,
        /// Member that the consent is given to.
        "requester" requester: String = Name,
        /// The new state, one of [`CONSENT_STATES`](super::CONSENT_STATES).
        "state" state: String = State,
        /// Commitment to the text of the consent.
        "terms" terms: Hash = Base64,
        /// Commitment to the subject's pseudonym and its hidden chain.
        "subject" subject: Hash = Base64,
    }

    /// A version of a sealed list.
    Manifest = "manifest" {
        /// Member whose list it is.
        "holder" holder: String = Name,
        /// List id, `<holder>/<name>`.
        "list" list: String = ListId,
        /// List epoch.
        "epoch" epoch: u64 = Number,
        /// Version of the table in its epoch.
        "version" version: u64 = Number,
        /// The list's public key of this epoch, a ristretto255 point.
        "key" key: Hash = Base64,
        /// Number of buckets, a power of two up to 65,536.
        "buckets" buckets: u32 = Number32,
        /// Entries per bucket, at least 128.
        "capacity" capacity: u32 = Number32,
        /// Root of the tree over the buckets.
        "root" root: Hash = Base64,
        /// Hash of the signed manifest.
        "note" note: Hash = Base64,
    }

    /// A version of the registry came into force.
    Registry = "registry" {
        /// Number of the version.
        "number" number: u64 = Number,
        /// Hash of the registry's bytes.
        "registry" registry: Hash = Hex,
    }

    /// How many subjects a requester enrolled with the custodian.
    Enrollment = "enrollment" {
        /// Custodian that counted.
        "custodian" custodian: String = Name,
        /// Member that enrolled them.
        "requester" requester: String = Name,
        /// Pseudonym epoch.
        "epoch" epoch: u32 = Number32,
        /// Number of subjects.
        "count" count: u64 = Number,
    }

    /// A consent authority or an auditor reads what is on record about pseudonyms, before it gets any of it.
    Audit = "audit" {
        /// Who reads.
        "reader" reader: String = Name,
        /// Number of pseudonyms that it named, at least 1; which ones is not said.
        "pseudonyms" pseudonyms: u64 = Number,
        /// Size of the log before this record: what it reads is at least that new.
        "from" from: u64 = Number,
    }

    /// A letter about a pseudonym, sealed to its recipients, was handed in.
    Notice = "notice" {
        /// Member that wrote it.
        "sender" sender: String = Name,
        /// Member whose pseudonym it is: the sender, when the letter is to the subject; else whom it is for.
        "member" member: String = Name,
        /// Hash of the sealed letter.
        "letter" letter: Hash = Base64,
        /// Commitment to the subject's pseudonym and its hidden chain.
        "subject" subject: Hash = Base64,
    }

    /// What opens the records of a pseudonym was erased: all of its chain up to this record.
    Erasure = "erasure" {
        /// Consent authority that asked for it.
        "authority" authority: String = Name,
        /// Why, one of [`ERASURE_GROUNDS`](super::ERASURE_GROUNDS).
        "ground" ground: String = Ground,
        /// Number of openings erased, at least 1.
        "openings" openings: u64 = Number,
        /// Commitment to the subject's pseudonym and the place in its hidden chain; previous is zeros.
        "subject" subject: Hash = Base64,
    }

    /// A step on the way to an opened audit box, before it is taken.
    BoxOpened = "box-opened" {
        /// Which step, one of [`BOX_STEPS`](super::BOX_STEPS).
        "step" step: String = Step,
        /// Auditor that asked, holder of the first box key.
        "auditor" auditor: String = Name,
        /// Auditor that approves, holder of the second box key.
        "second" second: String = Name,
        /// Member whose registration it is.
        "requester" requester: String = Name,
        /// Hash of the registration.
        "registration" registration: Hash = Base64,
        /// ULID of the record of the check that it is opened for.
        "about" about: String = Ulid,
        /// Commitment to the ground.
        "ground" ground: Hash = Base64,
    }

    /// An auditor demands the case evidence of a check from its requester.
    Demand = "demand" {
        /// Auditor that demands.
        "auditor" auditor: String = Name,
        /// Member that asked the question.
        "requester" requester: String = Name,
        /// ULID of the record of the check.
        "about" about: String = Ulid,
        /// Until when it is to be answered, in milliseconds since 1970-01-01T00:00:00Z; after the time.
        "due" due_ms: u64 = Time,
    }

    /// An auditor takes records out of the federation.
    Export = "export" {
        /// Auditor that exports.
        "reader" reader: String = Name,
        /// Number of records, at least 1.
        "records" records: u64 = Number,
        /// Leaf index of the first.
        "from" from: u64 = Number,
        /// Leaf index after the last.
        "until" until: u64 = Number,
        /// Form of the file.
        "form" form: String = Name,
    }

    /// A requester acts on an answer: it registers a measure, or lifts one.
    Measure = "measure" {
        /// Member that acts.
        "requester" requester: String = Name,
        /// Record of the question whose answer it rests on: a ULID, 26 characters.
        "answer" answer: String = Ulid,
        /// Agreement that names the measure: a ULID, 26 characters.
        "agreement" agreement: String = Ulid,
        /// Its place among the measures of that agreement, from 1.
        "measure" measure: u32 = Number32,
        /// What became of it, one of [`MEASURE_STATES`](super::MEASURE_STATES).
        "state" state: String = MeasureState,
        /// Record that registered it: of a registration its own id.
        "registered" registered: String = Ulid,
        /// When it ends by itself, in milliseconds since 1970-01-01T00:00:00Z; this instant is outside.
        "until" until_ms: Option<u64> = TimeOrNone,
        /// Commitment to the list, to who decided and to the words of the measure.
        "details" details: Hash = Base64,
        /// Commitment to the subject's pseudonym and its hidden chain.
        "subject" subject: Hash = Base64,
    }
}

/// What the fields of a record say together, beyond the form of each.
trait Check {
    fn check(&self) -> Result<(), RecordError> {
        Ok(())
    }
}

impl Check for Access {
    fn check(&self) -> Result<(), RecordError> {
        if !self.lists.iter().all(|at| belongs_to(&at.list, &self.holder)) {
            return Err(RecordError::Contradiction("lists"));
        }
        // The difference is only taken once the order is known.
        if self.expires_ms <= self.time_ms || self.expires_ms - self.time_ms > MAX_PERMIT_MS {
            return Err(RecordError::Contradiction("expires"));
        }
        Ok(())
    }
}

/// A refused question may name lists that its holder does not have: that can be the reason.
impl Check for Refused {}

/// Authority and requester may be one member for one purpose; policy decides that.
impl Check for Consent {}

impl Check for Manifest {
    fn check(&self) -> Result<(), RecordError> {
        if !belongs_to(&self.list, &self.holder) {
            return Err(RecordError::Contradiction("list"));
        }
        if !self.buckets.is_power_of_two() || self.buckets > 1 << 16 {
            return Err(RecordError::Field("buckets"));
        }
        if self.capacity < 128 {
            return Err(RecordError::Field("capacity"));
        }
        Ok(())
    }
}

impl Check for Registry {}

impl Check for Enrollment {}

impl Check for Audit {
    fn check(&self) -> Result<(), RecordError> {
        if self.pseudonyms == 0 { Err(RecordError::Field("pseudonyms")) } else { Ok(()) }
    }
}

/// Who may write to whom is for the registry to say.
impl Check for Notice {}

impl Check for Erasure {
    fn check(&self) -> Result<(), RecordError> {
        if self.openings == 0 { Err(RecordError::Field("openings")) } else { Ok(()) }
    }
}

impl Check for BoxOpened {
    fn check(&self) -> Result<(), RecordError> {
        // Two people, always.
        if self.auditor == self.second { Err(RecordError::Contradiction("second")) } else { Ok(()) }
    }
}

impl Check for Demand {
    fn check(&self) -> Result<(), RecordError> {
        if self.due_ms <= self.time_ms { Err(RecordError::Contradiction("due")) } else { Ok(()) }
    }
}

impl Check for Export {
    fn check(&self) -> Result<(), RecordError> {
        let range = self.until.checked_sub(self.from).ok_or(RecordError::Contradiction("until"))?;
        if self.records == 0 || self.records > range { Err(RecordError::Field("records")) } else { Ok(()) }
    }
}

impl Check for Measure {
    fn check(&self) -> Result<(), RecordError> {
        if self.measure == 0 {
            return Err(RecordError::Field("measure"));
        }
        let registers = self.state == super::MEASURE_STATES[0];
        if registers != (self.registered == self.id) {
            return Err(RecordError::Contradiction("registered"));
        }
        let in_time = |until| until > self.time_ms && until - self.time_ms <= super::MAX_MEASURE_MS;
        if registers && !self.until_ms.is_none_or(in_time) {
            return Err(RecordError::Contradiction("until"));
        }
        Ok(())
    }
}

/// Whether a list id begins with the name of this holder.
fn belongs_to(list: &str, holder: &str) -> bool {
    list.split_once('/').is_some_and(|(owner, _)| owner == holder)
}
