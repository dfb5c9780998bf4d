//! The primary, where a query with a token is sent if no replica has in time what the token stands for; and for every mutation.
//!
//! A primary has all that was acknowledged on its timeline and on those before it, so its position says nothing. But it may *show* less
//! than a replica has shown. COMMIT is written to the log, and may wait for a synchronous standby, before the primary lets others see what
//! it has written. Another standby shows it as soon as it has replayed the log.

use std::sync::Arc;

use sqlx::{Executor as _, Postgres, Row as _};
use tokio::time::{Duration, sleep};

use super::super::backend::Backend;
use crate::{
    ConsistencyToken, UnitError,
    consistency::judgement::{Judgement, Place},
    database::{engine::session::SessionError, pool::Pooled},
};

/// How long to wait before the processes are looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What each process is executing that may be a COMMIT. A process that is in none of its statements has committed nothing that others
/// cannot see; and what is executed next comes after whatever the token stands for. `COMMIT PREPARED` ends a transaction of no process.
const EXECUTING: &str = "\
    SELECT concat_ws(' ', pid, backend_xid, query_start, state_change) FROM pg_stat_activity \
    WHERE pid <> pg_backend_pid() AND coalesce(state, '') NOT LIKE 'idle%' \
      AND (backend_xid IS NOT NULL OR query ILIKE '%prepared%')";

/// Checks whether the primary goes on from where the token was given. A standby is judged otherwise.
///
/// # Errors
/// [`UnitError::ConsistencyTokenInvalid`] and [`UnitError::ConsistencyLost`] as [`sqlx::Error::Io`]; and for a primary that is older than the
/// token, an error that may pass, since another server has taken over.
pub(in super::super) fn honours(
    primary: &Arc<Backend>,
    token: &ConsistencyToken,
) -> Result<(), sqlx::Error> {
    let refused = |error: UnitError| Err(sqlx::Error::Io(std::io::Error::other(error)));
    let (Some(server), Some(system)) = (&primary.server, primary.system_number()) else {
        return Ok(());
    };
    let place = Place {
        system,
        timeline: std::num::NonZero::new(server.timeline),
        position: u64::MAX,
    };
    match place.judge(token) {
        Judgement::Included | Judgement::Unknown => Ok(()),
        Judgement::Behind => Err(SessionError::TakesNoWrites(
            "the server is an old primary, and the token of a client is from one that has taken over since",
        )
        .into()),
        Judgement::Lost => refused(UnitError::ConsistencyLost),
        Judgement::Foreign => refused(UnitError::ConsistencyTokenInvalid),
    }
}

/// Waits until the next snapshot on the primary has all that a replica can have shown before.
///
/// # Errors
/// Those of the question.
///
/// # Cancel safety
/// Cancel safe: the connection is closed if it is dropped while a question is under way.
pub(in super::super) async fn wait_for_commits(
    connection: &mut Pooled<Postgres>,
) -> Result<(), sqlx::Error> {
    let mut waited_for = executing(connection).await?;
    while !waited_for.is_empty() {
        sleep(LOOK_AGAIN).await;
        let now = executing(connection).await?;
        waited_for.retain(|statement| now.contains(statement));
    }
    Ok(())
}

async fn executing(connection: &mut Pooled<Postgres>) -> Result<Vec<String>, sqlx::Error> {
    connection.in_doubt(true);
    let rows = connection.fetch_all(EXECUTING).await?;
    connection.in_doubt(false);
    rows.iter()
        .map(|row| row.try_get_unchecked::<String, _>(0))
        .collect()
}
