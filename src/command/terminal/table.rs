//! Tables for people: aligned columns, as wide as their texts are on a terminal.
//!
//! Rows are written page by page, in bounded memory. The first page decides how wide the columns are; a later text that is wider only moves
//! what is behind it in its row, and widens the rest of the table.

use std::io::{self, Write};

use super::{
    output::Output,
    paint::Paint,
    text::{cut, plain, width},
};

/// The most columns of a text. What is longer is cut; JSON and CSV have all of it.
const LONGEST_TEXT: usize = 48;

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) enum Column {
    /// A name that must be whole, such as an account's code.
    Name(&'static str),
    /// A text for people, which is cut if it is long.
    Text(&'static str),
    /// An amount: on the right, so that the decimals are below each other.
    Amount(&'static str),
}

impl Column {
    fn title(self) -> &'static str {
        let (Self::Name(title) | Self::Text(title) | Self::Amount(title)) = self;
        title
    }

    fn cell(self, text: &str) -> String {
        match self {
            Self::Name(_) | Self::Amount(_) => plain(text),
            Self::Text(_) => cut(&plain(text), LONGEST_TEXT),
        }
    }
}

/// A table that is being written.
pub(super) struct Table<'a> {
    columns: &'a [Column],
    widths: Vec<usize>,
    paint: Paint,
    has_heading: bool,
}

impl<'a> Table<'a> {
    pub(super) fn new(columns: &'a [Column], paint: Paint) -> Self {
        Self {
            columns,
            widths: columns.iter().map(|column| width(column.title())).collect(),
            paint,
            has_heading: false,
        }
    }

    /// Writes rows, and the heading before the first. Each row has a text for each column.
    pub(super) fn rows(&mut self, out: &mut Output, rows: &[Vec<String>]) -> io::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let cells: Vec<Vec<String>> = rows.iter().map(|row| self.cells(row)).collect();
        for row in &cells {
            for (widest, cell) in self.widths.iter_mut().zip(row) {
                *widest = width(cell).max(*widest);
            }
        }
        if !self.has_heading {
            self.has_heading = true;
            let titles: Vec<String> = self
                .columns
                .iter()
                .map(|it| it.title().to_owned())
                .collect();
            let heading = self.line(&titles);
            writeln!(out, "{}", self.paint.heading(&heading))?;
        }
        cells
            .iter()
            .try_for_each(|row| writeln!(out, "{}", self.line(row)))
    }

    fn cells(&self, row: &[String]) -> Vec<String> {
        let cells = self.columns.iter().zip(row);
        cells.map(|(column, text)| column.cell(text)).collect()
    }

    fn line(&self, cells: &[String]) -> String {
        let mut line = String::new();
        // Spaces are written before the next text, so that no line ends with them.
        let mut spaces = 0;
        for ((column, cell), widest) in self.columns.iter().zip(cells).zip(&self.widths) {
            let room = widest.saturating_sub(width(cell));
            let (before, after) = match column {
                Column::Amount(_) => (room, 0),
                _ => (0, room),
            };
            spaces += before;
            if !cell.is_empty() {
                line.extend(std::iter::repeat_n(' ', spaces));
                let is_negative = matches!(column, Column::Amount(_)) && cell.starts_with('-');
                line += &match is_negative {
                    true => self.paint.bad(cell),
                    false => cell.clone(),
                };
                spaces = 0;
            }
            spaces += after + 2;
        }
        line
    }
}
