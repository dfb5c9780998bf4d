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
    /// Heavy operations at once, over all transports. One client has all of them but one, at most, where there are several.
    /// Each may hold a database connection: no more than half of those that there are.
    pub operations: usize,
    /// Heavy operations that wait for their turn; those of one client take half of these places at most.
    pub waiting: usize,
    /// How long one waits for its turn. An operation with a shorter deadline of its own waits until that.
    pub patience: Duration,
    /// The most fields that the response of a cheap operation can have, with what fields weigh of themselves
    /// ([`graphql_operation::Sizes::weight`]).
    pub complexity: usize,
    /// The most bytes of a cheap request, or of the document that it names.
    pub bytes: usize,
}

impl Default for HeavyOptions {
    /// As many operations at once as there are processors, 64 that wait for 10 seconds; 2,000 fields; 16 KiB.
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
