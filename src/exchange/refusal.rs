//! Why a file is not read on.

use std::fmt;
use std::io;

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

impl Refusal {
    /// A refusal that is about a whole line.
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
