//! Letters to members on behalf of users: objections and appeals, and what is forwarded. A reading sends them, so that
//! nothing that a user does can be seen from outside.
//!
//! ```text
//! user files ─▶ letter waits ─┐
//! letter that a reading found ┴▶ (forwarded: waits) ─▶ end of the reading: all that wait, shuffled ─▶ coordinator
//! ```

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use tacit_client::{ConsentAuthority, Kind, LetterSent, RowKey, SealedLetter};
use tacit_model::{MemberId, Millis, Ulid, new_ulid};
use tacit_policy::{
    Registry,
    letter::{Body, Enclosed, Letter, Level, Objection, ReviewDecision, Whom},
};
use tacit_store::begin;

use crate::{
    letters::KeptLetter,
    reading::{ReadingError, Readings, shuffle},
    sealed::{Chain, Entry, RowError, Rows, User},
    store::{chains, letters, users},
};

/// Letters that are looked at together.
const PAGE: u32 = 1024;

/// A letter to a member on behalf of a user. `Debug` shows nothing.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Outgoing {
    pub(crate) to: MemberId,
    /// What it says: JSON.
    pub(crate) content: String,
    /// As it goes: sealed once, so that a retry gets the same record.
    sealed: Option<Sealed>,
    pub(crate) logged: Option<Logged>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Sealed {
    pseudonym: [u8; 32],
    letter: String,
}

/// Where a letter stands in the log.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Logged {
    pub(crate) record: String,
    pub(crate) index: u64,
    pub(crate) time_ms: u64,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outgoing(..)")
    }
}

impl Outgoing {
    pub(crate) fn new(to: MemberId, letter: &Letter) -> Option<Self> {
        let content = String::from_utf8(letter.to_bytes().ok()?).ok()?;
        Some(Self { to, content, sealed: None, logged: None })
    }

    /// What it says.
    pub(crate) fn letter(&self) -> Option<Letter> {
        Letter::parse(self.content.as_bytes()).ok()
    }

    /// It as something to enclose, once it was sealed.
    pub(crate) fn enclosed(&self, authority: &ConsentAuthority) -> Option<Enclosed> {
        let pseudonym = self.sealed.as_ref()?.pseudonym;
        let signature = authority.sign_letter(&self.to, &pseudonym, self.content.as_bytes()).ok()?;
        Some(Enclosed {
            sender: authority.member().clone(),
            member: self.to.clone(),
            pseudonym: tacit_policy::PublicKey(pseudonym),
            content: self.content.clone(),
            signature: tacit_policy::Signature(signature),
        })
    }

    fn sealed(&self, sender: &MemberId) -> Option<SealedLetter> {
        let sealed = self.sealed.as_ref()?;
        Some(SealedLetter {
            sender: sender.clone(),
            member: self.to.clone(),
            pseudonym: sealed.pseudonym,
            bytes: BASE64.decode(&sealed.letter).ok()?.into(),
        })
    }
}

impl KeptLetter<'_> {
    /// It as something to enclose, when it opens.
    pub(crate) fn enclosed(&self) -> Option<Enclosed> {
        let opened = self.opened.as_ref().ok()?;
        Some(Enclosed {
            sender: self.letter.sender.clone(),
            member: self.letter.member.clone(),
            pseudonym: tacit_policy::PublicKey(self.letter.pseudonym),
            content: String::from_utf8(opened.content().to_vec()).ok()?,
            signature: tacit_policy::Signature(*opened.signature()),
        })
    }
}

impl Rows {
    /// The row of a letter to a member.
    pub(crate) fn letter(&self, to: &MemberId, id: Ulid) -> RowKey {
        self.0.row_key(Kind::Redress, &[b"out", to.as_bytes(), &id.to_bytes()])
    }

    /// The row of what is forwarded of a letter that came: one for each, however often it is read.
    fn forwarded(&self, from: &MemberId, id: Ulid) -> RowKey {
        self.0.row_key(Kind::Redress, &[b"forwarded", from.as_bytes(), &id.to_bytes()])
    }

    pub(crate) fn seal_letter(
        &self,
        key: &RowKey,
        letter: &Outgoing,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, RowError> {
        self.seal(Kind::Redress, key, letter, rng)
    }

    pub(crate) fn open_letter(&self, row: &letters::LetterRow) -> Result<Outgoing, RowError> {
        self.open(Kind::Redress, &row.key, &row.sealed)
    }
}

/// Whether a letter to the subject is from whom such a letter can be, about this subject; why not, in words.
pub(crate) fn fault(
    letter: &Letter,
    sender: &MemberId,
    about: &Whom,
    registry: &Registry,
) -> Option<&'static str> {
    if letter.subject != *about {
        return Some("the letter is about somebody else");
    }
    let Some(list) = registry.list(letter.body.list()) else {
        return Some("the letter is about a list that the registry does not know");
    };
    let by_holder = list.id.holder() == sender.as_str();
    let right = match &letter.body {
        Body::ListingNotice(_) | Body::ObjectionReceived(_) | Body::Removal(_) => by_holder,
        Body::Decision(it) if it.level == Level::First => by_holder,
        Body::Decision(_) => list.review_body.as_ref() == Some(sender) && !by_holder,
        Body::Misdirected(_) => !by_holder,
        // That the measure is its own, its record in the chain says.
        Body::AdverseAction(_) | Body::MeasureLifted(_) => return None,
        Body::Objection(_) | Body::Appeal(_) | Body::ReviewDecision(_) | Body::ListingConsent(_) => false,
    };
    (!right).then_some("the letter is not from the body that decides about this list")
}

/// What a letter that came has the authority write to another member: an objection that was handed in elsewhere, and a
/// review for the body that listed.
fn forward(
    kept: &KeptLetter<'_>,
    about: &Whom,
    registry: &Registry,
    now: Millis,
    rng: &mut impl CryptoRng,
) -> Option<(Ulid, Outgoing)> {
    let opened = kept.opened.as_ref().ok()?;
    let letter = Letter::parse(opened.content()).ok()?;
    let sender = &kept.letter.sender;
    if fault(&letter, sender, about, registry).is_some() {
        return None;
    }
    let list = letter.body.list().clone();
    let body = match &letter.body {
        Body::Misdirected(it) => Body::Objection(Objection {
            list: list.clone(),
            text: it.text.clone(),
            handed_in: Some(sender.clone()),
        }),
        Body::Decision(it) if it.level == Level::Review => {
            Body::ReviewDecision(ReviewDecision { list: list.clone(), decision: kept.enclosed()? })
        }
        _ => return None,
    };
    let answer = Letter::new(new_ulid(now, rng), Some(letter.thread), now, about.clone(), body);
    Some((letter.id, Outgoing::new(list.holder_id(), &answer)?))
}

impl Readings {
    /// Letters to be forwarded of what a reading found in a chain.
    pub(crate) async fn forwards(
        &self,
        user: &RowKey,
        chain: &Chain,
        entries: &[Entry],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<letters::LetterRow>, ReadingError> {
        let Some(authority) = &self.authority else { return Ok(Vec::new()) };
        let registry = authority.registry();
        let kept: Vec<_> =
            entries.iter().filter_map(|entry| crate::letters::letter(chain, entry, &registry)).collect();
        if kept.iter().all(|letter| letter.opened.is_err()) {
            return Ok(Vec::new());
        }
        let Some(row) = users::of_key(&mut *self.db.read().await?, user).await? else {
            return Ok(Vec::new());
        };
        let User { scheme, code } = self.rows.open(Kind::User, user, &row.sealed)?;
        let about = Whom { scheme, code };
        let mut rows = Vec::new();
        for letter in &kept {
            let found = forward(letter, &about, &registry, self.clock.now(), rng);
            let Some((id, outgoing)) = found else { continue };
            let key = self.rows.forwarded(&letter.letter.sender, id);
            let sealed = self.rows.seal_letter(&key, &outgoing, rng)?;
            rows.push(letters::LetterRow { key, user: *user, sealed });
        }
        Ok(rows)
    }

    /// The letters in the log that were written to a member for a user.
    pub(crate) async fn written_to(
        &self,
        user: &RowKey,
        member: &MemberId,
    ) -> Result<Vec<RowKey>, ReadingError> {
        let mut found = Vec::new();
        for row in letters::of_user(&mut *self.db.read().await?, user).await? {
            let letter = self.rows.open_letter(&row)?;
            if letter.to == *member && letter.logged.is_some() {
                found.push(row.key);
            }
        }
        Ok(found)
    }

    /// Sends every letter that waits, in an order that says nothing. One that cannot be sent waits for the next reading.
    pub(crate) async fn send_letters(&self, rng: &mut impl CryptoRng) -> Result<(), ReadingError> {
        let Some(authority) = &self.authority else { return Ok(()) };
        let (mut after, mut waiting) = ([0; 32], Vec::new());
        loop {
            let page = letters::waiting(&mut *self.db.read().await?, &after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.key;
            waiting.extend(page.into_iter().map(|row| (row.key, row.user)).collect::<Vec<_>>());
        }
        shuffle(&mut waiting, rng);
        let mut unsent = 0_u64;
        for (key, user) in waiting {
            if let Err(error) = self.send_letter(authority, &key, &user, rng).await {
                unsent += 1;
                metrics::counter!("tacit_authority_letters_unsent_total").increment(1);
                tracing::warn!(%error, "a letter waits for the next reading");
                if matches!(error, ReadingError::Store(_)) {
                    return Err(error);
                }
            }
        }
        if unsent > 0 {
            tracing::warn!(unsent, "letters wait for the next reading");
        }
        Ok(())
    }

    async fn send_letter(
        &self,
        authority: &ConsentAuthority,
        key: &RowKey,
        user: &RowKey,
        rng: &mut impl CryptoRng,
    ) -> Result<(), ReadingError> {
        let row = letters::of_key(&mut *self.db.read().await?, key).await?;
        let Some(row) = row else { return Ok(()) };
        let mut outgoing = self.rows.open_letter(&row)?;
        let sealed = match outgoing.sealed(authority.member()) {
            Some(sealed) => sealed,
            None => {
                let epoch =
                    authority.registry().member(&outgoing.to).and_then(|member| member.pseudonym_epoch);
                let chain = self.rows.chain(user, &outgoing.to, epoch.unwrap_or_default());
                let found = chains::by_keys(&mut *self.db.read().await?, &[chain]).await?.pop();
                // Its pseudonym is evaluated with the next reading.
                let Some(found) = found else { return Err(ReadingError::Unaddressed) };
                let found: Chain = self.rows.open(Kind::Chain, &chain, &found.sealed)?;
                let content = outgoing.content.as_bytes();
                let sealed = authority.seal_letter(&outgoing.to, found.pseudonym, content)?;
                let letter = BASE64.encode(&sealed.bytes);
                outgoing.sealed = Some(Sealed { pseudonym: sealed.pseudonym, letter });
                self.keep_letter(key, &outgoing, false, rng).await?;
                sealed
            }
        };
        let LetterSent { record, time, .. } = authority.post_letter(&sealed).await?;
        outgoing.logged =
            Some(Logged { record: record.id.to_string(), index: record.index, time_ms: time.0 });
        self.keep_letter(key, &outgoing, true, rng).await
    }

    async fn keep_letter(
        &self,
        key: &RowKey,
        letter: &Outgoing,
        logged: bool,
        rng: &mut impl CryptoRng,
    ) -> Result<(), ReadingError> {
        let sealed = self.rows.seal_letter(key, letter, rng)?;
        let mut conn = self.db.write().await?;
        let mut tx = begin(&mut conn).await?;
        letters::set(&mut tx, key, logged, &sealed).await?;
        Ok(tx.commit().await?)
    }
}
