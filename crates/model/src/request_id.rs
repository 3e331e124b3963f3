//! Request ids: how one call is found again in the logs of several parties.

use std::{fmt, str::FromStr};

use rand_core::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Millis, log_safe::resembles_code, new_ulid};

const FOREIGN_MIN: usize = 8;
const FOREIGN_MAX: usize = 64;

/// The id of one request. Our own are ULIDs; one that arrived from outside is kept when it is 8 to
/// 64 characters of `A-Z a-z 0-9 . _ -` and does not look like a subject code. So it can stand in
/// any log line, header and file name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(Box<str>);

/// Why a request id from outside is not taken over. Make a new one then; never log the foreign one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestIdError {
    /// Not 8 to 64 bytes.
    #[error("a request id has 8 to 64 characters, got {got}")]
    Length {
        /// Bytes given.
        got: usize,
    },
    /// A character that could break a log line or a header.
    #[error("character {position} of the request id is not one of A-Z a-z 0-9 . _ -")]
    Character {
        /// Byte position, from 1.
        position: usize,
    },
    /// Somebody used a subject's code as the id; logs must never hold one.
    #[error("the request id looks like a subject's code")]
    ResemblesCode,
}

impl RequestId {
    /// A new id.
    pub fn generate(now: Millis, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(new_ulid(now, rng).to_string().into())
    }

    /// Takes over an id that a caller sent.
    ///
    /// # Errors
    /// [`RequestIdError`] when it is not safe to log.
    pub fn from_foreign(text: &str) -> Result<Self, RequestIdError> {
        if !(FOREIGN_MIN..=FOREIGN_MAX).contains(&text.len()) {
            return Err(RequestIdError::Length { got: text.len() });
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if let Some(at) = text.bytes().position(|b| !allowed(b)) {
            return Err(RequestIdError::Character { position: at + 1 });
        }
        let joined: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
        let parts = text.split(|c: char| !c.is_ascii_alphanumeric());
        if resembles_code(&joined) || parts.into_iter().any(resembles_code) {
            return Err(RequestIdError::ResemblesCode);
        }
        Ok(Self(text.into()))
    }

    /// The caller's id when it may be kept, else a new one.
    pub fn accept_or_generate(
        foreign: Option<&str>,
        now: Millis,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        foreign.and_then(|text| Self::from_foreign(text).ok()).unwrap_or_else(|| Self::generate(now, rng))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RequestId {
    type Err = RequestIdError;
    fn from_str(text: &str) -> Result<Self, RequestIdError> {
        Self::from_foreign(text)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({})", self.0)
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        entropy::seeded_rng,
        generate::{generate_lei, generate_rid, generate_uscc},
    };

    #[test]
    fn our_own_and_well_known_foreign_ids_are_kept() {
        let mut rng = seeded_rng([3; 32]);
        let own = RequestId::generate(Millis(1_795_300_143_223), &mut rng);
        let foreign =
            ["7c9e6679-7425-40de-944b-e07fc1f90ae7", "4bf92f3577b34da6a3ce929d0e0e4736", "batch_7.row-12"];
        for id in foreign.into_iter().chain([own.as_str()]) {
            assert_eq!(RequestId::from_foreign(id).unwrap().as_str(), id);
        }
    }

    #[test]
    fn an_id_that_could_break_a_log_line_is_refused() {
        use RequestIdError::{Character, Length};
        assert_eq!(RequestId::from_foreign("short"), Err(Length { got: 5 }));
        assert_eq!(RequestId::from_foreign(&"x".repeat(65)), Err(Length { got: 65 }));
        assert_eq!(RequestId::from_foreign("abcdefg\nlevel=error"), Err(Character { position: 8 }));
        assert_eq!(RequestId::from_foreign("abcdefgh\u{1b}[31m"), Err(Character { position: 9 }));
    }

    #[test]
    fn a_subject_code_is_no_request_id() {
        let mut rng = seeded_rng([4; 32]);
        for _ in 0..200 {
            for code in [generate_uscc(&mut rng), generate_lei(&mut rng), generate_rid(&mut rng)] {
                let spread = format!("{}-{}", &code[..6], &code[6..]);
                for id in [&code, &spread, &format!("req-{code}"), &code.to_lowercase()] {
                    assert_eq!(RequestId::from_foreign(id), Err(RequestIdError::ResemblesCode));
                    let kept = RequestId::accept_or_generate(Some(id), Millis(1), &mut rng);
                    assert!(!kept.as_str().contains(&code));
                }
            }
        }
    }
}
