//! Whether the files of an SQLite database are still the ones that are open.
//!
//! A process keeps a file open that was deleted or moved away, and goes on writing to it. COMMIT succeeds, and whoever opens the
//! path next does not find what was committed. So a unit that may write looks before BEGIN, and again between COMMIT and its
//! answer; a unit that reads looks at most once a second.
//!
//! | what happened to | noticed by |
//! |---|---|
//! | the path of the database, its log or its index: deleted, moved, replaced, its folder renamed, a link that leads elsewhere | device and inode of what the path leads to now |
//! | the contents of the database, by something that is not SQLite (`cp` onto the file) | the file was written although the index (`index`) knows of no checkpoint; or its header is not one of this database, or an older one |
//! | the log, made shorter in place | it is shorter than what the index says that it holds |
//!
//! What was noticed stays: no unit begins any more until the process is started again. A file that comes back may have been
//! opened without its log meanwhile.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

mod contents;
mod handle;
mod identity;
mod index;
mod replaced;

use contents::{Header, Written};
use handle::Handle;
use identity::Identity;
use index::{Index, Progress};
pub(crate) use replaced::{Became, FileReplaced, Part};

/// How long a look at all of the files holds for units that only read.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often something is read again that a checkpoint has changed meanwhile.
const TRIES: usize = 8;

/// A file that was open when the database was connected to.
#[derive(Debug)]
struct Open {
    part: Part,
    path: PathBuf,
    identity: Identity,
}

impl Open {
    fn at(part: Part, path: PathBuf) -> Result<Self, std::io::Error> {
        let identity = Identity::of(&fs::metadata(&path)?);
        Ok(Self {
            part,
            path,
            identity,
        })
    }

    /// What the path leads to, if it is still this file.
    fn look(&self) -> Result<fs::Metadata, FileReplaced> {
        match fs::metadata(&self.path) {
            Ok(found) if Identity::of(&found) == self.identity => Ok(found),
            Ok(_) => Err(self.became(Became::Another)),
            Err(_) => Err(self.became(Became::Gone)),
        }
    }

    fn became(&self, became: Became) -> FileReplaced {
        FileReplaced {
            part: self.part,
            became,
            path: self.path.clone(),
        }
    }
}

/// What was seen of the contents at the last look.
#[derive(Clone, Copy, Debug)]
struct Seen {
    database: Written,
    header: Header,
    /// `None` where a checkpoint was under way, or the index could not be read: the next change of the file is taken for one.
    progress: Option<Progress>,
    log_length: u64,
}

/// What a look at the two files goes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum With {
    Nothing,
    /// Remembering how far checkpoints have come, so that the next look can tell whether there was one since.
    Progress,
}

/// The files of one database, as they were when it was connected to.
///
/// Something has to keep the database open all the time (`keeper`): whoever closes it last deletes the log, and the next one
/// makes another.
#[derive(Debug)]
pub(crate) struct Files {
    database: Open,
    log: Open,
    index: Open,
    database_file: Handle,
    index_file: Handle,
    seen: Mutex<Seen>,
    since: Instant,
    /// When all of the files were last looked at: milliseconds after `since`.
    looked: AtomicU64,
    replaced: OnceLock<FileReplaced>,
}

impl Files {
    /// The files of a database that is open, and has been read from.
    ///
    /// # Errors
    /// When one of them cannot be looked at.
    pub(crate) fn of(database: &Path) -> Result<Self, std::io::Error> {
        // What the path leads to may change; the log lies beside the file that it leads to now.
        let real = fs::canonicalize(database)?;
        let beside = |ending: &str| {
            let mut path = real.clone().into_os_string();
            path.push(ending);
            PathBuf::from(path)
        };
        let database_file = Handle::open(database)?;
        let database = Open::at(Part::Database, std::path::absolute(database)?)?;
        let log = Open::at(Part::Log, beside("-wal"))?;
        let index = Open::at(Part::Index, beside("-shm"))?;
        let index_file = Handle::open(&index.path)?;
        let found = fs::metadata(&database.path)?;
        let not_sqlite = || std::io::Error::other("the file has no header of SQLite's");
        let seen = Seen {
            database: Written::of(&found),
            header: Header::read(&database_file).ok_or_else(not_sqlite)?,
            progress: None,
            log_length: 0,
        };
        let files = Self {
            database,
            log,
            index,
            database_file,
            index_file,
            seen: Mutex::new(seen),
            since: Instant::now(),
            looked: AtomicU64::new(0),
            replaced: OnceLock::new(),
        };
        files.look_closely().map_err(std::io::Error::other)?;
        Ok(files)
    }

    /// Looks at the database file and its log: two calls of the operating system, and more once a second.
    ///
    /// # Errors
    /// [`FileReplaced`], now and for ever after.
    pub(crate) fn look(&self) -> Result<(), FileReplaced> {
        self.keep(|| {
            if self.is_due() {
                self.look_closely()
            } else {
                self.look_at_both(With::Nothing)
            }
        })
    }

    /// The same after COMMIT, which may have begun the log anew: three calls.
    ///
    /// # Errors
    /// As [`Files::look`].
    pub(crate) fn look_after_commit(&self) -> Result<(), FileReplaced> {
        self.keep(|| self.look_at_both(With::Progress))
    }

    /// The same for who only reads: no call at all, except once a second.
    ///
    /// # Errors
    /// As [`Files::look`].
    pub(crate) fn look_now_and_then(&self) -> Result<(), FileReplaced> {
        self.keep(|| {
            if self.is_due() {
                self.look_closely()
            } else {
                Ok(())
            }
        })
    }

    /// Whether that was noticed before.
    pub(crate) fn is_replaced(&self) -> bool {
        self.replaced.get().is_some()
    }

    /// Whether the log may not be written into the database file any more.
    pub(crate) fn has_foreign_contents(&self) -> bool {
        let replaced = self.replaced.get();
        replaced.is_some_and(|replaced| !replaced.can_be_completed())
    }

    /// The length of the log in bytes.
    ///
    /// # Errors
    /// As [`Files::look`].
    pub(crate) fn log_length(&self) -> Result<u64, FileReplaced> {
        Ok(self.log.look()?.len())
    }

    /// What was noticed, by whomever.
    fn keep(&self, look: impl FnOnce() -> Result<(), FileReplaced>) -> Result<(), FileReplaced> {
        if let Some(replaced) = self.replaced.get() {
            return Err(replaced.clone());
        }
        let Err(found) = look() else {
            return Ok(());
        };
        let mut is_first = false;
        let replaced = self.replaced.get_or_init(|| {
            is_first = true;
            found
        });
        if is_first {
            metrics::gauge!("unit_of_work_database_file_replaced").set(1.0);
            tracing::error!(
                file = %replaced.path.display(),
                "{replaced}: nothing is read or written any more, because it would be lost; stop the server, see to it that the \
                 right files are there (a database file that was put there by hand must not have another one's -wal and -shm \
                 beside it), and start the server again"
            );
        }
        Err(replaced.clone())
    }

    fn is_due(&self) -> bool {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let every = u64::try_from(LOOK_EVERY.as_millis()).unwrap_or(u64::MAX);
        let last = self.looked.load(Ordering::Relaxed);
        now.saturating_sub(last) >= every
            && self
                .looked
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// All three files, and what is in them as far as that can be told.
    fn look_closely(&self) -> Result<(), FileReplaced> {
        self.look_at_both(With::Progress)?;
        // Last: of several that are gone, one whose loss leaves the others whole says least.
        self.index.look()?;
        Ok(())
    }

    fn look_at_both(&self, with: With) -> Result<(), FileReplaced> {
        // The lock comes before the look: who has looked earlier must not judge by what another has seen later.
        let mut seen = self.seen();
        let database = Written::of(&self.database.look()?);
        let log_length = self.log.look()?.len();
        let is_as_seen = database == seen.database
            && match with {
                With::Nothing => true,
                With::Progress => seen.progress.is_some() && self.progress() == seen.progress,
            };
        if !is_as_seen {
            self.judge_database(&mut seen)?;
        }
        if log_length < seen.log_length {
            self.judge_log()?;
        }
        seen.log_length = log_length;
        Ok(())
    }

    /// How far checkpoints have come, unless one is under way.
    fn progress(&self) -> Option<Progress> {
        let index = Index::read(&self.index_file)?;
        Some(index.progress).filter(Progress::is_complete)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // What a panic could leave half done here is told apart by the next look.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether SQLite has written into the database file: that is only ever a checkpoint, which says in the index what it
    /// is about to do before it writes, and that it is done afterwards.
    fn judge_database(&self, seen: &mut Seen) -> Result<(), FileReplaced> {
        let mut database = Written::of(&self.database.look()?);
        for _ in 0..TRIES {
            let progress = self.progress();
            // Nothing may have been written between the two.
            let again = Written::of(&self.database.look()?);
            if again != database {
                database = again;
                continue;
            }
            let is_written = database != seen.database;
            if is_written && progress.is_some() && progress == seen.progress {
                return Err(self.database.became(Became::Overwritten));
            }
            if is_written {
                let header = Header::read(&self.database_file);
                match header.filter(|header| header.follows(seen.header)) {
                    Some(header) => seen.header = header,
                    None => return Err(self.database.became(Became::Overwritten)),
                }
            }
            seen.database = database;
            seen.progress = progress;
            return Ok(());
        }
        // A checkpoint is under way.
        seen.progress = None;
        Ok(())
    }

    /// Tells whether the log still has what the index says that it has. SQLite writes that into the index last, and takes it
    /// out first.
    fn judge_log(&self) -> Result<(), FileReplaced> {
        for _ in 0..TRIES {
            let before = Index::read(&self.index_file);
            let length = self.log.look()?.len();
            match (before, Index::read(&self.index_file)) {
                (Some(before), Some(after)) if before == after => {
                    return if length < before.log_length() {
                        Err(self.log.became(Became::Overwritten))
                    } else {
                        Ok(())
                    };
                }
                _ => {}
            }
        }
        Ok(())
    }
}
