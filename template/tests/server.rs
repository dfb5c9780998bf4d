//! What clients see, and what another connection finds in the database. Each test has a database of its own.

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use graphql_service::App;
use sea_orm::{ConnectionTrait, DatabaseConnection, EntityTrait};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;
use unit_of_work::{Database, DatabaseOptions};

use {{crate_name}}::{entity::note, server};

struct Server {
    app: App,
    /// A connection that has nothing to do with the server's: it sees what was committed, and no more.
    observer: DatabaseConnection,
    _folder: TempDir,
}

impl Server {
    /// A server on a new file, or on a new database of the PostgreSQL server at `TEST_DATABASE_URL`.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match std::env::var("TEST_DATABASE_URL") {
            Err(_) => format!(
                "sqlite://{}?mode=rwc",
                folder.path().join("test.db").display()
            ),
            Ok(postgres) => create_database(&postgres, &folder).await,
        };
        let database = Database::connect(&url, DatabaseOptions::default())
            .await
            .unwrap();
        Self {
            app: server::server(database).await.unwrap(),
            observer: sea_orm::Database::connect(&url).await.unwrap(),
            _folder: folder,
        }
    }

    async fn post(&self, path: &str, key: Option<&str>, body: Value) -> (StatusCode, Value) {
        let mut request = Request::post(path)
            .header("host", "localhost")
            .header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(Body::from(body.to_string())).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn graphql(&self, query: &str) -> Value {
        self.post("/graphql", None, json!({ "query": query }))
            .await
            .1
    }

    /// The notes that were committed.
    async fn notes(&self) -> Vec<(String, bool)> {
        let notes = note::Entity::find().all(&self.observer).await.unwrap();
        notes
            .into_iter()
            .map(|note| (note.text, note.is_read))
            .collect()
    }
}

/// The new database is called after the folder, whose name nobody else has.
async fn create_database(url: &str, folder: &TempDir) -> String {
    let unique = folder.path().file_name().unwrap().to_string_lossy();
    let name = format!("test{}", unique.replace('.', "_").to_lowercase());
    let server = sea_orm::Database::connect(url).await.unwrap();
    server
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .unwrap();
    let (address, parameters) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = address.rsplit_once('/').unwrap();
    format!("{server}/{name}?{parameters}")
}

#[tokio::test]
async fn mutation_is_all_or_nothing() {
    let server = Server::new().await;
    let twice = r#"mutation { writeNote(text: "a") { id } again: writeNote(text: "a") { id } }"#;
    let answer = server.graphql(twice).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"], "NOTE_EXISTS",
        "{answer}"
    );
    assert_eq!(server.notes().await, []);
}

#[tokio::test]
async fn mutation_with_a_key_is_done_once() {
    let server = Server::new().await;
    let mutation = json!({ "query": r#"mutation { writeNote(text: "a") { text } }"# });
    let first = server
        .post("/graphql", Some("key-1"), mutation.clone())
        .await;
    let again = server.post("/graphql", Some("key-1"), mutation).await;
    assert_eq!(
        first.1["data"],
        json!({ "writeNote": { "text": "a" } }),
        "{}",
        first.1
    );
    assert_eq!(first.1["data"], again.1["data"]);
    assert_eq!(server.notes().await, [("a".to_owned(), false)]);
}

#[tokio::test]
async fn webhook_is_a_unit_too() {
    let server = Server::new().await;
    let answer = server
        .graphql(r#"mutation { writeNote(text: "a") { id } }"#)
        .await;
    let id = answer["data"]["writeNote"]["id"].as_str().unwrap();
    let (status, _) = server
        .post(&format!("/hooks/read/{id}"), Some("event-1"), Value::Null)
        .await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(server.notes().await, [("a".to_owned(), true)]);
    let (status, problem) = server.post("/hooks/read/0", None, Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(problem["code"], "NO_SUCH_NOTE", "{problem}");
}
