//! Counts the subscriptions, and refuses them beyond the limit.

use std::sync::{Arc, atomic::Ordering};

use async_graphql::Result;
use tokio::sync::OwnedSemaphorePermit;

use super::{Feed, error::too_many_subscriptions};

/// A subscriber that is counted. Dropping it makes room for another one.
pub(super) struct Subscriber {
    pub(super) feed: Feed,
    is_choosing: bool,
    _place: OwnedSemaphorePermit,
}

impl Subscriber {
    /// Admits a subscriber, or refuses it at once. `is_choosing` says whether it chose accounts, or sees some ledgers alone.
    pub(super) fn admit(feed: &Feed, is_choosing: bool) -> Result<Self> {
        let place = Arc::clone(&feed.0.subscriptions).try_acquire_owned();
        let Ok(place) = place else {
            metrics::counter!("graphql_subscriptions_refused_total").increment(1);
            return Err(too_many_subscriptions(feed.0.options.subscriptions));
        };
        metrics::gauge!("graphql_subscriptions_open").increment(1);
        if is_choosing {
            feed.0.choosing.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Self {
            feed: feed.clone(),
            is_choosing,
            _place: place,
        })
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        metrics::gauge!("graphql_subscriptions_open").decrement(1);
        if self.is_choosing {
            self.feed.0.choosing.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
