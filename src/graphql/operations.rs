//! How operations of this schema are prepared: its definition, its scalars, and the sizes of its lists.

use graphql_operation::{Options, Scalars, Schema, SchemaError, Size, Sizes};

use super::scalars::{CurrencyCode, DateTime, Int64};

/// The schema that operations are validated against.
///
/// # Errors
/// If the schema's own text cannot be read, which a test rules out.
pub fn operation_schema() -> Result<Schema, SchemaError> {
    Schema::parse(&super::sdl())
}

/// How operations of the ledger's schema are prepared: its scalars are checked before anything runs, and its lists are counted by the
/// number of items that they can have.
#[must_use]
pub fn operations() -> Options {
    let scalars = Scalars::new()
        .scalar::<Int64>()
        .scalar::<DateTime>()
        .scalar::<CurrencyCode>();
    // An entry may have a thousand lines, but nearly all have a few. If the maximum were counted, a page of entries with their lines would
    // always be refused. So the usual number is counted beforehand, and the lists' resolvers count the rest.
    let mut sizes = Sizes::default()
        .page(20)
        .other_lists(10)
        .list("Query.nodes", Size::Argument("ids"))
        .list("Query.currencies", Size::Usually(200))
        .list("Query.ledgers", Size::Usually(20))
        .list("Query.closedPeriods", Size::Usually(10))
        .list("Query.accountTrees", Size::Usually(5))
        .list("Account.groups", Size::Usually(3))
        .list("AccountGroup.children", Size::Usually(10))
        .list("AccountGroup.codePrefixes", Size::Usually(5))
        .list("Query.webhooks", Size::Usually(10))
        .list("Webhook.events", Size::Items(3))
        .list("Webhook.accounts", Size::Usually(5))
        .list("Webhook.deadLetters", Size::Usually(20))
        .list("LedgerCheck.differences", Size::Items(100))
        .list("Query.accountSums", Size::Usually(200))
        .list("Entry.lines", Size::Usually(10))
        .list("Entry.changes", Size::Usually(2))
        .list("Entry.reversals", Size::Usually(2))
        .list("Entry.resolutions", Size::Usually(2))
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
    sizes = sizes
        .list("PostEntriesPayload.accounts", Size::Usually(20))
        .list("Mutation.postEntries.entries", Size::Argument("inputs"));
    // Their cost is that of the rows that they read, not of the fields that they answer.
    sizes = sizes
        .weight("EntryConnection.totalCount", 500)
        .weight("AccountConnection.totalCount", 100)
        .weight("StatementLineConnection.totalCount", 500)
        .weight("ClosingConnection.totalCount", 20)
        .weight("Entry.receipt", 10)
        .weight("AccountGroup.accounts", 100)
        .weight("AccountGroupConnection.totalCount", 20)
        .weight("AccountGroupChangeConnection.totalCount", 100)
        .weight("Webhook.deadLetters", 10)
        .weight("Webhook.deadLetterCount", 20)
        .weight("Query.accountSums", 2_500)
        .weight("Query.trialBalance", 2_500)
        .weight("Query.balanceSheet", 2_500)
        .weight("Query.incomeStatement", 2_500)
        .weight("Query.verifyLedger", 1_000_000);
    Options::default().scalars(scalars).sizes(sizes)
}
