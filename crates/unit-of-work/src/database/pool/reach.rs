//! Whether the database can be reached, and how long to wait where it cannot.

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

/// How long to wait for a database that cannot be reached before it is tried again, at first and at most; up to as much
/// again is added at random.
pub(super) const ASK_AGAIN: (Duration, Duration) =
    (Duration::from_millis(50), Duration::from_secs(1));

/// How long after the log has said that the database cannot be reached it may say so again.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// Whether the database can be reached, as far as is known from those who try to connect.
#[derive(Default)]
pub(super) struct Reach {
    /// How many connections are being made.
    connecting: AtomicUsize,
    /// Whether the last that was made failed.
    is_lost: AtomicBool,
    /// When the log said so. Where every second attempt fails, it would say it for each.
    told: Mutex<Option<Instant>>,
    /// Whether that was the last that it said.
    is_told_lost: AtomicBool,
}

/// A connection that is being made, successfully or not.
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

    /// Said in the log once a minute at most, and not by each operation that waits.
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

    /// Whether nobody of `all` has a connection: it is the database that keeps others waiting, and not what they do.
    pub(super) fn is_out_of_reach(&self, all: usize) -> bool {
        self.is_lost.load(Ordering::Relaxed) || self.connecting.load(Ordering::Relaxed) >= all
    }
}

/// Whether a connection that could not be made may be made in a moment: nobody listens, a proxy has no server to lead to,
/// the server starts, stops, is full, or has become a standby. A wrong password, a database that does not exist or a session
/// that is not as asked do not pass.
pub(super) fn may_pass(error: &sqlx::Error) -> bool {
    match FailureKind::of_driver(error) {
        FailureKind::ConnectionLost => !is_forbidden(error),
        kind => kind == FailureKind::Unavailable,
    }
}

/// Whether it is for want of a file descriptor that no connection can be made. SQLite does not say so: whether one is left is tried out.
fn is_out_of_descriptors(error: &sqlx::Error) -> bool {
    // `EMFILE` and `ENFILE`, which are the same numbers on every Unix.
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
