//! The search for a server that can be used.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use sqlx::{ConnectOptions as _, Connection as _, MySql, MySqlConnection};

use super::{
    super::{
        backend::Backend,
        session::{MariaDbSession, Role},
    },
    Servers,
    fence::Fence,
    node::{Node, View, not_ready},
    takeover::writer,
    writer::{Candidate, number},
};
use crate::{
    ConnectError, DatabaseOptions,
    database::{
        connect::prepare,
        engine::{
            self,
            servers::{first, none},
            session::SessionError,
        },
    },
    observe::server::NamedServer,
};

const NO_NODE: &str =
    "a list of servers is one of a Galera cluster's nodes, since nothing tells other servers apart";

type Found = (MySqlConnection, Arc<Backend>);

/// Makes a connection to a server that has the role.
///
/// # Errors
/// If no server can be used: [`SessionError::NoServer`] if that may pass, and otherwise the error of the first. Of a list of one, its error.
///
/// # Cancel safety
/// Cancel safe: connections that are being made are closed. A node may have taken over.
pub(in super::super) async fn search(
    servers: &Servers,
    asked: &MariaDbSession,
) -> Result<Found, sqlx::Error> {
    if asked.role == Role::Any {
        return any(servers, asked).await;
    }
    let mut candidate = match writer(servers, asked).await? {
        Greeted::Server(connection) => return ready(servers, 0, connection, None, asked).await,
        Greeted::Node(candidate) => candidate,
    };
    let epoch = candidate.writer.epoch;
    servers.saw(epoch);
    servers.known.writer.store(candidate.at, Relaxed);
    candidate.node.fence = Some(Fence::new(&candidate.database, epoch, candidate.id));
    let Candidate {
        at,
        connection,
        node,
        ..
    } = *candidate;
    ready(servers, at, connection, Some(node), asked).await
}

async fn any(servers: &Servers, asked: &MariaDbSession) -> Result<Found, sqlx::Error> {
    let ask = |at| async move {
        let (connection, node) = connect(servers, at, asked).await?;
        ready(servers, at, connection, node.map(|(node, _)| node), asked).await
    };
    if servers.is_one() {
        return ask(0).await;
    }
    let found = first(servers.starting_at_the_next(), ask).await;
    let (_, found) = found.map_err(|failed| none(|at| servers.name(at), failed))?;
    Ok(found)
}

/// Connects to one of the servers, and asks which node it is.
pub(super) async fn connect(
    servers: &Servers,
    at: usize,
    asked: &MariaDbSession,
) -> Result<(MySqlConnection, Option<(Node, View)>), sqlx::Error> {
    let mut connection = servers.options(at).connect().await?;
    let is_node = asked.set(&mut connection).await?;
    if !is_node && servers.are_nodes {
        return Err(SessionError::not_as_asked("wsrep_on", "ON", "OFF", NO_NODE).into());
    }
    let node = match is_node {
        true => Some(Node::ask(&mut connection, servers, at).await?),
        false => None,
    };
    Ok((connection, node))
}

/// A connection for writing, before it is known whether its node writes.
pub(super) enum Greeted {
    /// A server that is no node, and writes alone.
    Server(MySqlConnection),
    Node(Box<Candidate>),
}

/// Connects to one of the servers, and asks it which node writes.
pub(super) async fn greet(
    servers: &Servers,
    at: usize,
    asked: &MariaDbSession,
) -> Result<Greeted, sqlx::Error> {
    match connect(servers, at, asked).await? {
        (connection, None) => Ok(Greeted::Server(connection)),
        (connection, Some(node)) => {
            let candidate = Candidate::ask(at, connection, node, asked).await;
            let candidate = candidate.map_err(lost_its_cluster)?;
            Ok(Greeted::Node(Box::new(candidate)))
        }
    }
}

/// Lets the application's hook have the connection, and checks it.
async fn ready(
    servers: &Servers,
    at: usize,
    mut connection: MySqlConnection,
    mut node: Option<Node>,
    asked: &MariaDbSession,
) -> Result<Found, sqlx::Error> {
    if let Some(node) = &mut node {
        let set = asked.set_on_node(&mut connection).await;
        set.map_err(lost_its_cluster)?;
        let name = servers.are_nodes.then(|| servers.name(at));
        node.named = name.map(|name| Arc::new(NamedServer::new(name, node.fence.is_none())));
    }
    let prepared = prepare::<MySql>(&mut connection, asked).await;
    prepared.map_err(lost_its_cluster)?;
    let at = servers.first + at;
    let backend = Backend::introduce(&mut connection, asked, at, node).await;
    let backend = backend.map_err(lost_its_cluster)?;
    Ok((connection, Arc::new(backend)))
}

/// While a connection is made, a time-out is one of waiting for the cluster.
fn lost_its_cluster(error: sqlx::Error) -> sqlx::Error {
    match number(&error) {
        Some(1047 | 1205 | 1213) => not_ready(),
        _ => error,
    }
}

/// Asks all servers of a list of several, as their readers would.
///
/// # Errors
/// [`ConnectError::Server`] for a server that answers and cannot be used, and [`ConnectError::Open`] if none answers.
pub(in super::super) async fn check_all(
    servers: &Servers,
    reader: &MariaDbSession,
    options: &DatabaseOptions,
) -> Result<(), ConnectError> {
    let each: Vec<_> = servers.each().collect();
    let look = async |at: usize| {
        let (connection, _) = any(&each[at], reader).await?;
        // It is closed even if this fails.
        let _ = connection.close().await;
        Ok(true)
    };
    engine::servers::check_all(&servers.names(), look, options).await
}
