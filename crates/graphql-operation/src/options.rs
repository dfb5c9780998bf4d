//! By what operations are prepared.

use crate::{limits::Limits, measure::Sizes, scalars::Scalars, schema::Schema, setters::setters};

/// The options of a [`Preparer`](crate::Preparer).
///
/// ```
/// use graphql_operation::{Limits, Options};
///
/// let options = Options::default()
///     .limits(Limits::default().complexity(1_000))
///     .cache_bytes(8 * 1024 * 1024);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The limits of one operation.
    pub limits: Limits,
    /// The sizes of lists.
    pub sizes: Sizes,
    /// The checks of the schema's own scalars.
    pub scalars: Scalars,
    /// The most bytes of the cache of documents. Default: 32 MiB.
    pub cache_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            sizes: Sizes::default(),
            scalars: Scalars::default(),
            cache_bytes: 32 * 1024 * 1024,
        }
    }
}

setters!(Options {
    limits: Limits,
    sizes: Sizes,
    scalars: Scalars,
    cache_bytes: u64,
});

/// A schema, and the options by which operations on it are prepared.
pub(crate) struct Rules {
    pub(crate) schema: Schema,
    pub(crate) options: Options,
}

/// Does not show the schema.
impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
