//! The hook has each connection before anybody else, and what it sets is there for all who use it.

use std::sync::{Arc, Mutex};

use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::{ConnectionTrait, DbErr, Statement};
use unit_of_work::{Access, Database, DatabaseOptions};

use super::{stage, text};
use crate::stage::{data, lock};

/// What a hook sets, how a unit sees it, and how a unit changes it.
fn setting(engine: Engine) -> [&'static str; 3] {
    match engine {
        Engine::Postgres => [
            "SET app.hooked = 'yes'",
            "SELECT current_setting('app.hooked')",
            "SET app.hooked = 'no'",
        ],
        Engine::MariaDb => [
            "SET @hooked = 'yes'",
            "SELECT @hooked",
            "SET @hooked = 'no'",
        ],
        Engine::Sqlite => [
            "PRAGMA cache_size = -1234",
            "PRAGMA cache_size",
            "PRAGMA cache_size = -99",
        ],
    }
}

on_every_engine! {
    async fn hook_has_each_connection_before_a_unit(test: TestDatabase) {
        let [set, ask, change] = setting(test.engine());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&calls);
        let options = DatabaseOptions::default().after_connect(move |connection| {
            lock(&noted).push(connection.access());
            Box::pin(async move {
                connection.execute_unprepared(set).await?;
                Ok(())
            })
        });
        let stage = stage(test, options).await;
        let seen = async |access| {
            let seen = match access {
                Access::ReadOnly => stage.database.read(async |unit| text(&unit, ask).await).await,
                Access::ReadWrite => stage.database.write(async |unit| text(&unit, ask).await).await,
            };
            seen.expect("is read")
        };
        let both = [Access::ReadOnly, Access::ReadWrite];
        let count = |access| lock(&calls).iter().filter(|called| **called == access).count();
        for access in both {
            let expected = if ask.starts_with("PRAGMA") { "-1234" } else { "yes" };
            assert_eq!(seen(access).await, expected, "{access:?}");
            let before = count(access);
            assert_eq!(seen(access).await, expected, "the same connection, {access:?}");
            assert_eq!(count(access), before, "once for each connection");
        }
        // A unit that has changed its session: the next one has a connection that the hook has had.
        let before = count(Access::ReadWrite);
        stage.database.write(async |unit| unit.execute_unprepared(change).await).await.expect("changes");
        assert_ne!(seen(Access::ReadWrite).await, "no");
        assert_eq!(count(Access::ReadWrite), before + 1);
        stage.assert_whole().await;
    }

    /// On one that takes writes the hook may write, and what it has written is committed, once for each connection.
    async fn hook_writes_and_reads(test: TestDatabase) {
        let setup = test.observer().await;
        setup.execute("CREATE TABLE licence (connections INTEGER)").await;
        setup.execute("INSERT INTO licence VALUES (0)").await;
        let options = DatabaseOptions::default().max_connections(1).after_connect(|connection| {
            Box::pin(async move {
                if connection.access() == Access::ReadWrite {
                    connection.execute_unprepared("UPDATE licence SET connections = connections + 1").await?;
                }
                let question = Statement::from_string(connection.get_database_backend(), "SELECT connections FROM licence");
                match connection.query_one_raw(question).await? {
                    Some(_) => Ok(()),
                    None => Err(DbErr::Custom("there is no licence".to_owned())),
                }
            })
        });
        let database = Database::connect(test.url(), options).await.expect("connects");
        for _ in 0..3 {
            database.write(async |unit| unit.execute_unprepared("UPDATE licence SET connections = connections").await)
                .await
                .expect("writes");
        }
        // One to see at once whether it works, one for the unit.
        assert_eq!(setup.i64("SELECT connections FROM licence").await, 2);
        database.close().await;
    }
}

/// What has no SQL is set on the driver's own connection.
#[tokio::test]
async fn hook_has_the_driver_s_connection() {
    let test = TestDatabase::create(Engine::Sqlite).await;
    let options = DatabaseOptions::default().after_connect(|mut connection| {
        Box::pin(async move {
            assert!(connection.postgres().is_none());
            let driver = connection.sqlite().expect("is SQLite's");
            let mut handle = driver.lock_handle().await.map_err(driver_error)?;
            handle
                .create_collation("backwards", |one, other| other.cmp(one))
                .map_err(driver_error)?;
            Ok(())
        })
    });
    let stage = stage(test, options).await;
    for name in ["a", "b"] {
        data(
            &stage
                .run(&format!("mutation {{ mark(name: \"{name}\") }}"))
                .await,
        );
    }
    let sql = "SELECT name FROM mark ORDER BY name COLLATE backwards";
    let first = stage
        .database
        .read(async |unit| text(&unit, sql).await)
        .await;
    assert_eq!(first.expect("is read"), "b");
}

fn driver_error(error: sqlx::Error) -> DbErr {
    DbErr::Conn(sea_orm::RuntimeErr::SqlxError(error.into()))
}
