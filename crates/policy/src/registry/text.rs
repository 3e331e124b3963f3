//! Times and ULIDs in the document: one spelling each, so that equal values have equal bytes.

/// [`tacit_model::Millis`] as RFC 3339 with milliseconds and Z.
pub(super) mod rfc3339 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use tacit_model::Millis;

    pub(in crate::registry) fn serialize<S: Serializer>(
        time: &Millis,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&time.to_rfc3339())
    }

    pub(in crate::registry) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Millis, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(|_| Error::custom("expected a time such as 2026-11-21T22:29:03.223Z"))
    }
}

/// [`tacit_model::Ulid`] as 26 upper-case characters.
pub(super) mod ulid {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use tacit_model::Ulid;

    pub(in crate::registry) fn serialize<S: Serializer>(id: &Ulid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(in crate::registry) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Ulid, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        tacit_model::parse_ulid(&text)
            .ok_or_else(|| Error::custom("expected a ULID: 26 upper-case characters"))
    }
}
