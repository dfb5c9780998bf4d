//! What is asked about a COMMIT that was not answered, in terms that every engine can answer.

use super::Peer;

/// What a database knows a transaction by. `None` of it where nobody can be asked: SQLite's COMMIT is answered by a thread of
/// this process.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The engine's own name for the transaction. It means this one only for as long as the other end lives: after a crash
    /// of the server, or a failover, another transaction may get the same.
    pub(crate) transaction: String,
    pub(crate) peer: Peer,
}

/// How far a transaction is whose COMMIT was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The server is at it: it checks, writes, or waits for a standby.
    Committing,
    /// The transaction is open, and the server waits for a statement: COMMIT has not reached it.
    Waiting,
    /// It has ended, one way or the other.
    Over,
    /// This server does not know of it.
    Unknown,
}

/// What a lost COMMIT has left behind, as one server shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The row is there, also after a failover.
    Row,
    /// It is not there, and will not be.
    Nothing,
    /// Ask again.
    NotYet,
}
