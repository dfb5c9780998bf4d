//! Settings of the extension.

use std::{collections::BTreeMap, time::Duration};

use async_graphql::{
    Positioned,
    parser::types::{ExecutableDocument, OperationDefinition},
};
use sea_orm::IsolationLevel;

use crate::{Report, operation::root_fields::root_fields, setters::setters, unit::terms::stricter};

/// Settings of the [`UnitOfWorkExtension`](crate::UnitOfWorkExtension).
///
/// ```
/// use std::time::Duration;
/// use unit_of_work::{Report, Settings};
///
/// let settings = Settings::default()
///     .deadline(Duration::from_secs(5))
///     .report(Report::InExtensions);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// How long an operation may take, from its first resolver to its COMMIT. After that it is rolled back and answered with
    /// `DEADLINE_EXCEEDED`. `None` means no limit. Default: 30 seconds.
    pub deadline: Option<Duration>,
    /// Whether responses have a report of their unit. Default: off.
    pub report: Report,
    /// The lowest isolation level of operations that select a root field, by the field's name. Default: none.
    pub field_isolation: BTreeMap<String, IsolationLevel>,
    /// Whether every root field of a mutation has a savepoint of its own. A *nullable* root field that fails is then undone and answered
    /// with null and its error, and what the other fields did is committed. Any other error still rolls back everything. Default: off, any
    /// error rolls back everything.
    ///
    /// The resolver of such a field must return `Result<Option<T>>`. async-graphql catches the error of an `Option<Result<T>>` before the
    /// extension sees it, so it rolls back everything.
    ///
    /// It has no effect on an operation with an idempotency key, whose response is stored, or in a batch that is all or nothing.
    ///
    /// A field that uses the database costs two more round trips. Headers that an undone field has set stay.
    pub field_savepoints: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            deadline: Some(Duration::from_secs(30)),
            report: Report::Off,
            field_isolation: BTreeMap::new(),
            field_savepoints: false,
        }
    }
}

setters!(Settings {
    report: Report,
    field_isolation: BTreeMap<String, IsolationLevel>,
    field_savepoints: bool,
});

impl Settings {
    /// Sets [`Settings::deadline`](#structfield.deadline).
    #[must_use]
    pub fn deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.deadline = deadline.into();
        self
    }

    /// The strictest isolation level that a root field of the operation requires.
    pub(crate) fn isolation_of(
        &self,
        document: &ExecutableDocument,
        operation: &Positioned<OperationDefinition>,
    ) -> Option<IsolationLevel> {
        if self.field_isolation.is_empty() {
            return None;
        }
        root_fields(document, operation)
            .into_iter()
            .filter_map(|(_, name)| self.field_isolation.get(name).copied())
            .reduce(stricter)
    }
}
