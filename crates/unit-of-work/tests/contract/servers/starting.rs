//! What a list of servers must be when a database is connected to.

use std::time::Duration;

use async_graphql::Request;
use daybook_test_harness::{
    Cluster, Engine, TestDatabase, at_nobody, list,
    postgres::{self, PostgresServer},
};
use sqlx::postgres::PgConnectOptions;
use unit_of_work::{ConnectError, Database, DatabaseOptions, DriverOptions};

use super::{at, reads_a_standby};
use crate::stage::{PATIENCE, Stage, codes};

const DEADLINE: Duration = Duration::from_millis(1500);

async fn refused(given: impl Into<DriverOptions>) -> ConnectError {
    Database::connect_with(given, DatabaseOptions::default())
        .await
        .expect_err("is refused")
}

fn parsed(url: &str) -> DriverOptions {
    url.parse().expect("is valid")
}

fn assert_names(error: &ConnectError, url: &str) {
    let ConnectError::Server { server, .. } = error else {
        panic!("{error:?}");
    };
    assert!(url.contains(server), "{server} in {url}");
}

/// A server that is down is no reason not to start. One that answers, and could not take over, is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_server_that_answers_must_be_usable() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let away = at_nobody(test.url());
    let url = list(&[away.as_str(), test.url()]);
    let stage = Stage::at(test, &url, DatabaseOptions::default(), |it| it).await;
    stage.assert_whole().await;

    let other = tokio::task::spawn_blocking(|| PostgresServer::start(&[]))
        .await
        .expect("starts");
    // It has no such database.
    let error = refused(parsed(&list(&[stage.test.url(), other.url()]))).await;
    assert_names(&error, other.url());
    assert!(error.to_string().contains("opened"), "{error}");

    // Both have this one, but it is not the same.
    let ours = postgres::server().await;
    let error = refused(parsed(&list(&[ours.url(), other.url()]))).await;
    assert!(
        error.to_string().contains("not of the same cluster"),
        "{error}"
    );
    assert!(matches!(error, ConnectError::Server { .. }), "{error:?}");

    // A pooler drops the start-up options at one of them.
    let proxy = stage.test.proxy().await;
    proxy.drop_parameter("options");
    let error = refused(parsed(&list(&[stage.test.url(), proxy.url()]))).await;
    assert_names(&error, proxy.url());
    assert!(error.to_string().contains("`statement_timeout`"), "{error}");
}

#[tokio::test]
async fn list_of_which_no_server_answers_is_refused() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let (one, other) = (at_nobody(test.url()), at_nobody(test.url()));
    let error = refused(parsed(&list(&[&one, &other]))).await;
    let ConnectError::Open { source } = &error else {
        panic!("{error:?}");
    };
    let told = source.to_string();
    for url in [one, other] {
        let place = url.split(['@', '/']).nth(3).expect("a host and a port");
        assert!(told.contains(place), "{told}");
    }
}

#[tokio::test]
async fn list_that_is_not_understood_is_refused() {
    for url in [
        "postgres://app@one,/app",
        "postgres://app@one,,two/app",
        "postgres://app@one,two:notaport/app",
    ] {
        let error = Database::connect(url, DatabaseOptions::default()).await;
        let error = error.expect_err("is refused");
        assert!(
            matches!(error, ConnectError::InvalidUrl { .. }),
            "{url}: {error}"
        );
    }
    let server = || PgConnectOptions::new_without_pgpass().host("one");
    for (list, said) in [
        (vec![], "no server is named"),
        (vec![server(), server()], "one:5432 is in the list twice"),
        (
            vec![server().host("one,two")],
            "is not the name of a server",
        ),
    ] {
        let error = refused(list).await;
        assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
        assert!(error.to_string().contains(said), "{error}");
    }
    let error = refused(parsed("postgres:///app?host=one,two")).await;
    assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
}

/// Servers without a primary can be connected to: it may be about to come. Until then nothing is read from them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn list_of_standbys_waits_for_a_primary() {
    let cluster = Cluster::start(2).await;
    let test = cluster.database().await;
    let url = cluster.url(&test, &[0, 1, 2]);
    let mut stage = at(&cluster, test, &url).await;
    cluster.caught_up(&stage.test, 2).await;
    cluster.crash(0).await;
    let url = cluster.url(&stage.test, &[1, 2]);
    let database = Database::connect(&url, DatabaseOptions::default())
        .await
        .expect("connects");
    let schema = crate::stage::schema(&database, &stage.cue, |it| it.deadline(DEADLINE));
    for query in ["{ marks }", "mutation { mark(name: \"a\") }"] {
        let response = schema.execute(Request::new(query)).await;
        assert_eq!(codes(&response), ["DATABASE_UNAVAILABLE"], "{response:?}");
    }
    let waiting = crate::stage::schema(&database, &stage.cue, |it| it.deadline(PATIENCE));
    let operation = tokio::spawn(async move {
        let mutation = Request::new("mutation { mark(name: \"after\") }");
        waiting.execute(mutation).await
    });
    cluster.promote(2).await;
    let response = crate::stage::ended(operation).await;
    assert!(response.is_ok(), "{response:?}");
    assert!(!reads_a_standby(&database).await);
    stage.test = cluster.database_on(&stage.test, 2);
    assert_eq!(stage.marks().await, ["after"]);
}
