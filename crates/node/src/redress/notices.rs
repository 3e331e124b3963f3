//! Notices before a listing.

use tacit_client::RowKey;
use tacit_model::{ListId, Ulid};
use tacit_policy::{
    letter::{Body, LetterText, ListingNotice, Whom, limits},
    registry::entry::List,
};
use tacit_store::Conn;

use super::{Redress, RedressError, kept::Logged};
use crate::{
    records::{ListRules, RecordState, check_by, date},
    store::{
        begin,
        holder::{
            changes, lists,
            notices::{self, Notice},
            records::{self, StoredRecord, WriteHistory},
        },
        redress as store,
    },
};

/// Records of one transaction.
const PAGE: u32 = 500;

/// Whose notices are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Whose<'a> {
    /// Of the record of this code, as typed.
    Code(&'a str),
    /// Of every record whose subject was not notified.
    Due,
}

impl std::fmt::Debug for Whose<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Whose(..)")
    }
}

/// What became of sending notices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Noticed {
    /// Letters that were written now.
    pub written: Vec<Ulid>,
    /// Records whose notice was on its way before.
    pub on_the_way: u64,
    /// Records of people under 18: no notice, and no listing.
    pub under_age: u64,
    /// Records whose category is not in the catalogue for the list.
    pub not_in_catalogue: u64,
}

impl Redress {
    /// Writes notices to the subjects of records that nobody was notified of. The courier of the node sends them; a
    /// record is notified once its notice is in the log.
    ///
    /// # Errors
    /// [`RedressError`]; for [`Whose::Code`] also when no notice can be sent.
    pub async fn notify(&self, list: &ListId, whose: Whose<'_>, by: &str) -> Result<Noticed, RedressError> {
        check_by(by)?;
        let entry = self.own(list)?;
        if !entry.adverse {
            return Err(RedressError::Favorable);
        }
        let rules = ListRules::of(entry, &self.registry).map_err(crate::records::RecordsError::from)?;
        let mut noticed = Noticed::default();
        let Some(held) = lists::find(&mut *self.db.read().await?, list).await? else {
            return match whose {
                Whose::Code(_) => Err(RedressError::NoRecord),
                Whose::Due => Ok(noticed),
            };
        };
        if let Whose::Code(typed) = whose {
            let code = self.registry.schemes().parse(&entry.scheme, typed)?.subject;
            let mut conn = self.db.write().await?;
            let mut tx = begin(&mut conn).await?;
            let found = records::by_code(&mut tx, held.no, code.expose_code()).await?;
            let record = found.map(|(record, _)| record).filter(|it| it.facts.state != RecordState::Removed);
            let record = record.ok_or(RedressError::NoRecord)?;
            if record.facts.notified_on > 0 {
                return Err(RedressError::Notified);
            }
            self.notify_one(&mut tx, entry, &rules, &record, &mut noticed).await?;
            tx.commit().await?;
            return match (noticed.under_age, noticed.not_in_catalogue) {
                (0, 0) => Ok(noticed),
                (0, _) => Err(RedressError::NotInCatalogue),
                _ => Err(RedressError::UnderAge),
            };
        }
        let mut after = 0;
        loop {
            let mut conn = self.db.write().await?;
            let mut tx = begin(&mut conn).await?;
            let ids = notices::lacking(&mut tx, held.no, after, PAGE).await?;
            let Some(last) = ids.last() else { return Ok(noticed) };
            after = *last;
            for record in records::by_ids(&mut tx, &ids).await? {
                self.notify_one(&mut tx, entry, &rules, &record, &mut noticed).await?;
            }
            tx.commit().await?;
        }
    }

    async fn notify_one(
        &self,
        tx: &mut Conn,
        list: &List,
        rules: &ListRules,
        record: &StoredRecord,
        noticed: &mut Noticed,
    ) -> Result<(), RedressError> {
        let facts = &record.facts;
        let today = rules.today(self.clock.now());
        let Some(notice_days) = rules.notice_days(facts.category) else {
            noticed.not_in_catalogue += 1;
            return Ok(());
        };
        let mut then = facts.clone();
        then.notified_on = today;
        then.effective_on = facts.effective_on.max(today.saturating_add(notice_days));
        if rules.under_age(&record.code, &then).is_some() {
            noticed.under_age += 1;
            return Ok(());
        }
        let id = record.id.get();
        let known = notices::of_records(tx, &[id]).await?.remove(&id);
        let same = |notice: &Notice| notice.is_of(facts) && notice.notified_on == 0;
        if known.as_ref().is_some_and(same) {
            noticed.on_the_way += 1;
            return Ok(());
        }
        let holder = self.registry.member(&self.member).map_or("", |member| member.title.as_str());
        let listing_body = if facts.listing_body.is_empty() { holder } else { &facts.listing_body };
        let body = ListingNotice {
            list: list.id.clone(),
            category: facts.category,
            decision_ref: short(&facts.decision_ref)?,
            decided_on: date(facts.decided_on),
            listing_body: short(listing_body)?,
            legal_basis: short(&self.registry.law(&list.legal_basis))?,
            what_listing_means: LetterText::new(&list.what_listing_means, limits::LONG)?,
            notice_days: u16::try_from(notice_days).unwrap_or(u16::MAX),
            effective_on: date(then.effective_on),
            expires_on: Some(facts.expires_on).filter(|day| *day > 0).map(date),
            objections: short(&list.objection_contact)?,
        };
        let about = Whom { scheme: list.scheme.clone(), code: record.code.to_string() };
        let (letter, key) = self.write(tx, None, None, &about, Body::ListingNotice(body)).await?;
        let notice = Notice {
            record: id,
            decision_ref: facts.decision_ref.clone(),
            decided_on: facts.decided_on,
            effective_on: then.effective_on,
            notified_on: 0,
        };
        notices::begin(tx, &key, &notice).await?;
        noticed.written.push(letter);
        Ok(())
    }

    /// A letter is in the log: if it is a notice, its record is notified on that day.
    pub(super) async fn notified(
        &self,
        tx: &mut Conn,
        letter: &RowKey,
        list: &ListId,
        logged: &Logged,
    ) -> Result<(), RedressError> {
        let Some(notice) = notices::of_letter(tx, letter).await?.filter(|it| it.notified_on == 0) else {
            return Ok(());
        };
        let rules = ListRules::of(self.own(list)?, &self.registry);
        let rules = rules.map_err(crate::records::RecordsError::from)?;
        let day = rules.today(logged.time());
        notices::logged(tx, letter, day).await?;
        let record = records::by_ids(tx, &[notice.record]).await?.pop();
        let Some(record) = record.filter(|it| notice.is_of(&it.facts)) else { return Ok(()) };
        let facts = &record.facts;
        if facts.state == RecordState::Removed || facts.notified_on > 0 {
            return Ok(());
        }
        let earliest = day.saturating_add(rules.notice_days(facts.category).unwrap_or_default());
        let effective = notice.effective_on.max(facts.effective_on).max(earliest);
        let seq = changes::next(tx).await?;
        notices::notify(tx, record.id, day, effective, seq).await?;
        let entry = WriteHistory {
            record: record.id,
            at: self.clock.now(),
            by: "notice",
            action: "corrected",
            reason: "notice",
            before: facts,
        };
        records::add_history(tx, &[entry]).await?;
        Ok(())
    }

    /// How many of these letters are still on their way.
    ///
    /// # Errors
    /// [`RedressError`].
    pub async fn waiting(&self, letters: &[Ulid]) -> Result<usize, RedressError> {
        let mut conn = self.db.read().await?;
        let mut waiting = 0;
        for id in letters {
            waiting += usize::from(store::is_waiting(&mut conn, &self.written_key(*id)).await?);
        }
        Ok(waiting)
    }
}

/// As much of a text as a letter's short texts hold, without what a letter may not have.
fn short(text: &str) -> Result<LetterText, RedressError> {
    let plain: String = text.chars().filter(|c| !c.is_control()).take(limits::SHORT.0).collect();
    Ok(LetterText::new(&plain, limits::SHORT)?)
}
