//! What replicas must be when a database is connected to.

use daybook_test_harness::{Cluster, Engine, TestDatabase, at_nobody, postgres::PostgresServer};
use unit_of_work::{ConnectError, Database, DatabaseOptions, DriverOptions};

use super::{SHORT, Scene, replica};
use crate::stage::PATIENCE;

fn named(url: &str) -> DriverOptions {
    url.parse().expect("is a URL")
}

async fn refused(url: &str, replicas: impl IntoIterator<Item = DriverOptions>) -> ConnectError {
    let options = DatabaseOptions::default().replicas(replicas);
    Database::connect(url, options)
        .await
        .expect_err("is refused")
}

/// Without the grant a standby does not tell which primary it follows. The message is what has to be typed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn role_that_is_not_told_the_timeline_is_refused() {
    let cluster = Cluster::start(1).await;
    let test = cluster.database().await;
    let observer = test.observer().await;
    observer.execute("CREATE ROLE \"the App\" LOGIN").await;
    cluster.caught_up(&test, 1).await;
    let theirs = |url: &str| url.replacen("postgres@", "the%20App@", 1);
    let url = theirs(test.url());
    let standby = theirs(cluster.database_on(&test, 1).url());
    let error = refused(&url, [named(&standby)]).await;
    let ConnectError::Server { source, .. } = &error else {
        panic!("{error:?}");
    };
    let grant = "GRANT pg_read_all_stats TO \"the App\"";
    assert!(source.to_string().contains(grant), "{source}");
    observer.execute(grant).await;
    cluster.caught_up(&test, 1).await;
    let options = DatabaseOptions::default().replicas([named(&standby)]);
    Database::connect(&url, options)
        .await
        .expect("connects")
        .close()
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replica_of_another_cluster_is_refused() {
    let cluster = Cluster::start(1).await;
    let test = cluster.database().await;
    let other = tokio::task::spawn_blocking(|| PostgresServer::start(&[]))
        .await
        .expect("starts");
    let error = refused(cluster.server(0).url(), [named(other.url())]).await;
    assert!(
        error.to_string().contains("not of the same cluster"),
        "{error}"
    );
    // A database that is not there.
    let error = refused(test.url(), [named(&at_database(other.url(), "nothing"))]).await;
    assert!(matches!(error, ConnectError::Server { .. }), "{error:?}");
}

fn at_database(url: &str, name: &str) -> String {
    let (server, _) = url.rsplit_once('/').expect("a URL with a path");
    format!("{server}/{name}")
}

/// A replica that is down is no reason not to start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replica_that_is_away_is_waited_for_by_nobody() {
    let cluster = Cluster::start(1).await;
    let test = cluster.database().await;
    let url = test.url().to_owned();
    let away = named(&at_nobody(&url));
    let options = DatabaseOptions::default()
        .replicas([away])
        .replica_wait(SHORT);
    let stage = crate::stage::Stage::at(test, &url, options, |it| it.deadline(PATIENCE)).await;
    stage.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_make_no_sense_are_refused() {
    let scene = Scene::new(1, SHORT).await;
    let standby = || replica(&scene.cluster, &scene.test, 1);
    let sqlite = TestDatabase::create(Engine::Sqlite).await;
    let refusals = [
        refused(sqlite.url(), [standby()]).await,
        refused(scene.test.url(), [named(sqlite.url())]).await,
        {
            let options = DatabaseOptions::default()
                .replicas([standby()])
                .read_only(true);
            let connected = Database::connect(scene.test.url(), options).await;
            connected.expect_err("is refused")
        },
    ];
    for error in refusals {
        assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
    }
}
