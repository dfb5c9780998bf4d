//! Reads files of SQLite in the same process.
//!
//! A process that closes *any* descriptor of a file loses *all* its POSIX locks on the file, also those of SQLite. Another process would
//! then think that nobody uses the database (<https://sqlite.org/howtocorrupt.html>, 2.2). So each file of a database is opened once, and
//! stays open as long as anything in the process may have the database open.

use std::{
    fs::File,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use super::identity::Identity;

static OPEN: Mutex<Vec<(Identity, Weak<File>)>> = Mutex::new(Vec::new());

/// A file that stays open until the last `Database` of this process that uses it is gone.
#[derive(Debug)]
pub(super) struct Handle(Arc<File>);

impl Handle {
    /// # Errors
    /// If the file cannot be opened.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(_, file)| file.strong_count() > 0);
        let identity = Identity::of(&std::fs::metadata(path)?);
        let known = open.iter().find(|(of, _)| *of == identity);
        if cfg!(unix)
            && let Some(file) = known.and_then(|(_, file)| file.upgrade())
        {
            return Ok(Self(file));
        }
        let file = Arc::new(File::open(path)?);
        let identity = Identity::of(&file.metadata()?);
        open.push((identity, Arc::downgrade(&file)));
        Ok(Self(file))
    }

    /// The file's first bytes.
    ///
    /// # Errors
    /// If the file is shorter, or cannot be read.
    pub(super) fn start<const LENGTH: usize>(&self) -> io::Result<[u8; LENGTH]> {
        let mut bytes = [0; LENGTH];
        read_at_start(&self.0, &mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(unix)]
fn read_at_start(file: &File, bytes: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, 0)
}

/// On other systems, each database has a handle of its own, and reads under a lock.
#[cfg(not(unix))]
fn read_at_start(mut file: &File, bytes: &mut [u8]) -> io::Result<()> {
    use io::{Read as _, Seek as _};
    file.rewind()?;
    file.read_exact(bytes)
}
