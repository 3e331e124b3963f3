//! What a person reads: numbered steps, short sentences, figures in columns. 80 columns wide; color only on a
//! terminal that wants it.

use std::io::IsTerminal as _;
use std::time::Duration;

use crate::output::{Output, columns};

/// Columns of a line.
const WIDTH: usize = 80;
/// Text of a step is indented by this much.
const INDENT: &str = "    ";
/// Width of the labels before values.
const LABEL: usize = 10;

/// How a piece of text is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Headings.
    Strong,
    /// As it should be.
    Good,
    /// Refused, or found to be wrong.
    Stopped,
    /// Beside the point.
    Quiet,
}

impl Tone {
    /// Its SGR parameter (ECMA-48, 8.3.117).
    const fn sgr(self) -> &'static str {
        match self {
            Self::Strong => "1",
            Self::Good => "32",
            Self::Stopped => "33",
            Self::Quiet => "2",
        }
    }
}

/// Writes for people; silent when JSON is wanted.
#[derive(Debug)]
pub(super) struct Narrator {
    output: Output,
    color: bool,
    step: usize,
}

impl Narrator {
    pub(super) fn new(output: Output) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        // NO_COLOR as on no-color.org: present and not empty.
        let color = std::io::stdout().is_terminal() && !set("NO_COLOR") && !dumb;
        Self { output, color, step: 0 }
    }

    /// `text` in a tone, where colors are wanted.
    pub(super) fn tone(&self, tone: Tone, text: &str) -> String {
        if self.color { format!("\u{1b}[{}m{text}\u{1b}[0m", tone.sgr()) } else { text.to_owned() }
    }

    /// A line as it is.
    pub(super) fn line(&self, text: &str) {
        // When nobody reads any more there is nobody to tell it; the exit code remains.
        let _ = self.output.line(text);
    }

    /// The heading of the whole.
    pub(super) fn title(&self, title: &str, text: &str) {
        self.line("");
        self.line(&self.tone(Tone::Strong, title));
        self.line("");
        for line in wrap(text, WIDTH) {
            self.line(&line);
        }
    }

    /// The heading of the next step.
    pub(super) fn step(&mut self, title: &str) {
        self.step += 1;
        self.line("");
        self.line(&self.tone(Tone::Strong, &format!("{:>2}  {title}", self.step)));
    }

    /// Sentences.
    pub(super) fn say(&self, text: &str) {
        for line in wrap(text, WIDTH - INDENT.len()) {
            self.line(&format!("{INDENT}{line}"));
        }
    }

    /// An empty line.
    pub(super) fn gap(&self) {
        self.line("");
    }

    /// A labeled value; further lines stand below its first one.
    pub(super) fn value(&self, label: &str, text: &str) {
        self.labeled(label, None, text);
    }

    /// A labeled value that begins with a word in a tone.
    pub(super) fn verdict(&self, label: &str, tone: Tone, word: &str, text: &str) {
        self.labeled(label, Some((tone, word)), text);
    }

    fn labeled(&self, label: &str, word: Option<(Tone, &str)>, text: &str) {
        let whole = match word {
            Some((_, word)) if text.is_empty() => word.to_owned(),
            Some((_, word)) => format!("{word} {text}"),
            None => text.to_owned(),
        };
        let mut label = self.tone(Tone::Quiet, &format!("{label:<LABEL$}"));
        for (number, line) in wrap(&whole, WIDTH - INDENT.len() - LABEL).into_iter().enumerate() {
            let line = match word {
                // Colored after wrapping, so that escape sequences have no width.
                Some((tone, word)) if number == 0 => match line.strip_prefix(word) {
                    Some(rest) => format!("{}{rest}", self.tone(tone, word)),
                    None => self.tone(tone, &line),
                },
                _ => line,
            };
            self.line(&format!("{INDENT}{label}{line}"));
            label = " ".repeat(LABEL);
        }
    }

    /// The heading of a table whose rows follow one by one.
    pub(super) fn heading(&self, text: &str) {
        self.line(&self.tone(Tone::Quiet, &format!("{INDENT}{text}")));
    }

    /// One line of a step, as it is.
    pub(super) fn indented(&self, text: &str) {
        self.line(&format!("{INDENT}{text}"));
    }

    /// Rows in columns, the first one a heading.
    pub(super) fn table(&self, rows: &[Vec<String>]) {
        for (number, line) in columns(rows).lines().enumerate() {
            let line = format!("{INDENT}{line}");
            self.line(&if number == 0 { self.tone(Tone::Quiet, &line) } else { line });
        }
    }

    /// A command to type, broken after its words where it is too long.
    pub(super) fn command(&self, words: &[String]) {
        let mut line = format!("{INDENT}{}", words.first().map_or("", String::as_str));
        for word in words.iter().skip(1) {
            if line.chars().count() + word.chars().count() + 3 > WIDTH {
                self.line(&format!("{line} \\"));
                line = format!("{INDENT}    {word}");
            } else {
                line.push(' ');
                line.push_str(word);
            }
        }
        self.line(&line);
    }
}

/// Breaks at spaces, so that no line is wider than `width` unless one word is.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// `120,000`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `41 ms`, `2.3 s`.
pub(super) fn span(took: Duration) -> String {
    match took.as_millis() {
        ms @ 0..1000 => format!("{} ms", ms.max(1)),
        _ => format!("{:.1} s", took.as_secs_f64()),
    }
}

/// `one`, or `3 ones`.
pub(super) fn plural(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {one}s", count(number)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_spaces_and_never_lose_a_word() {
        let text = "the quick brown fox jumps over the lazy dog";
        let lines = wrap(text, 12);
        assert!(lines.iter().all(|line| line.chars().count() <= 12), "{lines:?}");
        assert_eq!(lines.join(" "), text);
        assert_eq!(wrap("incomprehensibilities", 5), ["incomprehensibilities"]);
        assert_eq!(wrap("", 5), [""]);
    }

    #[test]
    fn figures_are_written_as_people_read_them() {
        assert_eq!([count(0), count(999), count(1000), count(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(span(Duration::from_micros(300)), "1 ms");
        assert_eq!(span(Duration::from_millis(2345)), "2.3 s");
        assert_eq!([plural(1, "record"), plural(2, "record")], ["1 record", "2 records"]);
    }
}
