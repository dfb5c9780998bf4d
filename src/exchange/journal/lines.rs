//! Reads the lines of a file, one at a time.

use crate::exchange::refusal::{Refusal, SourceError};
use std::io::{BufRead, Read};

/// The longest line. A longer one means that the file is not a journal.
const BYTES: u64 = 1024 * 1024;

/// A line of the file.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: u64,
    /// The text without the line end.
    pub(super) text: String,
}

impl Line {
    /// Refuses the line.
    pub(super) fn refusal(&self, problem: impl Into<String>) -> Refusal {
        Refusal {
            line: self.number,
            column: None,
            problem: problem.into(),
        }
    }

    /// Refuses a part of the line's text.
    pub(super) fn refusal_at(&self, part: &str, problem: impl Into<String>) -> Refusal {
        let before = part
            .as_ptr()
            .addr()
            .saturating_sub(self.text.as_ptr().addr());
        let column = self
            .text
            .get(..before)
            .map(|before| before.chars().count() + 1);
        Refusal {
            column,
            ..self.refusal(problem)
        }
    }
}

pub(super) struct Lines<R> {
    reader: R,
    number: u64,
    /// A line that was read, and not returned yet.
    next: Option<Line>,
}

impl<R: BufRead> Lines<R> {
    pub(super) const fn new(reader: R) -> Self {
        Self {
            reader,
            number: 0,
            next: None,
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<Line>, SourceError> {
        match self.next.take() {
            Some(line) => Ok(Some(line)),
            None => self.read(),
        }
    }

    /// The next line, if it is indented and not empty: then it belongs to the item above.
    pub(super) fn next_indented(&mut self) -> Result<Option<Line>, SourceError> {
        let line = self.next()?;
        if line
            .as_ref()
            .is_some_and(|line| line.text.starts_with([' ', '\t']) && !line.text.trim().is_empty())
        {
            return Ok(line);
        }
        self.next = line;
        Ok(None)
    }

    fn read(&mut self) -> Result<Option<Line>, SourceError> {
        let mut bytes = Vec::new();
        self.reader
            .by_ref()
            .take(BYTES)
            .read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        let mut line = Line {
            number: self.number,
            text: String::new(),
        };
        if bytes.pop_if(|last| *last == b'\n').is_none() && bytes.len() as u64 == BYTES {
            return Err(line
                .refusal(format!(
                    "the line is longer than {BYTES} bytes: is this a journal?"
                ))
                .into());
        }
        bytes.pop_if(|last| *last == b'\r');
        let text = String::from_utf8(bytes).map_err(|_| {
            line.refusal("this is not UTF-8: convert the file, with `iconv -t utf-8`")
        })?;
        if text.contains('\0') {
            return Err(line
                .refusal("the line has the character U+0000: is this a journal?")
                .into());
        }
        line.text = match text.strip_prefix('\u{feff}') {
            Some(text) if self.number == 1 => text.to_owned(),
            _ => text,
        };
        Ok(Some(line))
    }
}
