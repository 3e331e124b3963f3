//! What is wrong with a form, field by field: listed above the form, and again at each field.

use std::borrow::Cow;

use crate::language::Language;

/// A field of a form that is not right: its id, and what is wrong, in words.
pub(crate) struct Wrong {
    pub(crate) field: Cow<'static, str>,
    pub(crate) words: String,
}

/// What is wrong with a form. The templates ask it field by field.
#[derive(Default)]
pub(crate) struct Wrongs(pub(crate) Vec<Wrong>);

impl Wrongs {
    /// What is wrong with one field.
    pub(crate) fn of(field: impl Into<Cow<'static, str>>, words: String) -> Self {
        Self(vec![Wrong { field: field.into(), words }])
    }

    /// The fields that are not `there`, or not as they have to be, each with the key of its words.
    pub(crate) fn missing(language: Language, fields: &[(&'static str, &str, bool)]) -> Self {
        let missing = fields.iter().filter(|(.., there)| !there);
        Self(
            missing
                .map(|(field, key, _)| Wrong { field: Cow::Borrowed(*field), words: language.say(key) })
                .collect(),
        )
    }

    pub(crate) fn add(&mut self, field: &'static str, words: String) {
        self.0.push(Wrong { field: Cow::Borrowed(field), words });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The words at a field.
    pub(crate) fn at(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|wrong| wrong.field == field).map(|wrong| wrong.words.as_str())
    }
}
