//! What clients see of a violated constraint, by its name.

use async_graphql::{Error, ErrorExtensions, Request};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::{ConnectionTrait, DbErr};
use unit_of_work::{
    DatabaseOptions, DryRun, FailureKind, Shown, UnitError, UnitOfWorkExtension,
    violated_constraint,
};

use crate::stage::{Stage, codes, insert_mark, text};

fn told(code: &'static str) -> Error {
    Error::new(format!("It is {code}.")).extend_with(|_, extensions| extensions.set("code", code))
}

async fn stage(test: TestDatabase) -> Stage {
    let url = test.url().to_owned();
    Stage::at(test, &url, DatabaseOptions::default(), naming).await
}

fn naming(units: UnitOfWorkExtension) -> UnitOfWorkExtension {
    units
        .constraint(["mark_pkey", "mark.name", "PRIMARY"], told("TAKEN"))
        .constraint(["child_has_parent"], told("ORPHAN"))
}

/// What the database says of a statement that fails.
async fn failure(stage: &Stage, sql: &str) -> DbErr {
    let failed = stage
        .database
        .write(async |unit| unit.execute_unprepared(sql).await)
        .await;
    failed.expect_err("fails")
}

on_every_engine! {
    async fn violated_constraint_is_told_as_the_application_says(test: TestDatabase) {
        let stage = stage(test).await;
        let response = stage.run("mutation { mark(name: \"a\") again: mark(name: \"a\") }").await;
        assert_eq!(codes(&response), ["TAKEN"], "{response:?}");
        assert_eq!(response.errors[0].message, "It is TAKEN.");
        assert!(stage.marks().await.is_empty());
        // One that has no name here is masked, as ever.
        let response = stage.run("mutation { raw(sql: \"INSERT INTO parent (id) VALUES (1), (1)\") }").await;
        // All primary keys have one name on MariaDB.
        let expected = match stage.test.engine() {
            Engine::MariaDb => "TAKEN",
            Engine::Sqlite | Engine::Postgres => "INTERNAL",
        };
        assert_eq!(codes(&response), [expected], "{response:?}");
        // So is anything that is no constraint.
        let response = stage.run("mutation { raw(sql: \"INSERT INTO nowhere VALUES (1)\") }").await;
        assert_eq!(codes(&response), ["INTERNAL"], "{response:?}");
        stage.assert_whole().await;
    }

    async fn violated_constraint_of_a_commit_is_told_as_the_application_says(test: TestDatabase) {
        let stage = stage(test).await;
        // SQLite does not say which foreign key it was.
        let expected = match stage.test.engine() {
            Engine::Postgres => "ORPHAN",
            Engine::Sqlite => "COMMIT_FAILED",
            // It is the statement that is refused.
            Engine::MariaDb => "ORPHAN",
        };
        let response = stage.run("mutation { orphan }").await;
        assert_eq!(codes(&response), [expected], "{response:?}");
        let response = stage.schema.execute(Request::new("mutation { orphan }").data(DryRun)).await;
        assert_eq!(codes(&response), [expected], "{response:?}");
        stage.assert_whole().await;
    }

    async fn hook_goes_before_the_names_of_constraints(test: TestDatabase) {
        let stage = stage(test).await;
        let schema = stage.schema_with(|units| {
            naming(units).map_error(|resolver| match resolver.database {
                Some(FailureKind::Constraint) => Shown::Instead(told("HOOKED")),
                _ => Shown::ByDefault,
            })
        });
        let response = schema.execute("mutation { mark(name: \"a\") again: mark(name: \"a\") }").await;
        assert_eq!(codes(&response), ["HOOKED"], "{response:?}");
        stage.assert_whole().await;
    }

    async fn names_of_violated_constraints(test: TestDatabase) {
        let stage = stage(test).await;
        let engine = stage.test.engine();
        let of = |on_postgres, on_sqlite, on_mariadb| match engine {
            Engine::Postgres => on_postgres,
            Engine::Sqlite => on_sqlite,
            Engine::MariaDb => on_mariadb,
        };
        let observer = stage.observer().await;
        let text = text(engine);
        observer
            .execute(&format!(
                "CREATE TABLE person (id BIGINT PRIMARY KEY, name {text} NOT NULL, age BIGINT, \
                 CONSTRAINT person_name_key UNIQUE (name), CONSTRAINT age_is_positive CHECK (age > 0))"
            ))
            .await;
        observer.execute("INSERT INTO person VALUES (1, 'a', 1)").await;
        for (values, on_postgres, on_sqlite, on_mariadb) in [
            ("(2, 'a', 1)", "person_name_key", "person.name", "person_name_key"),
            ("(1, 'b', 1)", "person_pkey", "person.id", "PRIMARY"),
            ("(2, 'b', 0)", "age_is_positive", "age_is_positive", "age_is_positive"),
            ("(2, NULL, 1)", "person.name", "person.name", "name"),
        ] {
            let error = failure(&stage, &format!("INSERT INTO person VALUES {values}")).await;
            let expected = of(on_postgres, on_sqlite, on_mariadb);
            assert_eq!(violated_constraint(&error).as_deref(), Some(expected), "{error}");
        }
        assert_eq!(violated_constraint(&failure(&stage, "SELECT nothing").await), None);
        assert_eq!(violated_constraint(&DbErr::from(UnitError::Doomed)), None);
        let twice = stage.database.write(async |unit| {
            insert_mark(&unit, "a").await?;
            insert_mark(&unit, "a").await
        });
        let name = violated_constraint(&twice.await.expect_err("fails"));
        assert_eq!(name.as_deref(), Some(of("mark_pkey", "mark.name", "PRIMARY")));
        stage.assert_whole().await;
    }
}
