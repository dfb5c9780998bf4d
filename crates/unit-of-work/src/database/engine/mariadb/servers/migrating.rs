//! The server that migrations run on.

use futures_util::future::join_all;
use sqlx::Connection as _;

use super::{
    super::session::MariaDbSession,
    Servers,
    search::{connect, search},
    writer::NO_TABLE,
};
use crate::database::engine::session::SessionError;

/// The place of the server that migrations run on: the node that writes. Before the table that names it is there, it is the node that is the first
/// of the cluster's order, which is the same for all who ask.
///
/// # Errors
/// Those of [`search`].
pub(in super::super) async fn to_migrate(
    servers: &Servers,
    writer: &MariaDbSession,
) -> Result<usize, sqlx::Error> {
    match search(servers, writer).await {
        Ok((connection, backend)) => {
            // It is closed even if this fails.
            let _ = connection.close().await;
            Ok(backend.at)
        }
        Err(error) if is_without_table(&error) => {
            let places = 0..servers.list.len();
            let asked = join_all(places.map(async |at| {
                let (_, node) = connect(servers, at, writer).await.ok()?;
                Some((node?.1.index, at))
            }));
            let first = asked.await.into_iter().flatten().min();
            first.map(|(_, at)| at).ok_or(error)
        }
        Err(error) => Err(error),
    }
}

fn is_without_table(error: &sqlx::Error) -> bool {
    match SessionError::in_driver_error(error) {
        Some(SessionError::TakesNoWrites(problem)) => *problem == NO_TABLE,
        Some(SessionError::NoServer { tried }) => {
            tried.iter().any(|error| error.ends_with(NO_TABLE))
        }
        _ => false,
    }
}
