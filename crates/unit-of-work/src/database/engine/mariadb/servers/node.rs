//! What a node of a cluster tells of itself.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use sqlx::{Executor as _, MySqlConnection, Row as _};

use super::{Known, Servers, fence::Fence};
use crate::observe::server::NamedServer;

/// SHOW is answered by a node without its cluster, too.
const WHO: &str = "\
    SHOW GLOBAL STATUS WHERE Variable_name IN \
    ('wsrep_ready', 'wsrep_gcomm_uuid', 'wsrep_cluster_state_uuid', 'wsrep_incoming_addresses', 'wsrep_local_index')";

/// One run of a node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The place of the server among those of the URL.
    pub(super) at: usize,
    /// `wsrep_gcomm_uuid`. A node has another one when it has joined its cluster again.
    pub(super) uuid: String,
    /// What makes sure that it writes alone, if the connection is a writer's.
    pub(crate) fence: Option<Fence>,
    /// Its name, if there are several.
    pub(crate) named: Option<Arc<NamedServer>>,
    /// How often it had been lost when the connection was made.
    pub(super) lost: u64,
    pub(super) known: Arc<Known>,
}

/// The cluster, as one of its nodes sees it.
#[derive(Debug)]
pub(super) struct View {
    /// The addresses of all nodes, in the order of the cluster.
    members: Vec<String>,
    /// The place of this one among them.
    pub(super) index: usize,
}

impl View {
    /// The address of the node itself. `None` if it does not tell one.
    pub(super) fn address(&self) -> Option<&str> {
        let own = self.members.get(self.index)?.as_str();
        (!matches!(own, "" | "AUTO")).then_some(own)
    }

    pub(super) fn has(&self, address: &str) -> bool {
        self.members.iter().any(|member| member == address)
    }
}

impl Node {
    /// Asks a new connection.
    ///
    /// # Errors
    /// If the node is no part of its cluster's primary component, as for a connection that was lost; and if it is a node of another cluster.
    pub(super) async fn ask(
        connection: &mut MySqlConnection,
        servers: &Servers,
        at: usize,
    ) -> Result<(Self, View), sqlx::Error> {
        let at = servers.first + at;
        let lost = servers.known.lost.get(at);
        let lost = lost.map_or(0, |lost| lost.load(Relaxed));
        let told = Told::by(connection).await?;
        if !told.is_ready || told.uuid.is_empty() {
            return Err(not_ready());
        }
        servers.admit(&told.cluster)?;
        let node = Self {
            at,
            uuid: told.uuid,
            fence: None,
            named: None,
            lost,
            known: Arc::clone(&servers.known),
        };
        let view = View {
            members: told.members.split(',').map(str::to_owned).collect(),
            index: told.index,
        };
        Ok((node, view))
    }

    /// Whether it is the same run of the same node.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }

    /// The epoch in which it writes, if it does.
    pub(crate) fn epoch(&self) -> Option<u64> {
        self.fence.as_ref().map(|fence| fence.epoch)
    }
}

/// What a node says of itself.
#[derive(Default)]
pub(super) struct Told {
    pub(super) is_ready: bool,
    pub(super) uuid: String,
    cluster: String,
    members: String,
    index: usize,
}

impl Told {
    pub(super) async fn by(connection: &mut MySqlConnection) -> Result<Self, sqlx::Error> {
        let mut told = Self::default();
        for row in connection.fetch_all(WHO).await? {
            let value: String = row.try_get_unchecked(1)?;
            match row.try_get_unchecked::<String, _>(0)?.as_str() {
                "wsrep_ready" => told.is_ready = value == "ON",
                "wsrep_gcomm_uuid" => told.uuid = value,
                "wsrep_cluster_state_uuid" => told.cluster = value,
                "wsrep_incoming_addresses" => told.members = value,
                "wsrep_local_index" => told.index = value.parse().unwrap_or(usize::MAX),
                _ => {}
            }
        }
        Ok(told)
    }
}

/// The error of a node without its cluster. It counts as a lost connection: nothing can be done there, and that may pass.
pub(super) fn not_ready() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(
        std::io::ErrorKind::NotConnected,
        "the node is not ready: it is no part of its cluster's primary component (wsrep_ready)",
    ))
}
