//! Reads an uploaded file: CSV or an Excel workbook, with a header row. What cannot be read is named, row by row.
//!
//! A workbook is a compressed archive: it is unpacked once only to be measured, then read cell by cell, so that a small
//! file cannot become a large one in memory.

use std::io::{Cursor, Read};

use calamine::{DataRef, Reader as _, Xlsx};
use zeroize::Zeroizing;
use zip::ZipArchive;

use crate::officer::check::TEXT_MAX;

/// Most rows of a file.
pub(super) const ROWS_MAX: usize = 5_000;
/// Most cells with something in them that are looked at in a workbook.
const CELLS_MAX: usize = 500_000;
/// Largest workbook, unpacked, in bytes.
const UNPACKED_MAX: u64 = 32 << 20;
/// Most files in a workbook's archive.
const PARTS_MAX: usize = 500;
/// Numbers from here on have lost digits in a spreadsheet, which keeps 15.
const EXACT_MAX: f64 = 1e15;

/// Why a file is no table of codes: the key of its words, `batch-file-<key>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoTable(pub(super) &'static str);

/// Why a row cannot be asked: the key of its words, `batch-row-<key>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoRow(pub(super) &'static str);

/// A row of the file. Without `Debug`: the code is in it.
pub(super) struct Line {
    /// Its number in the file, from 1, as a spreadsheet shows it.
    pub(super) number: u64,
    pub(super) code: Zeroizing<String>,
    /// Its own case number, when it has one.
    pub(super) case_number: Option<Zeroizing<String>>,
    pub(super) wrong: Option<NoRow>,
}

/// The rows of a file.
pub(super) fn read(file: &[u8]) -> Result<Vec<Line>, NoTable> {
    let lines = match file {
        [b'P', b'K', 3, 4, ..] => workbook(file)?,
        // Excel's old format, and its new one under a password.
        [0xd0, 0xcf, 0x11, 0xe0, ..] => return Err(NoTable("old")),
        _ => csv(file)?,
    };
    if lines.is_empty() { Err(NoTable("empty")) } else { Ok(lines) }
}

/// A cell: its text, or a number that a spreadsheet made of it.
enum Cell {
    Text(Zeroizing<String>),
    /// A number that lost digits, a date, or the like.
    Lost,
}

impl Cell {
    fn text(text: &str) -> Self {
        Self::Text(Zeroizing::new(text.trim().to_owned()))
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }
}

/// Which columns there are.
struct Columns {
    code: usize,
    case_number: Option<usize>,
}

impl Columns {
    fn of<'h>(header: impl Iterator<Item = (usize, &'h str)>) -> Result<Self, NoTable> {
        let (mut code, mut case_number) = (None, None);
        for (at, name) in header {
            let place = match &*name.trim().to_lowercase() {
                "code" => &mut code,
                "case" => &mut case_number,
                _ => continue,
            };
            if place.replace(at).is_some() {
                return Err(NoTable("twice"));
            }
        }
        Ok(Self { code: code.ok_or(NoTable("no-code"))?, case_number })
    }
}

fn line(number: u64, code: Option<Cell>, case_number: Option<Cell>) -> Line {
    let mut wrong = None;
    let mut take = |cell: Option<Cell>, lost, long| match cell {
        Some(Cell::Text(text)) if text.len() > TEXT_MAX => {
            wrong.get_or_insert(NoRow(long));
            Zeroizing::default()
        }
        Some(Cell::Text(text)) => text,
        Some(Cell::Lost) => {
            wrong.get_or_insert(NoRow(lost));
            Zeroizing::default()
        }
        None => Zeroizing::default(),
    };
    let code = take(code, "code-number", "code-long");
    let case_number = take(case_number, "case-number", "case-long");
    if code.is_empty() {
        wrong.get_or_insert(NoRow("code-missing"));
    }
    let case_number = (!case_number.is_empty()).then_some(case_number);
    if case_number.as_ref().is_some_and(|text| text.chars().any(char::is_control)) {
        wrong.get_or_insert(NoRow("case-number"));
    }
    Line { number, code, case_number, wrong }
}

fn csv(file: &[u8]) -> Result<Vec<Line>, NoTable> {
    let text = str::from_utf8(file).map_err(|_| NoTable("encoding"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.contains('\0') {
        return Err(NoTable("encoding"));
    }
    // Spreadsheets of some countries write semicolons.
    let first = text.lines().next().unwrap_or_default();
    let count = |separator: u8| first.bytes().filter(|byte| *byte == separator).count();
    let separator = *b",;\t".iter().rev().max_by_key(|separator| count(**separator)).unwrap_or(&b',');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut records = reader.records();
    let header = records.next().ok_or(NoTable("empty"))?.map_err(|_| NoTable("encoding"))?;
    let columns = Columns::of(header.iter().enumerate())?;
    let mut lines = Vec::new();
    for record in records {
        let record = record.map_err(|_| NoTable("encoding"))?;
        if record.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        if lines.len() == ROWS_MAX {
            return Err(NoTable("many"));
        }
        let number = record.position().map_or(0, |at| at.line() + blank(text.as_bytes(), at.byte()));
        let cell = |at: usize| record.get(at).map(Cell::text);
        lines.push(line(number, cell(columns.code), columns.case_number.and_then(cell)));
    }
    Ok(lines)
}

/// How many lines are blank from here on: the reader skips them, and counts them with the row before.
fn blank(text: &[u8], from: u64) -> u64 {
    let rest = usize::try_from(from).ok().and_then(|from| text.get(from..)).unwrap_or_default();
    rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| **byte == b'\n').count() as u64
}

fn workbook(file: &[u8]) -> Result<Vec<Line>, NoTable> {
    measure(file)?;
    let broken = |_| NoTable("workbook");
    let mut book = Xlsx::new(Cursor::new(file)).map_err(broken)?;
    let mut lines = None;
    for sheet in book.sheet_names() {
        let read = sheet_of(&mut book, &sheet)?;
        // Which of two was meant is not for a program to guess.
        if read.is_some() && lines.is_some() {
            return Err(NoTable("sheets"));
        }
        lines = lines.or(read);
    }
    lines.ok_or(NoTable("empty"))
}

/// The rows of a sheet; none when nothing is in it.
fn sheet_of(book: &mut Xlsx<Cursor<&[u8]>>, sheet: &str) -> Result<Option<Vec<Line>>, NoTable> {
    let broken = |_| NoTable("workbook");
    let mut cells = book.worksheet_cells_reader(sheet).map_err(broken)?;
    let mut looked_at = 0;
    // One row at a time: its number, then its cells by column.
    let mut rows = Rows::default();
    while let Some(cell) = cells.next_cell().map_err(broken)? {
        let (row, column) = cell.get_position();
        let Some(value) = value(cell.get_value()) else { continue };
        if value.is_empty() {
            continue;
        }
        looked_at += 1;
        if looked_at > CELLS_MAX {
            return Err(NoTable("many"));
        }
        rows.add(row, column as usize, value)?;
    }
    rows.end()
}

/// The rows of a sheet as they come.
#[derive(Default)]
struct Rows {
    /// The columns of the header, with its row.
    columns: Option<(u32, Columns)>,
    header: Vec<(usize, Zeroizing<String>)>,
    /// The row that is being read: its number, whether it has anything, its code and case number.
    row: Option<u32>,
    code: Option<Cell>,
    case_number: Option<Cell>,
    lines: Vec<Line>,
}

impl Rows {
    fn add(&mut self, row: u32, column: usize, value: Cell) -> Result<(), NoTable> {
        if self.row != Some(row) {
            self.flush()?;
            self.row = Some(row);
        }
        match &self.columns {
            None => {
                if let Cell::Text(text) = value {
                    self.header.push((column, text));
                }
            }
            Some((_, columns)) if column == columns.code => self.code = Some(value),
            Some((_, columns)) if Some(column) == columns.case_number => self.case_number = Some(value),
            Some(_) => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), NoTable> {
        let Some(row) = self.row.take() else { return Ok(()) };
        if self.columns.is_none() {
            let header = self.header.iter().map(|(column, text)| (*column, text.as_str()));
            self.columns = Some((row, Columns::of(header)?));
            return Ok(());
        }
        if self.lines.len() == ROWS_MAX {
            return Err(NoTable("many"));
        }
        self.lines.push(line(u64::from(row) + 1, self.code.take(), self.case_number.take()));
        Ok(())
    }

    fn end(mut self) -> Result<Option<Vec<Line>>, NoTable> {
        self.flush()?;
        Ok(self.columns.is_some().then_some(self.lines))
    }
}

/// What a cell of a workbook says; none when it says nothing.
fn value(cell: &DataRef<'_>) -> Option<Cell> {
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 1e15")]
    let whole = |number: f64| number as i64;
    Some(match cell {
        DataRef::Empty => return None,
        DataRef::String(text) => Cell::text(text),
        DataRef::SharedString(text) => Cell::text(text),
        DataRef::Float(number) if number.fract() == 0.0 && number.abs() < EXACT_MAX => {
            Cell::text(&whole(*number).to_string())
        }
        DataRef::Int(number) if number.unsigned_abs() < 1_000_000_000_000_000 => {
            Cell::text(&number.to_string())
        }
        _ => Cell::Lost,
    })
}

/// Whether an archive is of bounded size when it is unpacked; what it says of itself does not count.
fn measure(file: &[u8]) -> Result<(), NoTable> {
    let broken = || NoTable("workbook");
    let mut archive = ZipArchive::new(Cursor::new(file)).map_err(|_| broken())?;
    if archive.len() > PARTS_MAX {
        return Err(NoTable("large"));
    }
    let mut left = UNPACKED_MAX;
    for at in 0..archive.len() {
        let part = archive.by_index(at).map_err(|_| broken())?;
        let length = std::io::copy(&mut part.take(left + 1), &mut std::io::sink()).map_err(|_| broken())?;
        left = left.checked_sub(length).ok_or(NoTable("large"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rust_xlsxwriter::Workbook;

    use super::*;

    /// Rows as number, code, case number, and what is wrong.
    fn told(file: &[u8]) -> Result<Vec<(u64, String, String, &'static str)>, &'static str> {
        let lines = read(file).map_err(|no| no.0)?;
        let told = lines.iter().map(|line| {
            let case_number = line.case_number.as_ref().map(|text| text.to_string()).unwrap_or_default();
            (line.number, line.code.to_string(), case_number, line.wrong.map_or("", |no| no.0))
        });
        Ok(told.collect())
    }

    fn row(number: u64, code: &str, case: &str, wrong: &'static str) -> (u64, String, String, &'static str) {
        (number, code.to_owned(), case.to_owned(), wrong)
    }

    #[test]
    fn a_table_is_read_row_by_row_and_no_row_is_dropped() {
        let wanted = vec![row(2, "91A", "K-1", ""), row(4, "", "K-2", "code-missing"), row(5, "92B", "", "")];
        assert_eq!(told(b"name,code,CASE \nx, 91A ,K-1\n\nx,,K-2\n\"y\",92B\n").unwrap(), wanted);
        assert_eq!(
            told("\u{feff}code;case\r\n91A;K-1\r\n;;\r\n;K-2\r\n92B;\r\n".as_bytes()).unwrap(),
            wanted
        );
        let long = format!("code\tcase\n{}\tK\nA\t{}\nA\tK\u{7}\n", "9".repeat(201), "k".repeat(201));
        let wrong: Vec<_> = told(long.as_bytes()).unwrap().into_iter().map(|row| row.3).collect();
        assert_eq!(wrong, ["code-long", "case-long", "case-number"]);
    }

    #[test]
    fn what_is_no_table_of_codes_is_said_to_be_none() {
        for (file, why) in [
            (&b""[..], "empty"),
            (b"code,case\n", "empty"),
            (b"name\n91A\n", "no-code"),
            (b"code,Code\n91A,92B\n", "twice"),
            (b"code\n\xcf\xfb\n", "encoding"),
            (b"c\0o\0d\0e\0\n\0", "encoding"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1", "old"),
            (b"PK\x03\x04", "workbook"),
        ] {
            assert_eq!(told(file).unwrap_err(), why);
        }
        let rows = |count| format!("code\n{}", "91A\n".repeat(count));
        assert_eq!(told(rows(ROWS_MAX).as_bytes()).unwrap().len(), ROWS_MAX);
        assert_eq!(told(rows(ROWS_MAX + 1).as_bytes()).unwrap_err(), "many");
    }

    #[test]
    fn a_workbook_is_read_as_it_is_shown_and_a_number_that_lost_digits_is_named() {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        sheet.write(1, 1, "Code").unwrap().write(1, 2, "case").unwrap().write(1, 3, "name").unwrap();
        sheet.write(2, 1, "91A").unwrap().write(2, 2, "K-1").unwrap();
        // 18 digits typed into a cell that is no text; 15 are kept whole.
        sheet.write(4, 1, 110_105_194_912_310_021_u64).unwrap().write(4, 2, 2026).unwrap();
        sheet.write(5, 1, 110_105_491_231_002_u64).unwrap();
        sheet.write(6, 3, "somebody").unwrap();
        book.add_worksheet();
        let file = book.save_to_buffer().unwrap();
        let wanted = vec![
            row(3, "91A", "K-1", ""),
            row(5, "", "2026", "code-number"),
            row(6, "110105491231002", "", ""),
            row(7, "", "", "code-missing"),
        ];
        assert_eq!(told(&file).unwrap(), wanted);

        let mut book = Workbook::new();
        for _ in 0..2 {
            book.add_worksheet().write(0, 0, "code").unwrap().write(1, 0, "91A").unwrap();
        }
        assert_eq!(told(&book.save_to_buffer().unwrap()).unwrap_err(), "sheets");
        assert_eq!(told(&Workbook::new().save_to_buffer().unwrap()).unwrap_err(), "empty");
    }

    #[test]
    fn a_small_file_that_unpacks_to_a_large_one_is_refused_before_it_is_read() {
        use std::io::Write as _;
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        archive.start_file("xl/sharedStrings.xml", zip::write::SimpleFileOptions::default()).unwrap();
        for _ in 0..33 {
            archive.write_all(&vec![b' '; 1 << 20]).unwrap();
        }
        let file = archive.finish().unwrap().into_inner();
        assert!(file.len() < 1 << 20, "{}", file.len());
        assert_eq!(told(&file).unwrap_err(), "large");
    }
}
