//! A login that may do nothing, and a role that the hook sets, which may.

use std::time::Duration;

use daybook_test_harness::{Engine, Observer, TestDatabase, eventually};
use sea_orm::{ConnectionTrait, DbBackend};
use unit_of_work::{ConnectError, Database, DatabaseOptions, marker};
use uuid::Uuid;

use super::text;
use crate::stage::{Stage, codes, ended, outcome};

struct Roles {
    login: String,
    app: String,
    observer: Observer,
}

/// A schema of its own, in which only the role may do something.
async fn roles(test: &TestDatabase) -> Roles {
    let observer = test.observer().await;
    let id = Uuid::new_v4().simple();
    let (login, app) = (format!("login_{id}"), format!("app_{id}"));
    for sql in [
        format!("CREATE ROLE {app}"),
        format!("CREATE ROLE {login} LOGIN NOINHERIT IN ROLE {app}"),
        "REVOKE ALL ON SCHEMA public FROM PUBLIC".to_owned(),
        format!("CREATE SCHEMA application AUTHORIZATION {app}"),
        format!("GRANT ALL ON SCHEMA public TO {app}"),
        format!("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {app}"),
    ] {
        observer.execute(&sql).await;
    }
    Roles {
        login,
        app,
        observer,
    }
}

impl Roles {
    fn url(&self, url: &str) -> String {
        let theirs = url.replacen("postgres@", &format!("{}@", self.login), 1);
        assert_ne!(theirs, url);
        theirs
    }

    fn options(&self) -> DatabaseOptions {
        let set = format!(
            "SET ROLE {}; SET search_path = application, public",
            self.app
        );
        DatabaseOptions::default().after_connect(move |connection| {
            let set = set.clone();
            Box::pin(async move {
                connection.execute_unprepared(&set).await?;
                Ok(())
            })
        })
    }

    async fn drop(self) {
        let Self {
            login,
            app,
            observer,
        } = self;
        for sql in [
            format!("DROP OWNED BY {app} CASCADE"),
            format!("DROP ROLE {login}"),
            format!("DROP ROLE {app}"),
        ] {
            observer.execute(&sql).await;
        }
    }
}

/// Units run as the role, markers are found by it, and a statement of it can be stopped: the process belongs to the login.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn role_that_the_hook_sets_is_that_of_units() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let roles = roles(&test).await;
    let proxy = test.proxy().await;
    let create = marker::create_table(DbBackend::Postgres);
    let create = create.replacen("unit_of_work_marker", "application.unit_of_work_marker", 1);
    roles.observer.execute(&create).await;
    let options = roles.options().finish_timeout(Duration::from_secs(2));
    let stage = Stage::at(test, &roles.url(proxy.url()), options, |it| it).await;
    stage.assert_whole().await;
    let user = stage
        .database
        .write(async |unit| text(&unit, "SELECT current_user || ' ' || session_user").await)
        .await;
    assert_eq!(
        user.expect("is read"),
        format!("{} {}", roles.app, roles.login)
    );
    // The answer to COMMIT is lost, and the marker in the role's own schema is asked.
    let gate =
        proxy.hold_reply(|sql| sql.contains("unit_of_work_marker") && sql.contains("COMMIT"));
    let operation = stage.start("mutation { mark(name: \"a\") }");
    gate.reached().await;
    gate.cut();
    let response = ended(operation).await;
    assert!(response.is_ok(), "{response:?}");
    assert_eq!(outcome(&response), "COMMITTED");
    assert_eq!(stage.marks().await, ["a"]);
    // COMMIT does not arrive. The login sees that the process waits for it, and ends it: the outcome is known at once.
    let gate = proxy.hold(|sql| sql.contains("COMMIT"));
    let operation = stage.start("mutation { mark(name: \"b\") }");
    gate.reached().await;
    let response = ended(operation).await;
    assert_eq!(codes(&response), ["COMMIT_FAILED"], "{response:?}");
    // It arrives when its client was told that nothing happened.
    gate.release();
    eventually("the backend was ended", async || {
        stage.test.open_transactions().await == 0
    })
    .await;
    assert_eq!(stage.marks().await, ["a"]);
    stage.database.close().await;
    roles.drop().await;
}

/// A statement that hangs is stopped, although only the login may stop it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statement_of_the_role_is_stopped() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let roles = roles(&test).await;
    let url = roles.url(test.url());
    let stage = Stage::at(test, &url, roles.options(), |it| it).await;
    let operation = stage.start("mutation { endless(escaped: true) }");
    stage.cue.reached().await;
    eventually("it runs", async || running(&roles).await == 1).await;
    operation.abort();
    eventually("it was stopped", async || running(&roles).await == 0).await;
    stage.assert_whole().await;
    stage.database.close().await;
    roles.drop().await;
}

async fn running(roles: &Roles) -> i64 {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = '{}' AND state = 'active'",
        roles.login
    );
    roles.observer.i64(&sql).await
}

/// Orders about a connection need the login.
#[tokio::test]
async fn another_session_user_is_refused() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let roles = roles(&test).await;
    let set = format!("SET SESSION AUTHORIZATION {}", roles.app);
    let options = DatabaseOptions::default().after_connect(move |connection| {
        let set = set.clone();
        Box::pin(async move {
            connection.execute_unprepared(&set).await?;
            Ok(())
        })
    });
    let error = Database::connect(test.url(), options)
        .await
        .expect_err("is refused");
    match error {
        ConnectError::AfterConnect { problem, .. } => {
            assert!(problem.contains("SET ROLE"), "{problem}");
        }
        other => panic!("{other:?}"),
    }
    roles.drop().await;
}

/// Migrations make their tables where units look for them.
#[cfg(feature = "migration")]
#[tokio::test]
async fn migrations_run_as_the_role() {
    use crate::migrations::Migrator;

    let test = TestDatabase::create(Engine::Postgres).await;
    let roles = roles(&test).await;
    let url = roles.url(test.url());
    let database = Database::connect(&url, roles.options())
        .await
        .expect("connects");
    database.migrate::<Migrator>().await.expect("migrates");
    let found = "SELECT schemaname || ' ' || tableowner FROM pg_tables WHERE tablename = 'mark'";
    let expected = format!("application {}", roles.app);
    assert_eq!(roles.observer.text(found).await, expected);
    let written = database
        .write(async |unit| crate::stage::insert_mark(&unit, "a").await)
        .await;
    written.expect("is there");
    database.close().await;
    roles.drop().await;
}
