//! Reads a file of any format from its beginning to its end, in bounded memory.

use super::item::Item;
use super::journal::Journal;
use super::refusal::SourceError;
use super::table::Table;
use std::io::BufRead;

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

    /// The next item; `None` at the end of the file.
    ///
    /// # Errors
    /// If the ledger cannot store the item, or the file cannot be read. Then the rest of the file must not be read.
    pub(super) fn next(&mut self) -> Result<Option<Item>, SourceError> {
        match &mut self.0 {
            Inner::Journal(journal) => journal.next(),
            Inner::Table(table) => table.next(),
        }
    }

    /// How many lines were skipped because they change nothing: prices, and names of payees and tags.
    pub(super) fn left_out(&self) -> u64 {
        match &self.0 {
            Inner::Journal(journal) => journal.left_out(),
            Inner::Table(_) => 0,
        }
    }
}
