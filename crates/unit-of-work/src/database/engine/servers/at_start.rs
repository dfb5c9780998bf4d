//! The look at all servers of a list when the database is connected to.
//!
//! A failover is a bad time to find out that the server that takes over has another password, another name for the database, or other
//! data. So each server is asked at the start, and one that answers must be usable. One that does not answer may be down for good reasons:
//! the log says so.

use std::time::Duration;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::{Instant, timeout_at};

use super::none;
use crate::{
    ConnectError, DatabaseOptions,
    database::{
        connect::first_error,
        pool::{may_pass, no_answer},
    },
};

/// How much longer the other servers are waited for when one that is enough has answered.
const GRACE: Duration = Duration::from_secs(1);

/// Asks all servers of a list, by their places. The answer says whether the others need not be waited for much longer.
///
/// # Errors
/// [`ConnectError::Server`] for a server that answers and cannot be used, and [`ConnectError::Open`] if none answers.
pub(in super::super) async fn check_all<F>(
    names: &[String],
    look: impl Fn(usize) -> F,
    options: &DatabaseOptions,
) -> Result<(), ConnectError>
where
    F: Future<Output = Result<bool, sqlx::Error>>,
{
    let mut limit = Instant::now() + options.connect_timeout;
    let mut asking: FuturesUnordered<_> = (0..names.len())
        .map(|at| {
            let asked = look(at);
            async move { (at, asked.await) }
        })
        .collect();
    let mut failures: Vec<_> = names.iter().map(|_| Some(no_answer())).collect();
    while let Ok(Some((at, answer))) = timeout_at(limit, asking.next()).await {
        failures[at] = None;
        match answer {
            Err(error) if may_pass(&error) => failures[at] = Some(error),
            Err(error) => {
                return Err(ConnectError::Server {
                    server: names[at].clone(),
                    source: Box::new(first_error(error)),
                });
            }
            Ok(is_enough) => {
                if is_enough {
                    limit = limit.min(Instant::now() + GRACE);
                }
            }
        }
    }
    if failures.iter().all(Option::is_some) {
        let failures = failures.into_iter().flatten().enumerate();
        let error = none(|at| names[at].clone(), failures.collect());
        return Err(first_error(error));
    }
    for (at, error) in failures.into_iter().enumerate() {
        if let Some(error) = error {
            tracing::warn!(
                server = names[at], %error,
                "a server of the list cannot be used now"
            );
        }
    }
    Ok(())
}
