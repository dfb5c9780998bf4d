//! Everything that runs around the resolvers of one GraphQL operation.
//!
//! Read `extension/` first: it makes the unit of an operation and finishes it. `ask` and `settings` have the options of an operation,
//! resolvers use `context` and `loader`, and `mask`, `respond` and `report` make the answer. Nothing here talks to a database.

pub(crate) mod ask;
pub(crate) mod context;
pub(crate) mod extension;
pub(crate) mod failures;
pub(crate) mod field_rule;
pub(crate) mod field_savepoints;
pub(crate) mod loader;
pub(crate) mod located;
pub(crate) mod mask;
pub(crate) mod report;
pub(crate) mod respond;
pub(crate) mod root_fields;
pub(crate) mod select;
pub(crate) mod settings;
pub(crate) mod turn;
