//! The ledger as clients meet it: GraphQL over HTTP in, database state out, read over a separate connection.

mod answers;
mod backup;
mod connections;
mod documents;
mod errors;
mod examples;
mod expiry;
mod feed;
mod feed_sharing;
mod heavy;
mod holds;
mod idempotency;
mod large_answers;
mod lock_order;
mod nodes;
mod process;
mod round_trips;
mod schema;
mod server;
mod statements;
mod story;
mod units;
mod verify;
