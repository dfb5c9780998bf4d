//! What one request may ask for.
//!
//! What concerns operations is checked when they are prepared, on every transport alike.

use crate::setters::setters;

/// What the server takes at most.
///
/// ```
/// use graphql_service::Limits;
///
/// let limits = Limits::default().body_bytes(64 * 1024).batch(1);
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one request body, or of one WebSocket message.
    pub body_bytes: usize,
    /// Operations in one batch.
    pub batch: usize,
    /// Operations at once, over all transports; beyond it `OVERLOADED`, at once. An open subscription is not one.
    pub operations: usize,
    /// Subscriptions of one client at once, over all transports: of one viewer, or else of one address. How many there are in all, whoever
    /// makes the events knows.
    pub subscriptions_of_client: usize,
    /// Tokens of a document.
    pub tokens: usize,
    /// Fields inside fields.
    pub depth: usize,
    /// Fields that the response can have, as far as the document tells: what is below a connection counts once for each
    /// item of the page.
    pub complexity: usize,
    /// Fields with an alias.
    pub aliases: usize,
    /// Fields at the top of an operation.
    pub root_fields: usize,
    /// Directives.
    pub directives: usize,
    /// Bytes of an answer, written as JSON: of one operation, of all operations of a batch together, or of one event. The schema
    /// keeps this one while fields are resolved, as the only one that knows: see [`RequestErrors::within`](crate::RequestErrors::within).
    pub answer_bytes: usize,
    /// Whether the schema may be asked for.
    pub introspection: bool,
}

/// So few are not shared out.
const FEW: usize = 64;

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
    /// How much of something one client may have, where there is so much of it in all: three quarters, so that others find some whatever
    /// it does. Where there are few, as many as there are: a quarter of them would be nothing, or not be missed.
    #[must_use]
    pub fn of_one_client(all: usize) -> usize {
        if all < FEW { usize::MAX } else { all - all / 4 }
    }

    /// Those of one operation.
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
