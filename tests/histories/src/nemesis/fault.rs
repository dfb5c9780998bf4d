//! The faults that there are.

use std::{fmt, str::FromStr};

use crate::stand::Kind;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9` of a Daybook server, and a start.
    KillServer,
    /// A Daybook server stands still for a while.
    FreezeServer,
    /// `pg_ctl stop -m immediate`, or `kill -9` of MariaDB or of one of Galera's nodes, and a start.
    CrashDatabase,
    /// MariaDB, or one of Galera's nodes, stands still for a while.
    FreezeDatabase,
    /// The primary is stopped as in a crash, and does not come back; its synchronous standby becomes the primary, and the asynchronous one
    /// synchronous.
    FailOver,
    /// The primary is stopped in order; its synchronous standby becomes the primary, and it the synchronous standby.
    SwitchOver,
    /// `kill -9` of a backend: PostgreSQL ends all others, and recovers. On MariaDB, an operator's `KILL` of a thread.
    KillBackend,
    /// An operator's `KILL QUERY`: the statement ends, its transaction does not.
    KillStatement,
    /// A backend stands still, with the locks that it holds.
    FreezeBackend,
    /// What writes the log ahead stands still.
    FreezeWalWriter,
    /// What sends the log to a standby stands still: COMMIT waits, if it is the synchronous one.
    FreezeWalSender,
    /// A standby replays nothing of what it gets.
    PauseReplay,
    /// A standby replays each COMMIT so much later.
    DelayReplay,
    /// A standby is cut off from the primary.
    CutStandbyWire,
    /// What a standby gets comes late.
    SlowStandbyWire,
    /// Nothing passes between a standby and the primary, in one direction or both, and nobody is told.
    DarkStandbyWire,
    /// Nothing passes between a Daybook server and the primary; it reaches the standbys.
    DarkPrimaryWire,
    /// Nothing passes between a Daybook server and the standbys; it reaches the primary.
    DarkReplicaWires,
    /// One of Galera's nodes is cut off from the others: it is a minority.
    CutNode,
    /// One of Galera's nodes applies nothing of what the others commit.
    PauseNode,
    /// Nothing passes between a Daybook server and one of Galera's nodes; it reaches the others.
    DarkNodeWire,
    /// All connections between a server and its database are cut.
    CutDatabaseWire,
    /// Bytes between a server and its database come late.
    SlowDatabaseWire,
    /// Bytes between a server and its database do not come, in one direction or both, and nobody is told.
    DarkDatabaseWire,
    /// The connections that there are between a server and its database are dark for ever; new ones pass.
    ForgottenDatabaseWire,
    /// The same between clients and a server.
    CutClientWire,
    SlowClientWire,
    DarkClientWire,
}

/// All of them, with their names.
const ALL: [(&str, Fault); 28] = [
    ("kill-server", Fault::KillServer),
    ("freeze-server", Fault::FreezeServer),
    ("crash-database", Fault::CrashDatabase),
    ("freeze-database", Fault::FreezeDatabase),
    ("fail-over", Fault::FailOver),
    ("switch-over", Fault::SwitchOver),
    ("kill-backend", Fault::KillBackend),
    ("kill-statement", Fault::KillStatement),
    ("freeze-backend", Fault::FreezeBackend),
    ("freeze-walwriter", Fault::FreezeWalWriter),
    ("freeze-walsender", Fault::FreezeWalSender),
    ("pause-replay", Fault::PauseReplay),
    ("delay-replay", Fault::DelayReplay),
    ("cut-standby-wire", Fault::CutStandbyWire),
    ("slow-standby-wire", Fault::SlowStandbyWire),
    ("dark-standby-wire", Fault::DarkStandbyWire),
    ("dark-primary-wire", Fault::DarkPrimaryWire),
    ("dark-replica-wires", Fault::DarkReplicaWires),
    ("cut-node", Fault::CutNode),
    ("pause-node", Fault::PauseNode),
    ("dark-node-wire", Fault::DarkNodeWire),
    ("cut-database-wire", Fault::CutDatabaseWire),
    ("slow-database-wire", Fault::SlowDatabaseWire),
    ("dark-database-wire", Fault::DarkDatabaseWire),
    ("forgotten-database-wire", Fault::ForgottenDatabaseWire),
    ("cut-client-wire", Fault::CutClientWire),
    ("slow-client-wire", Fault::SlowClientWire),
    ("dark-client-wire", Fault::DarkClientWire),
];

impl Fault {
    /// Those that a database can have.
    pub fn of(kind: Kind) -> Vec<Self> {
        let all = ALL.iter().map(|(_, fault)| *fault);
        all.filter(|fault| fault.is_on(kind)).collect()
    }

    const fn is_on(self, kind: Kind) -> bool {
        match self {
            Self::KillServer
            | Self::FreezeServer
            | Self::CutClientWire
            | Self::SlowClientWire
            | Self::DarkClientWire => true,
            Self::CrashDatabase
            | Self::KillBackend
            | Self::CutDatabaseWire
            | Self::SlowDatabaseWire
            | Self::DarkDatabaseWire
            | Self::ForgottenDatabaseWire => !matches!(kind, Kind::Sqlite),
            Self::FreezeBackend | Self::FreezeWalWriter => {
                matches!(kind, Kind::Postgres | Kind::Cluster)
            }
            Self::FailOver
            | Self::SwitchOver
            | Self::FreezeWalSender
            | Self::PauseReplay
            | Self::DelayReplay
            | Self::CutStandbyWire
            | Self::SlowStandbyWire
            | Self::DarkStandbyWire
            | Self::DarkPrimaryWire
            | Self::DarkReplicaWires => matches!(kind, Kind::Cluster),
            Self::FreezeDatabase | Self::KillStatement => {
                matches!(kind, Kind::MariaDb | Kind::Galera)
            }
            Self::CutNode | Self::PauseNode | Self::DarkNodeWire => matches!(kind, Kind::Galera),
        }
    }

    /// The names, for whoever gets one wrong.
    pub fn names() -> String {
        ALL.map(|(name, _)| name).join(", ")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = ALL.iter().find(|(_, fault)| fault == self);
        formatter.write_str(name.map_or("a fault", |(name, _)| name))
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = ALL.iter().find(|(name, _)| *name == text);
        fault
            .map(|(_, fault)| *fault)
            .ok_or_else(|| format!("`{text}` is no fault: there are {}", Self::names()))
    }
}
