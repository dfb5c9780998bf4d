//! The search for the first server of a list that can be used.

use std::time::Duration;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::timeout;

use crate::database::{engine::session::SessionError, pool::may_pass};

/// How long a server may take to answer before the next one is asked beside it.
pub(in super::super) const HEAD_START: Duration = Duration::from_millis(250);

/// Asks one server after the other: the next one as soon as one cannot be used, or has been silent for a while. Returns the place of the
/// first that can be used, and its answer.
///
/// # Errors
/// The places of all servers with their errors, if none can be used.
///
/// # Cancel safety
/// Cancel safe, if the questions are.
pub(in super::super) async fn first<T, F>(
    order: impl IntoIterator<Item = usize>,
    ask: impl Fn(usize) -> F,
) -> Result<(usize, T), Vec<(usize, sqlx::Error)>>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let ask = |at| {
        let asked = ask(at);
        async move { (at, asked.await) }
    };
    let mut order = order.into_iter();
    let mut asking = FuturesUnordered::new();
    let mut failed = Vec::new();
    asking.extend(order.next().map(ask));
    loop {
        match timeout(HEAD_START, asking.next()).await {
            Ok(Some((at, Ok(found)))) => return Ok((at, found)),
            Ok(Some((at, Err(error)))) => {
                tracing::debug!(server = at, %error, "the server cannot be used");
                failed.push((at, error));
            }
            Ok(None) => return Err(failed),
            Err(_) => {}
        }
        asking.extend(order.next().map(ask));
    }
}

/// The error if no server can be used: [`SessionError::NoServer`] if that may pass, and otherwise the error of the first.
pub(in super::super) fn none(
    name: impl Fn(usize) -> String,
    failed: Vec<(usize, sqlx::Error)>,
) -> sqlx::Error {
    if failed.iter().any(|(_, error)| may_pass(error)) {
        let tried = failed
            .iter()
            .map(|(at, error)| format!("{}: {error}", name(*at)))
            .collect();
        return SessionError::NoServer { tried }.into();
    }
    let first = failed.into_iter().min_by_key(|(at, _)| *at);
    first.map_or(sqlx::Error::PoolClosed, |(_, error)| error)
}
