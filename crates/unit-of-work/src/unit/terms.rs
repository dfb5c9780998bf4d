//! On what terms an operation has its unit: put together from the settings, the request and the fields.

use std::{sync::Arc, time::Duration};

use sea_orm::IsolationLevel;
use tokio::time::Instant;

use crate::{Access, SessionSettings, observe::timeline::Timeline, retry::notes::Notes};

/// What an operation asks of its unit.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) access: Access,
    pub(crate) isolation: Option<IsolationLevel>,
    pub(crate) deadline: Option<Deadline>,
    pub(crate) settings: SessionSettings,
    /// Whether the first statement may go without a transaction, as its own snapshot: there must not be a second one.
    pub(crate) without_transaction: bool,
    /// Whether the unit may share its COMMIT: it is run again where that fails.
    pub(crate) shares_commit: bool,
    /// Where what is done is written, if anybody looks.
    pub(crate) timeline: Option<Arc<Timeline>>,
    /// What this attempt leaves for the next, where there can be one. Not the attempt itself: that may have the unit, of a
    /// batch or of what was lost, and the two would keep each other, and the connection, for ever.
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
            timeline: None,
            notes: None,
        }
    }
}

/// When an operation has to have ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    /// How long that was when it began.
    pub(crate) limit: Duration,
}

impl Deadline {
    /// Until when a database that cannot be reached is waited for: what is left is enough to say so.
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
