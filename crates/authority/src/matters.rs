//! A user's objections, made of the letters that went and came: how far each is, and what is overdue.

use std::collections::BTreeMap;

use jiff::civil::Date;
use tacit_client::ConsentAuthority;
use tacit_model::{ListId, Millis, Ulid};
use tacit_policy::{
    Registry,
    letter::{
        Appeal, Body, DECIDE_DAYS, Decision, Letter, LetterText, Level, Objection, Outcome, Whom, day_in,
        last_day,
    },
};

use crate::{
    letters::KeptLetter,
    measure::Registered,
    redress::{Logged, Outgoing, fault},
};

/// A letter of a user, as far as it is known.
pub(crate) struct Post<'a> {
    /// What it says; none for one that cannot be read.
    pub(crate) letter: Option<Letter>,
    /// Why it counts for nothing.
    pub(crate) problem: Option<String>,
    pub(crate) way: Way<'a>,
}

/// Where a letter comes from.
pub(crate) enum Way<'a> {
    Came(&'a KeptLetter<'a>),
    Written(&'a Outgoing),
}

impl Post<'_> {
    /// When it was in the log; none for one that waits.
    pub(crate) fn logged(&self) -> Option<(Millis, &str)> {
        match &self.way {
            Way::Came(kept) => Some((kept.time(), &kept.record.id)),
            Way::Written(outgoing) => outgoing
                .logged
                .as_ref()
                .map(|Logged { record, time_ms, .. }| (Millis(*time_ms), record.as_str())),
        }
    }

    fn counts(&self) -> Option<&Letter> {
        self.letter.as_ref().filter(|_| self.problem.is_none())
    }
}

/// Every letter of a user: those that came, then those that were written. Letters that the chain shows of this authority
/// are among the written ones; what letters say of measures is compared with those that are registered.
pub(crate) fn posts<'a>(
    came: &'a [KeptLetter<'a>],
    written: &'a [Outgoing],
    registered: &Registered,
    about: &Whom,
    registry: &Registry,
) -> Vec<Post<'a>> {
    let came = came.iter().filter(|kept| kept.letter.is_to_subject()).map(|kept| {
        let (letter, problem) = match &kept.opened {
            Err(fault) => (None, Some(fault.to_string())),
            Ok(opened) => match Letter::parse(opened.content()) {
                Err(error) => (None, Some(error.to_string())),
                Ok(letter) => {
                    let sender = &kept.letter.sender;
                    let fault =
                        fault(&letter, sender, about, registry).or_else(|| registered.fault(&letter, sender));
                    (Some(letter), fault.map(str::to_owned))
                }
            },
        };
        Post { letter, problem, way: Way::Came(kept) }
    });
    let written = written.iter().map(|outgoing| Post {
        letter: outgoing.letter(),
        problem: None,
        way: Way::Written(outgoing),
    });
    came.chain(written).collect()
}

/// An objection of a user.
pub(crate) struct Matter<'a> {
    /// The thread of its letters.
    pub(crate) id: Ulid,
    pub(crate) list: ListId,
    pub(crate) filed: Millis,
    /// When the objection was in the log.
    pub(crate) sent: Option<Millis>,
    /// The last day of the first decision, as the body that listed says, or as the law does.
    pub(crate) decide_by: Option<Date>,
    pub(crate) received: bool,
    pub(crate) decision: Option<(Decision, &'a KeptLetter<'a>)>,
    /// The day on which an appeal was written, and whether it is in the log.
    pub(crate) appealed: Option<(Date, bool)>,
    pub(crate) review: Option<Decision>,
    objection: &'a Outgoing,
}

/// What somebody owes the user.
pub(crate) struct Owed {
    /// `decision` or `review`.
    pub(crate) what: &'static str,
    pub(crate) by: Date,
}

/// The objections of a user, oldest first.
pub(crate) fn matters<'a>(posts: &[Post<'a>], registry: &Registry) -> Vec<Matter<'a>> {
    let mut found: BTreeMap<Ulid, Matter<'a>> = BTreeMap::new();
    for post in posts {
        let (Some(letter), Way::Written(objection)) = (post.counts(), &post.way) else { continue };
        let Body::Objection(body) = &letter.body else { continue };
        let sent = post.logged().map(|(at, _)| at);
        let zone = registry.list(&body.list).map(|list| list.time_zone.as_str());
        let day = zone.and_then(|zone| day_in(zone, sent?));
        found.entry(letter.thread).or_insert(Matter {
            id: letter.thread,
            list: body.list.clone(),
            filed: letter.written,
            sent,
            decide_by: day.map(|day| last_day(day, DECIDE_DAYS)),
            received: false,
            decision: None,
            appealed: None,
            review: None,
            objection,
        });
    }
    for post in posts {
        let Some(letter) = post.counts() else { continue };
        let Some(matter) = found.get_mut(&letter.thread).filter(|it| it.list == *letter.body.list()) else {
            continue;
        };
        match (&letter.body, &post.way) {
            (Body::ObjectionReceived(it), Way::Came(_)) => {
                matter.received = true;
                matter.decide_by = Some(it.decide_by);
            }
            (Body::Decision(it), Way::Came(kept)) if it.level == Level::First => {
                matter.decision.get_or_insert((it.clone(), kept));
            }
            (Body::Decision(it), Way::Came(_)) => {
                matter.review.get_or_insert_with(|| it.clone());
            }
            (Body::Appeal(it), Way::Written(_)) => {
                let zone = registry.list(&it.list).map(|list| list.time_zone.as_str());
                let day = zone.and_then(|zone| day_in(zone, letter.written));
                if let Some(day) = day {
                    let sent = matter.appealed.is_some_and(|(_, sent)| sent) || post.logged().is_some();
                    matter.appealed = Some((day, sent));
                }
            }
            _ => {}
        }
    }
    let mut matters: Vec<_> = found.into_values().collect();
    // Nobody reviews what was not appealed.
    matters.iter_mut().filter(|matter| matter.appealed.is_none()).for_each(|matter| matter.review = None);
    matters.sort_by_key(|matter| matter.filed);
    matters
}

impl Matter<'_> {
    /// How far it is.
    pub(crate) fn word(&self) -> &'static str {
        match (self.sent, &self.decision, self.appealed, &self.review) {
            (_, _, _, Some(_)) => "reviewed",
            (_, _, Some((_, true)), _) => "appealed",
            (_, _, Some((_, false)), _) => "appeal_waits",
            (_, Some(_), ..) => "decided",
            (None, ..) => "waits",
            (Some(_), ..) if self.received => "received",
            (Some(_), ..) => "sent",
        }
    }

    /// Whether the body that listed still has to decide.
    pub(crate) fn is_undecided(&self) -> bool {
        self.decision.is_none()
    }

    /// What is owed to the user next.
    pub(crate) fn owed(&self) -> Option<Owed> {
        match (&self.decision, self.appealed, &self.review) {
            (_, _, Some(_)) => None,
            (_, Some((day, _)), None) => Some(Owed { what: "review", by: last_day(day, DECIDE_DAYS) }),
            (Some(_), None, None) => None,
            (None, ..) => self.decide_by.map(|by| Owed { what: "decision", by }),
        }
    }

    /// The last day on which an appeal can be written, while one can.
    pub(crate) fn appeal_until(&self) -> Option<Date> {
        let (decision, _) = self.decision.as_ref()?;
        let open = self.appealed.is_none() && self.review.is_none() && decision.outcome != Outcome::Annulled;
        decision.appeal.as_ref().filter(|_| open).map(|way| way.until)
    }

    /// The appeal, with what it rests on.
    pub(crate) fn appeal(&self, text: LetterText, authority: &ConsentAuthority) -> Option<Appeal> {
        let (decision, kept) = self.decision.as_ref()?;
        Some(Appeal {
            list: self.list.clone(),
            to: decision.appeal.as_ref()?.to.clone(),
            text,
            objection: self.objection.enclosed(authority)?,
            decision: kept.enclosed()?,
        })
    }
}

/// An objection to a listing.
pub(crate) fn objection(list: ListId, text: LetterText) -> Body {
    Body::Objection(Objection { list, text, handed_in: None })
}
