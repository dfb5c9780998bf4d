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
/// can have.
#[must_use]
pub fn operations() -> Options {
    let scalars = Scalars::new()
        .scalar::<Int64>()
        .scalar::<DateTime>()
        .scalar::<CurrencyCode>();
    // An entry may have a thousand lines, and nearly all have a few. Counted by the most, a page of entries with their lines could
    // not be asked for. So the usual number is counted, and the lists' resolvers count what is there.
    let mut sizes = Sizes::default()
        .page(20)
        .other_lists(10)
        .list("Query.nodes", Size::Argument("ids"))
        .list("Query.currencies", Size::Usually(200))
        .list("LedgerCheck.differences", Size::Items(100))
        .list("Entry.lines", Size::Usually(10))
        .list("EntryPayload.accounts", Size::Usually(20));
    // The lines of a new entry are those of its input, and each is between two accounts.
    let accounts = Size::EachOf {
        argument: "input.lines",
        items: 2,
    };
    for field in ["Mutation.postEntry", "Mutation.placeHold"] {
        sizes = sizes
            .list(
                format!("{field}.entry.lines"),
                Size::Argument("input.lines"),
            )
            .list(format!("{field}.accounts"), accounts);
    }
    // They read as many rows as there are, and not as many as they answer.
    sizes = sizes
        .weight("EntryConnection.totalCount", 500)
        .weight("AccountConnection.totalCount", 100)
        .weight("Query.verifyLedger", 1_000_000);
    Options::default().scalars(scalars).sizes(sizes)
}
