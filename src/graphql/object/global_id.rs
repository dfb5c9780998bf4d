//! Ids that are unique over all types.

use async_graphql::ID;

use crate::ledger::Id;

/// What clients know a thing by.
#[must_use]
pub fn global_id(id: Id) -> ID {
    ID(id.to_string())
}
