//! Databases that cannot be opened say why, at once.

use std::time::{Duration, Instant};

use unit_of_work::{ConnectError, Database, DatabaseOptions};

async fn refused(url: &str) -> ConnectError {
    let started = Instant::now();
    let error = Database::connect(url, DatabaseOptions::default())
        .await
        .expect_err("cannot be opened");
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{error} took {:?}",
        started.elapsed()
    );
    error
}

#[tokio::test]
async fn unknown_scheme() {
    assert!(
        matches!(refused("mysql://localhost/x").await, ConnectError::UnsupportedScheme { scheme } if scheme == "mysql")
    );
    assert!(matches!(
        refused("nonsense").await,
        ConnectError::UnsupportedScheme { .. }
    ));
}

#[tokio::test]
async fn invalid_url() {
    assert!(matches!(
        refused("postgres://host:notaport/x").await,
        ConnectError::InvalidUrl { .. }
    ));
    assert!(matches!(
        refused("sqlite://x.db?mode=unheard-of").await,
        ConnectError::InvalidUrl { .. }
    ));
}

#[tokio::test]
async fn memory_has_no_snapshots() {
    assert!(matches!(
        refused("sqlite::memory:").await,
        ConnectError::InMemory
    ));
}

/// A refused connection is an error at once, not after the pool has tried for its whole time-out.
#[tokio::test]
async fn nobody_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let error = refused(&format!("postgres://nobody@{free}/x")).await;
    assert!(matches!(error, ConnectError::Open { .. }), "{error}");
}

#[tokio::test]
async fn missing_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("missing").join("x.db");
    let error = refused(&format!("sqlite://{}?mode=rwc", path.display())).await;
    assert!(matches!(error, ConnectError::Open { .. }), "{error}");
}
