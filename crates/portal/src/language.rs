//! The two languages of the pages, and their words.

use std::{borrow::Cow, sync::OnceLock};

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use unic_langid::LanguageIdentifier;

const ENGLISH: &[&str] = &[
    include_str!("../locales/en/common.ftl"),
    include_str!("../locales/en/reasons.ftl"),
    include_str!("../locales/en/redress.ftl"),
    include_str!("../locales/en/subject.ftl"),
    include_str!("../locales/en/officer.ftl"),
    include_str!("../locales/en/auditor.ftl"),
];
const CHINESE: &[&str] = &[
    include_str!("../locales/zh/common.ftl"),
    include_str!("../locales/zh/reasons.ftl"),
    include_str!("../locales/zh/redress.ftl"),
    include_str!("../locales/zh/subject.ftl"),
    include_str!("../locales/zh/officer.ftl"),
    include_str!("../locales/zh/auditor.ftl"),
];

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// English.
    English,
    /// Simplified Chinese.
    Chinese,
}

impl Language {
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// First segment of the addresses of its pages.
    pub(crate) const fn segment(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// BCP 47 tag.
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-Hans",
        }
    }

    /// Its name in itself.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "简体中文",
        }
    }

    /// What stands between the parts of a list.
    pub(crate) const fn comma(self) -> &'static str {
        match self {
            Self::English => ", ",
            Self::Chinese => "、",
        }
    }

    /// Names one behind the other; in English they may have commas of their own.
    pub(crate) fn names<'n>(self, names: impl Iterator<Item = &'n str>) -> String {
        let between = match self {
            Self::English => "; ",
            Self::Chinese => "、",
        };
        names.collect::<Vec<_>>().join(between)
    }

    /// What stands between two sentences.
    pub(crate) const fn gap(self) -> &'static str {
        match self {
            Self::English => " ",
            Self::Chinese => "",
        }
    }

    pub(crate) fn of_segment(segment: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.segment() == segment)
    }

    /// What a browser asks for: the first of its languages that there is.
    pub(crate) fn accepted(header: &str) -> Self {
        let mut wanted: Vec<(f32, &str)> = header
            .split(',')
            .filter_map(|part| {
                let mut fields = part.split(';').map(str::trim);
                let tag = fields.next()?;
                let weight = fields.find_map(|field| field.strip_prefix("q="));
                Some((weight.map_or(Some(1.0), |weight| weight.parse().ok())?, tag))
            })
            .collect();
        wanted.sort_by(|a, b| b.0.total_cmp(&a.0));
        let known = |tag: &str| {
            let primary = tag.split('-').next().unwrap_or_default();
            Self::ALL.into_iter().find(|language| language.segment().eq_ignore_ascii_case(primary))
        };
        wanted.into_iter().find_map(|(_, tag)| known(tag)).unwrap_or(Self::English)
    }

    fn bundle(self) -> &'static FluentBundle<FluentResource> {
        static BUNDLES: [OnceLock<FluentBundle<FluentResource>>; 2] = [OnceLock::new(), OnceLock::new()];
        let (place, id, texts) = match self {
            Self::English => (0, self.tag(), ENGLISH),
            Self::Chinese => (1, self.tag(), CHINESE),
        };
        BUNDLES[place].get_or_init(|| bundle(id.parse().unwrap_or_default(), texts))
    }

    /// The words of a message.
    pub(crate) fn say(self, key: &str) -> String {
        self.with(key, &[])
    }

    /// The words of a message with values in them.
    pub(crate) fn with(self, key: &str, values: &[(&'static str, Value<'_>)]) -> String {
        let bundle = self.bundle();
        // A test shows that every key that is used is there, in both languages.
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
            tracing::error!(key, "a message is missing");
            return key.to_owned();
        };
        let mut arguments = FluentArgs::new();
        for (name, value) in values {
            arguments.set(*name, value.0.clone());
        }
        bundle.format_pattern(pattern, Some(&arguments), &mut Vec::new()).into_owned()
    }

    /// The words of a stable reason code, when there are some.
    pub(crate) fn reason(self, code: &str) -> Option<String> {
        self.find(&format!("reason-{}", code.replace('_', "-")))
    }

    /// The words of a message, when there is one.
    pub(crate) fn find(self, key: &str) -> Option<String> {
        self.find_with(key, &[])
    }

    /// The words of a message with values in them, when there is one.
    pub(crate) fn find_with(self, key: &str, values: &[(&'static str, Value<'_>)]) -> Option<String> {
        self.bundle().has_message(key).then(|| self.with(key, values))
    }
}

fn bundle(id: LanguageIdentifier, texts: &[&str]) -> FluentBundle<FluentResource> {
    let mut bundle = FluentBundle::new_concurrent(vec![id]);
    // Marks around values would show in titles and in what is copied; both languages run from left to right.
    bundle.set_use_isolating(false);
    for text in texts {
        let resource = FluentResource::try_new((*text).to_owned());
        let resource = resource.unwrap_or_else(|(resource, errors)| {
            tracing::error!(?errors, "a file of messages has mistakes");
            resource
        });
        if let Err(errors) = bundle.add_resource(resource) {
            tracing::error!(?errors, "a message is there twice");
        }
    }
    bundle
}

/// A value in a message.
#[derive(Debug, Clone)]
pub(crate) struct Value<'a>(FluentValue<'a>);

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self(FluentValue::String(Cow::Borrowed(text)))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self(FluentValue::String(Cow::Owned(text)))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        text.as_str().into()
    }
}

// The templates borrow once more.
impl<'a> From<&&'a String> for Value<'a> {
    fn from(text: &&'a String) -> Self {
        text.as_str().into()
    }
}

impl From<&usize> for Value<'_> {
    fn from(number: &usize) -> Self {
        Self(FluentValue::from(*number))
    }
}

impl From<usize> for Value<'_> {
    fn from(number: usize) -> Self {
        Self(FluentValue::from(number))
    }
}

impl From<&u64> for Value<'_> {
    fn from(number: &u64) -> Self {
        (*number).into()
    }
}

impl From<&&u64> for Value<'_> {
    fn from(number: &&u64) -> Self {
        (**number).into()
    }
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self(FluentValue::from(number))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fluent_bundle::FluentResource;

    use super::*;

    /// Keys of a language with the names of the values in each.
    fn keys(texts: &[&str]) -> BTreeSet<(String, BTreeSet<String>)> {
        let mut found = BTreeSet::new();
        for text in texts {
            FluentResource::try_new((*text).to_owned()).map_err(|(_, errors)| errors).unwrap();
            let mut message: Option<(String, BTreeSet<String>)> = None;
            for line in text.lines() {
                if let Some((key, _)) =
                    line.split_once(" =").filter(|_| line.starts_with(|c: char| c.is_ascii_lowercase()))
                {
                    found.extend(message.replace((key.to_owned(), BTreeSet::new())));
                }
                if let Some((_, values)) = &mut message {
                    let parts = line.split("{ $").skip(1);
                    values.extend(parts.map(|part| {
                        part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
                    }));
                }
            }
            found.extend(message);
        }
        found
    }

    #[test]
    fn both_languages_have_the_same_messages_with_the_same_values() {
        let (english, chinese) = (keys(ENGLISH), keys(CHINESE));
        let missing: Vec<_> = english.symmetric_difference(&chinese).collect();
        assert!(missing.is_empty(), "{missing:#?}");
        assert!(english.len() > 20);
        let begins = |line: &&str| line.contains(" =") && line.starts_with(|c: char| c.is_ascii_lowercase());
        for (texts, known) in [(ENGLISH, &english), (CHINESE, &chinese)] {
            let lines = texts.iter().flat_map(|text| text.lines()).filter(begins);
            assert_eq!(lines.count(), known.len(), "a message is there twice");
        }
    }

    #[test]
    fn every_message_that_is_used_is_there_and_every_message_is_used() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut texts = String::new();
        let mut folders = vec![root.join("src"), root.join("templates")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.file_name().is_some_and(|name| name != "language.rs") {
                    texts.push_str(&std::fs::read_to_string(path).unwrap());
                }
            }
        }
        let known: BTreeSet<String> = keys(ENGLISH).into_iter().map(|(key, _)| key).collect();
        let mut used = BTreeSet::new();
        for call in [".say(\"", ".with(\"", ".with2(\""] {
            used.extend(
                texts.split(call).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned),
            );
        }
        let missing: Vec<_> = used.difference(&known).collect();
        assert!(missing.is_empty(), "used and not there: {missing:#?}");
        // Families are looked up by a word that comes from elsewhere: `find("reason-..")`.
        let families = [
            "often-",
            "saw-",
            "acted-why-",
            "did-",
            "consent-state-",
            "removal-",
            "ruling-",
            "level-",
            "until-decided-",
            "given-",
            "matter-state-",
            "letter-kind-",
            "change-",
            "changed-",
            "note-",
            "scheme-",
            "scope-",
            "reason-",
            "outcome-",
            "nav-",
            "desk-",
            "problem-",
            "wanted-state-",
            "read-",
            "measure-state-",
            "case-state-",
            "case-outcome-",
            "case-duty-",
            "letter-",
            "unit-",
            "kind-",
            "field-",
            "log-by-",
            "found-",
            "finding-kind-",
            "finding-status-",
            "opening-step-",
            "became-",
            "batch-file-",
            "batch-row-",
            "batch-kind-",
        ];
        let idle: Vec<_> = known
            .iter()
            .filter(|key| !texts.contains(&format!("\"{key}\"")))
            .filter(|key| !families.iter().any(|family| key.starts_with(family)))
            .collect();
        assert!(idle.is_empty(), "there and not used: {idle:#?}");
    }

    #[test]
    fn every_reason_that_can_reach_a_page_has_words_in_both_languages() {
        let reasons: Vec<_> = tacit_model::Reason::all().collect();
        // Auditors read the exact ones too.
        let exact = tacit_policy::ExactReason::ALL.iter().map(|exact| exact.as_str());
        for code in reasons.iter().map(|reason| reason.as_str()).chain(exact) {
            for language in Language::ALL {
                assert!(language.reason(code).is_some(), "{code} in {}", language.tag());
            }
        }
    }

    #[test]
    fn a_browser_gets_the_first_of_its_languages_that_there_is() {
        for (header, language) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("de-DE,de;q=0.9,zh;q=0.5,en;q=0.7", Language::English),
            ("fr", Language::English),
            ("", Language::English),
            ("en;q=0.1, zh-Hans", Language::Chinese),
            ("zh;q=x, en", Language::English),
        ] {
            assert_eq!(Language::accepted(header), language, "{header}");
        }
    }
}
