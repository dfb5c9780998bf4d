//! Tests of the ledger as clients see it: GraphQL over HTTP in, and the state of the database out, read over a separate connection.

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
mod recorded_by;
mod references;
mod round_trips;
mod schema;
mod server;
mod statements;
mod story;
mod units;
mod verify;
