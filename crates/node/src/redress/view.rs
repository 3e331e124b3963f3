//! What is shown of cases and letters: to the member's own people.

use jiff::civil::Date;
use tacit_model::{MemberId, Millis, Ulid};
use tacit_policy::letter::{Body, CORRECT_DAYS, Case, Due, Letter, Level, Outcome};

use super::{
    Redress, RedressError,
    enclosed::proven,
    kept::{Kept, KeptCase},
};
use crate::store::redress::{self as store, CaseRow, LetterRow};

/// Letters of no case that are shown.
const LETTERS_SHOWN: u32 = 1000;

/// A case with its letters.
#[derive(Debug, Clone)]
pub struct CaseView {
    /// The case.
    pub case: Case,
    /// Today, where the list is kept.
    pub today: Date,
    /// What has to be done next.
    pub due: Option<Due>,
    /// Days from the decision that counts until the record was as decided, or until today; none before one.
    pub days_to_correction: Option<i32>,
    /// Its letters, oldest first.
    pub letters: Vec<LetterView>,
}

/// Cases of one level in the order in which they began.
#[derive(Debug, Clone)]
pub struct CasePage {
    /// At most as many as were wanted.
    pub cases: Vec<CaseView>,
    /// The page that follows begins after this case; none when there is no more.
    pub next: Option<Ulid>,
}

/// A letter as it is kept.
#[derive(Debug, Clone)]
pub struct LetterView {
    /// `in` or `out`.
    pub way: String,
    /// `waiting` or `logged`; `taken`, `refused` or `unreadable`.
    pub state: String,
    /// When it was written, or came.
    pub at: Millis,
    /// Who sent it; none for one that was written here.
    pub from: Option<MemberId>,
    /// Its record in the log.
    pub record: Option<String>,
    /// What it says; none for one that cannot be read.
    pub letter: Option<Letter>,
    /// The letters inside it whose authors' signatures hold: an appeal has the objection and the first decision.
    pub encloses: Vec<EnclosedView>,
    /// Why it was not taken.
    pub problem: Option<String>,
}

/// A letter inside another.
#[derive(Debug, Clone)]
pub struct EnclosedView {
    /// Who wrote it.
    pub from: MemberId,
    /// What it says.
    pub letter: Letter,
}

impl CaseView {
    /// Whether something should have been done by now.
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        self.due.is_some_and(|due| due.is_overdue(self.today))
    }

    /// Whether the record was as decided later than it should have been.
    #[must_use]
    pub fn is_late(&self) -> bool {
        let corrects = self.case.ruling().is_some_and(|ruling| ruling.outcome != Outcome::Upheld);
        corrects && self.days_to_correction.is_some_and(|days| days > i32::from(CORRECT_DAYS))
    }
}

impl Redress {
    /// The cases of a level, oldest first: those that are not over, or all.
    ///
    /// # Errors
    /// [`RedressError`].
    pub async fn cases(&self, level: Level, all: bool) -> Result<Vec<CaseView>, RedressError> {
        let rows = store::cases(&mut *self.db.read().await?, level.as_str(), all).await?;
        let mut views = Vec::with_capacity(rows.len());
        for row in rows {
            views.push(self.view(row).await?);
        }
        Ok(views)
    }

    /// At most `limit` cases of a level after the case `after`, in the order in which they began; `None` when there is no
    /// such case. A case keeps its place.
    ///
    /// # Errors
    /// [`RedressError`].
    pub async fn page(
        &self,
        level: Level,
        over: bool,
        after: Option<Ulid>,
        limit: u32,
    ) -> Result<Option<CasePage>, RedressError> {
        let after = after.map(|id| self.case_key(level, id));
        let mut conn = self.db.read().await?;
        let word = level.as_str();
        let rows = store::cases_after(&mut conn, word, over, after.as_ref(), limit.saturating_add(1)).await?;
        drop(conn);
        let Some(mut rows) = rows else { return Ok(None) };
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > wanted;
        rows.truncate(wanted);
        let mut cases = Vec::with_capacity(rows.len());
        for row in rows {
            cases.push(self.view(row).await?);
        }
        let next = cases.last().map(|view| view.case.id).filter(|_| more);
        Ok(Some(CasePage { cases, next }))
    }

    /// How many letters are on their way.
    ///
    /// # Errors
    /// [`RedressError`].
    pub async fn on_the_way(&self) -> Result<u64, RedressError> {
        Ok(store::count_waiting(&mut *self.db.read().await?).await?)
    }

    /// One case.
    ///
    /// # Errors
    /// [`RedressError`].
    pub async fn show(&self, level: Level, id: Ulid) -> Result<Option<CaseView>, RedressError> {
        let row = store::case_of(&mut *self.db.read().await?, &self.case_key(level, id)).await?;
        match row {
            Some(row) => Ok(Some(self.view(row).await?)),
            None => Ok(None),
        }
    }

    /// Letters of no case, newest first: notices, what was handed in for others, and what came and was not taken.
    ///
    /// # Errors
    /// [`RedressError`].
    pub async fn letters(&self) -> Result<Vec<LetterView>, RedressError> {
        let rows = store::letters_alone(&mut *self.db.read().await?, LETTERS_SHOWN).await?;
        rows.into_iter().map(|row| self.letter(row)).collect()
    }

    async fn view(&self, row: CaseRow) -> Result<CaseView, RedressError> {
        let kept: KeptCase = self.open(&row.key, &row.sealed)?;
        let today = self.day(self.list(&kept.case.list)?, self.clock.now())?;
        let rows = store::letters_of(&mut *self.db.read().await?, &row.key).await?;
        let letters = rows.into_iter().map(|row| self.letter(row)).collect::<Result<_, _>>()?;
        // What a review corrects is measured where the list is.
        let ruling = kept.case.ruling().filter(|_| kept.case.level == Level::First);
        Ok(CaseView {
            due: kept.case.due(),
            days_to_correction: ruling.map(|ruling| ruling.days_to_correction(today)),
            case: kept.case,
            today,
            letters,
        })
    }

    fn letter(&self, row: LetterRow) -> Result<LetterView, RedressError> {
        let kept: Kept = self.open(&row.key, &row.sealed)?;
        let (from, problem) = match &kept {
            Kept::Out(_) => (None, None),
            Kept::In(came) => (Some(came.letter.sender.clone()), came.problem.clone()),
        };
        let letter = kept.letter();
        Ok(LetterView {
            way: row.way,
            state: row.state,
            at: row.at,
            from,
            record: kept.logged().map(|logged| logged.record.clone()),
            encloses: letter.as_ref().map(|letter| self.enclosed(letter)).unwrap_or_default(),
            letter,
            problem,
        })
    }
    fn enclosed(&self, letter: &Letter) -> Vec<EnclosedView> {
        let inside = match &letter.body {
            Body::Appeal(appeal) => vec![&appeal.objection, &appeal.decision],
            Body::ReviewDecision(review) => vec![&review.decision],
            _ => Vec::new(),
        };
        let proven = inside.into_iter().filter_map(|it| proven(it, &self.registry));
        proven.map(|it| EnclosedView { from: it.sender, letter: it.letter }).collect()
    }
}
