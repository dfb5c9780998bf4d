//! A reader that keeps the write-ahead log from being emptied.

use std::fs;

use daybook_test_harness::{Engine, Observer, eventually};

use super::server::{Place, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_a_reader_keeps_is_told_of_and_shrinks_afterwards() {
    let place = Place::new();
    let server = Server::start(&place.url());
    server.open_accounts().await;
    let url = format!("sqlite://{}", place.path.display());
    let (reader, writer) = (
        Observer::connect(Engine::Sqlite, &url).await,
        Observer::connect(Engine::Sqlite, &url).await,
    );
    reader.execute("BEGIN; SELECT count(*) FROM entry").await;
    writer
        .execute("CREATE TABLE ballast (x); INSERT INTO ballast VALUES (zeroblob(20000000)); DROP TABLE ballast")
        .await;
    let length = || fs::metadata(place.beside("-wal")).unwrap().len();
    assert!(length() > 16 << 20);
    eventually("it is said", async || {
        server.logged("the write-ahead log cannot be emptied") == 1
    })
    .await;
    server.post_many(1).await;
    reader.execute("COMMIT").await;
    eventually("the log is short", async || length() < 16 << 20).await;
    eventually("that is said too", async || {
        server.logged("the write-ahead log is short again") == 1
    })
    .await;
    server.post_many(1).await;
}
