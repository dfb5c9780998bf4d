//! What an operation may take, and what it tells.

use std::{collections::BTreeMap, time::Duration};

use async_graphql::{
    Positioned,
    parser::types::{ExecutableDocument, OperationDefinition},
};
use sea_orm::IsolationLevel;

use crate::{Report, root_fields::root_fields, unit::stricter};

/// Settings of the [`UnitOfWorkExtension`](crate::UnitOfWorkExtension).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// How long an operation may take, from its first resolver to its COMMIT: a later one is rolled back and answered
    /// with `DEADLINE_EXCEEDED`. `None` is no limit. Default: 30 seconds.
    pub deadline: Option<Duration>,
    /// Whether responses tell of their unit. Default: off.
    pub report: Report,
    /// The least isolation level of operations that select a root field, by the field's name. Default: none.
    pub field_isolation: BTreeMap<String, IsolationLevel>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            deadline: Some(Duration::from_secs(30)),
            report: Report::Off,
            field_isolation: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// The strictest isolation level that a root field of the operation wants.
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
