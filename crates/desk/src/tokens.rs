//! Access tokens of the agency's applications: a file with one `name:token` a line, mode 0600. A word after the token,
//! behind a space, is a right beside asking: `name:token redress`.
//!
//! Tokens are kept as SHA-256 hashes and compared in constant time, with every line, so that neither time nor
//! a memory dump helps a guesser.

use std::{collections::BTreeSet, fmt, path::Path, sync::Arc};

use ring::digest::{SHA256, digest};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use tacit_identity::FileError;
use tacit_model::{Loggable, MemberId};
use zeroize::Zeroizing;

/// Shortest token: 32 characters, 128 bits when written in hexadecimal.
const TOKEN_MIN: usize = 32;
/// Longest token.
const TOKEN_MAX: usize = 512;
/// Most applications.
const TOKENS_MAX: usize = 256;

/// What a token lets do beside asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// Read and decide objections and appeals.
    Redress,
}

impl Right {
    /// All rights.
    pub const ALL: [Self; 1] = [Self::Redress];

    /// Its word in the file of tokens.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Redress => "redress",
        }
    }
}

/// An application of the agency, by the name of its token, `[a-z0-9][a-z0-9-]{0,62}`, with the rights of that token.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Application {
    name: MemberId,
    rights: BTreeSet<Right>,
}

impl Application {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.name.as_str()
    }

    /// Whether its token has this right.
    #[must_use]
    pub fn has(&self, right: Right) -> bool {
        self.rights.contains(&right)
    }
}

impl fmt::Display for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Application({})", self.as_str())
    }
}

impl Loggable for Application {}

/// Why the file of tokens cannot be used. Never shows a token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It cannot be read, or others can read it.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not UTF-8 text.
    #[error("the file of tokens is not UTF-8 text")]
    NotText,
    /// A line is not `name:token`.
    #[error("line {line} of the file of tokens: {problem}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// Nobody could ask.
    #[error("the file of tokens names no application")]
    Empty,
}

/// The applications that may ask. Clones share the table.
#[derive(Clone)]
pub struct Tokens(Arc<[(Application, [u8; 32])]>);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Tokens {
    /// Reads the file. Empty lines and lines that begin with `#` are skipped. Blocking.
    ///
    /// # Errors
    /// [`TokenError`]; nothing of a refused file is used.
    pub fn load(path: &Path) -> Result<Self, TokenError> {
        let bytes = tacit_identity::read_private(path)?;
        Self::parse(std::str::from_utf8(&bytes).map_err(|_| TokenError::NotText)?)
    }

    /// Reads the text of such a file.
    ///
    /// # Errors
    /// [`TokenError`]; nothing of a refused text is used.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let mut known: Vec<(Application, [u8; 32])> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |problem| TokenError::Line { line: index + 1, problem };
            let (name, token) = line.split_once(':').ok_or(wrong("name:token is wanted"))?;
            let name: MemberId =
                name.parse().map_err(|_| wrong("the name must match [a-z0-9][a-z0-9-]{0,62}"))?;
            let mut words = token.split(' ');
            let token = words.next().unwrap_or_default();
            if !(TOKEN_MIN..=TOKEN_MAX).contains(&token.len()) {
                return Err(wrong("a token has 32 to 512 characters"));
            }
            if !token.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(wrong("a token has letters, digits and signs of ASCII only, no spaces"));
            }
            let mut rights = BTreeSet::new();
            for word in words {
                let right = Right::ALL.into_iter().find(|right| right.as_str() == word);
                let right = right.ok_or(wrong("behind the token stands a right: redress"))?;
                if !rights.insert(right) {
                    return Err(wrong("a right stands there twice"));
                }
            }
            let hash = sha256(token.as_bytes());
            if known.iter().any(|(other, held)| other.name == name || *held == hash) {
                return Err(wrong("the name or the token stands there twice"));
            }
            if known.len() == TOKENS_MAX {
                return Err(wrong("at most 256 applications are allowed"));
            }
            known.push((Application { name, rights }, hash));
        }
        if known.is_empty() { Err(TokenError::Empty) } else { Ok(Self(known.into())) }
    }

    /// Who showed this token.
    #[must_use]
    pub fn find(&self, token: &[u8]) -> Option<&Application> {
        if token.len() > TOKEN_MAX {
            return None;
        }
        let shown = sha256(token);
        let mut found = Choice::from(0);
        let mut place = 0u32;
        for (number, (_, held)) in (0u32..).zip(self.0.iter()) {
            let same = held.ct_eq(&shown);
            place.conditional_assign(&number, same);
            found |= same;
        }
        let index = bool::from(found).then(|| usize::try_from(place).ok()).flatten()?;
        self.0.get(index).map(|(name, _)| name)
    }

    /// Who showed this `authorization` value, `Bearer <token>` (RFC 6750, section 2.1).
    #[must_use]
    pub fn bearer(&self, authorization: &[u8]) -> Option<&Application> {
        let (scheme, token) = authorization.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| self.find(token)).flatten()
    }
}

/// The token of an application, for who calls with it; none when the file has no line for it. Blocking.
///
/// # Errors
/// [`FileError`] when the file cannot be read, or others can read it.
pub fn token_of(path: &Path, application: &str) -> Result<Option<Zeroizing<String>>, FileError> {
    let text = tacit_identity::read_private(path)?;
    let lines = text.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    let found = lines.filter(|line| !line.starts_with('#')).find_map(|line| {
        let token = line.split_once(':').filter(|(name, _)| *name == application).map(|(_, token)| token);
        // Rights stand behind it.
        token.and_then(|token| token.split(' ').next())
    });
    Ok(found.map(|token| Zeroizing::new(token.to_owned())))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    const A: &str = "0123456789abcdef0123456789abcdef";
    const B: &str = "fedcba9876543210fedcba9876543210";

    #[test]
    fn a_token_names_its_application_and_nothing_else_does() {
        let tokens = Tokens::parse(&format!("# applications\n\nintake:{A}\ndesk-2:{B}\n")).unwrap();
        assert_eq!(tokens.find(A.as_bytes()).unwrap().as_str(), "intake");
        assert_eq!(tokens.bearer(format!("Bearer {B}").as_bytes()).unwrap().as_str(), "desk-2");
        assert_eq!(tokens.bearer(format!("bearer {B}").as_bytes()).unwrap().as_str(), "desk-2");
        for wrong in [
            "",
            "Bearer ",
            "Basic x",
            B,
            &format!("Bearer  {B}"),
            &format!("Bearer {B} "),
            &format!("Bearer {}", &B[..31]),
        ] {
            assert!(tokens.bearer(wrong.as_bytes()).is_none(), "{wrong}");
        }
        assert!(!format!("{tokens:?}").contains(A));
    }

    #[test]
    fn a_right_stands_behind_the_token_and_is_not_there_by_itself() {
        let tokens = Tokens::parse(&format!("intake:{A}\ndesk:{B} redress\n")).unwrap();
        let has = |token: &str| tokens.find(token.as_bytes()).unwrap().has(Right::Redress);
        assert_eq!((has(A), has(B)), (false, true));
        assert!(tokens.find(format!("{B} redress").as_bytes()).is_none());
    }

    #[test]
    fn a_bad_line_is_named_and_its_token_never_shown() {
        for (text, line) in [
            (format!("intake:{A}\nIntake:{B}"), 2),
            (format!("intake {A}"), 1),
            ("intake:short".to_owned(), 1),
            (format!("intake:{A} "), 1),
            (format!("intake:{A} everything"), 1),
            (format!("intake:{A} redress redress"), 1),
            (format!("intake:{A}  redress"), 1),
            (format!("intake: {A}"), 1),
            (format!("intake:{A}\nintake:{B}"), 2),
            (format!("intake:{A}\nother:{A}"), 2),
        ] {
            let error = Tokens::parse(&text).unwrap_err();
            assert!(matches!(error, TokenError::Line { line: found, .. } if found == line), "{error}");
            assert!(!error.to_string().contains("0123"), "{error}");
        }
        assert!(matches!(Tokens::parse("# none\n"), Err(TokenError::Empty)));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        fs::write(&path, format!("intake:{A}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Tokens::load(&path), Err(TokenError::File(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Tokens::load(&path).is_ok());
    }
}
