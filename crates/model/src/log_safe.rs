//! What may be written to a log. Log lines take [`LogSafe`] values; text from outside goes through
//! [`LogText`]. There is no way from a `SubjectCode` or a secret to either.

use std::{fmt, net};

use crate::{
    Basis, CodeError, ListId, MemberId, Millis, Normalization, PurposeCode, Reason, RequestId, Ulid,
};

/// A type whose text never names a subject and never holds a secret. Implementing it is the
/// statement that a reviewer checks.
pub trait Loggable: fmt::Display {}

macro_rules! loggable {
    ($($type:ty),* $(,)?) => { $(impl Loggable for $type {})* };
}
loggable!(Basis, CodeError, ListId, MemberId, Millis, Normalization, PurposeCode, Reason, RequestId, Ulid);
loggable!(LogText, bool, u8, u16, u32, u64, usize, i32, i64, net::IpAddr, net::SocketAddr);
impl<T: Loggable + ?Sized> Loggable for &T {}

/// A value that may stand in a log line. Debug and Display are the same text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LogSafe<T: Loggable>(T);

impl<T: Loggable> LogSafe<T> {
    /// Marks `value` as fit for logs; its type says that it is.
    pub fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T: Loggable> fmt::Display for LogSafe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Loggable> fmt::Debug for LogSafe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Longest text from outside in a log line, in characters.
const TEXT_MAX: usize = 256;

/// Text that somebody else wrote (a peer's message, a library's error): at most 256 characters,
/// control and invisible characters escaped, and every run of 15 to 20 letters and digits that
/// could be a subject's code masked. The mask is the last net, not a license to log codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogText(String);

impl LogText {
    /// Cleans `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut out = String::with_capacity(text.len().min(TEXT_MAX) + 16);
        let mut run = String::new();
        for c in text.chars().take(TEXT_MAX) {
            if is_code_character(c) {
                run.push(c);
                continue;
            }
            flush(&mut run, &mut out);
            if c.is_control() || is_invisible(c) {
                out.extend(c.escape_unicode());
            } else {
                out.push(c);
            }
        }
        flush(&mut run, &mut out);
        // Cut short, a code at the end would be below the length that is masked.
        if text.chars().nth(TEXT_MAX).is_some() {
            let kept = out.trim_end_matches(is_code_character).len();
            out.truncate(kept);
            out.push_str("[cut]");
        }
        Self(out)
    }

    /// The cleaned text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

fn flush(run: &mut String, out: &mut String) {
    out.push_str(if resembles_code(run) { "[code?]" } else { run });
    run.clear();
}

/// ASCII letters and digits and their full-width forms.
fn is_code_character(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '\u{ff10}'..='\u{ff19}' | '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}')
}

/// Marks that change how a line reads without being seen: zero-width characters, directional
/// overrides, line and paragraph separators, the byte order mark.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Whether letters and digits without a break could be a code of a built-in scheme: 15 to 20
/// characters with at least two digits among them. ULIDs, UUIDs and hashes are longer.
pub(crate) fn resembles_code(run: &str) -> bool {
    let digits = run.chars().filter(|c| c.is_numeric()).count();
    digits >= 2 && (15..=20).contains(&run.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{entropy::seeded_rng, generate::generate_uscc};

    #[test]
    fn a_code_in_foreign_text_does_not_reach_the_log() {
        let code = generate_uscc(&mut seeded_rng([5; 32]));
        let wide: String = code.chars().filter_map(|c| char::from_u32(u32::from(c) + 0xfee0)).collect();
        for shown in [&code, &wide, &code.to_lowercase()] {
            for text in
                [format!("row: {shown}!"), format!("代码{shown}有误"), format!("{}{shown}", " ".repeat(245))]
            {
                let cleaned = LogText::new(&text);
                assert!(!cleaned.as_str().contains(&shown[..12]), "{cleaned}");
            }
        }
    }

    #[test]
    fn foreign_text_cannot_forge_a_log_line() {
        let cleaned = LogText::new("bad\r\n2026 INFO fine\u{1b}[2K\u{202e}x");
        assert_eq!(cleaned.as_str(), "bad\\u{d}\\u{a}2026 INFO fine\\u{1b}[2K\\u{202e}x");
        assert!(LogText::new(&"long ".repeat(1000)).as_str().len() < 300);
    }

    #[test]
    fn ids_stay_readable() {
        let text = "record 01J0000000000000000000000A of court/judgment-defaulters";
        assert_eq!(LogText::new(text).as_str(), text);
        assert_eq!(format!("{:?}", LogSafe::new(Reason::NotPermitted)), "not_permitted");
        assert_eq!(format!("{}", LogSafe::new(Millis(0))), "1970-01-01T00:00:00.000Z");
    }
}
