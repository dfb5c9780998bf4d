//! The errors of reading a file.

use std::fmt;
use std::io;

/// A place in a file that the ledger cannot store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The line, from 1.
    pub line: u64,
    /// The character in the line, from 1, if the refusal is about one place.
    pub column: Option<usize>,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl Refusal {
    /// A refusal about a whole line.
    pub(super) const fn of_line(line: u64, problem: String) -> Self {
        Self {
            line,
            column: None,
            problem,
        }
    }
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

/// Why reading a file ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The contents are refused.
    #[error("{0}")]
    Refused(Refusal),
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Read(#[from] io::Error),
}

impl From<Refusal> for SourceError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
