//! What is told of this schema to whoever prepares its operations, beside its definition.

use graphql_operation::{Options, Scalars, Schema, SchemaError, Size, Sizes};

use super::scalars::{CurrencyCode, DateTime, Int64};

/// The schema that operations are held against.
///
/// # Errors
/// None, unless the schema's own text cannot be read.
pub fn operation_schema() -> Result<Schema, SchemaError> {
    Schema::parse(&super::sdl())
}

/// How operations of the ledger's schema are prepared: its scalars are read before anything runs, and lists are counted by what they
/// usually have.
#[must_use]
pub fn operations() -> Options {
    let scalars = Scalars::new()
        .scalar::<Int64>()
        .scalar::<DateTime>()
        .scalar::<CurrencyCode>();
    // An entry may have a thousand lines, and nearly all have a few. Counted by the most, a page of entries with their lines could
    // not be asked for.
    let sizes = Sizes::default()
        .page(20)
        .other_lists(10)
        .list("Query.nodes", Size::Argument("ids"))
        .list("Query.currencies", Size::Items(200))
        .list("LedgerCheck.differences", Size::Items(100));
    Options::default().scalars(scalars).sizes(sizes)
}
