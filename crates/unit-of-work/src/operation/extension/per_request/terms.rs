//! On which terms the operation of a request gets its unit.

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
    /// The deadline of an operation or an event: the settings' from its first attempt, or the request's own if that is earlier.
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

    /// Where this attempt's steps are written: with those of the attempts before it.
    pub(super) fn timeline(&self, attempt: Option<&Arc<Attempt>>) -> Arc<Timeline> {
        self.is_watched.get_or_init(|| ());
        match attempt {
            Some(attempt) => attempt.timeline(),
            None => Timeline::new(1),
        }
    }

    /// The stricter of what the request and its fields want.
    pub(super) fn isolation(&self, ctx: &ExtensionContext<'_>) -> Option<IsolationLevel> {
        let asked = ctx.data_opt::<Isolation>().map(|asked| asked.0);
        match (asked, self.field_isolation.get().copied()) {
            (Some(asked), Some(field)) => Some(stricter(asked, field)),
            (asked, field) => asked.or(field),
        }
    }
}
