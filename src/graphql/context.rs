//! What a resolver takes from its context besides the unit of work.

use async_graphql::Context;
use chrono::{DateTime, Utc};

use super::feed::Feed;
use crate::ledger::Clock;

/// The ledger's own additions to a resolver's context.
pub(super) trait LedgerContext<'a> {
    /// Tells the time.
    fn clock(&self) -> &'a Clock;

    /// The time.
    fn now(&self) -> DateTime<Utc> {
        self.clock().now()
    }

    /// Where committed entries are announced.
    fn feed(&self) -> &'a Feed;
}

impl<'a> LedgerContext<'a> for Context<'a> {
    fn clock(&self) -> &'a Clock {
        self.data_unchecked()
    }

    fn feed(&self) -> &'a Feed {
        self.data_unchecked()
    }
}
