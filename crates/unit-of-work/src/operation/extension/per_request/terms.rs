//! The terms of a request's unit: deadline, timeline and isolation level.

use std::sync::Arc;

use async_graphql::extensions::ExtensionContext;
use sea_orm::IsolationLevel;
use tokio::time::Instant;

use super::PerRequest;
use crate::{
    Isolation, OperationDeadline,
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

    /// The stricter of the levels that the request and its fields require.
    pub(super) fn isolation(&self, ctx: &ExtensionContext<'_>) -> Option<IsolationLevel> {
        let asked = ctx.data_opt::<Isolation>().map(|asked| asked.0);
        match (asked, self.field_isolation.get().copied()) {
            (Some(asked), Some(field)) => Some(stricter(asked, field)),
            (asked, field) => asked.or(field),
        }
    }
}
