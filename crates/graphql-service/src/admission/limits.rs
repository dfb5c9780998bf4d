//! How much one request, and one client, may ask for.
//!
//! The limits of an operation are checked when it is prepared, so they are the same on every transport.

use crate::setters::setters;

/// Limits of requests, operations and answers. A request beyond one of them is refused, with the name of the limit and its value.
///
/// ```
/// use graphql_service::Limits;
///
/// let limits = Limits::default().body_bytes(64 * 1024).batch(1);
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one request body, or of one WebSocket message. Default: 1 MiB.
    pub body_bytes: usize,
    /// Operations in one batch. Default: 10.
    pub batch: usize,
    /// Operations that run at once, over all transports. A further one is refused immediately with `OVERLOADED`. Open subscriptions do not
    /// count. Default: 512.
    pub operations: usize,
    /// Open subscriptions of one client, over all transports. A client is a caller's name or, without one, an address. The number of all
    /// subscriptions is for the maker of the events to limit. Default: 7,500.
    pub subscriptions_of_client: usize,
    /// Tokens of a document. Default: 5,000.
    pub tokens: usize,
    /// Levels of fields inside fields. Default: 20.
    pub depth: usize,
    /// Fields that the response can have, estimated from the document: fields below a list count once for each of its items.
    /// Default: 50,000.
    pub complexity: usize,
    /// Fields with an alias. Default: 200.
    pub aliases: usize,
    /// Fields at the top of an operation. Default: 100.
    pub root_fields: usize,
    /// Directives in an operation. Default: 100.
    pub directives: usize,
    /// Bytes of an answer as JSON: of one operation, of all operations of a batch together, or of one event. The schema's extension
    /// enforces it while fields are resolved: [`RequestErrors::within`](crate::RequestErrors::within). Default: 8 MiB.
    pub answer_bytes: usize,
    /// Whether introspection is allowed. Default: yes.
    pub introspection: bool,
}

/// A smaller number than this is not divided between clients.
const TOO_FEW_TO_SHARE: usize = 64;

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1024 * 1024,
            batch: 10,
            operations: 512,
            subscriptions_of_client: Self::of_one_client(10_000),
            tokens: 5_000,
            depth: 20,
            complexity: 50_000,
            aliases: 200,
            root_fields: 100,
            directives: 100,
            answer_bytes: 8 * 1024 * 1024,
            introspection: true,
        }
    }
}

setters!(Limits {
    body_bytes: usize,
    batch: usize,
    operations: usize,
    subscriptions_of_client: usize,
    tokens: usize,
    depth: usize,
    complexity: usize,
    aliases: usize,
    root_fields: usize,
    directives: usize,
    answer_bytes: usize,
    introspection: bool,
});

impl Limits {
    /// The share of one client in `all` of something: three quarters, so that other clients always find some left.
    ///
    /// Below 64 there is no such limit (`usize::MAX`), since a quarter of so few would help nobody.
    ///
    /// ```
    /// use graphql_service::Limits;
    ///
    /// assert_eq!(Limits::of_one_client(10_000), 7_500);
    /// assert_eq!(Limits::of_one_client(8), usize::MAX);
    /// ```
    #[must_use]
    pub fn of_one_client(all: usize) -> usize {
        if all < TOO_FEW_TO_SHARE {
            usize::MAX
        } else {
            all - all / 4
        }
    }

    /// The limits of one operation, as graphql-operation takes them.
    pub(crate) fn of_operation(&self) -> graphql_operation::Limits {
        let mut limits = graphql_operation::Limits::default();
        limits.tokens = self.tokens;
        limits.depth = self.depth;
        limits.complexity = self.complexity;
        limits.aliases = self.aliases;
        limits.root_fields = self.root_fields;
        limits.directives = self.directives;
        limits.introspection = self.introspection;
        limits
    }
}
