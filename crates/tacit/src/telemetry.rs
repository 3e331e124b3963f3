//! The log: on standard error, as text or as JSON, one event a line whatever stands in it.

use std::io::{self, Write};

use clap::ValueEnum;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Starts logging. `filter` as in `info,tacit_node=debug`.
///
/// # Errors
/// When the filter cannot be read.
pub(crate) fn start(filter: &str, format: LogFormat) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Escaped);
    // A second call, as from tests, changes nothing.
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// Writes to standard error with every control and invisible character escaped, so that no text from outside can
/// forge a line or hide in one.
struct Escaped;

impl<'a> MakeWriter<'a> for Escaped {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for Escaped {
    /// Called once per event, with the whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        io::stderr().lock().write_all(escape(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn escape(line: &str) -> String {
    let (text, end) = match line.strip_suffix('\n') {
        Some(text) => (text, "\n"),
        None => (line, ""),
    };
    let mut out = String::with_capacity(line.len());
    for c in text.chars() {
        if c.is_control() || is_invisible(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out.push_str(end);
    out
}

/// Zero-width characters, directional marks, separators, the byte order mark.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_stands_in_it() {
        let line = escape("INFO said=\"a\r\nERROR forged \u{1b}[31m \u{202e}x\"\n");
        assert_eq!(line, "INFO said=\"a\\u{d}\\u{a}ERROR forged \\u{1b}[31m \\u{202e}x\"\n");
        assert_eq!(escape("中文\n"), "中文\n");
    }
}
