//! What a resolver gets from its context beside the unit of work.

use async_graphql::Context;
use chrono::{DateTime, Utc};

use super::feed::Feed;
use crate::{
    ledger::{Clock, Visible},
    webhook::Webhooks,
};

/// The ledger's own additions to a resolver's context.
pub(super) trait LedgerContext<'a> {
    /// The ledger's clock.
    fn clock(&self) -> &'a Clock;

    /// The current time, by that clock.
    fn now(&self) -> DateTime<Utc> {
        self.clock().now()
    }

    /// The feed, which announces committed entries.
    fn feed(&self) -> &'a Feed;

    /// Where webhooks may send, and the job that sends.
    fn webhooks(&self) -> &'a Webhooks;

    /// The ledgers that the caller sees, if not all.
    fn visible(&self) -> Option<&'a Visible>;
}

impl<'a> LedgerContext<'a> for Context<'a> {
    fn clock(&self) -> &'a Clock {
        self.data_unchecked()
    }

    fn feed(&self) -> &'a Feed {
        self.data_unchecked()
    }

    fn webhooks(&self) -> &'a Webhooks {
        self.data_unchecked()
    }

    fn visible(&self) -> Option<&'a Visible> {
        self.data_opt()
    }
}
