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
    /// `pg_ctl stop -m immediate`, and a start.
    CrashDatabase,
    /// The primary is stopped as in a crash, and does not come back; its synchronous standby becomes the primary, and the asynchronous one
    /// synchronous.
    FailOver,
    /// The primary is stopped in order; its synchronous standby becomes the primary, and it the synchronous standby.
    SwitchOver,
    /// `kill -9` of a backend: PostgreSQL ends all others, and recovers.
    KillBackend,
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
const ALL: [(&str, Fault); 23] = [
    ("kill-server", Fault::KillServer),
    ("freeze-server", Fault::FreezeServer),
    ("crash-database", Fault::CrashDatabase),
    ("fail-over", Fault::FailOver),
    ("switch-over", Fault::SwitchOver),
    ("kill-backend", Fault::KillBackend),
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
        all.filter(|fault| match kind {
            Kind::Sqlite => !fault.is_of_a_server_database(),
            Kind::Postgres => !fault.is_of_a_cluster(),
            Kind::Cluster => true,
        })
        .collect()
    }

    /// Whether it needs a database that is a server.
    pub const fn is_of_a_server_database(self) -> bool {
        !matches!(
            self,
            Self::KillServer
                | Self::FreezeServer
                | Self::CutClientWire
                | Self::SlowClientWire
                | Self::DarkClientWire
        )
    }

    /// Whether it needs standbys.
    const fn is_of_a_cluster(self) -> bool {
        matches!(
            self,
            Self::FailOver
                | Self::SwitchOver
                | Self::FreezeWalSender
                | Self::PauseReplay
                | Self::DelayReplay
                | Self::CutStandbyWire
                | Self::SlowStandbyWire
                | Self::DarkStandbyWire
                | Self::DarkPrimaryWire
                | Self::DarkReplicaWires
        )
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
