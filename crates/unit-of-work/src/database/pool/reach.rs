//! Whether the database can be reached, and how long to wait if it cannot.

use std::{
    fs::File,
    io::{self, ErrorKind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::Instant;

use crate::FailureKind;

/// How long to wait before an unreachable database is tried again: the first wait, and the longest. A random time of up to the same length
/// is added.
pub(super) const ASK_AGAIN: (Duration, Duration) =
    (Duration::from_millis(50), Duration::from_secs(1));

/// How often the log may say that the database cannot be reached.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// Whether the database can be reached, as far as attempts to connect show.
#[derive(Default)]
pub(super) struct Reach {
    /// How many connections are being made.
    connecting: AtomicUsize,
    /// Whether the last attempt failed.
    is_lost: AtomicBool,
    /// When the log said so. Without it, a database that fails every second attempt would fill the log.
    told: Mutex<Option<Instant>>,
    /// Whether the log's last message was that the database cannot be reached.
    is_told_lost: AtomicBool,
}

/// An attempt to make a connection.
pub(super) struct Connecting<'a>(&'a Reach);

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        self.0.connecting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Reach {
    pub(super) fn connecting(&self) -> Connecting<'_> {
        self.connecting.fetch_add(1, Ordering::Relaxed);
        Connecting(self)
    }

    /// Logs a failed attempt, at most once a minute, however many operations wait.
    pub(super) fn failed(&self, error: &sqlx::Error) {
        self.is_lost.store(true, Ordering::Relaxed);
        // Nothing can panic while the lock is held.
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|at| at.elapsed() < TELL_AGAIN) {
            return;
        }
        *told = Some(Instant::now());
        self.is_told_lost.store(true, Ordering::Relaxed);
        let reason = if is_out_of_descriptors(error) {
            "; the process has no file descriptors left: raise `ulimit -n`"
        } else {
            ""
        };
        tracing::warn!(
            %error,
            "no connection to the database can be made; operations wait for it until their deadline{reason}"
        );
    }

    pub(super) fn succeeded(&self) {
        if self.is_lost.load(Ordering::Relaxed)
            && self.is_lost.swap(false, Ordering::Relaxed)
            && self.is_told_lost.swap(false, Ordering::Relaxed)
        {
            tracing::warn!("the database can be reached again");
        }
    }

    /// Whether none of the `all` users of the pool has a connection, so that they wait for the database and not for each other.
    pub(super) fn is_out_of_reach(&self, all: usize) -> bool {
        self.is_lost.load(Ordering::Relaxed) || self.connecting.load(Ordering::Relaxed) >= all
    }
}

/// Whether a failure to connect may pass: nobody listens, a proxy has no server, the server is starting, stopping or full, or has become a
/// standby. A wrong password, a missing database or a session with wrong settings do not pass.
pub(crate) fn may_pass(error: &sqlx::Error) -> bool {
    match FailureKind::of_driver(error) {
        FailureKind::ConnectionLost => !is_forbidden(error),
        kind => kind == FailureKind::Unavailable,
    }
}

/// Whether no connection can be made because the process has no file descriptor left. SQLite does not tell, so a descriptor is opened to
/// find out.
fn is_out_of_descriptors(error: &sqlx::Error) -> bool {
    // `EMFILE` and `ENFILE`, which have the same numbers on every Unix.
    let says_so = |error: &io::Error| matches!(error.raw_os_error(), Some(23 | 24));
    match error {
        sqlx::Error::Io(error) => says_so(error),
        sqlx::Error::Database(_) => File::open("/dev/null").is_err_and(|error| says_so(&error)),
        _ => false,
    }
}

fn is_forbidden(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == ErrorKind::PermissionDenied)
}

pub(crate) fn no_answer() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(
        ErrorKind::TimedOut,
        "the database does not answer",
    ))
}

pub(super) fn delays_of_asking() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(ASK_AGAIN.0)
        .with_max_delay(ASK_AGAIN.1)
        .without_max_times()
        .with_jitter()
        .build()
}
