//! The servers of one PostgreSQL cluster: a list, in which the primary is searched for whenever a connection is made.
//!
//! One server of a cluster takes writes. Which one that is changes with a failover, and nobody tells. So each new connection is asked for
//! its server's role, in the round trip that checks its session anyway, and is dropped where the role is another one than was asked for:
//!
//! - A list of one server needs no search. Its readers may read from a standby, as whoever named it wanted.
//! - Of a list of several, writers *and* readers use the primary. A standby may lag behind, and a query must not be older than what was
//!   acknowledged before it.
//! - A database that was connected read-only uses the first server of the list that answers.
//!
//! [`search`](search::search) asks one server after the other, and does not wait long for a silent one. [`history`] remembers the line of history
//! that was seen last, so that an old primary that comes back is not taken for the current one. `at_start` asks all of them once.

mod at_start;
mod history;
mod search;
mod urls;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use sqlx::postgres::PgConnectOptions;

pub(super) use self::{at_start::check_all, search::search, urls::parse};

use self::history::History;
use super::{backend::Backend, session::PostgresSession};
use crate::{ConnectError, database::engine::servers::check_names};

/// The servers that connections of one kind are made to.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    /// Each with the start-up options of the sessions.
    list: Arc<[PgConnectOptions]>,
    /// The place of the first of them among all servers that the database has connections to.
    first: usize,
    /// Whether operations tell which of them they have used: there is a choice.
    are_told: bool,
    known: Arc<Known>,
}

/// What connections of all kinds have shown of the servers.
#[derive(Debug, Default)]
struct Known {
    /// The place of the server that could be used last. It is asked first.
    last: AtomicUsize,
    history: History,
}

impl Servers {
    /// # Errors
    /// [`ConnectError::Refused`] for an empty list, a server that is in it twice, and a name that is a list itself.
    pub(super) fn new(list: Vec<PgConnectOptions>) -> Result<Self, ConnectError> {
        let names: Vec<_> = list.iter().map(name).collect();
        check_names(&names, "postgres://USER@ONE:5432,OTHER:5432/NAME")?;
        Ok(Self {
            are_told: list.len() > 1,
            list: list.into(),
            first: 0,
            known: Arc::default(),
        })
    }

    /// The same servers, for sessions of one kind.
    pub(super) fn of(&self, session: &PostgresSession) -> Self {
        let list = self.list.iter();
        Self {
            list: list
                .map(|server| server.clone().options(session.options()))
                .collect(),
            first: self.first,
            are_told: self.are_told,
            known: Arc::clone(&self.known),
        }
    }

    /// The same servers, beside which there are others.
    pub(super) fn beside_others(self) -> Self {
        Self {
            are_told: true,
            ..self
        }
    }

    /// The same servers, whose places begin with this one.
    pub(super) fn beginning_at(self, first: usize) -> Self {
        Self { first, ..self }
    }

    /// Each of the servers alone.
    pub(super) fn each(&self) -> impl Iterator<Item = Self> {
        self.list.iter().enumerate().map(|(at, server)| Self {
            list: Arc::new([server.clone()]),
            first: self.first + at,
            are_told: self.are_told,
            known: Arc::default(),
        })
    }

    /// The options for one of the servers.
    pub(super) fn options(&self, at: usize) -> &PgConnectOptions {
        &self.list[at]
    }

    /// Whether there is no choice.
    pub(super) fn is_one(&self) -> bool {
        self.list.len() == 1
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &PgConnectOptions> {
        self.list.iter()
    }

    /// Whether another server has taken over from the one at the other end of a connection.
    pub(super) fn have_replaced(&self, backend: &Backend) -> bool {
        self.known.history.is_past(backend)
    }

    /// The places of the servers, in the order in which they are asked: first the one that could be used last.
    fn order(&self) -> impl Iterator<Item = usize> + use<> {
        let (count, last) = (self.list.len(), self.known.last.load(Relaxed));
        std::iter::once(last).chain((0..count).filter(move |at| *at != last))
    }
}

/// A server's name for messages: its host and port, or its socket.
pub(super) fn name(server: &PgConnectOptions) -> String {
    match server.get_socket() {
        Some(socket) => format!("{}:{}", socket.display(), server.get_port()),
        None => format!("{}:{}", server.get_host(), server.get_port()),
    }
}
