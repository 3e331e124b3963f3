//! Redress: notices before a listing, objections to one, decisions, and appeals to another body.
//!
//! ```text
//! tacit notice send ─▶ letter waits ─▶ Courier seals, posts ─▶ in the log: the record is notified
//! authority ─▶ Courier collects ─▶ objection: a case, the record is contested, its receipt goes back
//! tacit objection decide ─▶ decision waits ─▶ ... ─▶ the record is removed, corrected, or stands
//! tacit list remove ─▶ a round of the courier: the letter that says so waits
//! ```
//!
//! [`Redress`] works on the database directly, in the node or beside it in the command line; what it decides and the
//! letters that say so are one commit. Only the [`Courier`] of a running node talks to anybody. Every letter that came
//! is kept, one that is forged or cannot be read too; each letter id counts once.

mod cases;
mod courier;
mod enclosed;
mod error;
mod inbox;
mod kept;
mod notices;
mod outbox;
#[cfg(test)]
mod page_tests;
mod removals;
#[cfg(test)]
pub(crate) mod testing;
mod view;

use std::sync::Arc;

use jiff::civil::Date;
use tacit_client::{Kind, RowKey, Vault};
use tacit_model::{Clock, ListId, MemberId, Millis, Ulid, entropy::os_rng, new_ulid};
use tacit_policy::{
    Registry,
    letter::{Body, Letter, Level, Whom, day_in},
    registry::entry::List,
};
use tacit_store::{Conn, Db};

use crate::store::redress::{self as store, NewLetter};
use kept::{Kept, Written};

pub use cases::NewRuling;
pub use courier::Courier;
pub use error::RedressError;
pub use notices::{Noticed, Whose};
pub use view::{CasePage, CaseView, EnclosedView, LetterView};

/// Notices, objections, decisions and appeals of one member. Clones share the database.
#[derive(Clone)]
pub struct Redress {
    db: Db,
    rows: Arc<Vault>,
    registry: Arc<Registry>,
    member: MemberId,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Redress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redress").field("member", &self.member).finish_non_exhaustive()
    }
}

impl Redress {
    /// What `member` keeps in `db`, sealed under its store key.
    #[must_use]
    pub fn new(
        db: Db,
        store_key: &[u8; 32],
        registry: Arc<Registry>,
        member: MemberId,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { db, rows: Arc::new(Vault::new(store_key)), registry, member, clock }
    }

    /// The same under another registry: the one in force.
    #[must_use]
    pub fn under(&self, registry: Arc<Registry>) -> Self {
        Self { registry, ..self.clone() }
    }

    fn list(&self, id: &ListId) -> Result<&List, RedressError> {
        self.registry.list(id).ok_or(RedressError::UnknownList)
    }

    /// An own list.
    fn own(&self, id: &ListId) -> Result<&List, RedressError> {
        let list = self.list(id)?;
        if id.holder() == self.member.as_str() { Ok(list) } else { Err(RedressError::OtherHolder) }
    }

    /// The day it is where a list is kept.
    fn day(&self, list: &List, at: Millis) -> Result<Date, RedressError> {
        day_in(&list.time_zone, at).ok_or_else(|| RedressError::TimeZone(list.id.clone()))
    }

    fn case_key(&self, level: Level, id: Ulid) -> RowKey {
        self.rows.row_key(Kind::Redress, &[b"case", level.as_str().as_bytes(), &id.to_bytes()])
    }

    fn written_key(&self, id: Ulid) -> RowKey {
        self.rows.row_key(Kind::Redress, &[b"out", &id.to_bytes()])
    }

    /// Writes a letter in the transaction that it belongs to; the courier sends it. Returns its id.
    async fn write(
        &self,
        tx: &mut Conn,
        case: Option<&RowKey>,
        thread: Option<Ulid>,
        about: &Whom,
        body: Body,
    ) -> Result<(Ulid, RowKey), RedressError> {
        let now = self.clock.now();
        let id = new_ulid(now, &mut os_rng());
        let letter = Letter::new(id, thread, now, about.clone(), body);
        Ok((id, self.hand_over(tx, case, &letter).await?))
    }

    /// Hands a letter to the courier in the transaction that it belongs to.
    pub(crate) async fn hand_over(
        &self,
        tx: &mut Conn,
        case: Option<&RowKey>,
        letter: &Letter,
    ) -> Result<RowKey, RedressError> {
        let key = self.written_key(letter.id);
        let written = Written { letter: letter.to_bytes()?.try_into()?, sealed: None, logged: None };
        let sealed = self.seal(&key, &Kept::Out(Box::new(written)))?;
        let at = letter.written;
        let new = NewLetter { key: &key, case, way: "out", state: "waiting", at, sealed: &sealed };
        store::add_letter(tx, &new).await?;
        Ok(key)
    }
}
