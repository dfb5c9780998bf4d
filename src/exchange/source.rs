//! A file that is read from its beginning to its end, in bounded memory.

use super::Transaction;
use super::journal::Journal;
use super::note::AccountNote;
use super::table::Table;
use daybook_entity::Side;
use std::fmt;
use std::io::{self, BufRead};

/// What a file says that the ledger cannot keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The line, from 1.
    pub line: u64,
    /// The character of the line, from 1, where it is about one place of it.
    pub column: Option<usize>,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(column) = self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// Why a file cannot be read on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Of what it says.
    #[error("{0}")]
    Refused(Refusal),
    /// It cannot be read at all.
    #[error("the file cannot be read")]
    Read(#[from] io::Error),
}

impl From<Refusal> for SourceError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// One thing that a file says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    /// Money moves.
    Transaction(Transaction),
    /// An account is like this, wherever it is used from here on.
    Account(Declared),
    /// A currency has at least so many decimal places.
    Commodity { symbol: String, places: u32 },
}

/// What a file says of an account by itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Declared {
    pub(super) line: u64,
    pub(super) name: String,
    pub(super) side: Option<Side>,
    pub(super) note: Option<AccountNote>,
}

/// A file of one of the formats that can be imported.
pub struct Source<R>(Inner<R>);

enum Inner<R> {
    Journal(Box<Journal<R>>),
    Table(Box<Table<R>>),
}

impl<R: BufRead> Source<R> {
    /// A journal, in hledger's format.
    pub fn journal(reader: R) -> Self {
        Self(Inner::Journal(Box::new(Journal::new(reader))))
    }

    /// Comma-separated values.
    pub fn csv(reader: R) -> Self {
        Self(Inner::Table(Box::new(Table::new(reader))))
    }

    /// The next thing that it says; `None` at its end.
    ///
    /// # Errors
    /// When it says something that the ledger cannot keep, or cannot be read. There is no going on then.
    pub(super) fn next(&mut self) -> Result<Option<Item>, SourceError> {
        match &mut self.0 {
            Inner::Journal(journal) => journal.next(),
            Inner::Table(table) => table.next(),
        }
    }

    /// How many lines were read over that change nothing: prices, and names of payees and tags.
    pub(super) fn left_out(&self) -> u64 {
        match &self.0 {
            Inner::Journal(journal) => journal.left_out(),
            Inner::Table(_) => 0,
        }
    }
}
