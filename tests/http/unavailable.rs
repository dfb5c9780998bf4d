//! What the real binary says when its database cannot serve: not ready, and 503 where the media type has it.

use std::process::Command;

use daybook_test_harness::{Cluster, Engine, TestDatabase, eventually, postgres::PostgresServer};
use reqwest::{StatusCode, header};
use serde_json::{Value as Json, json};
use sqlx::{Connection, PgConnection};

use super::binary::Running;

const OPEN: &str = r#"mutation { openAccount(input: { code: "a", name: "A", currency: "EUR", normalSide: DEBIT }) { account { id } } }"#;

fn serve(url: &str, more: &[&str]) -> Running {
    let args = [
        "--listen",
        "127.0.0.1:0",
        "--database",
        url,
        "--deadline",
        "2s",
    ];
    Running::start(&[&args, more].concat())
}

async fn ready(server: &Running) -> (StatusCode, String) {
    let answer = reqwest::get(format!("{}/readyz", server.base()))
        .await
        .unwrap();
    (answer.status(), answer.text().await.unwrap())
}

async fn send(server: &Running, accept: &str, query: &str) -> reqwest::Response {
    let request = reqwest::Client::new()
        .post(format!("{}/graphql", server.base()))
        .header(header::ACCEPT, accept)
        .json(&json!({ "query": query }));
    request.send().await.unwrap()
}

const GRAPHQL: &str = "application/graphql-response+json";

/// Each answer is whole: the code, whether to try again, and, where statuses mean something, the status with when.
async fn assert_unavailable(server: &Running, query: &str) {
    let answer = send(server, GRAPHQL, query).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{query}");
    assert_eq!(answer.headers()[header::RETRY_AFTER], "1");
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    let body: Json = answer.json().await.unwrap();
    let extensions = &body["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "DATABASE_UNAVAILABLE", "{body}");
    assert_eq!(extensions["retryable"], true);
    assert_eq!(body["data"], Json::Null);

    let answer = send(server, "application/json", query).await;
    assert_eq!(answer.status(), StatusCode::OK, "{query}");
    assert_eq!(answer.headers().get(header::RETRY_AFTER), None);
    let body: Json = answer.json().await.unwrap();
    assert_eq!(
        body["errors"][0]["extensions"]["code"],
        "DATABASE_UNAVAILABLE"
    );
}

/// The primary comes back as a standby: queries are answered, mutations and `/readyz` say so, until it is promoted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standby_is_not_ready() {
    let server = tokio::task::spawn_blocking(|| PostgresServer::start(&[]))
        .await
        .unwrap();
    let daybook = serve(server.url(), &[]);
    assert_eq!(ready(&daybook).await, (StatusCode::OK, "ready".to_owned()));
    server.become_standby();
    let (status, reason) = ready(&daybook).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(reason.contains("takes no writes"), "{reason}");
    assert_unavailable(&daybook, OPEN).await;
    let answer = send(
        &daybook,
        GRAPHQL,
        "{ currencies { code } accounts { pageInfo { hasNextPage } } }",
    )
    .await;
    assert_eq!(answer.status(), StatusCode::OK);
    // One that is started beside it likewise.
    let other = serve(server.url(), &["--no-migrate"]);
    assert_eq!(ready(&other).await.0, StatusCode::SERVICE_UNAVAILABLE);

    let mut admin = PgConnection::connect(server.url()).await.unwrap();
    let promote = sqlx::raw_sql("SELECT pg_promote()");
    promote.execute(&mut admin).await.unwrap();
    for daybook in [&daybook, &other] {
        eventually("it is ready", async || {
            ready(daybook).await.0 == StatusCode::OK
        })
        .await;
    }
    let body: Json = send(&daybook, GRAPHQL, OPEN).await.json().await.unwrap();
    assert_eq!(body.get("errors"), None, "{body}");
}

/// What was made read-only takes no writes either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_only_database_is_not_ready() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let test = TestDatabase::create(engine).await;
        let first = serve(test.url(), &[]);
        assert_eq!(ready(&first).await.0, StatusCode::OK);
        drop(first);
        let url = match engine {
            Engine::Postgres => {
                let observer = test.observer().await;
                let name = observer.text("SELECT current_database()").await;
                let set = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
                observer.execute(&set).await;
                test.url().to_owned()
            }
            Engine::MariaDb => unreachable!("it is not in the list"),
            Engine::Sqlite => test.url().replace("mode=rwc", "mode=ro"),
        };
        let daybook = serve(&url, &["--no-migrate"]);
        let (status, reason) = ready(&daybook).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{engine:?}");
        assert!(reason.contains("takes no writes"), "{reason}");
    }
}

/// A database without its tables cannot serve anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_that_is_not_migrated_is_not_ready() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let test = TestDatabase::create(engine).await;
        let daybook = serve(test.url(), &["--no-migrate"]);
        let (status, reason) = ready(&daybook).await;
        assert_eq!(
            status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{engine:?}: {reason}"
        );
    }
}

/// Nobody answers where the database should be: each is told so before its deadline, and served when it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_that_is_away_is_unavailable() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    let daybook = serve(proxy.url(), &[]);
    proxy.turn_away(true);
    proxy.cut_all();
    assert_unavailable(&daybook, OPEN).await;
    assert_unavailable(&daybook, "{ accounts { pageInfo { hasNextPage } } }").await;
    assert_eq!(ready(&daybook).await.0, StatusCode::SERVICE_UNAVAILABLE);
    proxy.turn_away(false);
    eventually("it is ready", async || {
        ready(&daybook).await.0 == StatusCode::OK
    })
    .await;
    let body: Json = send(&daybook, GRAPHQL, OPEN).await.json().await.unwrap();
    assert_eq!(body.get("errors"), None, "{body}");
}

/// Two servers that name the servers of the database in different orders, one of them first a standby. When that takes over, both go on
/// with it, and hear of each other there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_of_the_database_that_takes_over_is_found() {
    const LISTENERS: &str =
        r#"SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN "daybook_entry_posted"'"#;
    let cluster = Cluster::start(1).await;
    let test = cluster.database().await;
    let daybooks = [[0, 1], [1, 0]].map(|order| serve(&cluster.url(&test, &order), &[]));
    for daybook in &daybooks {
        assert_eq!(ready(daybook).await.0, StatusCode::OK);
    }
    let body: Json = send(&daybooks[1], GRAPHQL, OPEN)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(body.get("errors"), None, "{body}");
    let observer = test.observer().await;
    eventually("both listen at the primary", async || {
        observer.i64(LISTENERS).await == 2
    })
    .await;
    cluster.caught_up(&test, 1).await;
    cluster.crash(0).await;
    assert_unavailable(&daybooks[0], OPEN).await;
    assert_eq!(ready(&daybooks[0]).await.0, StatusCode::SERVICE_UNAVAILABLE);
    cluster.promote(1).await;
    let test = cluster.database_on(&test, 1);
    for (daybook, code) in daybooks.iter().zip(["b", "c"]) {
        let open = OPEN.replace(r#"code: "a""#, &format!("code: {code:?}"));
        let body: Json = send(daybook, GRAPHQL, &open).await.json().await.unwrap();
        assert_eq!(body.get("errors"), None, "{body}");
        assert_eq!(ready(daybook).await.0, StatusCode::OK);
    }
    let observer = test.observer().await;
    assert_eq!(observer.i64("SELECT count(*) FROM account").await, 3);
    eventually("both listen at the new primary", async || {
        observer.i64(LISTENERS).await == 2
    })
    .await;
    // Commands find it as well.
    for command in ["migrate", "verify"] {
        let url = cluster.url(&test, &[0, 1]);
        let output = tokio::task::spawn_blocking(move || {
            Command::new(env!("CARGO_BIN_EXE_daybook"))
                .args([command, "--database", &url])
                .output()
                .unwrap()
        });
        let output = output.await.unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
    }
}

/// A pooler that drops start-up options: the server does not start, and says what to look at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_that_is_not_as_asked_keeps_the_server_from_starting() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    proxy.drop_parameter("options");
    let url = proxy.url().to_owned();
    let run = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_daybook"));
        command.args(["--listen", "127.0.0.1:0", "--database", &url]);
        command.output().unwrap()
    });
    let output = run.await.unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("`statement_timeout`"), "{said}");
    assert!(said.contains("ignore_startup_parameters"), "{said}");
}
