//! How a unit gets doomed: by a statement that failed, or one that was dropped half way.

use std::{sync::atomic::Ordering, time::Duration};

use sea_orm::DbErr;
use tokio::time::Instant;

use super::{UnitOfWork, scope::can_mend};
use crate::{Access, FailureKind, UnitError, operation::failures};

/// How much earlier the server's time-out may fire, if it is set to the operation's deadline.
const EARLY: Duration = Duration::from_millis(10);

impl UnitOfWork {
    /// Why the unit refuses further statements, if it does.
    pub(crate) fn refusal(&self) -> Option<UnitError> {
        let is_closing = self.inner.closing.load(Ordering::Acquire);
        let has_part_failed = self
            .field_scope()
            .is_some_and(|field| field.failure().is_some());
        self.fate().refusal(is_closing, has_part_failed)
    }

    /// The kind of an error in this unit. A refused write in a query is a mistake of the application; in a unit that may write, the server
    /// has become a standby, or the file system is read-only.
    pub(crate) fn kind_of(&self, error: &DbErr) -> FailureKind {
        match FailureKind::of(error) {
            FailureKind::ReadOnly if self.access() == Access::ReadWrite => FailureKind::Unavailable,
            kind => kind,
        }
    }

    /// Whether the operation's deadline has passed, or is so near that the server's own time-out may have fired first.
    pub(crate) fn is_late(&self) -> bool {
        let deadline = self.deadline();
        deadline.is_some_and(|deadline| Instant::now() + EARLY >= deadline)
    }

    /// The kind of an error, for clients. If the operation's deadline has passed, the server itself ends the transaction. Then the
    /// connection is lost, but the reason is the deadline.
    pub(crate) fn told_as(&self, error: &DbErr) -> FailureKind {
        match self.kind_of(error) {
            FailureKind::ConnectionLost if self.is_late() => FailureKind::Timeout,
            kind => kind,
        }
    }

    /// Notes that a statement failed: from now on, the unit can only be rolled back.
    pub(crate) fn failed(&self, error: DbErr) -> DbErr {
        self.inner.doom.get_or_init(|| self.told_as(&error));
        error
    }

    /// Notes that a statement failed: its savepoint or unit can only be rolled back.
    pub(super) fn statement_failed(&self, error: DbErr) -> DbErr {
        let kind = self.kind_of(&error);
        match self.field_scope() {
            Some(field) if can_mend(kind) => {
                field.fail(kind);
                error
            }
            _ => self.failed(error),
        }
    }

    /// Notes that a statement was dropped half way: its savepoint or unit can only be rolled back.
    pub(crate) fn abandoned(&self) {
        failures::note_abandoned(self);
        match self.field_scope() {
            Some(field) => field.fail(FailureKind::Other),
            None => self.doom_with(FailureKind::Other),
        }
    }

    pub(crate) fn doom_with(&self, kind: FailureKind) {
        self.inner.doom.get_or_init(|| kind);
    }
}
