//! The rows of a file to be checked: every line is a row or a named problem, none is skipped unseen.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::exit::Failure;

/// Longest line in bytes.
const LINE_MAX: u64 = 64 << 10;

/// Where the codes are.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Columns {
    /// The column of the codes; `code` unless given, or the only one.
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// The file has no header: every line is a row, the code is its first field.
    #[arg(long, conflicts_with = "column")]
    no_header: bool,
}

/// One row of the file.
#[derive(Debug)]
pub(super) struct Row {
    /// Its line, from 1.
    pub(super) line: u64,
    /// The code as typed, or why the line cannot be read as a row.
    pub(super) code: Result<Zeroizing<String>, &'static str>,
}

/// Reads a file row by row, in bounded memory. Blank lines are no rows.
#[derive(Debug)]
pub(super) struct Rows {
    reader: BufReader<File>,
    path: PathBuf,
    line: u64,
    columns: usize,
    at: usize,
}

impl Rows {
    /// Opens the file and finds the column.
    pub(super) fn open(path: &Path, columns: &Columns) -> Result<Self, Failure> {
        let file = File::open(path)
            .map_err(|error| Failure::usage(format!("{} cannot be read", path.display())).why(error))?;
        let mut rows = Self {
            reader: BufReader::with_capacity(1 << 18, file),
            path: path.to_owned(),
            line: 0,
            columns: 0,
            at: 0,
        };
        if columns.no_header {
            return Ok(rows);
        }
        let header = match rows.next_line()? {
            Some(Ok(text)) => split(&text).map_err(|problem| rows.bad_header(problem))?,
            Some(Err(problem)) => return Err(rows.bad_header(problem)),
            None => return Err(rows.bad_header("the file is empty")),
        };
        let wanted = columns.column.as_deref().unwrap_or("code");
        let at = header.iter().position(|name| name.trim() == wanted);
        rows.at = match (at, header.len(), &columns.column) {
            (Some(at), ..) => at,
            (None, 1, None) => 0,
            _ => {
                return Err(Failure::usage(format!("{} has no column {wanted}", path.display()))
                    .why(format!("it has: {}", header.join(", ")))
                    .next("name the column with --column, or say --no-header"));
            }
        };
        rows.columns = header.len();
        Ok(rows)
    }

    fn bad_header(&self, problem: &str) -> Failure {
        Failure::usage(format!("the header of {} cannot be read", self.path.display())).why(problem)
    }

    /// The next row; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Row>, Failure> {
        loop {
            let Some(text) = self.next_line()? else { return Ok(None) };
            let line = self.line;
            let code = match text {
                Err(problem) => Err(problem),
                Ok(text) if text.trim().is_empty() => continue,
                Ok(text) => self.code_of(&text),
            };
            return Ok(Some(Row { line, code }));
        }
    }

    fn code_of(&self, text: &str) -> Result<Zeroizing<String>, &'static str> {
        let mut fields = split(text)?;
        if self.columns != 0 && fields.len() != self.columns {
            return Err("the row has another number of columns than the header");
        }
        if self.at >= fields.len() {
            return Err("the row has no code");
        }
        Ok(Zeroizing::new(fields.swap_remove(self.at)))
    }

    /// The next line without its end; `None` at the end of the file.
    fn next_line(&mut self) -> Result<Option<Result<Zeroizing<String>, &'static str>>, Failure> {
        let path = self.path.clone();
        let broken = |error: std::io::Error| {
            Failure::trouble(format!("{} cannot be read further", path.display())).why(error)
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(256));
        let read = (&mut self.reader).take(LINE_MAX + 1).read_until(b'\n', &mut bytes).map_err(broken)?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        if bytes.last() != Some(&b'\n') && bytes.len() as u64 > LINE_MAX {
            self.skip_line().map_err(broken)?;
            return Ok(Some(Err("the line is longer than 64 KiB")));
        }
        while matches!(bytes.last(), Some(b'\n' | b'\r')) {
            bytes.pop();
        }
        let start = if self.line == 1 && bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        Ok(Some(match std::str::from_utf8(bytes.get(start..).unwrap_or_default()) {
            Ok(text) => Ok(Zeroizing::new(text.to_owned())),
            Err(_) => Err("the line is not UTF-8 text"),
        }))
    }

    fn skip_line(&mut self) -> std::io::Result<()> {
        loop {
            let available = self.reader.fill_buf()?;
            let end = available.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(available.len(), |end| end + 1);
            let done = end.is_some() || available.is_empty();
            self.reader.consume(used);
            if done {
                return Ok(());
            }
        }
    }
}

/// The fields of one line (RFC 4180); a quoted field ends on its line, so that a forgotten quote spoils one row only.
pub(super) fn split(line: &str) -> Result<Vec<String>, &'static str> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let mut field = String::new();
        if let Some(mut quoted) = rest.strip_prefix('"') {
            loop {
                let (before, after) = quoted.split_once('"').ok_or("a quote is not closed on this line")?;
                field.push_str(before);
                match after.strip_prefix('"') {
                    Some(more) => {
                        field.push('"');
                        quoted = more;
                    }
                    None => {
                        rest = after;
                        break;
                    }
                }
            }
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (before, after) = rest.split_at(end);
            field.push_str(before);
            rest = after;
        }
        fields.push(field);
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None if rest.is_empty() => return Ok(fields),
            None => return Err("text follows a closing quote"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], columns: &Columns) -> Vec<(u64, Result<String, &'static str>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in.csv");
        std::fs::write(&path, bytes).unwrap();
        let mut rows = Rows::open(&path, columns).unwrap();
        let mut all = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            all.push((row.line, row.code.map(|code| code.to_string())));
        }
        all
    }

    fn named(column: &str) -> Columns {
        Columns { column: Some(column.to_owned()), no_header: false }
    }

    #[test]
    fn every_line_is_a_row_or_a_named_problem() {
        let file = b"\xef\xbb\xbfname,uscc\r\nA,1\n\"B, Ltd\",2\n\nC\n\"D,4\nE,5,x\n\xff,6\nF,7";
        let rows = read(file, &named("uscc"));
        let lines: Vec<_> = rows.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 3, 5, 6, 7, 8, 9]);
        let codes: Vec<_> = rows.iter().filter_map(|(_, code)| code.clone().ok()).collect();
        assert_eq!(codes, ["1", "2", "7"]);
        assert_eq!(rows[3].1, Err("a quote is not closed on this line"));
    }

    #[test]
    fn the_column_is_found_or_asked_for() {
        assert_eq!(
            read(b"code,x\n1,2\n", &Columns { column: None, no_header: false })[0].1,
            Ok("1".to_owned())
        );
        assert_eq!(read(b"uscc\n1\n", &Columns { column: None, no_header: false })[0].1, Ok("1".to_owned()));
        assert_eq!(read(b"1\n2\n", &Columns { column: None, no_header: true }).len(), 2);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in.csv");
        std::fs::write(&path, "a,b\n1,2\n").unwrap();
        let failure = Rows::open(&path, &Columns { column: None, no_header: false }).unwrap_err();
        assert!(failure.to_string().contains("a, b"), "{failure}");
    }

    #[test]
    fn a_line_without_end_spoils_itself_only() {
        let mut file = b"code\n".to_vec();
        file.extend(std::iter::repeat_n(b'x', 200_000));
        file.extend(b"\n2\n");
        let rows = read(&file, &named("code"));
        assert_eq!(rows.len(), 2);
        assert!(rows[0].1.is_err());
        assert_eq!(rows[1], (3, Ok("2".to_owned())));
    }
}
