//! Forms and queries: pairs of names and values, each read once.

use url::form_urlencoded;
use zeroize::Zeroize;

/// The fields of a form or of a query. Wiped when dropped: codes come this way.
#[derive(Clone, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Drop for Fields {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|(_, value)| value.zeroize());
    }
}

impl Fields {
    /// Reads `a=1&b=2`.
    pub(crate) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// One more field.
    pub(crate) fn add(&mut self, name: &str, value: String) {
        self.0.push((name.to_owned(), value));
    }

    /// The value of a field, trimmed; none when it is missing or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// All values of a field.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.trim()).collect()
    }

    /// Whether a field has this value among others.
    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        self.all(name).contains(&value)
    }

    /// A query with some fields set otherwise, empty ones left out: for links that keep what was filtered.
    pub(crate) fn with(&self, changes: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let kept = self.0.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        let kept = kept.map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in kept.chain(changes.iter().copied()).filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        query.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_keeps_what_was_filtered() {
        let fields = Fields::parse(b"from=2026-11-01&agency=tax&page=3&until=");
        assert_eq!(fields.get("agency"), Some("tax"));
        assert_eq!(fields.get("until"), None);
        assert_eq!(fields.with(&[("page", "4")]), "from=2026-11-01&agency=tax&page=4");
        assert_eq!(fields.with(&[("page", ""), ("agency", "a b&c")]), "from=2026-11-01&agency=a+b%26c");
    }
}
