//! A body as lines, in bounded memory: a line that is too long is reported and skipped, never kept.

use std::{pin::Pin, time::Duration};

use axum::body::{Body, BodyDataStream};
use futures::{Stream, StreamExt as _, stream};
use tacit_model::Reason;
use zeroize::Zeroizing;

use super::parse::parse;
use super::types::RowBody;
use crate::gateway::{
    batch::{Arrived, RowIn},
    problem::Problem,
};

/// A line with its number from 1; `None` when it is longer than allowed.
type Line = (u64, Option<Zeroizing<Vec<u8>>>);

/// The lines of a body. Empty ones are counted and skipped.
pub(super) struct Lines {
    body: BodyDataStream,
    chunk: axum::body::Bytes,
    line: Zeroizing<Vec<u8>>,
    max: usize,
    number: u64,
    skipping: bool,
    ended: bool,
}

impl Lines {
    pub(super) fn new(body: Body, max: usize) -> Self {
        Self {
            body: body.into_data_stream(),
            chunk: axum::body::Bytes::new(),
            line: Zeroizing::new(Vec::new()),
            max,
            number: 0,
            skipping: false,
            ended: false,
        }
    }

    /// The first line, within `patience`.
    pub(super) async fn first(&mut self, patience: Duration) -> Result<Zeroizing<Vec<u8>>, Problem> {
        match tokio::time::timeout(patience, self.next()).await {
            Ok(Ok(Some((_, Some(line))))) => Ok(line),
            Ok(Ok(Some((_, None)))) => Err(Problem::new(Reason::TooLarge, "The first line is too long.")),
            Ok(Ok(None)) => {
                Err(Problem::new(Reason::Malformed, "The body has no line; the first one is the question."))
            }
            Ok(Err(problem)) => Err(problem),
            Err(_) => Err(Problem::slow()),
        }
    }

    async fn next(&mut self) -> Result<Option<Line>, Problem> {
        loop {
            if let Some(line) = self.take_line() {
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(self.end_line());
            }
            match self.body.next().await {
                Some(Ok(chunk)) => self.chunk = chunk,
                Some(Err(_)) => return Err(Problem::new(Reason::Malformed, "The body broke off.")),
                None => self.ended = true,
            }
        }
    }

    /// The next line that ends in the present chunk.
    fn take_line(&mut self) -> Option<Line> {
        while let Some(at) = self.chunk.iter().position(|b| *b == b'\n') {
            let piece = self.chunk.split_to(at + 1);
            self.keep(&piece[..at]);
            if let Some(line) = self.end_line() {
                return Some(line);
            }
        }
        let rest = std::mem::take(&mut self.chunk);
        self.keep(&rest);
        None
    }

    fn keep(&mut self, piece: &[u8]) {
        if self.skipping || self.line.len() + piece.len() > self.max {
            self.skipping = true;
            self.line = Zeroizing::new(Vec::new());
        } else {
            self.line.extend_from_slice(piece);
        }
    }

    /// The line that has just ended, unless it is empty.
    fn end_line(&mut self) -> Option<Line> {
        let line = std::mem::replace(&mut self.line, Zeroizing::new(Vec::new()));
        let too_long = std::mem::take(&mut self.skipping);
        if self.ended && line.is_empty() && !too_long {
            return None;
        }
        self.number += 1;
        if too_long {
            return Some((self.number, None));
        }
        (!line.iter().all(u8::is_ascii_whitespace)).then_some((self.number, Some(line)))
    }

    /// The rest of the lines as rows of a batch.
    pub(super) fn rows(self) -> Pin<Box<dyn Stream<Item = Arrived> + Send>> {
        stream::unfold(Some(self), |lines| async move {
            let mut lines = lines?;
            match lines.next().await {
                Ok(Some((line, text))) => Some((Ok(row(line, text)), Some(lines))),
                Ok(None) => None,
                Err(problem) => Some((Err(problem), None)),
            }
        })
        .boxed()
    }
}

fn row(line: u64, text: Option<Zeroizing<Vec<u8>>>) -> RowIn {
    let Some(text) = text else {
        return RowIn {
            line,
            row: None,
            typed: Err(Problem::new(Reason::TooLarge, "The line is too long.")),
        };
    };
    match parse::<RowBody>(&text) {
        Ok(RowBody { row, code: Some(code) }) => RowIn { line, row, typed: Ok(code.0) },
        Ok(RowBody { row, code: None }) => RowIn {
            line,
            row,
            typed: Err(Problem::of_field(Reason::Malformed, "code", "No code was given.")),
        },
        Err(problem) => RowIn { line, row: None, typed: Err(problem) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(chunks: &[&'static str], max: usize) -> Vec<(u64, Option<String>)> {
        let chunks: Vec<Result<&'static str, std::io::Error>> = chunks.iter().copied().map(Ok).collect();
        let mut lines = Lines::new(Body::from_stream(stream::iter(chunks)), max);
        let mut out = Vec::new();
        while let Some((number, line)) = lines.next().await.unwrap() {
            out.push((number, line.map(|line| String::from_utf8(line.to_vec()).unwrap())));
        }
        out
    }

    #[tokio::test]
    async fn lines_come_whole_however_the_body_is_cut() {
        let line = |number, text: &str| (number, Some(text.to_owned()));
        let wanted = vec![line(1, "ab"), line(3, "cd\r"), line(4, "e")];
        assert_eq!(read(&["ab\n\ncd\r\ne"], 10).await, wanted);
        assert_eq!(read(&["a", "b", "\n", "\nc", "d\r\n", "e"], 10).await, wanted);
        assert_eq!(read(&["ab\n\ncd\r\ne\n"], 10).await, wanted);
        assert_eq!(read(&[], 10).await, vec![]);
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_named_and_the_next_one_is_read() {
        let long = vec![(1, None), (2, Some("ok".to_owned()))];
        assert_eq!(read(&["0123456789", "0123456789\nok\n"], 10).await, long);
        assert_eq!(read(&["01234567890\nok"], 10).await, long);
        assert_eq!(read(&["01234567890"], 10).await, vec![(1, None)]);
    }
}
