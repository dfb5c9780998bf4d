//! What units have found out about the database, for health checks: that it is full or damaged.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use thiserror::Error;
use tokio::time::Instant;

use crate::FailureKind;

/// How long the database counts as full after a write found no room, on an engine where no small write can test it.
const COUNTS: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(crate) struct Health {
    /// Whether the last write found no room. It is an atomic, so that COMMIT takes no lock.
    is_full: AtomicBool,
    full_since: Mutex<Option<Instant>>,
    is_damaged: AtomicBool,
}

/// An operation found damage in the database's files.
#[derive(Debug, Error)]
#[error("an operation has met damage in the database's files, since the server was started")]
pub(crate) struct Damaged;

impl From<Damaged> for sqlx::Error {
    fn from(error: Damaged) -> Self {
        Self::Configuration(Box::new(error))
    }
}

impl Damaged {
    pub(crate) fn is_driver_error(error: &sqlx::Error) -> bool {
        matches!(error, sqlx::Error::Configuration(error) if error.is::<Self>())
    }
}

impl Health {
    /// Notes that a statement or a COMMIT failed. `writes`: whether its unit may write.
    pub(crate) fn failed(&self, kind: FailureKind, writes: bool) {
        match kind {
            FailureKind::Full if writes => {
                *self.full_since() = Some(Instant::now());
                self.is_full.store(true, Ordering::Relaxed);
            }
            FailureKind::Damaged if !self.is_damaged.swap(true, Ordering::Relaxed) => {
                tracing::error!(
                    "the database is damaged: stop writing to it, check its files, and restore a backup"
                );
            }
            _ => {}
        }
    }

    /// Notes that a COMMIT succeeded, so there was room for what it wrote.
    pub(crate) fn committed(&self) {
        if self.is_full() && self.is_full.swap(false, Ordering::Relaxed) {
            tracing::warn!("a write has succeeded since the database had no room");
        }
    }

    /// Whether the last write found no room.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Whether a write found no room within the last few seconds. A smaller write that succeeded since then, such as a job's, does not show that
    /// there is room for others: it may have needed no new page.
    pub(crate) fn was_full_just_now(&self) -> bool {
        self.full_since()
            .is_some_and(|since| since.elapsed() < COUNTS)
    }

    /// Checks whether damage was found since the database was connected to.
    ///
    /// # Errors
    /// [`Damaged`].
    pub(crate) fn check_damage(&self) -> Result<(), Damaged> {
        if self.is_damaged.load(Ordering::Relaxed) {
            Err(Damaged)
        } else {
            Ok(())
        }
    }

    fn full_since(&self) -> MutexGuard<'_, Option<Instant>> {
        // Nothing can panic while the lock is held.
        self.full_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
