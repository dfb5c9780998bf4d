//! What a cluster must be when a database is connected to.

use std::time::Duration;

use daybook_test_harness::{galera::cluster, mariadb::MariaDbServer};
use unit_of_work::{ConnectError, Database, DatabaseOptions, galera};

use super::{empty, run_within, stage};
use crate::stage::{PATIENCE, codes, count_marks, insert_mark};

/// Nothing tells servers apart that are no nodes, so a list of them is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn list_of_servers_that_are_no_nodes_is_refused() {
    let server = tokio::task::spawn_blocking(|| MariaDbServer::start(&[]))
        .await
        .expect("starts");
    let url = server.database_url("mysql");
    let place = url.split(['@', '/']).nth(3).expect("a host and a port");
    let other = place.replace("127.0.0.1", "localhost");
    let list = url.replace(place, &format!("{place},{other}"));
    let refused = Database::connect(&list, DatabaseOptions::default()).await;
    let refused = refused.expect_err("is refused");
    assert!(
        matches!(refused, ConnectError::Server { .. }),
        "{refused:?}"
    );
    assert!(
        std::error::Error::source(&refused).is_some_and(|it| it.to_string().contains("wsrep_on")),
        "{refused:?}"
    );
    let twice = url.replace(place, &format!("{place},{place}"));
    let refused = Database::connect(&twice, DatabaseOptions::default()).await;
    assert!(
        matches!(refused, Err(ConnectError::Refused { .. })),
        "{refused:?}"
    );
}

/// Without the table nobody knows which node writes, so none does. It can be made later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_table_nothing_is_written() {
    let (cluster, name, stage) = stage(&[0, 1, 2]).await;
    let observer = cluster.observer(0, &name).await;
    observer.execute(galera::drop_table()).await;
    let url = cluster.list(&[0, 1, 2], &name);
    let database = Database::connect(&url, DatabaseOptions::default())
        .await
        .expect("connects");
    let cue = std::sync::Arc::clone(&stage.cue);
    let without = crate::stage::Stage {
        test: cluster.database_on(0, &name),
        schema: crate::stage::schema(&database, &cue, |it| it),
        database,
        cue,
    };
    let soon = Duration::from_millis(1500);
    let response = run_within(&without, "mutation { mark(name: \"a\") }", soon).await;
    assert_eq!(codes(&response), ["DATABASE_UNAVAILABLE"], "{response:?}");
    let checked = without.database.check_writable(PATIENCE / 4).await;
    let error = checked.expect_err("takes no writes");
    assert!(
        error.to_string().contains("no table unit_of_work_writer"),
        "{error}"
    );
    for sql in galera::create_table() {
        observer.execute(&sql).await;
    }
    without.assert_whole().await;
    without
        .database
        .check_writable(soon)
        .await
        .expect("takes writes");
    // A row that is missing would be a COMMIT that nothing holds back.
    observer
        .execute("DELETE FROM unit_of_work_writer WHERE slot = 7")
        .await;
    let refused = Database::connect(&url, DatabaseOptions::default()).await;
    let refused = refused.expect_err("is refused");
    assert!(refused.to_string().contains("256 rows"), "{refused}");
}

/// Servers that start at the same time, and name other nodes first, migrate one after the other.
#[cfg(feature = "migration")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrations_through_two_nodes_wait_for_each_other() {
    use sea_orm_migration::prelude::*;

    use crate::migrations::Migrator;

    struct All;

    #[async_trait::async_trait]
    impl MigratorTrait for All {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            let mut all = Migrator::migrations();
            all.push(Box::new(galera::Migration));
            all
        }
    }

    let cluster = cluster().await;
    let name = cluster.database().await;
    let mut servers = Vec::new();
    for order in [&[0, 1, 2][..], &[2, 1, 0], &[1, 2, 0]] {
        let url = cluster.list(order, &name);
        let options = DatabaseOptions::default().connect_timeout(PATIENCE);
        servers.push(Database::connect(&url, options).await.expect("connects"));
    }
    for round in 0..2 {
        let migrating: Vec<_> = servers
            .iter()
            .cloned()
            .map(|server| tokio::spawn(async move { server.migrate::<All>().await }))
            .collect();
        for migrated in migrating {
            migrated.await.expect("ends").expect("migrates");
        }
        let mark = format!("round {round}");
        let written = servers[round].write(async |unit| insert_mark(&unit, &mark).await);
        written.await.expect("is written");
    }
    let marks = servers[2].read(async |unit| count_marks(&unit).await).await;
    assert_eq!(marks, Ok(2));
}

/// A database that only reads needs no node that writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_only_database_needs_no_writer() {
    let cluster = cluster().await;
    let name = empty(&cluster).await;
    let observer = cluster.observer(0, &name).await;
    observer
        .execute("CREATE TABLE mark (name VARCHAR(100) PRIMARY KEY)")
        .await;
    observer.execute(galera::drop_table()).await;
    let url = cluster.list(&[0, 1, 2], &name);
    let options = DatabaseOptions::default().read_only(true);
    let database = Database::connect(&url, options).await.expect("connects");
    let read = database.read(async |unit| count_marks(&unit).await).await;
    assert_eq!(read, Ok(0));
    database.close().await;
}

/// Galera tells rows apart by their primary keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_without_a_primary_key_are_told() {
    let (_cluster, _, stage) = stage(&[0, 1, 2]).await;
    let told = stage.database.weaknesses().await.expect("is asked");
    assert_eq!(told, ["no primary key of the table counter"]);
}
