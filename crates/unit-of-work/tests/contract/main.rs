//! The contract of the crate, row by row, on every engine.
//!
//! Each test runs GraphQL through the schema and then looks at the database over a separate connection.

#![expect(clippy::expect_used, reason = "a test that cannot go on panics")]

mod alone;
mod asks;
mod batches;
mod clients;
mod commits;
mod connect;
mod constraints;
mod databases;
mod dynamic;
mod field_rules;
mod field_savepoints;
mod files;
mod full;
#[cfg(feature = "mariadb")]
mod galera;
mod handles;
mod idempotency;
mod kinds;
mod loaders;
mod logs;
mod look_ups;
#[cfg(feature = "mariadb")]
mod mariadb;
mod masks;
#[cfg(feature = "migration")]
mod migrations;
mod new_connections;
mod nulls;
mod outcomes;
mod outside;
mod pairs;
mod panics;
mod persisted;
mod prepared;
mod properties;
mod queries;
mod raw_statements;
mod read_only;
mod replicas;
mod retries;
mod rollbacks;
mod savepoints;
mod servers;
mod shared_commits;
mod sharing;
mod silence;
mod stage;
mod subscriptions;
mod telemetry;
mod timeline;
mod transactions;
mod unavailable;
mod visible_rows;
#[cfg(feature = "axum")]
mod web;
mod wire;
