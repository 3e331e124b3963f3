//! What stands around every page: title, navigation, language, who is logged in.

use askama::Template;
use axum::response::{Html, IntoResponse as _, Response};
use jiff::tz::TimeZone;
use tacit_model::Millis;

use crate::{
    assets,
    desk::Desk,
    language::{Language, Value},
    person::Acting,
    subject::says::Named,
    time,
    visit::{Fault, Visit},
};

/// One way of the navigation.
pub(crate) struct Way {
    pub(crate) words: String,
    pub(crate) href: String,
    pub(crate) here: bool,
}

/// A language that the page can be read in.
pub(crate) struct LanguageWay {
    pub(crate) words: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) href: String,
    pub(crate) here: bool,
}

/// Something that needs the person.
pub(crate) struct Alert {
    pub(crate) words: String,
    pub(crate) href: String,
}

/// What stands around a page. The templates call its methods.
pub(crate) struct Frame {
    pub(crate) language: Language,
    pub(crate) desk: &'static str,
    pub(crate) title: String,
    pub(crate) ways: Vec<Way>,
    /// The address of the page without its language.
    rest: String,
    /// What the desk is called.
    pub(crate) desk_words: String,
    /// The time at which the page was made, for paper.
    pub(crate) now: String,
    /// Who is logged in.
    pub(crate) person: Option<String>,
    /// For whom, when that is somebody else; and whether that is over.
    pub(crate) acting: Option<String>,
    pub(crate) acting_over: bool,
    pub(crate) csrf: String,
    pub(crate) nonce: String,
    pub(crate) development: bool,
    /// Whether the page says that something went wrong; then its title begins so.
    pub(crate) wrong: bool,
    zone: TimeZone,
}

impl Frame {
    /// The frame of a page with this title, under this way of the navigation.
    pub(crate) fn new(desk: &Desk, visit: &Visit, title: String, here: &str) -> Self {
        let login = visit.session.as_ref().and_then(|session| session.state.login.as_ref());
        let ways = if login.is_some() { desk.name.ways() } else { &[] };
        // Who does not decide objections is not shown the way to them.
        let decides = login.is_some_and(|login| login.decides);
        let language = visit.language;
        let acting = login.filter(|login| login.acting != Acting::Own).and_then(|login| login.for_whom());
        Self {
            language,
            desk: desk.name.as_str(),
            title,
            ways: ways
                .iter()
                .filter(|(name, _)| *name != "cases" || decides)
                .map(|(name, rest)| Way {
                    words: language.say(&format!("nav-{name}")),
                    href: visit.path(rest),
                    here: *name == here,
                })
                .collect(),
            rest: visit.rest.to_string(),
            desk_words: language.say(&format!("desk-{}", desk.name)),
            now: time::minute(&visit.now.to_rfc3339(), &desk.zone, language),
            person: login.map(|login| login.name.clone()),
            acting: acting.map(|who| who.name.clone()),
            acting_over: login.is_some_and(|login| login.is_over(visit.now)),
            csrf: visit.session.as_ref().map(|session| session.state.csrf.clone()).unwrap_or_default(),
            nonce: visit.nonce.to_string(),
            development: desk.is_development(),
            wrong: false,
            zone: desk.zone.clone(),
        }
    }

    pub(crate) fn say(&self, key: &str) -> String {
        self.language.say(key)
    }

    /// A message with one value.
    pub(crate) fn with<'v>(&self, key: &str, name: &'static str, value: impl Into<Value<'v>>) -> String {
        self.language.with(key, &[(name, value.into())])
    }

    /// A message with two values.
    pub(crate) fn with2<'v>(
        &self,
        key: &str,
        name: &'static str,
        value: impl Into<Value<'v>>,
        second: &'static str,
        other: impl Into<Value<'v>>,
    ) -> String {
        self.language.with(key, &[(name, value.into()), (second, other.into())])
    }

    /// Page number so and so of so many.
    pub(crate) fn page_of(&self, number: &usize, pages: &usize) -> String {
        self.language.with("asked-page", &[("number", (*number).into()), ("pages", (*pages).into())])
    }

    /// The words of a reason, or the reason itself.
    pub(crate) fn reason(&self, reason: &str) -> String {
        self.language.reason(reason).unwrap_or_else(|| reason.to_owned())
    }

    pub(crate) fn minute(&self, rfc3339: &str) -> String {
        time::minute(rfc3339, &self.zone, self.language)
    }

    /// The minute by which something is about to happen.
    pub(crate) fn next_minute(&self, rfc3339: &str) -> String {
        time::next_minute(rfc3339, &self.zone, self.language)
    }

    pub(crate) fn exact(&self, rfc3339: &str) -> String {
        time::exact(rfc3339, &self.zone, self.language)
    }

    pub(crate) fn day(&self, iso: &str) -> String {
        time::day(iso, self.language)
    }

    /// The day of a moment, where the desk is.
    pub(crate) fn day_of(&self, at: Millis) -> String {
        self.day(&time::day_in(at, &self.zone))
    }

    /// Sentences one behind the other.
    pub(crate) fn joined(&self, sentences: &[String]) -> String {
        sentences.join(self.language.gap())
    }

    /// Names one behind the other.
    pub(crate) fn titles(&self, named: &[Named]) -> String {
        self.language.names(named.iter().map(|named| named.title.as_str()))
    }

    /// `4 MONTH` in words.
    pub(crate) fn often(&self, frequency: &str) -> String {
        let Some((count, unit)) = frequency.split_once(' ') else { return frequency.to_owned() };
        let key = format!("often-{}", unit.to_ascii_lowercase());
        if self.language.find(&key).is_none() {
            return frequency.to_owned();
        }
        match count.parse::<u64>() {
            Ok(count) => self.with(&key, "count", count),
            Err(_) => frequency.to_owned(),
        }
    }

    /// A word of a family of words, `<family>-<word>`, or the word itself.
    pub(crate) fn word(&self, family: &str, word: &str) -> String {
        self.language.find(&format!("{family}-{}", word.replace('_', "-"))).unwrap_or_else(|| word.to_owned())
    }

    /// What a kind of codes is called.
    pub(crate) fn scheme(&self, scheme: &str) -> String {
        self.language
            .find(&format!("scheme-{}", scheme.to_ascii_lowercase()))
            .unwrap_or_else(|| scheme.to_owned())
    }

    /// What became of a consent, when, and where that stands in the log.
    pub(crate) fn event(&self, time: &str, state: &str, index: &u64) -> String {
        let number = self.with("asked-number", "index", index.to_string());
        let values = [
            ("time", self.exact(time).into()),
            ("state", self.word("consent-state", state).into()),
            ("number", number.into()),
        ];
        self.language.with("consent-event", &values)
    }

    /// A unit of time in words: `MONTH`.
    pub(crate) fn unit(&self, unit: &str) -> String {
        self.word("unit", &unit.to_ascii_lowercase())
    }

    /// An address of this desk in the page's language.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/{}{rest}", self.language.segment())
    }

    /// This page in every language.
    pub(crate) fn languages(&self) -> Vec<LanguageWay> {
        let way = |language: Language| LanguageWay {
            words: language.name(),
            tag: language.tag(),
            href: format!("/{}{}", language.segment(), self.rest),
            here: language == self.language,
        };
        Language::ALL.map(way).into()
    }

    /// The mark, drawn into the page so that it takes the desk's color.
    pub(crate) fn mark(&self) -> &'static str {
        assets::MARK.as_str()
    }

    pub(crate) fn asset(&self, name: &str) -> String {
        assets::path(name)
    }
}

/// A whole page.
pub(crate) fn page(template: &impl Template) -> Result<Response, Fault> {
    Ok(Html(template.render()?).into_response())
}
