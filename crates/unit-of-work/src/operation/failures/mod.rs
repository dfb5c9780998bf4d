//! The database errors of an operation, and the fields in which they happened.
//!
//! Resolvers turn a database error into anything: an enum of their own, a text, a `Box<dyn Error>`. So the type of an error does not tell
//! whether a client may see it. Instead, each unit notes the failures that it returns, with the field that was being resolved.
//! [`mask`](crate::operation::mask) reads them.
//!
//! ```text
//! resolve ─> InField: PLACE is this field, on every poll         a statement fails ─> note: the failure, and PLACE
//!                      left: failures of this field get its path
//! ```
//!
//! A loader's batch belongs to every field that has used this loader.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use sea_orm::DbErr;
use tracing::Span;
use uuid::Uuid;

use crate::{FailureKind, UnitError, UnitOfWork};

mod place;

use place::At;
pub(crate) use place::{InField, Whose, asked, in_loader, in_operation, in_stream, whose};

/// The most failures that are kept. If there are more, every error without a code of its own is masked.
const MOST: usize = 1000;

/// What failed.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Error(DbErr),
    /// A statement was dropped before it had ended.
    Abandoned,
    /// An error that is only known by its text.
    Text(String),
}

impl std::fmt::Display for What {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Error(error) => error.fmt(formatter),
            Self::Abandoned => {
                formatter.write_str("a statement was dropped before it had been answered")
            }
            Self::Text(text) => formatter.write_str(text),
        }
    }
}

/// One failure.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    number: u64,
    pub(crate) what: What,
    pub(crate) kind: FailureKind,
    /// The unit's own refusal, because something else had failed before.
    pub(crate) refusal: Option<UnitError>,
    /// The operation's deadline had passed when it failed.
    pub(crate) is_late: bool,
    /// Whether its savepoint was rolled back: then the code that made the savepoint has handled it.
    pub(crate) is_mended: bool,
    /// Whether it is a failure of the unit that notes it, and not of another unit.
    is_own: bool,
    at: At,
    /// The paths of the fields in which it happened, once these are resolved.
    pub(crate) fields: Vec<String>,
    /// The id that a client was shown.
    id: Option<Uuid>,
    is_logged: bool,
}

/// The failures of one unit, or between the events of one stream. Most have none, and then it allocates nothing.
#[derive(Default)]
pub(crate) struct Failures {
    has_any: AtomicBool,
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    next: u64,
    failures: Vec<Failure>,
    has_overflowed: bool,
}

impl Failure {
    fn new(what: What, at: At) -> Self {
        let error = match &what {
            What::Error(error) => Some(error),
            What::Abandoned | What::Text(_) => None,
        };
        Self {
            number: 0,
            kind: error.map_or(FailureKind::Other, FailureKind::of),
            refusal: error.and_then(UnitError::in_db_err).cloned(),
            what,
            is_late: false,
            is_mended: false,
            is_own: false,
            at,
            fields: Vec::new(),
            id: None,
            is_logged: false,
        }
    }
}

/// Notes a failure of a unit: with the unit, and also with the running operation if that is another one's.
pub(crate) fn note(unit: &UnitOfWork, error: &DbErr) {
    note_as(unit, What::Error(error.clone()));
}

/// Notes that a statement or a savepoint was dropped half way.
pub(crate) fn note_abandoned(unit: &UnitOfWork) {
    note_as(unit, What::Abandoned);
}

fn note_as(unit: &UnitOfWork, what: What) {
    let at = place::here(unit.id());
    if at.is_none() {
        // A resolver has used a unit other than its operation's.
        place::with_operation(|failures, at| {
            failures.push(Failure::new(what.clone(), at));
        });
    }
    // A spawned task belongs to no known field.
    let mut failure = Failure::new(what, at.unwrap_or(At::Nowhere));
    if let What::Error(error) = &failure.what {
        failure.kind = unit.told_as(error);
    }
    failure.is_own = true;
    failure.is_late = unit.is_late();
    unit.failures().push(failure);
}

impl Failures {
    fn list(&self) -> MutexGuard<'_, List> {
        // Nothing can panic while the lock is held.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, mut failure: Failure) -> u64 {
        let mut list = self.list();
        list.next += 1;
        failure.number = list.next;
        let number = failure.number;
        if list.failures.len() >= MOST {
            // Drop a handled one first.
            match list.failures.iter().position(|failure| failure.is_mended) {
                Some(mended) => {
                    list.failures.remove(mended);
                }
                None => {
                    list.has_overflowed = true;
                    return number;
                }
            }
        }
        list.failures.push(failure);
        self.has_any.store(true, Ordering::Release);
        number
    }

    /// Gives the failures of a field the field's path.
    fn left(&self, field: &InField<'_>) {
        if !self.has_any.load(Ordering::Acquire) {
            return;
        }
        let id = field.id();
        for failure in &mut self.list().failures {
            match failure.at {
                // The address may be used for another field later.
                At::Field(at) if at == id => failure.at = At::Nowhere,
                At::Loader(loader) if field.has_asked(loader) => {}
                _ => continue,
            }
            failure.fields.push(field.path().to_string());
        }
    }

    /// A number that is smaller than that of every later failure.
    pub(crate) fn mark(&self) -> u64 {
        self.list().next
    }

    /// Marks the failures since `mark` as handled, because their savepoint was rolled back.
    pub(crate) fn mended_since(&self, mark: u64) {
        if !self.has_any.load(Ordering::Acquire) {
            return;
        }
        for failure in &mut self.list().failures {
            failure.is_mended |= failure.is_own && failure.number > mark;
        }
    }

    /// The failures so far.
    pub(crate) fn all(&self) -> Vec<Failure> {
        if !self.has_any.load(Ordering::Acquire) {
            return Vec::new();
        }
        self.list().failures.clone()
    }

    /// Whether there were more failures than are kept.
    pub(crate) fn has_overflowed(&self) -> bool {
        self.list().has_overflowed
    }

    /// Removes all failures.
    pub(crate) fn clear(&self) {
        if self.has_any.swap(false, Ordering::AcqRel) {
            *self.list() = List::default();
        }
    }

    /// Returns the id of a failure that a client is shown. The log will have the failure under this id.
    pub(crate) fn show(&self, failure: &Failure) -> Uuid {
        let mut list = self.list();
        let known = list.failures.iter_mut();
        match { known }.find(|known| known.number == failure.number) {
            Some(known) => *known.id.get_or_insert_with(Uuid::new_v4),
            None => Uuid::new_v4(),
        }
    }

    /// Adds a failure that no unit has noted.
    pub(crate) fn add(&self, what: What) -> Failure {
        let mut failure = Failure::new(what, At::Nowhere);
        failure.number = self.push(failure.clone());
        failure
    }

    /// The first failure, which doomed the unit. The unit's own refusals came later.
    pub(crate) fn cause(&self) -> Option<Failure> {
        let list = self.list();
        let own = || list.failures.iter().filter(|failure| failure.is_own);
        let first = own().find(|failure| failure.refusal.is_none() && !failure.is_mended);
        first.or_else(|| own().next()).cloned()
    }

    /// Returns the id of the first failure, for a client that is shown that the unit is doomed.
    pub(crate) fn show_cause(&self) -> Uuid {
        match self.cause() {
            Some(failure) => self.show(&failure),
            None => self.show(&self.add(What::Text("the unit was doomed".to_owned()))),
        }
    }

    /// Withdraws all ids: no client will see them.
    pub(crate) fn unshow(&self) {
        for failure in &mut self.list().failures {
            failure.id = None;
        }
    }

    /// Logs each failure whose id a client was shown, once.
    pub(crate) fn log(&self, span: &Span) {
        if !self.has_any.load(Ordering::Acquire) {
            return;
        }
        for failure in &mut self.list().failures {
            let Some(id) = failure.id.filter(|_| !failure.is_logged) else {
                continue;
            };
            failure.is_logged = true;
            let field = failure.fields.first().map_or("", String::as_str);
            let (error, kind) = (&failure.what, failure.kind.name());
            match failure.kind {
                FailureKind::Timeout => {
                    tracing::warn!(parent: span, error.id = %id, %error, kind, field, "a database statement took too long");
                }
                FailureKind::ConnectionLost | FailureKind::Unavailable => {
                    tracing::warn!(parent: span, error.id = %id, %error, kind, field, "an operation lost the database, or could not reach it");
                }
                _ => {
                    tracing::error!(parent: span, error.id = %id, %error, kind, field, "an operation failed in the database");
                }
            }
        }
    }
}
