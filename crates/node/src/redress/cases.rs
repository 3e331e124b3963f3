//! Cases: what is decided about them, and what that does to the records.

use jiff::civil::Date;
use tacit_client::RowKey;
use tacit_model::{ListId, Ulid};
use tacit_policy::letter::{
    Body, Case, Decision, LetterText, Level, Misdirected, Outcome, Removal, RemovalReason, Ruling, Stage,
    WayToAppeal, Whom, limits,
};
use tacit_store::Conn;

use super::{Redress, RedressError, kept::KeptCase, view::CaseView};
use crate::{
    records::{Change, ChangeOutcome, ListRules, RecordState, RecordsError, change_state},
    store::{
        begin,
        holder::{
            lists, notices,
            records::{self, StoredRecord},
        },
        redress as store,
    },
};

/// A decision as somebody of this body makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRuling {
    /// What is decided.
    pub outcome: Outcome,
    /// What is corrected; with that outcome alone.
    pub corrected: Option<LetterText>,
    /// Why.
    pub reasons: LetterText,
    /// Who decides.
    pub by: LetterText,
}

impl Redress {
    /// Decides an objection to an own listing, or an appeal to this body. The letter that says so is on its way with the
    /// same commit, and an annulled listing is removed.
    ///
    /// # Errors
    /// [`RedressError::NoCase`]; [`RedressError::Case`] for a second decision.
    pub async fn decide(&self, level: Level, id: Ulid, ruling: NewRuling) -> Result<CaseView, RedressError> {
        if ruling.corrected.is_some() != (ruling.outcome == Outcome::Corrected) {
            return Err(RedressError::Corrected);
        }
        ruling.by.check(limits::BY)?;
        let key = self.case_key(level, id);
        let mut conn = self.db.write().await?;
        let mut tx = begin(&mut conn).await?;
        let mut kept = self.case(&mut tx, &key).await?.ok_or(RedressError::NoCase)?;
        let list = self.list(&kept.case.list)?.clone();
        let today = self.day(&list, self.clock.now())?;
        let by = ruling.by.as_str().to_owned();
        let appealable = level == Level::First && ruling.outcome != Outcome::Annulled;
        let mut decided = Ruling {
            letter: id,
            outcome: ruling.outcome,
            decided_on: today,
            carried_out_on: (ruling.outcome == Outcome::Upheld || level == Level::Review).then_some(today),
        };
        // Whether it may be decided at all, before anything is written.
        kept.case.clone().decide(decided)?;
        let way = list.review_body.clone().filter(|_| appealable);
        let body = Decision {
            level,
            list: list.id.clone(),
            outcome: ruling.outcome,
            corrected: ruling.corrected,
            reasons: ruling.reasons,
            by: ruling.by,
            decided_on: today,
            appeal: way.map(|to| WayToAppeal { to, until: decided.appeal_until() }),
        };
        let about = kept.case.subject.clone();
        let (letter, _) = self.write(&mut tx, Some(&key), Some(id), &about, Body::Decision(body)).await?;
        decided.letter = letter;
        kept.case = kept.case.decide(decided)?;
        kept.ruled_ms = self.clock.now().0;
        match level {
            Level::First => {
                self.carry_out(&mut tx, &key, &mut kept, &by).await?;
            }
            Level::Review => self.keep(&mut tx, &key, &kept, true).await?,
        }
        tx.commit().await?;
        drop(conn);
        self.show(level, id).await?.ok_or(RedressError::NoCase)
    }

    /// Takes an objection over the counter that is about another member's listing: the authority gets it, and forwards it.
    ///
    /// # Errors
    /// [`RedressError::OwnList`] when this is the right door.
    pub async fn hand_in(&self, list: &ListId, typed: &str, text: &str) -> Result<Ulid, RedressError> {
        let entry = self.list(list)?;
        if list.holder() == self.member.as_str() {
            return Err(RedressError::OwnList);
        }
        let code = self.registry.schemes().parse(&entry.scheme, typed)?.subject;
        let about = Whom { scheme: entry.scheme.clone(), code: code.expose_code().to_owned() };
        let text = LetterText::new(text, limits::OBJECTION)?;
        let body = Body::Misdirected(Misdirected { list: list.clone(), text });
        let mut conn = self.db.write().await?;
        let mut tx = begin(&mut conn).await?;
        let (id, _) = self.write(&mut tx, None, None, &about, body).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Looks at every case that is not over: what time has ended, what was corrected meanwhile.
    pub(super) async fn pass(&self) -> Result<(), RedressError> {
        let keys: Vec<RowKey> = {
            let mut conn = self.db.read().await?;
            let rows = store::cases(&mut conn, Level::First.as_str(), false).await?;
            rows.into_iter().map(|row| row.key).collect()
        };
        for key in keys {
            let mut conn = self.db.write().await?;
            let mut tx = begin(&mut conn).await?;
            if let Some(mut kept) = self.case(&mut tx, &key).await?
                && self.carry_out(&mut tx, &key, &mut kept, "redress").await?
            {
                tx.commit().await?;
            }
        }
        Ok(())
    }

    /// Does to the records what the case stands at now, and keeps it; false when nothing was to be done.
    pub(super) async fn carry_out(
        &self,
        tx: &mut Conn,
        key: &RowKey,
        kept: &mut KeptCase,
        by: &str,
    ) -> Result<bool, RedressError> {
        let before = self.case(tx, key).await?.map(|kept| kept.case);
        let list = self.own(&kept.case.list)?.clone();
        let today = self.day(&list, self.clock.now())?;
        let record = self.record(tx, &kept.case).await?;
        if let Some(ruling) = kept.case.ruling().copied().filter(|ruling| ruling.carried_out_on.is_none()) {
            let done = match (ruling.outcome, &record) {
                (Outcome::Upheld, _) | (_, None) => Some(today),
                (Outcome::Annulled, Some(record)) => {
                    self.annul(tx, key, &kept.case, record, by, today).await?;
                    Some(today)
                }
                (Outcome::Corrected, Some(record)) => {
                    self.corrected(tx, record, kept, &list.time_zone).await?
                }
            };
            if let Some(day) = done {
                kept.case = kept.case.clone().carried_out(day);
            }
        }
        let stay =
            record.as_ref().is_some_and(|it| self.stays(&list.id, it.facts.category).unwrap_or_default());
        let contests = kept.case.contests(today, stay);
        let over = !contests && kept.case.due().is_none() && is_at_its_end(&kept.case, today);
        let mut changed = over || before.as_ref() != Some(&kept.case);
        if changed {
            self.keep(tx, key, kept, over).await?;
        }
        if let Some(record) = self.record(tx, &kept.case).await? {
            let contested = contests || self.contested_by_others(tx, key, &kept.case, today, stay).await?;
            if contested != (record.facts.state == RecordState::Contested) {
                self.set_contested(tx, &record, contested, &kept.case).await?;
                changed = true;
            }
        }
        Ok(changed)
    }

    /// Removes the record of an annulled listing, and tells the subject.
    async fn annul(
        &self,
        tx: &mut Conn,
        key: &RowKey,
        case: &Case,
        record: &StoredRecord,
        by: &str,
        today: Date,
    ) -> Result<(), RedressError> {
        let change = Change { action: "removed", reason: "annulled", by, at: self.clock.now() };
        if change_state(tx, record, RecordState::Removed, change).await? != ChangeOutcome::Changed {
            return Ok(());
        }
        notices::told(tx, record.id.get()).await?;
        let body = Removal {
            list: case.list.clone(),
            reason: RemovalReason::Annulled,
            removed_on: today,
            decision: case.ruling().map(|ruling| ruling.letter),
        };
        self.write(tx, Some(key), Some(case.id), &case.subject, Body::Removal(body)).await?;
        Ok(())
    }

    /// The day on which the record was corrected after the decision, if it was.
    async fn corrected(
        &self,
        tx: &mut Conn,
        record: &StoredRecord,
        kept: &KeptCase,
        zone: &str,
    ) -> Result<Option<Date>, RedressError> {
        let history = records::history(tx, record.id).await?;
        let done = history.iter().find(|entry| {
            entry.at.0 >= kept.ruled_ms && entry.action == "corrected" && entry.reason != "notice"
        });
        Ok(done.and_then(|entry| tacit_policy::letter::day_in(zone, entry.at)))
    }

    /// Whether another case contests the record too.
    async fn contested_by_others(
        &self,
        tx: &mut Conn,
        key: &RowKey,
        case: &Case,
        today: Date,
        stay: bool,
    ) -> Result<bool, RedressError> {
        for row in store::cases(tx, Level::First.as_str(), false).await? {
            let other: KeptCase = self.open(&row.key, &row.sealed)?;
            let same = other.case.list == case.list && other.case.subject == case.subject;
            if row.key != *key && same && other.case.contests(today, stay) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) async fn case(&self, tx: &mut Conn, key: &RowKey) -> Result<Option<KeptCase>, RedressError> {
        let row = store::case_of(tx, key).await?;
        row.map(|row| self.open(key, &row.sealed)).transpose()
    }

    pub(super) async fn keep(
        &self,
        tx: &mut Conn,
        key: &RowKey,
        kept: &KeptCase,
        over: bool,
    ) -> Result<(), RedressError> {
        Ok(store::set_case(tx, key, over, &self.seal(key, kept)?).await?)
    }

    /// The record that a case is about, unless it is removed.
    pub(super) async fn record(
        &self,
        tx: &mut Conn,
        case: &Case,
    ) -> Result<Option<StoredRecord>, RedressError> {
        let Some(held) = lists::find(tx, &case.list).await? else { return Ok(None) };
        let found = records::by_code(tx, held.no, &case.subject.code).await?;
        Ok(found.map(|(record, _)| record).filter(|record| record.facts.state != RecordState::Removed))
    }

    /// Whether the list does not answer contested records of this category.
    pub(super) fn stays(&self, list: &ListId, category: u16) -> Result<bool, RedressError> {
        let rules = ListRules::of(self.own(list)?, &self.registry).map_err(RecordsError::from)?;
        Ok(rules.stays(category))
    }

    pub(super) async fn set_contested(
        &self,
        tx: &mut Conn,
        record: &StoredRecord,
        contested: bool,
        case: &Case,
    ) -> Result<(), RedressError> {
        let (state, action) =
            if contested { (RecordState::Contested, "contested") } else { (RecordState::Active, "settled") };
        let by = format!("objection {}", case.id);
        let change = Change { action, reason: action, by: &by, at: self.clock.now() };
        change_state(tx, record, state, change).await?;
        Ok(())
    }
}

/// Whether nothing can come any more: the last decision is made, or the time to appeal is over.
fn is_at_its_end(case: &Case, today: Date) -> bool {
    match &case.stage {
        Stage::Open | Stage::Decided { appealed_on: Some(_), .. } => false,
        Stage::Decided { first, appealed_on: None } => {
            first.outcome == Outcome::Annulled || today > first.appeal_until()
        }
        Stage::Reviewed { .. } => true,
    }
}
