//! Times, ULIDs and hashes in the document: one spelling each, so that equal values have equal bytes.

/// [`tacit_model::Millis`] as RFC 3339 with milliseconds and Z.
pub(crate) mod rfc3339 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use tacit_model::Millis;

    pub(crate) fn serialize<S: Serializer>(time: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&time.to_rfc3339())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Millis, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(|_| Error::custom("expected a time such as 2026-11-21T22:29:03.223Z"))
    }
}

/// A 32-byte hash as 64 lower-case hexadecimal digits.
pub(crate) mod hash {
    use std::fmt::Write as _;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(hash: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        let text = hash.iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing into a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        serializer.serialize_str(&text)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        read(&text).ok_or_else(|| Error::custom("expected a hash: 64 lower-case hexadecimal digits"))
    }

    fn read(text: &str) -> Option<[u8; 32]> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
        let bytes: Option<Vec<u8>> = pairs.iter().map(|[a, b]| Some(digit(*a)? << 4 | digit(*b)?)).collect();
        bytes?.try_into().ok()
    }
}

/// [`tacit_model::Ulid`] as 26 upper-case characters.
pub(crate) mod ulid {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use tacit_model::Ulid;

    pub(crate) fn serialize<S: Serializer>(id: &Ulid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Ulid, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        tacit_model::parse_ulid(&text)
            .ok_or_else(|| Error::custom("expected a ULID: 26 upper-case characters"))
    }
}
