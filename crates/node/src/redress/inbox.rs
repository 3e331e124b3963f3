//! Letters that came: each is kept, and what it asks for is done once, in the same commit.

use tacit_client::{ReceivedLetter, RowKey};
use tacit_model::Ulid;
use tacit_policy::{
    letter::{
        Appeal, Body, Case, CaseError, Letter, Level, ListingConsent, Objection, ObjectionReceived, Outcome,
        ReviewDecision, Ruling, UntilDecided, Whom,
    },
    registry::entry::Role,
};
use tacit_store::Conn;

use super::{
    Redress, RedressError,
    enclosed::{Proven, proven},
    kept::{Came, Kept, KeptCase},
};
use crate::{
    records::{ListRules, RecordsError, join_list},
    store::{
        begin,
        holder::joins::Join,
        redress::{self as store, NewLetter},
    },
};

/// Why a letter that was read is not acted on. It is kept and shown with this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Untaken {
    #[error("it is addressed by a pseudonym that is not the one of its subject")]
    Pseudonym,
    #[error("another letter of this id came before")]
    Repeated,
    #[error("a letter of this kind is not for this member")]
    Kind,
    #[error("the list is adverse: nobody joins it")]
    Adverse,
    #[error("its sender is no consent authority")]
    Sender,
    #[error("the list is not one of this member")]
    List,
    #[error("this member does not review objections about the list")]
    NotReviewer,
    #[error("the subject is of another scheme than the list, or the code is none")]
    Subject,
    #[error("an enclosed letter is not signed by whom it names, or cannot be read")]
    Forged,
    #[error("the enclosed decision is not one of the body that decides about this list")]
    OtherBody,
    #[error("the enclosed letters are about another matter")]
    OtherMatter,
    #[error("there is no objection here that it is about")]
    NoCase,
    #[error(transparent)]
    Case(#[from] CaseError),
}

/// What became of a letter: the case it belongs to, if to one, or why it is only kept.
type Verdict = Result<Result<Option<RowKey>, Untaken>, RedressError>;

impl Redress {
    /// Takes a letter that came. `own` says whether the pseudonym is this member's one of the subject that the letter
    /// names.
    pub(super) async fn take(&self, received: &ReceivedLetter, own: bool) -> Result<(), RedressError> {
        let mut came = Came::from(received);
        let content = came.content.as_ref().map(|content| Letter::parse(&content.0));
        let unread =
            |record: Ulid| self.rows.row_key(tacit_client::Kind::Redress, &[b"record", &record.to_bytes()]);
        let record = received.record.id;
        // Before what is written because of it.
        let at = self.clock.now();
        let mut conn = self.db.write().await?;
        let mut tx = begin(&mut conn).await?;
        let (key, case, state) = match content {
            None => {
                let fault = received.opened.as_ref().err().map_or(String::new(), ToString::to_string);
                came.problem = Some(fault);
                (unread(record), None, "unreadable")
            }
            Some(Err(error)) => {
                came.problem = Some(error.to_string());
                (unread(record), None, "unreadable")
            }
            Some(Ok(letter)) => {
                let sender = came.letter.sender.as_bytes();
                let key =
                    self.rows.row_key(tacit_client::Kind::Redress, &[b"in", sender, &letter.id.to_bytes()]);
                let known = match store::letter_of(&mut tx, &key).await? {
                    Some(row) => match self.open(&key, &row.sealed)? {
                        Kept::In(before) if before.content == came.content => return Ok(()),
                        _ => true,
                    },
                    None => false,
                };
                let verdict = match (own, known) {
                    (_, true) => Err(Untaken::Repeated),
                    (false, _) => Err(Untaken::Pseudonym),
                    _ => self.act(&mut tx, &letter, &came).await?,
                };
                match verdict {
                    Ok(case) => (key, case, "taken"),
                    Err(why) => {
                        tracing::warn!(record = %came.logged.record, %why, "a letter is kept and not acted on");
                        came.problem = Some(why.to_string());
                        (if known { unread(record) } else { key }, None, "refused")
                    }
                }
            }
        };
        let sealed = self.seal(&key, &Kept::In(Box::new(came)))?;
        let new = NewLetter { key: &key, case: case.as_ref(), way: "in", state, at, sealed: &sealed };
        store::add_letter(&mut tx, &new).await?;
        tx.commit().await?;
        metrics::counter!("tacit_redress_letters_total", "state" => state).increment(1);
        Ok(())
    }

    async fn act(&self, tx: &mut Conn, letter: &Letter, came: &Came) -> Verdict {
        let sender = self.registry.member(&came.letter.sender);
        if !sender.is_some_and(|sender| sender.has(Role::Authority)) {
            return Ok(Err(Untaken::Sender));
        }
        match &letter.body {
            Body::Objection(objection) => self.objection(tx, letter, objection, came).await,
            Body::Appeal(appeal) if appeal.to == self.member => self.appeal(tx, letter, appeal, came).await,
            Body::Appeal(appeal) => self.appealed(tx, letter, appeal).await,
            Body::ReviewDecision(review) => self.reviewed(tx, letter, review).await,
            Body::ListingConsent(consent) => self.joined(tx, letter, consent, came).await,
            _ => Ok(Err(Untaken::Kind)),
        }
    }

    /// Whether the letter's subject is one that the list can hold.
    fn fits(&self, subject: &Whom, scheme: &str) -> bool {
        subject.scheme == scheme && self.registry.schemes().parse_exact(scheme, &subject.code).is_ok()
    }

    /// An objection to an own listing: a case begins, the record is contested, and the subject is told.
    async fn objection(&self, tx: &mut Conn, letter: &Letter, objection: &Objection, came: &Came) -> Verdict {
        let Ok(list) = self.own(&objection.list) else { return Ok(Err(Untaken::List)) };
        if !self.fits(&letter.subject, &list.scheme) {
            return Ok(Err(Untaken::Subject));
        }
        let key = self.case_key(Level::First, letter.thread);
        if store::case_of(tx, &key).await?.is_some() {
            return Ok(Err(Untaken::Repeated));
        }
        let received_on = self.day(list, came.logged.time())?;
        let case =
            Case::begin(letter.thread, Level::First, list.id.clone(), letter.subject.clone(), received_on);
        let decide_by = case.decide_by();
        let until_decided = self.contest(tx, &case).await?;
        let kept = KeptCase { case, ruled_ms: 0 };
        store::add_case(tx, &key, Level::First.as_str(), self.clock.now(), &self.seal(&key, &kept)?).await?;
        let list = list.id.clone();
        let body = ObjectionReceived { list, received_on, decide_by, until_decided };
        self.write(tx, Some(&key), Some(letter.thread), &letter.subject, Body::ObjectionReceived(body))
            .await?;
        Ok(Ok(Some(key)))
    }

    /// A subject consents to stand on an own favorable list, or withdraws: that holds for the record that it has, and for
    /// one that it gets.
    async fn joined(&self, tx: &mut Conn, letter: &Letter, said: &ListingConsent, came: &Came) -> Verdict {
        let Ok(list) = self.own(&said.list) else { return Ok(Err(Untaken::List)) };
        if list.adverse {
            return Ok(Err(Untaken::Adverse));
        }
        if !self.fits(&letter.subject, &list.scheme) {
            return Ok(Err(Untaken::Subject));
        }
        let rules = ListRules::of(list, &self.registry).map_err(RecordsError::from)?;
        let join = Join { given: said.given, said_on: rules.today(came.logged.time()) };
        join_list(tx, list, &letter.subject.code, &join, self.clock.now()).await?;
        Ok(Ok(None))
    }

    /// An appeal to this body: a case begins here, when everything it rests on is proven.
    async fn appeal(&self, tx: &mut Conn, letter: &Letter, appeal: &Appeal, came: &Came) -> Verdict {
        let Some(list) = self.registry.list(&appeal.list) else { return Ok(Err(Untaken::List)) };
        let holder = list.id.holder_id();
        if list.review_body.as_ref() != Some(&self.member) || holder == self.member {
            return Ok(Err(Untaken::NotReviewer));
        }
        if !self.fits(&letter.subject, &list.scheme) {
            return Ok(Err(Untaken::Subject));
        }
        let enclosed = [&appeal.objection, &appeal.decision].map(|it| proven(it, &self.registry));
        let [Some(objection), Some(decision)] = enclosed else { return Ok(Err(Untaken::Forged)) };
        let about = |it: &Proven| {
            it.letter.thread == letter.thread
                && it.letter.subject == letter.subject
                && *it.letter.body.list() == list.id
                && it.member == holder
        };
        if !about(&objection) || !about(&decision) || objection.sender != came.letter.sender {
            return Ok(Err(Untaken::OtherMatter));
        }
        let (Body::Objection(_), Body::Decision(first)) = (&objection.letter.body, &decision.letter.body)
        else {
            return Ok(Err(Untaken::OtherMatter));
        };
        if decision.sender != holder || first.level != Level::First {
            return Ok(Err(Untaken::OtherBody));
        }
        let ruling = Ruling {
            letter: decision.letter.id,
            outcome: first.outcome,
            decided_on: first.decided_on,
            carried_out_on: None,
        };
        let written_on = self.day(list, letter.written)?;
        // The terms of the appeal are those of the case that it goes on with.
        let decided =
            Case::begin(letter.thread, Level::First, list.id.clone(), letter.subject.clone(), written_on)
                .decide(ruling)
                .and_then(|case| case.appeal(written_on));
        if let Err(why) = decided {
            return Ok(Err(why.into()));
        }
        let key = self.case_key(Level::Review, letter.thread);
        if store::case_of(tx, &key).await?.is_some() {
            return Ok(Err(CaseError::Appealed.into()));
        }
        let received_on = self.day(list, came.logged.time())?;
        let case =
            Case::begin(letter.thread, Level::Review, list.id.clone(), letter.subject.clone(), received_on);
        let kept = KeptCase { case, ruled_ms: 0 };
        store::add_case(tx, &key, Level::Review.as_str(), self.clock.now(), &self.seal(&key, &kept)?).await?;
        Ok(Ok(Some(key)))
    }

    /// The subject appealed a decision of this body: the stay goes on.
    async fn appealed(&self, tx: &mut Conn, letter: &Letter, appeal: &Appeal) -> Verdict {
        let Ok(list) = self.own(&appeal.list) else { return Ok(Err(Untaken::List)) };
        let key = self.case_key(Level::First, letter.thread);
        let Some(mut kept) = self.case(tx, &key).await? else { return Ok(Err(Untaken::NoCase)) };
        if kept.case.list != list.id || kept.case.subject != letter.subject {
            return Ok(Err(Untaken::OtherMatter));
        }
        let written_on = self.day(list, letter.written)?;
        kept.case = match kept.case.appeal(written_on) {
            Ok(case) => case,
            Err(why) => return Ok(Err(why.into())),
        };
        self.contest(tx, &kept.case).await?;
        self.keep(tx, &key, &kept, false).await?;
        Ok(Ok(Some(key)))
    }

    /// The reviewing body decided about a listing of this one, and what it decided is done.
    async fn reviewed(&self, tx: &mut Conn, letter: &Letter, review: &ReviewDecision) -> Verdict {
        let Ok(list) = self.own(&review.list) else { return Ok(Err(Untaken::List)) };
        let Some(decision) = proven(&review.decision, &self.registry) else {
            return Ok(Err(Untaken::Forged));
        };
        let Body::Decision(ruled) = &decision.letter.body else { return Ok(Err(Untaken::OtherMatter)) };
        let reviewer = list.review_body.as_ref().filter(|body| **body != self.member);
        let by_reviewer = reviewer.is_some_and(|body| decision.sender == *body && decision.member == *body);
        if !by_reviewer || ruled.level != Level::Review {
            return Ok(Err(Untaken::OtherBody));
        }
        let key = self.case_key(Level::First, letter.thread);
        let Some(mut kept) = self.case(tx, &key).await? else { return Ok(Err(Untaken::NoCase)) };
        let same = decision.letter.thread == letter.thread
            && decision.letter.subject == kept.case.subject
            && letter.subject == kept.case.subject
            && ruled.list == list.id
            && kept.case.list == list.id;
        if !same {
            return Ok(Err(Untaken::OtherMatter));
        }
        let ruling = Ruling {
            letter: decision.letter.id,
            outcome: ruled.outcome,
            decided_on: ruled.decided_on,
            carried_out_on: (ruled.outcome == Outcome::Upheld).then_some(ruled.decided_on),
        };
        kept.case = match kept.case.review(ruling) {
            Ok(case) => case,
            Err(why) => return Ok(Err(why.into())),
        };
        kept.ruled_ms = self.clock.now().0;
        let by = decision.sender.to_string();
        self.carry_out(tx, &key, &mut kept, &by).await?;
        Ok(Ok(Some(key)))
    }

    /// The record of a case is contested from now on; what the list answers of it then.
    pub(super) async fn contest(&self, tx: &mut Conn, case: &Case) -> Result<UntilDecided, RedressError> {
        let Some(record) = self.record(tx, case).await? else { return Ok(UntilDecided::NoRecord) };
        self.set_contested(tx, &record, true, case).await?;
        let stays = self.stays(&case.list, record.facts.category)?;
        Ok(if stays { UntilDecided::NotAnswered } else { UntilDecided::Flagged })
    }
}
