//! Where a new endpoint begins.

use super::WebhookError;
use crate::ledger::{InvalidInput, newest_in_outbox, outbox::number_all_events, visible_in_outbox};
use sea_orm::{ConnectionTrait, DbBackend};

/// How many of the last numbers are looked at for the place to begin at.
const LOOK_BACK: i64 = 10_000;

/// Which events an endpoint is told first.
#[derive(Clone, Copy, Debug)]
pub enum StartAfter {
    /// Those after this number.
    Number(i64),
    /// Those that are committed from now on. Everything up to `settled` is known to be settled, if that is known.
    Now {
        /// See [`StartAfter::Now`].
        settled: Option<i64>,
    },
}

/// The position of a new endpoint.
///
/// From now on, nothing that is committed after this transaction has begun is missed: the position is one up to which every number is
/// visible here, or was settled. Events that were committed shortly before can still come, if a smaller number was not visible.
pub(super) async fn start(
    db: &impl ConnectionTrait,
    after: StartAfter,
) -> Result<i64, WebhookError> {
    let engine = db.get_database_backend();
    if engine == DbBackend::MySql && matches!(after, StartAfter::Now { .. }) {
        number_all_events(db).await?;
    }
    let newest = newest_in_outbox(db).await?;
    match after {
        StartAfter::Number(after) if (0..=newest).contains(&after) => Ok(after),
        StartAfter::Number(_) => {
            let problem = "no event has this cursor yet: give one as it arrived in an event of this ledger, or \"0\" for the beginning";
            Err(InvalidInput::new("after", problem).into())
        }
        // Numbers become visible in order there.
        StartAfter::Now { .. } if engine != DbBackend::Postgres => Ok(newest),
        StartAfter::Now { settled } => {
            // Where nothing is known to be settled, what is before the last ten thousand numbers counts as settled.
            let mut position = settled.unwrap_or(newest - LOOK_BACK).clamp(0, newest);
            for seq in visible_in_outbox(db, position, LOOK_BACK).await? {
                if seq != position + 1 {
                    break;
                }
                position = seq;
            }
            Ok(position)
        }
    }
}
