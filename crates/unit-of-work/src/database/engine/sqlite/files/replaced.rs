//! The error for a file that is no longer the one that is open.

use std::{fmt, path::PathBuf};

use thiserror::Error;

/// One of the files that make a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Database,
    Log,
    Index,
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Database => "database file",
            Self::Log => "write-ahead log",
            Self::Index => "index of the write-ahead log",
        })
    }
}

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Became {
    /// The path leads to nothing that can be read.
    Gone,
    /// The path leads to another file.
    Another,
    /// The file is the same, but something other than SQLite has written to it.
    Overwritten,
}

impl fmt::Display for Became {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Gone => "was deleted or moved away",
            Self::Another => "was replaced by another file",
            Self::Overwritten => "was overwritten in place",
        })
    }
}

/// A file of the database is not the one that is open.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the {part} {} {became}, while it was open here", path.display())]
pub(crate) struct FileReplaced {
    pub(crate) part: Part,
    pub(crate) became: Became,
    pub(super) path: PathBuf,
}

impl FileReplaced {
    /// This error inside a driver's, if it is one.
    pub(crate) fn in_driver_error(error: &sqlx::Error) -> Option<&Self> {
        match error {
            sqlx::Error::Configuration(error) => error.downcast_ref(),
            _ => None,
        }
    }

    /// Whether the open log can be written to the open database file: neither has foreign contents.
    pub(crate) fn can_be_completed(&self) -> bool {
        self.became != Became::Overwritten && self.part != Part::Index
    }
}

impl From<FileReplaced> for sqlx::Error {
    fn from(error: FileReplaced) -> Self {
        Self::Configuration(Box::new(error))
    }
}
