//! Which operations are heavy, and how many of them run at once.

use std::{num::NonZero, thread::available_parallelism, time::Duration};

use crate::setters::setters;

/// Which operations are heavy, and how many of them run at once.
///
/// ```
/// use graphql_service::HeavyOptions;
///
/// let heavy = HeavyOptions::default().operations(4).complexity(1_000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeavyOptions {
    /// Heavy operations that run at once, over all transports. One client gets all but one of these slots at most, unless there is only
    /// one. Each operation may hold a database connection, so set no more than half of the connections that there are. Default: the number
    /// of processors.
    pub operations: usize,
    /// Places in the queue for heavy operations; one client gets half of them at most. Default: 64.
    pub waiting: usize,
    /// How long an operation waits for its turn, unless its own deadline is sooner. Default: 10 s.
    pub patience: Duration,
    /// The most fields that the response of a cheap operation can have, including the weights of fields
    /// ([`graphql_operation::Sizes::weight`]). Default: 2,000.
    pub complexity: usize,
    /// The most bytes of a cheap request, and of a persisted document that it names. Default: 16 KiB.
    pub bytes: usize,
}

impl Default for HeavyOptions {
    fn default() -> Self {
        Self {
            operations: available_parallelism().map_or(1, NonZero::get),
            waiting: 64,
            patience: Duration::from_secs(10),
            complexity: 2_000,
            bytes: 16 * 1024,
        }
    }
}

setters!(HeavyOptions {
    operations: usize,
    waiting: usize,
    patience: Duration,
    complexity: usize,
    bytes: usize,
});
