//! The rows that an operation names as proof of its COMMIT.

use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use sea_orm::{
    DbBackend, Statement, Value,
    sea_query::{Alias, Expr, ExprTrait as _, Query},
};

use crate::{
    database::engine::words::numbered,
    unit::{marker::ASKED_WITHIN, scope::Scope},
};

/// A row that exists if and only if the unit that has named it was committed.
#[derive(Clone, Debug)]
pub(crate) enum Evidence {
    /// A row of the application, by its column `id`.
    Row { table: Cow<'static, str>, id: Value },
    /// The row of an idempotency key, with a response that begins as only this attempt's does. Another attempt with the same key may have
    /// been committed instead.
    Key {
        viewer: String,
        key: String,
        begins: String,
        /// In milliseconds since 1970.
        expires_at: i64,
    },
}

impl Evidence {
    /// Has a row that is true if the COMMIT happened; one that is false if that cannot be known any more; else none.
    pub(crate) fn question(&self, engine: DbBackend) -> Statement {
        match self {
            Self::Row { table, id } => {
                let query = Query::select()
                    .expr(Expr::val(true))
                    .from(Alias::new(table.as_ref()))
                    .and_where(Expr::col("id").eq(id.clone()))
                    .to_owned();
                engine.build(&query)
            }
            Self::Key {
                viewer,
                key,
                begins,
                expires_at,
            } => numbered(
                engine,
                match engine {
                    DbBackend::MySql => KEY_QUESTION_ON_MARIADB,
                    _ => KEY_QUESTION,
                },
                [
                    viewer.as_str().into(),
                    key.as_str().into(),
                    begins.as_str().into(),
                    (*expires_at).into(),
                    expires_at.saturating_add(asked_within()).into(),
                ],
            ),
        }
    }
}

/// A key that expires so much later than this one ($5) was claimed when this one had expired, by some server's clock. Any other that is
/// there instead was claimed because this one was not committed. The row with an empty key says up to which time keys were deleted.
const KEY_QUESTION: &str = "\
    SELECT coalesce(starts_with(response, $3), false) FROM unit_of_work_idempotency \
    WHERE viewer = $1 AND idempotency_key = $2 AND (starts_with(response, $3) OR expires_at > $5) \
    UNION ALL \
    SELECT false FROM unit_of_work_idempotency \
    WHERE viewer = '' AND idempotency_key = '' AND expires_at >= $4";

/// The same. MariaDB has no `starts_with`, and LIKE has wildcards.
const KEY_QUESTION_ON_MARIADB: &str = "\
    SELECT coalesce(left(response, char_length($3)) = $3, false) FROM unit_of_work_idempotency \
    WHERE viewer = $1 AND idempotency_key = $2 AND (left(response, char_length($3)) = $3 OR expires_at > $5) \
    UNION ALL \
    SELECT false FROM unit_of_work_idempotency \
    WHERE viewer = '' AND idempotency_key = '' AND expires_at >= $4";

/// In milliseconds.
fn asked_within() -> i64 {
    i64::try_from(ASKED_WITHIN.as_millis()).unwrap_or(i64::MAX)
}

/// What a unit can be proved by. One row is enough, and the first is kept: an operation may insert many thousands.
#[derive(Default)]
pub(crate) struct Named {
    rows: Mutex<Vec<(Option<Arc<Scope>>, Evidence)>>,
    is_needless: AtomicBool,
}

impl Named {
    /// Adds a row that was inserted in this savepoint, or outside of savepoints.
    pub(crate) fn push(&self, scope: Option<Arc<Scope>>, evidence: impl FnOnce() -> Evidence) {
        let mut named = self.lock();
        let outlives = |(other, _): &(Option<Arc<Scope>>, Evidence)| match (other, &scope) {
            (None, _) => true,
            (Some(other), Some(scope)) => scope.is_within(other),
            (Some(_), None) => false,
        };
        if !named.iter().any(outlives) {
            named.push((scope, evidence()));
        }
    }

    /// Drops the rows of a savepoint that is rolled back.
    pub(crate) fn discard_within(&self, savepoint: &Scope) {
        self.lock().retain(|(scope, _)| {
            let scope = scope.as_ref();
            !scope.is_some_and(|scope| scope.is_within(savepoint))
        });
    }

    /// Nobody needs to know whether the unit was committed.
    pub(crate) fn is_needless(&self) -> bool {
        self.is_needless.load(Relaxed)
    }

    pub(crate) fn needs_none(&self) {
        self.is_needless.store(true, Relaxed);
    }

    /// Takes one row.
    pub(crate) fn take(&self) -> Option<Evidence> {
        self.lock().drain(..).next().map(|(_, evidence)| evidence)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Option<Arc<Scope>>, Evidence)>> {
        // Nothing can panic while the lock is held.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
