//! The servers that connections are made to: one, or the nodes of a Galera cluster.
//!
//! Nothing tells two servers without Galera apart, so a list is one of nodes. Whether a server is a node is asked when a connection is made,
//! and a node by itself goes by the same rules as one of a list:
//!
//! - A reader's connection goes to any node that is ready, each to the next one. It waits for what was committed before its snapshot
//!   (`wsrep_sync_wait`).
//! - A writer's connection goes to the one node that writes ([`writer`]). Every COMMIT proves that it still does ([`fence`]).
//!
//! [`node`] is what a node tells of itself.

mod fence;
#[cfg(feature = "migration")]
mod migrating;
mod node;
mod search;
mod silence;
mod takeover;
mod writer;

use std::sync::{
    Arc, OnceLock,
    atomic::{
        AtomicU64, AtomicUsize,
        Ordering::{Relaxed, SeqCst},
    },
};

use sqlx::mysql::MySqlConnectOptions;

#[cfg(feature = "migration")]
pub(super) use self::migrating::to_migrate;
pub(super) use self::{
    fence::is_overtaken,
    node::Node,
    search::{check_all, search},
    takeover::SILENCE,
};

use self::silence::LastAsked;
use crate::{
    ConnectError,
    database::engine::{servers::check_names, session::SessionError},
};

/// The servers that connections of one kind are made to.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    list: Arc<[MySqlConnectOptions]>,
    /// The place of the first of them among those of the URL.
    first: usize,
    /// Whether each must be a node of a cluster: the URL names several.
    are_nodes: bool,
    known: Arc<Known>,
}

/// What connections have shown of the servers.
#[derive(Debug)]
struct Known {
    /// All that the URL names.
    list: Arc<[MySqlConnectOptions]>,
    /// The place of the node that wrote last. It is asked first.
    writer: AtomicUsize,
    /// How many readers' connections have been asked for, to spread them.
    readers: AtomicUsize,
    /// The newest epoch that was seen.
    epoch: AtomicU64,
    /// How often each was found not to be a part of its cluster.
    lost: Box<[AtomicU64]>,
    /// What came of the last question to each, because of a statement that took long.
    asked: Box<[LastAsked]>,
    /// `wsrep_cluster_state_uuid`, which all of them have.
    cluster: OnceLock<String>,
}

impl Servers {
    /// # Errors
    /// [`ConnectError::Refused`] for an empty list, a server that is in it twice, and a name that is a list itself.
    pub(super) fn new(list: Vec<MySqlConnectOptions>) -> Result<Self, ConnectError> {
        let names: Vec<_> = list.iter().map(name).collect();
        check_names(&names, "mariadb://USER@ONE:3306,OTHER:3306/NAME")?;
        let list: Arc<[_]> = list.into();
        let known = Known {
            list: Arc::clone(&list),
            writer: AtomicUsize::new(0),
            readers: AtomicUsize::new(0),
            epoch: AtomicU64::new(0),
            lost: list.iter().map(|_| AtomicU64::new(0)).collect(),
            asked: list.iter().map(|_| LastAsked::default()).collect(),
            cluster: OnceLock::new(),
        };
        Ok(Self {
            are_nodes: list.len() > 1,
            list,
            first: 0,
            known: Arc::new(known),
        })
    }

    /// Each of the servers alone.
    pub(super) fn each(&self) -> impl Iterator<Item = Self> {
        self.list.iter().enumerate().map(|(at, server)| Self {
            list: Arc::new([server.clone()]),
            first: self.first + at,
            are_nodes: self.are_nodes,
            known: Arc::clone(&self.known),
        })
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.list.iter().map(name).collect()
    }

    /// The name of one of them.
    fn name(&self, at: usize) -> String {
        self.list.get(at).map(name).unwrap_or_default()
    }

    pub(super) fn options(&self, at: usize) -> &MySqlConnectOptions {
        &self.list[at]
    }

    /// Whether there is no choice.
    pub(super) fn is_one(&self) -> bool {
        self.list.len() == 1
    }

    /// Whether a connection to this node must not be used again: the node was not a part of its cluster since, or another one writes.
    pub(super) fn have_left(&self, node: &Node) -> bool {
        let lost = self.known.lost.get(node.at);
        let newest = self.known.epoch.load(Relaxed);
        lost.is_some_and(|lost| lost.load(Relaxed) > node.lost)
            || node
                .fence
                .as_ref()
                .is_some_and(|fence| fence.epoch < newest)
    }

    /// Notes the cluster of a node.
    ///
    /// # Errors
    /// [`SessionError::OtherCluster`] if it is not that of the others.
    fn admit(&self, cluster: &str) -> Result<(), SessionError> {
        let known = self.known.cluster.get_or_init(|| cluster.to_owned());
        if known == cluster {
            return Ok(());
        }
        Err(SessionError::OtherCluster {
            found: cluster.to_owned(),
            known: known.clone(),
        })
    }

    /// The places in the order in which a writer's connection asks: first the node that wrote last.
    fn starting_at_the_writer(&self) -> impl Iterator<Item = usize> + use<> {
        let (count, last) = (self.list.len(), self.known.writer.load(Relaxed));
        let last = if last < count { last } else { 0 };
        std::iter::once(last).chain((0..count).filter(move |at| *at != last))
    }

    /// The places in the order in which a reader's connection asks: each begins with the next one.
    fn starting_at_the_next(&self) -> impl Iterator<Item = usize> + use<> {
        let count = self.list.len();
        let next = match count {
            1 => 0,
            _ => self.known.readers.fetch_add(1, Relaxed),
        };
        (0..count).map(move |at| (next + at) % count)
    }

    /// Notes that an epoch was seen.
    fn saw(&self, epoch: u64) {
        self.known.epoch.fetch_max(epoch, SeqCst);
    }
}

impl Node {
    /// Notes that the node is no part of its cluster, or does not answer: other connections to it are not used again.
    pub(super) fn is_lost(&self) {
        if let Some(lost) = self.known.lost.get(self.at) {
            lost.fetch_max(self.lost + 1, Relaxed);
        }
    }

    /// Notes that another node has taken over from this one.
    pub(super) fn is_overtaken(&self) {
        if let Some(fence) = &self.fence {
            self.known.epoch.fetch_max(fence.epoch + 1, Relaxed);
        }
    }
}

/// A server's name for messages: its host and port, or its socket.
pub(super) fn name(server: &MySqlConnectOptions) -> String {
    match server.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", server.get_host(), server.get_port()),
    }
}
