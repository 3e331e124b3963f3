//! Lines and fields of a CSV file (RFC 4180), read in bounded memory.
//!
//! A quoted field ends on its own line: otherwise one forgotten quote would swallow the rest of the file, and
//! rows would vanish instead of being reported.

use std::io::{BufRead, BufReader, Read, Result};

/// Longest line in bytes, without its end.
pub(super) const LINE_MAX: usize = 8192;

const BUFFER: usize = 1 << 18;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Why a line is not a row of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    TooLong,
    NotUtf8,
    OpenQuote,
    AfterQuote,
}

/// Reads lines that end in LF or CR LF; the last one may end with the file.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    number: u64,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader: BufReader::with_capacity(BUFFER, reader),
            line: Vec::with_capacity(LINE_MAX),
            number: 0,
        }
    }

    /// Number of the last line read, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<std::result::Result<&str, Broken>>> {
        self.line.clear();
        let mut too_long = false;
        loop {
            let available = self.reader.fill_buf()?;
            if available.is_empty() {
                if self.line.is_empty() && !too_long {
                    return Ok(None);
                }
                break;
            }
            let end = available.iter().position(|b| *b == b'\n');
            let part = &available[..end.unwrap_or(available.len())];
            // Two more for a CR and for noticing that there is more.
            let room = (LINE_MAX + 2).saturating_sub(self.line.len());
            too_long |= part.len() > room;
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            let used = end.map_or(available.len(), |end| end + 1);
            self.reader.consume(used);
            if end.is_some() {
                break;
            }
        }
        self.number += 1;
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        let line =
            if self.number == 1 { self.line.strip_prefix(BOM).unwrap_or(&self.line) } else { &self.line };
        if too_long || line.len() > LINE_MAX {
            return Ok(Some(Err(Broken::TooLong)));
        }
        Ok(Some(std::str::from_utf8(line).map_err(|_| Broken::NotUtf8)))
    }
}

/// The fields of one line, in storage that is used again for the next.
#[derive(Default)]
pub(super) struct Fields {
    text: String,
    ends: Vec<usize>,
}

impl Fields {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, index: usize) -> &str {
        let from = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.text[from..self.ends[index]]
    }

    /// Splits a line at its commas.
    pub(super) fn split(&mut self, line: &str) -> std::result::Result<(), Broken> {
        self.text.clear();
        self.ends.clear();
        let mut rest = line;
        loop {
            rest = match rest.strip_prefix('"') {
                None => {
                    let end = rest.find(',').unwrap_or(rest.len());
                    self.text.push_str(&rest[..end]);
                    &rest[end..]
                }
                Some(quoted) => self.quoted(quoted)?,
            };
            self.ends.push(self.text.len());
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None if rest.is_empty() => return Ok(()),
                None => return Err(Broken::AfterQuote),
            }
        }
    }

    /// Takes a field up to its closing quote; a doubled quote stands for one.
    fn quoted<'l>(&mut self, mut rest: &'l str) -> std::result::Result<&'l str, Broken> {
        loop {
            let end = rest.find('"').ok_or(Broken::OpenQuote)?;
            self.text.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            match rest.strip_prefix('"') {
                Some(more) => {
                    self.text.push('"');
                    rest = more;
                }
                None => return Ok(rest),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> std::result::Result<Vec<String>, Broken> {
        let mut fields = Fields::default();
        fields.split(line)?;
        Ok((0..fields.len()).map(|i| fields.get(i).to_owned()).collect())
    }

    #[test]
    fn fields_are_split_as_rfc_4180_says() {
        assert_eq!(split("a,b,c").unwrap(), ["a", "b", "c"]);
        assert_eq!(split("").unwrap(), [""]);
        assert_eq!(split(",").unwrap(), ["", ""]);
        assert_eq!(split("\"a,b\",\"say \"\"yes\"\"\",").unwrap(), ["a,b", "say \"yes\"", ""]);
        assert_eq!(split("5\" pipe,b").unwrap(), ["5\" pipe", "b"]);
        assert_eq!(split("\"open,b"), Err(Broken::OpenQuote));
        assert_eq!(split("\"a\"b,c"), Err(Broken::AfterQuote));
    }

    #[test]
    fn lines_end_in_lf_or_cr_lf_and_a_byte_order_mark_is_no_content() {
        let mut lines = Lines::new(&b"\xef\xbb\xbfone\r\ntwo\n\nfour"[..]);
        for (number, expected) in [(1, "one"), (2, "two"), (3, ""), (4, "four")] {
            assert_eq!(lines.next().unwrap(), Some(Ok(expected)));
            assert_eq!(lines.number(), number);
        }
        assert_eq!(lines.next().unwrap(), None);
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory_and_the_next_one_is_read() {
        let endless = std::io::repeat(b'x').take(100 << 20);
        let mut lines = Lines::new(endless.chain(&b"\nnext\n"[..]));
        assert_eq!(lines.next().unwrap(), Some(Err(Broken::TooLong)));
        assert!(lines.line.capacity() < 4 * LINE_MAX);
        assert_eq!(lines.next().unwrap(), Some(Ok("next")));
        let longest = "y".repeat(LINE_MAX);
        let text = format!("{longest}\r\n{longest}y\r\n");
        let mut lines = Lines::new(text.as_bytes());
        assert_eq!(lines.next().unwrap(), Some(Ok(longest.as_str())));
        assert_eq!(lines.next().unwrap(), Some(Err(Broken::TooLong)));
    }

    #[test]
    fn bytes_that_are_not_utf_8_spoil_their_line_only() {
        let mut lines = Lines::new(&b"a\xff\nb\n"[..]);
        assert_eq!(lines.next().unwrap(), Some(Err(Broken::NotUtf8)));
        assert_eq!(lines.next().unwrap(), Some(Ok("b")));
    }
}
