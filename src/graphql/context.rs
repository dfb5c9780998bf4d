//! What a resolver takes from its context besides the unit of work.

use std::sync::Arc;

use async_graphql::Context;
use chrono::{DateTime, Utc};

use super::feed::Feed;

/// Tells the time. A parameter, so that tests can set it.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// A clock that asks `now`.
    pub fn new(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        (self.0)()
    }

    /// The machine's clock.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the machine is asked"
    )]
    pub fn system() -> Self {
        Self::new(Utc::now)
    }
}

/// The ledger's own additions to a resolver's context.
pub(super) trait LedgerContext<'a> {
    /// The time.
    fn now(&self) -> DateTime<Utc>;

    /// Where committed entries are announced.
    fn feed(&self) -> &'a Feed;
}

impl<'a> LedgerContext<'a> for Context<'a> {
    fn now(&self) -> DateTime<Utc> {
        self.data_unchecked::<Clock>().now()
    }

    fn feed(&self) -> &'a Feed {
        self.data_unchecked()
    }
}
