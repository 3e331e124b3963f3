//! Measures that this requester takes on answers: registered, asked again when the answer is too old, lifted.
//!
//! ```text
//! register ─▶ durable ─▶ C logs it ─▶ standing ──answer too old, asked again──▶ listed: standing
//!                                       ▲                                      not listed: due, to be lifted in 3 days
//!                                       └────────── asked again later ◀──────── no answer: unconfirmed
//! lift ─▶ durable ─▶ C logs it ─▶ lifted          the stated end came: ended
//! ```
//!
//! To ask again takes code, case and officer: they are kept sealed, like everything that a requester keeps. Whether an
//! answer named the subject is known here alone, so this is where a measure on another answer is refused. The subject is
//! told by a letter that is written in the commit that notes the record.

mod kept;
mod kinds;
mod letters;
mod recheck;
mod send;
mod store;

use std::fmt;
use std::sync::Arc;

use rand_core::Rng as _;
use tacit_ledger::record::MAX_MEASURE_MS;
use tacit_model::entropy::os_rng;
use tacit_model::{Basis, ListId, Millis, Reason, SubjectCode, Ulid, new_ulid};
use tacit_policy::Registry;
use tacit_policy::letter::{Letter, LetterText, limits};
use tacit_policy::registry::entry::Agreement;
use zeroize::Zeroizing;

use crate::codec::CodecError;
use crate::error::{ClientError, Party};
use crate::question::MAX_WORDS;
use crate::receipt::Proven;
use crate::requester::Requester;
use crate::vault::{Kind, RowKey};

pub use kept::{Asked, RecordAt, Said};
use kept::{Kept, Lifting};
pub use kinds::{KnownMeasure, MeasurePage, MeasureWanted};
pub use store::{MeasureCounts, MeasureRow, MeasureState, MeasureStore};

/// How long a measure may still stand after the list was found not to name the subject: three days.
pub const LIFT_WITHIN_MS: u64 = 3 * 24 * 60 * 60 * 1000;
/// Most measures of a page.
pub const MAX_MEASURES: u32 = 1000;
/// When something without an answer is tried again.
const RETRY_MS: u64 = 5 * 60 * 1000;

/// The measures of a requester. Clones share everything.
#[derive(Clone)]
pub struct Measures {
    requester: Requester,
    store: Arc<dyn MeasureStore>,
}

impl fmt::Debug for Measures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Measures").field("requester", &self.requester).finish_non_exhaustive()
    }
}

/// A row with what it seals.
struct Opened {
    row: MeasureRow,
    kept: Kept,
}

impl Measures {
    /// Over a storage of their own. Run [`Measures::step`] again and again beside it.
    #[must_use]
    pub fn new(requester: Requester, store: Arc<dyn MeasureStore>) -> Self {
        Self { requester, store }
    }

    /// Registers a measure that rests on an answer of ours, and verifies that this is in the log. The same again gets the
    /// same measure.
    ///
    /// # Errors
    /// Refused: no such answer, one that does not name the subject, one that is too old, no such measure, or another
    /// one in its place. Without an answer of the coordinator it is tried again by itself.
    pub async fn register(&self, wanted: MeasureWanted) -> Result<KnownMeasure, ClientError> {
        let now = self.requester.now();
        check_decider(&wanted.decider)?;
        let in_time = |until: Millis| until > now && until.since(now) <= MAX_MEASURE_MS;
        if !wanted.until.is_none_or(in_time) {
            return Err(ClientError::Question { reason: Reason::Malformed, field: "until" });
        }
        let kept = self.prepare(&wanted).await?;
        let key = self.key(&kept);
        let opened = match self.store.by_key(key).await? {
            Some(row) => self.stand_in(row, kept, now).await?,
            None => {
                if now.since(kept.as_of) > kept.life_ms {
                    return Err(refused(Reason::AnswerTooOld));
                }
                let row = self.row(key, &kept, now);
                let own = row.sealed.clone();
                let row = self.store.insert(row).await?;
                match row.sealed == own {
                    true => Opened { row, kept },
                    // Somebody else was faster.
                    false => self.stand_in(row, kept, now).await?,
                }
            }
        };
        match opened.row.state {
            MeasureState::Sent => self.send_registration(opened).await.map(|it| self.tell(&it)),
            _ => Ok(self.tell(&opened)),
        }
    }

    /// Lifts a measure by the record that registered it, and verifies that this is in the log. A lifted one stays so.
    ///
    /// # Errors
    /// Refused when there is none. Without an answer of the coordinator it is tried again by itself.
    pub async fn lift(&self, id: Ulid, decider: &str) -> Result<KnownMeasure, ClientError> {
        check_decider(decider)?;
        loop {
            let row = self.store.by_id(id).await?.ok_or_else(|| refused(Reason::NotFound))?;
            let mut opened = self.open(row)?;
            match opened.row.state {
                MeasureState::Lifted | MeasureState::Ended => return Ok(self.tell(&opened)),
                MeasureState::Lifting => {}
                _ => {
                    let salt = fresh_salt();
                    opened.kept.lifting = Some(Lifting { decider: decider.to_owned(), salt, record: None });
                    opened.row.state = MeasureState::Lifting;
                    opened.row.next = Some(self.requester.now().plus_ms(RETRY_MS));
                    if !self.put(&mut opened, None).await? {
                        continue;
                    }
                }
            }
            return self.send_lift(opened).await.map(|it| self.tell(&it));
        }
    }

    /// Measures in the order in which they were made, those that are over only when `all`.
    ///
    /// # Errors
    /// The storage.
    pub async fn list(&self, all: bool, after: Ulid, limit: u32) -> Result<MeasurePage, ClientError> {
        let limit = limit.clamp(1, MAX_MEASURES);
        let mut rows = self.store.list(all, after, limit + 1).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().map(|row| row.made).filter(|_| more);
        let told = rows.into_iter().map(|row| Ok(self.tell(&self.open(row)?)));
        Ok(MeasurePage { measures: told.collect::<Result<_, ClientError>>()?, next })
    }

    /// How many are how far.
    ///
    /// # Errors
    /// The storage.
    pub async fn counts(&self) -> Result<MeasureCounts, ClientError> {
        Ok(self.store.counts(self.requester.now()).await?)
    }

    /// What a measure takes that rests on this answer, if the answer allows it.
    async fn prepare(&self, wanted: &MeasureWanted) -> Result<Kept, ClientError> {
        let requester = &self.requester;
        let receipt = requester.receipt(wanted.record).await?.ok_or_else(|| refused(Reason::NotFound))?;
        let registry = requester.registry();
        let proven = receipt.verify(requester.log_verifier(), &registry).map_err(|error| {
            tracing::warn!(record = %wanted.record, %error, "a kept answer does not hold any more");
            CodecError("receipt")
        })?;
        let list = acted_on(&proven, wanted.list.as_ref())?;
        let agreement = agreement_of(&registry, &proven, &list, wanted.measure);
        let agreement = agreement.ok_or_else(|| refused(Reason::MeasureUnknown))?;
        let measure = agreement.measure(wanted.measure).ok_or_else(|| refused(Reason::MeasureUnknown))?;
        let words = measure.title.as_str();
        let (scheme, code) = receipt.expose_subject().ok_or(CodecError("receipt"))?;
        Ok(Kept {
            answer: wanted.record,
            list,
            purpose: proven.access.purpose.parse().map_err(|_| CodecError("receipt"))?,
            case: proven.case,
            officer: proven.officer,
            scheme,
            code,
            pseudonym: *receipt.pseudonym(),
            agreement: agreement.id,
            number: wanted.measure,
            words: words.to_owned(),
            until: wanted.until,
            decider: wanted.decider.clone(),
            salt: fresh_salt(),
            life_ms: agreement.data_life.millis(),
            as_of: Millis(proven.access.time_ms),
            registered: None,
            asked: None,
            lifting: None,
        })
    }

    /// The measure that stands under the key already, when it is the same one; one that was refused is tried again.
    async fn stand_in(&self, row: MeasureRow, kept: Kept, now: Millis) -> Result<Opened, ClientError> {
        let mut opened = self.open(row)?;
        if opened.row.state == MeasureState::Refused {
            opened.kept = kept;
            opened.row.state = MeasureState::Sent;
            opened.row.next = Some(now.plus_ms(RETRY_MS));
            return match self.put(&mut opened, None).await? {
                true => Ok(opened),
                false => Err(refused(Reason::Conflict)),
            };
        }
        let same = (opened.kept.until, &opened.kept.decider) == (kept.until, &kept.decider);
        if same { Ok(opened) } else { Err(refused(Reason::Conflict)) }
    }

    fn key(&self, kept: &Kept) -> RowKey {
        let (answer, number) = (kept.answer.0.to_be_bytes(), kept.number.to_be_bytes());
        self.requester.vault().row_key(Kind::Measure, &[&answer, kept.list.as_bytes(), &number])
    }

    /// A new row.
    fn row(&self, key: RowKey, kept: &Kept, now: Millis) -> MeasureRow {
        let mut rng = os_rng();
        MeasureRow {
            key,
            version: 1,
            made: new_ulid(now, &mut rng),
            id: None,
            state: MeasureState::Sent,
            next: Some(now.plus_ms(RETRY_MS)),
            lift_by: None,
            sealed: self.requester.vault().seal(Kind::Measure, &key, &kept.encode(), &mut rng),
        }
    }

    fn open(&self, row: MeasureRow) -> Result<Opened, ClientError> {
        let plain = self.requester.vault().open(Kind::Measure, &row.key, &row.sealed)?;
        Ok(Opened { kept: Kept::decode(&plain)?, row })
    }

    /// Writes a row with what it seals, and sends a letter with it; false when it was changed meanwhile.
    async fn put(&self, opened: &mut Opened, letter: Option<Letter>) -> Result<bool, ClientError> {
        let Opened { row, kept } = opened;
        row.version += 1;
        row.sealed = self.requester.vault().seal(Kind::Measure, &row.key, &kept.encode(), &mut os_rng());
        Ok(self.store.update(row.clone(), letter).await?)
    }

    fn tell(&self, opened: &Opened) -> KnownMeasure {
        KnownMeasure::of(opened, self.requester.now())
    }
}

/// The list that is acted on: the one that names the subject, or of several the one that is meant.
fn acted_on(proven: &Proven, wanted: Option<&ListId>) -> Result<ListId, ClientError> {
    let named = |list: &ListId| wanted.is_none_or(|wanted| wanted == list);
    let mut lists = proven.answers.iter().filter(|it| it.label.is_some() && named(&it.list));
    match (lists.next(), lists.next()) {
        (Some(only), None) => Ok(only.list.clone()),
        (Some(_), Some(_)) => Err(ClientError::Question { reason: Reason::Malformed, field: "list" }),
        (None, _) => Err(refused(Reason::AnswerNotListed)),
    }
}

/// The agreement under which was asked: the one that was named, or with a consent the first that covers the question.
/// Which one the coordinator took is in the record of the measure.
fn agreement_of<'r>(
    registry: &'r Registry,
    proven: &Proven,
    list: &ListId,
    number: u32,
) -> Option<&'r Agreement> {
    if let Basis::Agreement(id) = proven.basis {
        return registry.agreement(id);
    }
    let requester = proven.access.requester.parse().ok()?;
    let purpose = proven.access.purpose.parse().ok()?;
    let asked = Millis(proven.access.time_ms);
    let holder = list.holder_id();
    let mut covering = registry
        .agreements_between(&requester, &holder)
        .filter(|it| it.in_force(asked) && it.covers_list(list) && it.covers_purpose(&purpose));
    covering.find(|it| it.measure(number).is_some())
}

fn check_decider(decider: &str) -> Result<(), ClientError> {
    let fits = LetterText::new(decider, limits::BY).is_ok()
        && decider.len() <= MAX_WORDS
        && !decider.chars().any(char::is_control);
    match fits {
        true => Ok(()),
        false => Err(ClientError::Question { reason: Reason::Malformed, field: "decider" }),
    }
}

fn fresh_salt() -> [u8; 32] {
    let mut salt = [0; 32];
    os_rng().fill_bytes(&mut salt);
    salt
}

/// Refused here, before anything is sent.
fn refused(reason: Reason) -> ClientError {
    ClientError::Question { reason, field: "measure" }
}

/// A code as it was kept, by the schemes of today.
fn subject_of(registry: &Registry, kept: &Kept) -> Option<SubjectCode> {
    let code: &Zeroizing<String> = &kept.code;
    registry.schemes().parse(&kept.scheme, code).ok().map(|parsed| parsed.subject)
}

/// The coordinator said no.
fn refused_there(refusal: &tacit_wire::common::Refusal) -> ClientError {
    ClientError::Refused { party: Party::Coordinator, refusal: refusal.into() }
}
