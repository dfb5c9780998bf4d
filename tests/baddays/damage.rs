//! Pages of the database that cannot be right.

use std::fs;

use daybook_test_harness::{Engine, Observer};

use super::server::{Place, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_that_an_operation_meets_has_a_code_and_readyz_knows() {
    const PAGE: usize = 4096;
    let place = Place::new();
    let server = Server::start(&place.url());
    server.open_accounts().await;
    server.post_many(1).await;
    drop(server);
    let url = format!("sqlite://{}", place.path.display());
    let observer = Observer::connect(Engine::Sqlite, &url).await;
    let page = observer
        .i64("SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = 'account'")
        .await;
    observer.execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
    drop(observer);
    let mut contents = fs::read(&place.path).unwrap();
    let at = (usize::try_from(page).unwrap() - 1) * PAGE;
    contents[at..at + 100].fill(0xa5);
    fs::write(&place.path, contents).unwrap();

    let server = Server::start(&place.url());
    assert_eq!(server.post(10).await.as_deref(), Some("DATABASE_DAMAGED"));
    let (status, reason) = server.ready().await;
    assert_eq!(status, 503);
    assert!(reason.contains("is damaged"), "{reason}");
    assert_eq!(server.logged("the database is damaged"), 1);
}
