//! The database's files are deleted or replaced under the server. The crate's `contract::files` has each way; here is what clients,
//! `/readyz` and the log say, and what a restart finds.

use std::fs;

use daybook_test_harness::eventually;
use serde_json::Value as Json;

use super::server::{Place, Server, entries};

const REPLACED: &str = "DATABASE_FILE_REPLACED";

async fn assert_refused(server: &Server, log: &str) {
    assert_eq!(server.post(10).await.as_deref(), Some(REPLACED));
    assert_eq!(server.read().await.as_deref(), Some(REPLACED));
    let answer = server
        .answer("{ accounts { pageInfo { hasNextPage } } }", Json::Null)
        .await;
    assert_eq!(answer.status().as_u16(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    let (status, reason) = server.ready().await;
    assert_eq!(status, 503);
    assert!(reason.contains("start the server again"), "{reason}");
    eventually("it is logged", async || server.logged(log) > 0).await;
    assert_eq!(server.logged("nothing is read or written any more"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_deleted_loses_no_entry() {
    let place = Place::new();
    let mut server = Server::start(&place.url());
    server.open_accounts().await;
    server.post_many(5).await;
    fs::remove_file(place.beside("-wal")).unwrap();
    assert_refused(&server, "write-ahead log").await;
    eventually("the file is completed", async || {
        server.logged("what was committed is in the database file") == 1
    })
    .await;
    server.kill();
    assert_eq!(entries(&place.path).await, 5);
    let server = Server::start(&place.url());
    server.post_many(1).await;
    assert_eq!(server.ready().await.0, 200);
}

/// Nobody asks anything: it is noticed all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_nobody_asks_notices_too() {
    let place = Place::new();
    let mut server = Server::start(&place.url());
    server.open_accounts().await;
    server.post_many(5).await;
    fs::remove_file(place.beside("-wal")).unwrap();
    eventually("the file is completed", async || {
        server.logged("what was committed is in the database file") == 1
    })
    .await;
    server.kill();
    assert_eq!(entries(&place.path).await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_takes_the_file_s_place_is_what_a_restart_serves() {
    let place = Place::new();
    let mut server = Server::start(&place.url());
    server.open_accounts().await;
    server.post_many(2).await;
    let backup = place.beside(".backup");
    let observer = daybook_test_harness::Observer::connect(
        daybook_test_harness::Engine::Sqlite,
        &format!("sqlite://{}", place.path.display()),
    )
    .await;
    observer
        .execute(&format!("VACUUM INTO '{}'", backup.display()))
        .await;
    drop(observer);
    server.post_many(3).await;
    let old = place.beside(".old");
    fs::rename(&place.path, &old).unwrap();
    fs::rename(&backup, &place.path).unwrap();
    assert_refused(&server, "was replaced by another file").await;
    eventually("the old file is completed", async || {
        server.logged("what was committed is in the database file that was open") == 1
    })
    .await;
    server.kill();
    assert_eq!(entries(&old).await, 5);
    let server = Server::start(&place.url());
    assert_eq!(server.ready().await.0, 200);
    server.post_many(1).await;
    drop(server);
    assert_eq!(entries(&place.path).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_deleted_is_not_made_again_under_the_server() {
    let place = Place::new();
    let server = Server::start(&place.url());
    server.open_accounts().await;
    server.post_many(1).await;
    fs::remove_file(&place.path).unwrap();
    assert_refused(&server, "was deleted or moved away").await;
    assert!(!place.path.exists());
}

/// The path is a link, as it is where releases or disks are switched: what it leads to counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_leads_elsewhere_is_noticed() {
    let place = Place::new();
    let link = place.folder().join("link.db");
    std::os::unix::fs::symlink(&place.path, &link).unwrap();
    fs::write(&place.path, "").unwrap();
    let server = Server::start(&super::server::url(&link));
    server.open_accounts().await;
    server.post_many(1).await;
    let other = place.folder().join("other.db");
    fs::copy(&place.path, &other).unwrap();
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&other, &link).unwrap();
    assert_refused(&server, "was replaced by another file").await;
}
