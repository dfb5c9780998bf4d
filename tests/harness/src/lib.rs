//! What the tests of this workspace stand on: private PostgreSQL and MariaDB servers and Galera clusters per test process, fresh databases,
//! an observer that sees only what was committed, and a proxy that watches and disturbs the PostgreSQL wire.
//!
//! This is test support: whatever goes wrong here panics with a line that says what to do, so that a test shows the
//! cause and no test has to handle it.
//!
//! ```no_run
//! use daybook_test_harness::{TestDatabase, on_every_engine};
//!
//! on_every_engine! {
//!     /// What the observer inserts, the observer can count.
//!     async fn an_insert_is_counted(database: TestDatabase) {
//!         let observer = database.observer().await;
//!         observer.execute("CREATE TABLE t (id INTEGER)").await;
//!         observer.execute("INSERT INTO t VALUES (1)").await;
//!         assert_eq!(observer.i64("SELECT count(*) FROM t").await, 1);
//!     }
//! }
//! # fn main() {}
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test support: a panic is how it reports"
)]

mod cable;
mod cluster;
mod database;
mod engine;
mod eventually;
pub mod galera;
pub mod mariadb;
mod observer;
pub mod postgres;
mod proxy;
mod script;

pub use cable::{Cable, Lost};
pub use cluster::{Cluster, at_nobody, list};
pub use database::TestDatabase;
pub use engine::Engine;
pub use eventually::{PATIENCE, eventually};
pub use observer::Observer;
pub use proxy::{Flight, Gate, WireProxy};
