//! The terms of a request's unit: deadline, timeline and isolation level.

use std::sync::Arc;

use async_graphql::{ServerError, extensions::ExtensionContext, parser::types::OperationType};
use sea_orm::IsolationLevel;
use tokio::time::Instant;

use super::PerRequest;
use crate::{
    Access, ConsistencyToken, Database, Isolation, MaxStaleness, OperationDeadline, Viewer,
    consistency::reading::{self, Reading},
    observe::timeline::Timeline,
    retry::attempt::Attempt,
    unit::terms::{Deadline, stricter},
};

impl PerRequest {
    /// The deadline of an operation or an event: that of the settings, from the first attempt on, or the request's own if it is earlier.
    pub(super) fn deadline(
        &self,
        ctx: &ExtensionContext<'_>,
        started: Instant,
    ) -> Option<Deadline> {
        let settings = self.settings.deadline.map(|limit| started + limit);
        let asked = ctx.data_opt::<OperationDeadline>().map(|asked| asked.0);
        let at = match (settings, asked) {
            (Some(settings), Some(asked)) => settings.min(asked),
            (settings, asked) => settings.or(asked)?,
        };
        Some(Deadline {
            at,
            limit: at.saturating_duration_since(started),
        })
    }

    /// The timeline for this attempt's steps, which it shares with earlier attempts.
    pub(super) fn timeline(&self, attempt: Option<&Arc<Attempt>>) -> Arc<Timeline> {
        self.is_watched.get_or_init(|| ());
        match attempt {
            Some(attempt) => attempt.timeline(),
            None => Timeline::new(1),
        }
    }

    /// What the operation asks of the server that it reads from. `None` for an event, which is always read from the primary, and on a database
    /// without replicas.
    ///
    /// A standby cannot be read at SERIALIZABLE. An attempt after one that has failed uses the primary, so that what is wrong with a replica
    /// costs one attempt at most.
    ///
    /// # Errors
    /// If the tokens in the request's data and in its `extensions` contradict.
    pub(super) fn reading(
        &self,
        ctx: &ExtensionContext<'_>,
        (kind, access): (OperationType, Access),
        isolation: Option<IsolationLevel>,
        database: &Database,
    ) -> Result<Option<Reading>, ServerError> {
        if !database.has_replicas() || kind == OperationType::Subscription {
            return Ok(None);
        }
        let in_data = ctx.data_opt::<ConsistencyToken>().copied();
        let shown = reading::newer(in_data, self.shown.get().copied())?;
        let own_staleness = ctx.data_opt::<MaxStaleness>().map(|own| own.0);
        let attempt = ctx.data_opt::<Arc<Attempt>>();
        let is_alone_and_first = attempt.is_none_or(|it| it.number == 1 && it.together.is_none());
        let can_be_read_there = kind == OperationType::Query
            && isolation != Some(IsolationLevel::Serializable)
            && !self.idempotency.has_key()
            && is_alone_and_first;
        Ok(Some(Reading::new(
            database,
            shown,
            own_staleness,
            || viewer_of(ctx),
            (access, can_be_read_there),
        )))
    }

    /// The stricter of the levels that the request and its fields require.
    pub(super) fn isolation(&self, ctx: &ExtensionContext<'_>) -> Option<IsolationLevel> {
        let asked = ctx.data_opt::<Isolation>().map(|asked| asked.0);
        match (asked, self.field_isolation.get().copied()) {
            (Some(asked), Some(field)) => Some(stricter(asked, field)),
            (asked, field) => asked.or(field),
        }
    }
}

/// Who sends the operation. Clients without a viewer are one.
pub(super) fn viewer_of(ctx: &ExtensionContext<'_>) -> Viewer {
    ctx.data_opt::<Viewer>().cloned().unwrap_or_default()
}
