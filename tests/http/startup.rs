//! What keeps the server from starting is one line that says what to do, without a password.

use std::path::Path;

use daybook::{config::DatabaseUrl, database};
use daybook_test_harness::{Engine, TestDatabase};
use unit_of_work::DatabaseOptions;

async fn refused(url: &str) -> String {
    let url = DatabaseUrl::parse(url).unwrap();
    let error = database::connect(&url, DatabaseOptions::default())
        .await
        .map(|_| ());
    let message = error.expect_err("it connects").to_string();
    assert!(!message.contains('\n'), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
    message
}

fn url(path: &Path, mode: &str) -> String {
    format!("sqlite://{}?mode={mode}", path.display())
}

#[tokio::test]
async fn a_folder_that_does_not_exist() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing/x.db");
    let message = refused(&url(&path, "rwc")).await;
    assert!(
        message.contains("missing does not exist (create it)"),
        "{message}"
    );
}

#[tokio::test]
async fn a_file_that_does_not_exist_and_may_not_be_made() {
    let folder = tempfile::tempdir().unwrap();
    let message = refused(&url(&folder.path().join("x.db"), "rw")).await;
    assert!(
        message.contains("the file does not exist (add ?mode=rwc to create it)"),
        "{message}"
    );
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "the probe is left behind"
    );
}

#[tokio::test]
async fn a_folder_that_cannot_be_written() {
    // Not even root can make a file there.
    let message = refused("sqlite:///proc/daybook.db?mode=rwc").await;
    assert!(message.contains("cannot be written"), "{message}");
}

#[tokio::test]
async fn a_file_that_is_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    std::fs::write(&path, "a letter to my aunt".repeat(100)).unwrap();
    let message = refused(&url(&path, "rwc")).await;
    assert!(message.contains("is not an SQLite database"), "{message}");
}

#[tokio::test]
async fn a_database_server_that_is_not_there() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let message = refused(&format!("postgres://ann:hunter2@{free}/x")).await;
    assert!(
        message.starts_with(&format!(
            "cannot reach the database postgres://ann@{free}/x: "
        )),
        "{message}"
    );
    assert!(message.contains("refused"), "{message}");
}

#[tokio::test]
async fn a_database_that_was_never_created() {
    let database = TestDatabase::create(Engine::Postgres).await;
    let (server, _) = database.url().rsplit_once('/').unwrap();
    let message = refused(&format!("{server}/nowhere")).await;
    assert!(
        message.starts_with("there is no database postgres://"),
        "{message}"
    );
    assert!(message.contains("/nowhere; create it"), "{message}");
}

#[tokio::test]
async fn a_user_that_the_database_does_not_know() {
    let database = TestDatabase::create(Engine::Postgres).await;
    let (_, server) = database.url().split_once('@').unwrap();
    let message = refused(&format!("postgres://nobody:hunter2@{server}")).await;
    assert!(
        message.contains("refuses the user or the password"),
        "{message}"
    );
}
