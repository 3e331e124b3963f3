//! What the subject is told by letter: a measure was registered, a measure was lifted.

use tacit_ledger::record::MEASURE_STATES;
use tacit_model::entropy::os_rng;
use tacit_model::{Millis, new_ulid};
use tacit_policy::Registry;
use tacit_policy::letter::{AdverseAction, Body, Letter, LetterText, MeasureLifted, Whom, day_in, limits};

use super::kept::Kept;
use super::{Measures, Opened, subject_of};

impl Measures {
    /// Tells the subject of a measure that is in the log.
    pub(super) fn registered_letter(&self, opened: &Opened) -> Option<Letter> {
        let registry = self.requester.registry();
        let body = self.adverse_action(opened, &registry).map(Body::AdverseAction);
        self.letter(opened, MEASURE_STATES[0], body)
    }

    /// Tells the subject that a measure is over, and that this is in the log.
    pub(super) fn lifted_letter(&self, opened: &Opened) -> Option<Letter> {
        let registry = self.requester.registry();
        let body = self.measure_lifted(opened, &registry).map(Body::MeasureLifted);
        self.letter(opened, MEASURE_STATES[1], body)
    }

    /// The letter that begins the matter has the id under which the measure was made, so that later ones name it.
    fn letter(&self, opened: &Opened, state: &str, body: Option<Body>) -> Option<Letter> {
        let registry = self.requester.registry();
        let now = self.requester.now();
        let about = subject_of(&registry, &opened.kept)
            .map(|code| Whom { scheme: code.scheme().to_owned(), code: code.expose_code().to_owned() });
        let made = opened.row.made;
        let first = state == MEASURE_STATES[0];
        let id = if first { made } else { new_ulid(now, &mut os_rng()) };
        let letter = about.zip(body).map(|(about, body)| Letter::new(id, Some(made), now, about, body));
        if letter.is_none() {
            // The measure is in the log all the same: it must not wait for its letter.
            let registered = opened.row.id.map(|id| id.to_string()).unwrap_or_default();
            tracing::error!(
                registered,
                state,
                "the registry does not name what a letter about a measure says"
            );
        }
        letter
    }

    fn adverse_action(&self, opened: &Opened, registry: &Registry) -> Option<AdverseAction> {
        let kept = &opened.kept;
        let list = registry.list(&kept.list)?;
        Some(AdverseAction {
            list: kept.list.clone(),
            measure: opened.row.id?,
            answer: kept.answer,
            agency: self.agency(registry)?,
            words: short(&kept.words)?,
            by: LetterText::new(&kept.decider, limits::BY).ok()?,
            legal_basis: short(&law(registry, kept)?)?,
            registered_on: day_in(&list.time_zone, kept.registered?.time)?,
            until: kept.until,
            objections: short(&list.objection_contact)?,
        })
    }

    fn measure_lifted(&self, opened: &Opened, registry: &Registry) -> Option<MeasureLifted> {
        let kept = &opened.kept;
        let lifting = kept.lifting.as_ref()?;
        let lifted: Millis = lifting.record?.time;
        Some(MeasureLifted {
            list: kept.list.clone(),
            measure: opened.row.id?,
            agency: self.agency(registry)?,
            words: short(&kept.words)?,
            by: LetterText::new(&lifting.decider, limits::BY).ok()?,
            lifted_on: day_in(&registry.list(&kept.list)?.time_zone, lifted)?,
        })
    }

    fn agency(&self, registry: &Registry) -> Option<LetterText> {
        short(&registry.member(self.requester.member())?.title)
    }
}

/// The law of a measure.
fn law(registry: &Registry, kept: &Kept) -> Option<String> {
    let agreement = registry.agreement(kept.agreement)?;
    Some(registry.law(agreement.basis_of(agreement.measure(kept.number)?)))
}

fn short(text: &str) -> Option<LetterText> {
    LetterText::new(text, limits::SHORT).ok()
}
