//! A period of days, as it was asked for in an address.

use jiff::{civil::Date, tz::TimeZone};

use crate::{form::Fields, time};

/// The days from one on, until another, as they were typed.
pub(crate) struct Period {
    pub(crate) from: String,
    pub(crate) until: String,
    /// Whether one of them is no day.
    pub(crate) wrong: bool,
}

impl Period {
    pub(crate) fn of(query: &Fields) -> Self {
        let field = |name| query.get(name).unwrap_or_default().to_owned();
        let (from, until) = (field("from"), field("until"));
        let bad = |text: &str| !text.is_empty() && text.parse::<Date>().is_err();
        let wrong = bad(&from) || bad(&until);
        Self { from, until, wrong }
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
