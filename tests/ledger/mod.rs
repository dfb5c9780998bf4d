//! The ledger's functions and its tables, without a server around them: each on every engine.

mod accounts;
pub(crate) mod book;
mod change_rules;
mod closing;
mod concurrency;
mod conditions;
mod effective_order;
mod finding;
#[cfg(feature = "mariadb")]
mod flights;
pub(crate) mod groups;
mod history;
mod holds;
mod instants;
mod ledgers;
mod limits;
mod migrations;
#[cfg(feature = "mariadb")]
mod numbering;
mod pages;
mod parts;
mod plans;
mod posting;
mod properties;
mod reversals;
mod rules;
mod rules_of_mariadb;
mod seals;
pub(crate) mod sent;
mod sums;
mod verification;
mod volume;
