//! The errors that refuse or end a subscription.
//!
//! A stream never goes on after an event that was not delivered. It ends with `FEED_INTERRUPTED` and the cursor after which the client can
//! resume.

use async_graphql::{Error, ErrorExtensions as _};
use sea_orm::DbErr;
use unit_of_work::{FailureKind, Undelivered, codes};
use uuid::Uuid;

use super::event::FeedEvent;

const INTERRUPTED: &str = "FEED_INTERRUPTED";
const HISTORY_LOST: &str = "FEED_HISTORY_LOST";
const TOO_MANY: &str = "TOO_MANY_SUBSCRIPTIONS";

/// The event could not be read.
pub(in crate::graphql) fn undelivered(event: FeedEvent, why: Undelivered) -> Error {
    interrupted(event.resume_after, why).extend_with(|_, extensions| {
        extensions.set("undelivered", event.event.seq.to_string());
    })
}

/// The outbox could not be read after this cursor.
pub(super) fn unreadable(position: i64, error: &DbErr) -> Error {
    let id = Uuid::new_v4().to_string();
    tracing::error!(error.id = %id, %error, "the outbox cannot be read");
    let code = match FailureKind::of(error) {
        FailureKind::NoConnection => codes::OVERLOADED,
        FailureKind::ConnectionLost | FailureKind::Unavailable => codes::DATABASE_UNAVAILABLE,
        FailureKind::Full => codes::DATABASE_FULL,
        FailureKind::FileReplaced => codes::DATABASE_FILE_REPLACED,
        FailureKind::Damaged => codes::DATABASE_DAMAGED,
        FailureKind::Timeout => codes::DEADLINE_EXCEEDED,
        _ => codes::INTERNAL,
    };
    let mut why = Undelivered::default();
    why.code = Some(code.to_owned());
    why.id = Some(id);
    why.retryable = is_passing(error) || !matches!(code, codes::INTERNAL | codes::DATABASE_DAMAGED);
    interrupted(position, why)
}

fn interrupted(resume_after: i64, why: Undelivered) -> Error {
    let error = Error::new(
        "The stream is interrupted: nothing after the cursor `resumeAfter` was delivered. Subscribe again with it in `after`.",
    );
    error.extend_with(|_, extensions| {
        extensions.set("code", INTERRUPTED);
        extensions.set("retryable", why.retryable);
        extensions.set("resumeAfter", resume_after.to_string());
        if let Some(code) = why.code {
            extensions.set("cause", code);
        }
        if let Some(id) = why.id {
            extensions.set("id", id);
        }
    })
}

/// The database lost events that had been announced.
pub(super) fn history_lost() -> Error {
    let error = Error::new(
        "The database went back behind events that were announced: to a standby that lacked them, or to a backup. Read the ledger anew before you subscribe again.",
    );
    error.extend_with(|_, extensions| {
        extensions.set("code", HISTORY_LOST);
        extensions.set("retryable", false);
    })
}

pub(super) fn too_many_subscriptions(limit: usize) -> Error {
    let error = Error::new(format!(
        "the limit of subscriptions is {limit}, and this server has as many: try again later, or at another server"
    ));
    error.extend_with(|_, extensions| {
        extensions.set("code", TOO_MANY);
        extensions.set("retryable", true);
        extensions.set("limit", "subscriptions");
        extensions.set("max", limit);
        extensions.set("value", limit.saturating_add(1));
    })
}

/// Whether the same read may soon succeed.
pub(super) fn is_passing(error: &DbErr) -> bool {
    matches!(
        FailureKind::of(error),
        FailureKind::Conflict
            | FailureKind::ConnectionLost
            | FailureKind::Unavailable
            | FailureKind::NoConnection
    )
}
