//! The terms of an operation's unit, from the settings, the request and the fields.

use std::{sync::Arc, time::Duration};

use sea_orm::IsolationLevel;
use tokio::time::Instant;

use crate::{
    Access, SessionSettings, Viewer, consistency::reading::Reading, observe::timeline::Timeline,
    retry::notes::Notes,
};

/// The terms of an operation's unit.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) access: Access,
    pub(crate) isolation: Option<IsolationLevel>,
    pub(crate) deadline: Option<Deadline>,
    pub(crate) settings: SessionSettings,
    /// Whether the first statement may run without a transaction, as its own snapshot. Then a second one is refused.
    pub(crate) without_transaction: bool,
    /// Whether the unit may share its COMMIT, because its operation is run again if that fails.
    pub(crate) shares_commit: bool,
    /// What is asked of the server that is read from. `None` on a database without replicas, and for work outside of an operation.
    pub(crate) reading: Option<Reading>,
    /// Who sends the operation, if there is a reading.
    pub(crate) viewer: Option<Box<Viewer>>,
    /// The timeline to write to, if there is one.
    pub(crate) timeline: Option<Arc<Timeline>>,
    /// This attempt's notes for the next one, if there can be one. It is not the attempt itself, which may own the unit: the two would keep
    /// each other, and the connection, for ever.
    pub(crate) notes: Option<Arc<Notes>>,
}

impl Terms {
    pub(crate) fn of(access: Access) -> Self {
        Self {
            access,
            isolation: None,
            deadline: None,
            settings: SessionSettings::default(),
            without_transaction: false,
            shares_commit: false,
            reading: None,
            viewer: None,
            timeline: None,
            notes: None,
        }
    }
}

/// The deadline of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    /// How long the operation may take in all.
    pub(crate) limit: Duration,
}

impl Deadline {
    /// The deadline of work that begins now and may take this long.
    pub(crate) fn after(limit: Option<Duration>) -> Option<Self> {
        let limit = limit?;
        // A limit beyond what the clock can represent never passes.
        let at = Instant::now().checked_add(limit)?;
        Some(Self { at, limit })
    }

    /// How long to wait for an unreachable database. The rest of the time is enough to report it.
    pub(crate) fn to_reach_the_database(self) -> Instant {
        let margin = (self.limit / 20).clamp(Duration::from_millis(10), Duration::from_millis(250));
        self.at.checked_sub(margin).unwrap_or(self.at)
    }
}

/// The stricter of two isolation levels.
pub(crate) fn stricter(one: IsolationLevel, other: IsolationLevel) -> IsolationLevel {
    let rank = |level| match level {
        IsolationLevel::ReadUncommitted => 0,
        IsolationLevel::ReadCommitted => 1,
        IsolationLevel::RepeatableRead => 2,
        IsolationLevel::Serializable => 3,
    };
    if rank(other) > rank(one) { other } else { one }
}
