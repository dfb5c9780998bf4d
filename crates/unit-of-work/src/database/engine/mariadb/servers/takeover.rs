//! Another node becomes the one that writes.

use std::time::Duration;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use sqlx::{AssertSqlSafe, Executor as _};
use tokio::time::{Instant, timeout_at};

use super::{
    Servers,
    search::{Greeted, greet},
    writer::{Candidate, number},
};
use crate::{
    FailureKind,
    database::engine::{
        mariadb::session::MariaDbSession,
        servers::{HEAD_START, none},
        session::SessionError,
    },
    galera::{EPOCH, ROWS, TABLE},
};

/// How long a node may be silent before another one is used.
pub(in super::super) const SILENCE: Duration = Duration::from_secs(2);

const ELSEWHERE: &str =
    "another node of the cluster writes, which the database's URL does not name";

const JUST_NOW: &str = "another node has just taken over";

/// What the servers have answered.
#[derive(Default)]
struct Answers {
    ready: Vec<Candidate>,
    failed: Vec<(usize, sqlx::Error)>,
}

/// Finds the node that writes. If it is not among those that answer, one of these takes over.
///
/// # Errors
/// [`SessionError::NoServer`] and [`SessionError::TakesNoWrites`] while no node writes, and those of a list of one.
pub(super) async fn writer(
    servers: &Servers,
    asked: &MariaDbSession,
) -> Result<Greeted, sqlx::Error> {
    let mut answers = Answers::default();
    let ask = |at| async move { (at, greet(servers, at, asked).await) };
    let silent_at = Instant::now() + SILENCE;
    let mut order = servers.starting_at_the_writer();
    let mut asking = FuturesUnordered::new();
    asking.extend(order.next().map(ask));
    let mut next = Instant::now() + HEAD_START;
    while !asking.is_empty() {
        let now = Instant::now();
        if now >= silent_at && !answers.ready.is_empty() {
            break;
        }
        let until = if now < next {
            next
        } else {
            silent_at.max(now + HEAD_START)
        };
        match timeout_at(until, asking.next()).await {
            Ok(Some((_, Ok(Greeted::Node(candidate))))) if !candidate.writes() => {
                answers.ready.push(*candidate);
            }
            Ok(Some((_, Ok(found)))) => return Ok(found),
            Ok(Some((at, Err(error)))) => {
                tracing::debug!(server = servers.name(at), %error, "the node cannot be used");
                answers.failed.push((at, error));
            }
            Ok(None) | Err(_) => {}
        }
        // The node that wrote last does not write, or is silent: all others are asked at once.
        asking.extend(order.by_ref().map(ask));
        next = silent_at;
    }
    let is_complete = asking.is_empty();
    drop(asking);
    take_over(servers, answers, is_complete)
        .await
        .map(|candidate| Greeted::Node(Box::new(candidate)))
}

async fn take_over(
    servers: &Servers,
    Answers { mut ready, failed }: Answers,
    is_complete: bool,
) -> Result<Candidate, sqlx::Error> {
    let Some(first) = ready.iter().enumerate().min_by_key(|(_, it)| it.at) else {
        return Err(match servers.is_one() {
            true => failed
                .into_iter()
                .next()
                .map_or(sqlx::Error::PoolClosed, |(_, error)| error),
            false => none(|at| servers.name(at), failed),
        });
    };
    // A server that refuses this connection lives, and may be the one that writes.
    if failed.iter().any(|(_, error)| answers(error)) {
        let tried = failed
            .iter()
            .map(|(at, error)| format!("{}: {error}", servers.name(*at)))
            .collect();
        return Err(SessionError::NoServer { tried }.into());
    }
    let (place, candidate) = first;
    let named = candidate.writer.address.as_str();
    let is_here = ready.iter().any(|it| it.view.address() == Some(named));
    if is_complete && failed.is_empty() && !is_here && candidate.view.has(named) {
        return Err(SessionError::TakesNoWrites(ELSEWHERE).into());
    }
    let mut candidate = ready.swap_remove(place);
    let Candidate { writer, node, .. } = &candidate;
    tracing::warn!(
        node = servers.name(candidate.at),
        epoch = writer.epoch + 1,
        before = writer.address,
        "the node that wrote does not answer, or there was none yet: another one takes over"
    );
    // One statement, and nothing behind COMMIT: a node that has lost its cluster would answer with success.
    let sql = format!(
        "START TRANSACTION READ WRITE; \
         UPDATE {TABLE} SET {EPOCH} = {EPOCH} + 1, node = '{}', address = '{}' WHERE {EPOCH} = {}; COMMIT",
        plain(&node.uuid),
        plain(candidate.view.address().unwrap_or_default()),
        writer.epoch
    );
    let done = candidate.connection.execute(AssertSqlSafe(sql)).await;
    let done = done.map_err(|error| match FailureKind::of_driver(&error) {
        FailureKind::Conflict => SessionError::TakesNoWrites(JUST_NOW).into(),
        _ => error,
    })?;
    if done.rows_affected() != u64::from(ROWS) {
        return Err(SessionError::TakesNoWrites(JUST_NOW).into());
    }
    candidate.writer.epoch += 1;
    Ok(candidate)
}

/// What a node tells, as a literal.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || ".:-_[]/".contains(*c))
        .collect()
}

/// Whether a server has refused a connection although it is a part of its cluster.
pub(super) fn answers(error: &sqlx::Error) -> bool {
    number(error).is_some() && FailureKind::of_driver(error) != FailureKind::ConnectionLost
}
