//! A file that is there as a whole, or not at all.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// A file that is being written. It is written under another name in the same folder, and gets its own when it is complete and on the disk.
/// If this is dropped before, nothing is left of it, and what was there before stays.
///
/// Only its owner may read it, since it contains balances. The temporary name is random, so that nobody can have put a link in its place.
pub(super) enum WholeFile {
    /// A device or a pipe, which is written as it is.
    Special(File),
    /// A file with its temporary name.
    Part {
        part: NamedTempFile,
        path: PathBuf,
        folder: PathBuf,
    },
}

impl WholeFile {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        if path.metadata().is_ok_and(|it| !it.is_file()) {
            return Ok(Self::Special(OpenOptions::new().write(true).open(path)?));
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // Created with the permissions 0600, and removed if it is dropped.
        let part = tempfile::Builder::new()
            .prefix(".daybook-export-")
            .tempfile_in(folder)?;
        Ok(Self::Part {
            part,
            path: path.to_owned(),
            folder: folder.to_owned(),
        })
    }

    /// Whether there is a file to wait for.
    pub(super) fn is_special(&self) -> bool {
        matches!(self, Self::Special(_))
    }

    /// Gives the file its name.
    pub(super) fn keep(self) -> io::Result<()> {
        let Self::Part { part, path, folder } = self else {
            return Ok(());
        };
        part.as_file().sync_all()?;
        part.persist(path).map_err(|error| error.error)?;
        // The new name is on the disk only after the folder is.
        File::open(folder)?.sync_all()
    }
}

impl Write for WholeFile {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Special(file) => file.write(buffer),
            Self::Part { part, .. } => part.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Special(file) => file.flush(),
            Self::Part { part, .. } => part.flush(),
        }
    }
}
