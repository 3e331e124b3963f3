//! What the operator of a log says about one pseudonym: how many records there are about it, at one size of the tree.
//!
//! ```text
//! tacit-subject-statement/v1
//! coordinator <member>
//! pseudonym <base64>
//! records <number of records in the pseudonym's chain>
//! head <base64, leaf hash of the last of them; zeros when there are none>
//! size <tree size>
//! root <base64, root of the tree of that size>
//! time <RFC 3339, ms, Z>
//! ```
//!
//! Signed by the log's key over `"tacit/v1/subject-statement" || text`, which no checkpoint begins with. A record of
//! the pseudonym that the statement does not count, with an index below its size, proves that its operator lied.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::checkpoint::{decode_hash, parse_decimal};
use crate::ed25519::Signature;
use crate::note::{NoteSigner, NoteVerifier};
use crate::{Hash, MAX_SIZE, time};

/// First line of every statement, without its line feed.
pub const HEADER: &str = "tacit-subject-statement/v1";
/// What is signed begins with this.
pub const PREFIX: &[u8] = b"tacit/v1/subject-statement";
/// The longest statement, in bytes.
pub const MAX_LEN: usize = 1024;

/// Why bytes are no statement, or not the log's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Longer than [`MAX_LEN`], or the first line is not [`HEADER`].
    #[error("not a statement of {HEADER}")]
    Header,
    /// The named line is missing, out of order, or its value is not of the form required.
    #[error("field {0} is missing, out of place or malformed")]
    Field(&'static str),
    /// Bytes follow the last field.
    #[error("bytes follow the last field")]
    Trailing,
    /// It is not signed by the log's key, or is about another log.
    #[error("the statement is not signed by the log")]
    Signature,
}

/// Number of records about a pseudonym at one size of the tree. Debug does not show the pseudonym.
#[derive(Clone, PartialEq, Eq)]
pub struct SubjectStatement {
    /// Operator of the log.
    pub coordinator: String,
    /// T.
    pub pseudonym: Hash,
    /// Number of records in its chain; their sequences are 0 to one less.
    pub records: u64,
    /// Leaf hash of the last of them; zeros when there are none.
    pub head: Hash,
    /// Tree size.
    pub size: u64,
    /// Root of the tree of that size.
    pub root: Hash,
    /// When it was said, in milliseconds since 1970-01-01T00:00:00Z.
    pub time_ms: u64,
}

impl std::fmt::Debug for SubjectStatement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SubjectStatement")
            .field("coordinator", &self.coordinator)
            .field("records", &self.records)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl SubjectStatement {
    /// The exact text.
    ///
    /// # Errors
    /// [`StatementError::Field`] for a time or a name that has no text.
    pub fn to_text(&self) -> Result<String, StatementError> {
        if !is_name(&self.coordinator) {
            return Err(StatementError::Field("coordinator"));
        }
        let time = time::format(self.time_ms).ok_or(StatementError::Field("time"))?;
        Ok(format!(
            "{HEADER}\ncoordinator {}\npseudonym {}\nrecords {}\nhead {}\nsize {}\nroot {}\ntime {time}\n",
            self.coordinator,
            BASE64.encode(self.pseudonym),
            self.records,
            BASE64.encode(self.head),
            self.size,
            BASE64.encode(self.root),
        ))
    }

    /// Parses a statement, strictly: every statement has one spelling.
    ///
    /// # Errors
    /// [`StatementError`], every variant but [`StatementError::Signature`].
    pub fn parse(bytes: &[u8]) -> Result<Self, StatementError> {
        if bytes.len() > MAX_LEN {
            return Err(StatementError::Header);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| StatementError::Header)?;
        let rest = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('\n'));
        let mut rest = rest.ok_or(StatementError::Header)?;
        let mut value = |name: &'static str| {
            let (line, after) = rest.split_once('\n').ok_or(StatementError::Field(name))?;
            rest = after;
            line.strip_prefix(name)
                .and_then(|value| value.strip_prefix(' '))
                .ok_or(StatementError::Field(name))
        };
        let coordinator = value("coordinator")?;
        let [pseudonym, records, head, size, root, time] = [
            value("pseudonym")?,
            value("records")?,
            value("head")?,
            value("size")?,
            value("root")?,
            value("time")?,
        ];
        if !rest.is_empty() {
            return Err(StatementError::Trailing);
        }
        let hash = |name, text| decode_hash(text).ok_or(StatementError::Field(name));
        let number = |name, text| {
            parse_decimal::<u64>(text).filter(|number| *number <= MAX_SIZE).ok_or(StatementError::Field(name))
        };
        if !is_name(coordinator) {
            return Err(StatementError::Field("coordinator"));
        }
        Ok(Self {
            coordinator: coordinator.to_owned(),
            pseudonym: hash("pseudonym", pseudonym)?,
            records: number("records", records)?,
            head: hash("head", head)?,
            size: number("size", size)?,
            root: hash("root", root)?,
            time_ms: time::parse(time).ok_or(StatementError::Field("time"))?,
        })
    }

    /// Signs it with the log's key.
    ///
    /// # Errors
    /// As [`SubjectStatement::to_text`].
    pub fn sign(&self, log: &NoteSigner) -> Result<SignedStatement, StatementError> {
        let text = self.to_text()?.into_bytes();
        let signature = log.sign_apart(&message(&text));
        Ok(SignedStatement { text, signature })
    }
}

/// A statement with its signature, as it is kept and shown. Anyone can have made it.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedStatement {
    /// The text, byte for byte.
    pub text: Vec<u8>,
    /// Ed25519 over [`PREFIX`] and the text.
    pub signature: Signature,
}

impl std::fmt::Debug for SignedStatement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignedStatement(..)")
    }
}

impl SignedStatement {
    /// What it says, if `log` signed it about its own log.
    ///
    /// # Errors
    /// [`StatementError`].
    pub fn verify(&self, log: &NoteVerifier) -> Result<SubjectStatement, StatementError> {
        log.key().verify(&message(&self.text), &self.signature).map_err(|_| StatementError::Signature)?;
        let statement = SubjectStatement::parse(&self.text)?;
        // One key may not speak for two logs.
        if log.name().strip_suffix("/log") != Some(statement.coordinator.as_str()) {
            return Err(StatementError::Signature);
        }
        Ok(statement)
    }
}

fn message(text: &[u8]) -> Vec<u8> {
    [PREFIX, text].concat()
}

/// `[a-z0-9][a-z0-9-]{0,62}`.
fn is_name(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&text.len())
        && text.bytes().next().is_some_and(alphanumeric)
        && text.bytes().all(|byte| alphanumeric(byte) || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ed25519::SigningKey;

    fn statement() -> SubjectStatement {
        SubjectStatement {
            coordinator: "tacit".to_owned(),
            pseudonym: [1; 32],
            records: 7,
            head: [2; 32],
            size: 1000,
            root: [3; 32],
            time_ms: 1_795_300_143_223,
        }
    }

    #[test]
    fn a_statement_is_the_logs_own_or_nothing() {
        let signer = NoteSigner::new("tacit/log", SigningKey::from_seed(&[7; 32])).unwrap();
        let signed = statement().sign(&signer).unwrap();
        assert_eq!(signed.verify(signer.verifier()), Ok(statement()));
        let text = String::from_utf8(signed.text.clone()).unwrap();
        assert!(text.ends_with(
            "size 1000\nroot AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=\ntime 2026-11-21T22:29:03.223Z\n"
        ));
        for at in 0..signed.text.len() {
            let mut changed = signed.clone();
            changed.text[at] ^= 1;
            assert_eq!(changed.verify(signer.verifier()), Err(StatementError::Signature), "byte {at}");
        }
        // Another log under the same key, another key, and a note's signature over the same text.
        let other = NoteVerifier::new("other/log", *signer.verifier().key()).unwrap();
        assert_eq!(signed.verify(&other), Err(StatementError::Signature));
        let other = NoteSigner::new("tacit/log", SigningKey::from_seed(&[8; 32])).unwrap();
        assert_eq!(signed.verify(other.verifier()), Err(StatementError::Signature));
        let unprefixed = SigningKey::from_seed(&[7; 32]).sign(&signed.text);
        let note = SignedStatement { signature: unprefixed, ..signed };
        assert_eq!(note.verify(signer.verifier()), Err(StatementError::Signature));
    }

    #[test]
    fn a_statement_has_one_spelling() {
        let text = statement().to_text().unwrap();
        assert_eq!(SubjectStatement::parse(text.as_bytes()), Ok(statement()));
        for (from, to, error) in [
            ("/v1\n", "/v2\n", StatementError::Header),
            ("tacit\n", "Tacit\n", StatementError::Field("coordinator")),
            ("records 7", "records 07", StatementError::Field("records")),
            ("records 7", "records -7", StatementError::Field("records")),
            ("records 7", "records 9223372036854775808", StatementError::Field("records")),
            ("size ", "site ", StatementError::Field("size")),
            ("223Z\n", "223Z\n\n", StatementError::Trailing),
            ("223Z\n", "223Z", StatementError::Field("time")),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_eq!(SubjectStatement::parse(changed.as_bytes()), Err(error), "{to}");
        }
    }
}
