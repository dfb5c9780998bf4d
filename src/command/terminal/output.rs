//! Where results are written.

use std::{
    io::{self, BufWriter, IsTerminal, Stdout, Write},
    path::Path,
};

use serde::Serialize;

use super::paint::Paint;
use crate::command::whole_file::WholeFile;

/// Standard output, or a file that is there as a whole or not at all.
pub(super) enum Output {
    Stdout(BufWriter<Stdout>),
    File(BufWriter<WholeFile>),
}

impl Output {
    pub(super) fn to(file: Option<&Path>) -> io::Result<Self> {
        Ok(match file {
            None => Self::Stdout(BufWriter::new(io::stdout())),
            Some(path) => Self::File(BufWriter::new(WholeFile::create(path)?)),
        })
    }

    /// The colours of tables: those of a terminal, unless others are asked for.
    pub(super) fn paint(&self, asked: Option<bool>) -> Paint {
        match self {
            Self::Stdout(_) => Paint::on(io::stdout().is_terminal(), asked),
            Self::File(_) => Paint::on(false, asked),
        }
    }

    /// Writes what is left, and gives a file its name.
    pub(super) fn keep(self) -> io::Result<()> {
        match self {
            Self::Stdout(mut out) => out.flush(),
            Self::File(out) => out
                .into_inner()
                .map_err(io::IntoInnerError::into_error)?
                .keep(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(buffer),
            Self::File(out) => out.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(out) => out.flush(),
        }
    }
}

/// A JSON array that is written item by item. Without its end it is no JSON, so that a part cannot be taken for the whole.
#[derive(Default)]
pub(super) struct JsonArray {
    has_items: bool,
}

impl JsonArray {
    pub(super) fn item(&mut self, out: &mut Output, item: &impl Serialize) -> io::Result<()> {
        out.write_all(if self.has_items { b",\n  " } else { b"[\n  " })?;
        self.has_items = true;
        Ok(serde_json::to_writer(out, item)?)
    }

    pub(super) fn end(&self, out: &mut Output) -> io::Result<()> {
        out.write_all(if self.has_items { b"\n]" } else { b"[]" })
    }
}
