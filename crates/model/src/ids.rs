//! Names: members, purposes, lists. Protocol, opening section: a name matches
//! `[a-z0-9][a-z0-9-]{0,62}`, a list id is `<holder>/<name>`.

use std::{fmt, ops::Deref, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Longest name in bytes; the length of a DNS label.
pub const LABEL_MAX: usize = 63;

/// Why a text is no name. Says where, never what, so that it can be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Nothing was given.
    #[error("the name is empty")]
    Empty,
    /// Longer than [`LABEL_MAX`].
    #[error("the name has {got} bytes, at most 63 are allowed")]
    TooLong {
        /// Bytes given.
        got: usize,
    },
    /// A byte outside `a-z`, `0-9` and `-`, or a hyphen in front.
    #[error("character {position} of the name is not allowed; names match [a-z0-9][a-z0-9-]*")]
    Character {
        /// Byte position, from 1.
        position: usize,
    },
}

fn check_label(text: &str) -> Result<(), LabelError> {
    if text.is_empty() {
        return Err(LabelError::Empty);
    }
    if text.len() > LABEL_MAX {
        return Err(LabelError::TooLong { got: text.len() });
    }
    let allowed = |(i, b): (usize, u8)| b.is_ascii_lowercase() || b.is_ascii_digit() || (b == b'-' && i > 0);
    match text.bytes().enumerate().position(|item| !allowed(item)) {
        Some(at) => Err(LabelError::Character { position: at + 1 }),
        None => Ok(()),
    }
}

/// What all three kinds of names share: cheap clones, text in and out, serde as a string.
macro_rules! text_id {
    ($name:ident, $error:ty) => {
        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                &*self.0 == *other
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), &self.0)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = $error;
            fn try_from(text: &str) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

/// A member of the federation: holder, requester, coordinator, custodian or authority.
/// An immutable shared string; a clone costs one counter.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(Arc<str>);
text_id!(MemberId, LabelError);

impl FromStr for MemberId {
    type Err = LabelError;
    fn from_str(text: &str) -> Result<Self, LabelError> {
        check_label(text)?;
        Ok(Self(text.into()))
    }
}

/// The code of a lawful purpose, as the registry and the agreements name it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PurposeCode(Arc<str>);
text_id!(PurposeCode, LabelError);

impl FromStr for PurposeCode {
    type Err = LabelError;
    fn from_str(text: &str) -> Result<Self, LabelError> {
        check_label(text)?;
        Ok(Self(text.into()))
    }
}

/// A list: `<holder>/<name>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListId(Arc<str>);
text_id!(ListId, ListIdError);

/// Why a text is no list id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListIdError {
    /// Not exactly one slash.
    #[error("a list id is written <holder>/<name>, with one slash")]
    Slash,
    /// The part before the slash is no name.
    #[error("holder of the list: {0}")]
    Holder(LabelError),
    /// The part behind the slash is no name.
    #[error("name of the list: {0}")]
    Name(LabelError),
}

impl ListId {
    /// The id of the list `name` of `holder`.
    ///
    /// # Errors
    /// [`ListIdError::Name`] when `name` is no name.
    pub fn new(holder: &MemberId, name: &str) -> Result<Self, ListIdError> {
        check_label(name).map_err(ListIdError::Name)?;
        Ok(Self(format!("{holder}/{name}").into()))
    }

    fn halves(&self) -> (&str, &str) {
        // Every constructor checked that there is one slash.
        self.0.split_once('/').unwrap_or((&self.0, ""))
    }

    /// The member that holds the list, as text.
    #[must_use]
    pub fn holder(&self) -> &str {
        self.halves().0
    }

    /// The member that holds the list.
    #[must_use]
    pub fn holder_id(&self) -> MemberId {
        MemberId(self.holder().into())
    }

    /// The name of the list at its holder.
    #[must_use]
    pub fn name(&self) -> &str {
        self.halves().1
    }
}

impl FromStr for ListId {
    type Err = ListIdError;
    fn from_str(text: &str) -> Result<Self, ListIdError> {
        let (holder, name) = text.split_once('/').ok_or(ListIdError::Slash)?;
        if name.contains('/') {
            return Err(ListIdError::Slash);
        }
        check_label(holder).map_err(ListIdError::Holder)?;
        check_label(name).map_err(ListIdError::Name)?;
        Ok(Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_dns_label_in_small_letters() {
        for good in ["a", "0", "court", "tax-authority", "a-", &"x".repeat(63)] {
            assert_eq!(good.parse::<MemberId>().unwrap().as_str(), good);
        }
        assert_eq!("".parse::<MemberId>(), Err(LabelError::Empty));
        assert_eq!("x".repeat(64).parse::<MemberId>(), Err(LabelError::TooLong { got: 64 }));
        for (bad, position) in [("-a", 1), ("Court", 1), ("co urt", 3), ("a_b", 2), ("é", 1), ("a/b", 2)] {
            assert_eq!(bad.parse::<PurposeCode>(), Err(LabelError::Character { position }), "{bad}");
        }
    }

    #[test]
    fn a_list_id_names_its_holder() {
        let id: ListId = "court/judgment-defaulters".parse().unwrap();
        assert_eq!((id.holder(), id.name()), ("court", "judgment-defaulters"));
        assert_eq!(id.holder_id(), "court");
        assert_eq!(ListId::new(&id.holder_id(), "judgment-defaulters").unwrap(), id);
        for bad in ["court", "/x", "court/", "a/b/c", "a//b", "A/b"] {
            assert!(bad.parse::<ListId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn serde_refuses_what_the_parser_refuses() {
        let id: ListId = serde_json::from_str("\"a/b\"").unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"a/b\"");
        assert!(serde_json::from_str::<ListId>("\"a/b \"").is_err());
        assert!(serde_json::from_str::<MemberId>("\"a/b\"").is_err());
    }
}
