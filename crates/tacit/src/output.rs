//! What the program says: text for people or JSON for machines, on standard output; the log is elsewhere.

use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;
use serde_json::json;

use crate::exit::Failure;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// JSON, or text.
    #[must_use]
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether JSON is wanted.
    #[must_use]
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether a person is watching: text, on a terminal.
    #[must_use]
    pub(crate) fn is_watched(self) -> bool {
        !self.json && io::stderr().is_terminal()
    }

    /// One result: `text` for people, `value` as one line of JSON.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(crate) fn result(self, value: &impl Serialize, text: impl FnOnce() -> String) -> io::Result<()> {
        if self.json { self.json_line(value) } else { self.line(&text()) }
    }

    /// A line of JSON.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(crate) fn json_line(self, value: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_string(value).map_err(io::Error::other)?;
        text.push('\n');
        write(&mut io::stdout().lock(), &text)
    }

    /// A line for people; nothing when JSON is wanted.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(crate) fn line(self, text: &str) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        write(&mut io::stdout().lock(), &format!("{text}\n"))
    }

    /// Says why the command failed: on standard error for people, as the last line of JSON for machines.
    pub(crate) fn failure(self, failure: &Failure) {
        // When even this cannot be written, the exit code remains.
        let _ = if self.json {
            self.json_line(&json!({ "error": {
                "exit": failure.exit.number(),
                "reason": failure.reason.map(|reason| reason.as_str()),
                "what": failure.what,
                "why": failure.why,
                "next": failure.next,
                "request_id": failure.request_id,
                "notes": failure.notes,
            }}))
        } else {
            write(&mut io::stderr().lock(), &format!("error: {failure}\n"))
        };
    }
}

/// A closed pipe is no trouble: who asked has seen enough.
fn write(to: &mut impl Write, text: &str) -> io::Result<()> {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Lines in columns, two spaces apart, the last one ragged.
#[must_use]
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let width = |text: &str| text.chars().count();
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|i| rows.iter().filter_map(|row| row.get(i)).map(|it| width(it)).max().unwrap_or(0))
        .collect();
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let mut line = String::new();
        for (i, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if i + 1 < row.len() {
                let pad = widths.get(i).copied().unwrap_or(0).saturating_sub(width(cell)) + 2;
                line.extend(std::iter::repeat_n(' ', pad));
            }
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "bb".to_owned()], vec!["ccc".to_owned(), "d".to_owned()]];
        assert_eq!(columns(&rows), "a    bb\nccc  d");
        assert_eq!(columns(&[]), "");
    }
}
