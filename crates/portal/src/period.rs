//! A period of days, as it was asked for in an address.

use jiff::{civil::Date, tz::TimeZone};

use crate::{form::Fields, language::Language, time, wrongs::Wrongs};

/// The days from one on, until another, as they were typed.
pub(crate) struct Period {
    pub(crate) from: String,
    pub(crate) until: String,
}

impl Period {
    pub(crate) fn of(query: &Fields) -> Self {
        let field = |name| query.get(name).unwrap_or_default().to_owned();
        Self { from: field("from"), until: field("until") }
    }

    /// The fields of the form: name, key of its words, and what was typed.
    pub(crate) fn fields(&self) -> [(&'static str, &'static str, &str); 2] {
        [("from", "asked-from", &self.from), ("until", "asked-until", &self.until)]
    }

    /// What is typed there and is no day.
    pub(crate) fn wrongs(&self, language: Language) -> Wrongs {
        let good = |text: &str| text.is_empty() || text.parse::<Date>().is_ok();
        Wrongs::missing(
            language,
            &self.fields().map(|(field, _, text)| (field, "asked-period-wrong", good(text))),
        )
    }

    pub(crate) fn is_set(&self) -> bool {
        !self.from.is_empty() || !self.until.is_empty()
    }

    /// The days themselves, those that are days.
    pub(crate) fn days(&self) -> (Option<&str>, Option<&str>) {
        let day = |text: &'_ str| text.parse::<Date>().is_ok();
        (Some(&*self.from).filter(|text| day(text)), Some(&*self.until).filter(|text| day(text)))
    }

    /// The first moment of the first day, and the first after the last.
    pub(crate) fn bounds(&self, zone: &TimeZone) -> (Option<String>, Option<String>) {
        let from = self.from.parse::<Date>().ok().and_then(|day| time::start_of(day, zone));
        let until = self.until.parse::<Date>().ok().and_then(|day| day.tomorrow().ok());
        (from, until.and_then(|day| time::start_of(day, zone)))
    }
}
