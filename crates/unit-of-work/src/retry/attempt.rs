//! One attempt at an operation. The retry loop and the extension communicate through it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::time::Instant;

use crate::{
    UnitOfWork,
    observe::timeline::Timeline,
    operation::failures::Failure,
    retry::{batch::Together, notes::Notes},
};

/// One attempt, as the extension sees it in the request's data.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// From 1.
    pub(crate) number: u32,
    /// When the first attempt started: the deadline counts from here.
    pub(crate) started: Instant,
    /// The unit that the operations of a batch share.
    pub(crate) together: Option<Arc<Together>>,
    /// Whether the operation is expected to make one statement only, which needs no transaction.
    pub(crate) without_transaction: bool,
    /// Whether it may share its COMMIT with others. After an attempt that was undone with others, the next one may not.
    pub(crate) shares_commit: bool,
    /// Its notes for the next attempt, and those of the last one.
    pub(crate) notes: Arc<Notes>,
    /// The timeline, made by the extension if the client asked for one.
    pub(super) timeline: OnceLock<Arc<Timeline>>,
    /// Set by the extension if the operation makes more than one statement.
    pub(super) needs_snapshot: OnceLock<()>,
    /// Set by the extension if the operation is a subscription, which has no attempts.
    pub(super) subscription: OnceLock<()>,
    /// Set by the extension if the operation should be run again.
    pub(super) end: OnceLock<End>,
}

/// Why an operation should be run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It had a conflict with another operation.
    Conflict,
    /// The connection was lost before anything was committed, or none could be made.
    Database,
    /// The COMMIT that it was to share did not happen.
    SharedCommit,
}

#[derive(Debug)]
pub(super) struct End {
    pub(super) lost: Lost,
    pub(super) deadline: Option<Instant>,
    /// The failed unit, for the log: its failures are logged with the retry or with the answer. It is dropped before the wait for the next
    /// attempt, so that its span ends.
    unit: Mutex<Option<UnitOfWork>>,
}

impl End {
    fn unit(&self) -> Option<UnitOfWork> {
        let unit = self.unit.lock();
        // Nothing can panic while the lock is held.
        unit.unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Logs the causes of the error that the client is shown.
    pub(super) fn log(&self) {
        if let Some(unit) = self.unit() {
            unit.failures().log(unit.span());
        }
    }

    pub(super) fn cause(&self) -> Option<Failure> {
        self.unit()?.failures().cause()
    }
}

impl Attempt {
    /// The timeline for this attempt's steps. All attempts of an operation share one.
    pub(crate) fn timeline(&self) -> Arc<Timeline> {
        let timeline = self.timeline.get_or_init(|| Timeline::new(self.number));
        timeline.attempt(self.number);
        Arc::clone(timeline)
    }

    /// Notes that the operation makes more than one statement.
    pub(crate) fn snapshot_needed(&self) {
        self.needs_snapshot.get_or_init(|| ());
    }

    /// Notes that the operation is a subscription, of which nothing has run.
    pub(crate) fn is_subscription(&self) {
        self.subscription.get_or_init(|| ());
    }

    /// Notes why the operation should be run again.
    pub(crate) fn lost(&self, lost: Lost, deadline: Option<Instant>, unit: &UnitOfWork) {
        self.end.get_or_init(|| End {
            lost,
            deadline,
            unit: Mutex::new(Some(unit.clone())),
        });
    }
}
