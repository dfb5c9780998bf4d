//! Whether the database can be reached, and how long to wait where it cannot.

use std::{
    io::{self, ErrorKind},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};

use crate::FailureKind;

/// How long to wait for a database that cannot be reached before it is tried again, at first and at most; up to as much
/// again is added at random.
pub(super) const ASK_AGAIN: (Duration, Duration) =
    (Duration::from_millis(50), Duration::from_secs(1));

/// Whether the database can be reached, as far as is known from those who try to connect.
#[derive(Default)]
pub(super) struct Reach {
    /// How many connections are being made.
    connecting: AtomicUsize,
    /// Whether the last that was made failed.
    is_lost: AtomicBool,
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

    /// Said in the log once, and not by each operation that waits.
    pub(super) fn failed(&self, error: &sqlx::Error) {
        if !self.is_lost.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "no connection to the database can be made; operations wait for it until their deadline");
        }
    }

    pub(super) fn succeeded(&self) {
        if self.is_lost.load(Ordering::Relaxed) && self.is_lost.swap(false, Ordering::Relaxed) {
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
