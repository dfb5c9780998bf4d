//! Relay's global object identification (<https://relay.dev/graphql/objectidentification.htm>).

use async_graphql::{ID, Interface};

use super::{Account, AccountGroup, Entry, EntryLine, Webhook};

/// Anything that has an id of its own, by which `node` finds it again.
#[derive(Interface)]
#[graphql(field(
    name = "id",
    ty = "ID",
    desc = "Unique over all types; opaque to clients."
))]
pub enum Node {
    /// An account.
    Account(Account),
    /// A group of accounts.
    AccountGroup(AccountGroup),
    /// An entry.
    Entry(Entry),
    /// A line of an entry.
    EntryLine(EntryLine),
    /// A webhook.
    Webhook(Webhook),
}
