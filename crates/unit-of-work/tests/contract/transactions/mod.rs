//! SeaORM's transactions inside a unit: savepoints, which cannot commit it.
#![expect(
    clippy::disallowed_methods,
    reason = "it is what code does that knows nothing of units"
)]

mod entities;
mod schema;

use std::sync::Arc;

use async_graphql::{EmptySubscription, Request, Response, Schema};
use daybook_test_harness::{TestDatabase, on_every_engine};
use sea_orm::{TransactionSession, TransactionTrait};
use tokio::time::timeout;
use unit_of_work::{DatabaseOptions, Report, UnitError, UnitOfWorkExtension};

use self::schema::{Mutation, Query, Shelf};
use crate::stage::{PATIENCE, Stage, codes, count_marks, data, insert_mark, lock, report};

/// A stage with a schema of its own, whose resolvers begin transactions.
struct Scene {
    stage: Stage,
    schema: Schema<Query, Mutation, EmptySubscription>,
    shelf: Arc<Shelf>,
}

impl Scene {
    async fn new(test: TestDatabase) -> Self {
        Self::with(test, |extension| extension).await
    }

    async fn with(
        test: TestDatabase,
        configure: impl FnOnce(UnitOfWorkExtension) -> UnitOfWorkExtension,
    ) -> Self {
        entities::create(&test).await;
        let url = test.url().to_owned();
        let stage = Stage::at(test, &url, DatabaseOptions::default(), |extension| {
            extension
        })
        .await;
        let extension =
            UnitOfWorkExtension::new(stage.database.clone()).report(Report::InExtensions);
        let shelf = Arc::new(Shelf::default());
        let schema = Schema::build(Query, Mutation, EmptySubscription)
            .extension(configure(extension))
            .data(Arc::clone(&stage.cue))
            .data(Arc::clone(&shelf))
            .finish();
        Self {
            stage,
            schema,
            shelf,
        }
    }

    async fn run(&self, query: &str) -> Response {
        timeout(PATIENCE, self.schema.execute(Request::new(query)))
            .await
            .unwrap_or_else(|_| panic!("no answer: {query}"))
    }

    /// The marks that a mutation of one field leaves, which must succeed.
    async fn marks_after(&self, field: &str) -> Vec<String> {
        let response = self.run(&format!("mutation {{ {field} }}")).await;
        assert!(response.is_ok(), "{response:?}");
        assert_eq!(report(&response)["outcome"], "COMMITTED");
        let marks = self.stage.marks().await;
        self.stage.assert_whole().await;
        marks
    }

    async fn texts(&self, sql: &str) -> Vec<String> {
        let observer = self.stage.observer().await;
        observer.texts(sql).await.into_iter().flatten().collect()
    }
}

const BOOKS: &str = "SELECT title FROM book ORDER BY title";
const AUTHORS: &str = "SELECT name FROM author ORDER BY name";

on_every_engine! {
    async fn nested_save_is_one_unit(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let response = scene.run("mutation { saves }").await;
        assert!(response.is_ok(), "{response:?}");
        assert_eq!(scene.texts(AUTHORS).await, ["Lem"]);
        assert_eq!(scene.texts(BOOKS).await, ["Fiasco", "Solaris"]);
        scene.stage.assert_whole().await;
    }

    /// What SeaORM has committed inside is rolled back with the operation.
    async fn nested_save_goes_with_its_operation(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let response = scene.run("mutation { saves commitsAndFails }").await;
        assert!(response.is_err());
        assert_eq!(report(&response)["outcome"], "ROLLED_BACK");
        assert!(scene.texts(AUTHORS).await.is_empty());
        assert!(scene.texts(BOOKS).await.is_empty());
        assert!(scene.stage.marks().await.is_empty());
        scene.stage.assert_whole().await;
    }

    async fn nested_save_that_fails_is_undone_alone(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let response = scene.run("mutation { savesWhatIsTaken }").await;
        assert!(response.is_ok(), "{response:?}");
        assert_eq!(scene.texts(AUTHORS).await, ["Lem"]);
        assert_eq!(scene.texts(BOOKS).await, ["Solaris"]);
        scene.stage.assert_whole().await;
    }

    async fn nested_save_that_fails_without_a_savepoint_dooms(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let response = scene.run("mutation { swallowsWhatIsTaken }").await;
        assert_eq!(codes(&response), ["UNIT_DOOMED"]);
        assert!(scene.texts(AUTHORS).await.is_empty());
        scene.stage.assert_whole().await;
    }

    async fn nested_delete_is_one_unit(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let response = scene.run("mutation { deletesWithBooks }").await;
        assert!(response.is_ok(), "{response:?}");
        assert_eq!(data(&response), serde_json::json!({ "deletesWithBooks": 3 }));
        assert!(scene.texts(AUTHORS).await.is_empty());
        assert!(scene.texts(BOOKS).await.is_empty());
        scene.stage.assert_whole().await;
    }

    async fn transaction_is_a_savepoint(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("commits").await, ["outer", "second", "third"]);
    }

    async fn transaction_of_a_closure_is_a_savepoint(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("closures").await, ["a", "b", "c"]);
    }

    async fn transaction_with_a_swallowed_failure_is_not_kept(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("commitsWhatFailed").await, ["a", "b"]);
    }

    async fn dropped_transaction_dooms(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let response = scene.run("mutation { drops }").await;
        assert_eq!(codes(&response), ["UNIT_DOOMED"]);
        assert!(scene.stage.marks().await.is_empty());
        assert_eq!(scene.marks_after("dropsTheInnerOne").await, ["a"]);
    }

    /// A savepoint that lies somewhere keeps neither the connection nor the answer, and nothing of it is committed.
    async fn transaction_that_is_left_open_is_ended(test: TestDatabase) {
        let scene = Scene::new(test).await;
        for mutation in ["mutation { leaves(depth: 1) }", "mutation { leaves(depth: 3) }"] {
            let response = scene.run(mutation).await;
            assert_eq!(codes(&response), ["UNIT_DOOMED"], "{mutation}");
            assert!(scene.stage.marks().await.is_empty());
            scene.stage.assert_whole().await;
            let left = lock(&scene.shelf.left).take().expect("was left");
            let late = insert_mark(&left, "late").await.expect_err("is over");
            assert!(UnitError::in_db_err(&late).is_some(), "{late}");
            drop(left);
            scene.stage.assert_whole().await;
        }
        let response = scene.run("{ leaves }").await;
        assert!(response.is_ok(), "{response:?}");
        scene.stage.assert_whole().await;
    }

    async fn transaction_that_is_left_open_in_a_savepoint_is_undone_with_it(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("leavesInside").await, ["a"]);
    }

    /// Where root fields have savepoints, it is inside of one; what the field has left open is a failure that it has swallowed.
    async fn transaction_that_is_left_open_in_a_field_dooms(test: TestDatabase) {
        let scene = Scene::with(test, |extension| extension.field_savepoints(true)).await;
        let response = scene.run("mutation { leaves(depth: 2) }").await;
        assert_eq!(codes(&response), ["UNIT_DOOMED"]);
        assert!(scene.stage.marks().await.is_empty());
        drop(lock(&scene.shelf.left).take());
        scene.stage.assert_whole().await;
    }

    async fn unit_with_a_transaction_of_the_same_code_is_refused(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("usesWhatItHolds").await, ["a"]);
    }

    async fn sibling_waits_for_a_transaction(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("pair { undone beside }").await, ["beside"]);
    }

    async fn effects_go_with_their_transaction(test: TestDatabase) {
        let scene = Scene::new(test).await;
        scene.marks_after("effects").await;
        assert_eq!(scene.stage.cue.effects(), ["first", "second"]);
    }

    /// What a savepoint cannot keep is refused.
    async fn terms_of_a_transaction_are_those_of_its_unit(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let response = scene.run("{ beginsToWrite }").await;
        assert!(response.is_ok(), "{response:?}");
        assert_eq!(scene.marks_after("terms").await, ["a"]);
    }

    async fn transaction_in_a_query_reads(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let response = scene.run("{ marksInATransaction }").await;
        assert!(response.is_ok(), "{response:?}");
        scene.stage.assert_whole().await;
    }

    /// A job has no field to be told by.
    async fn transaction_outside_of_an_operation(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let written = stage.database.write(async |unit| {
            let transaction = unit.begin().await?;
            insert_mark(&transaction, "a").await?;
            let own = insert_mark(&unit, "lost").await.expect_err("would wait for itself");
            assert_eq!(UnitError::in_db_err(&own), Some(&UnitError::InsideSavepoint));
            transaction.rollback().await?;
            let transaction = unit.begin().await?;
            insert_mark(&transaction, "b").await?;
            transaction.commit().await?;
            count_marks(&unit).await
        });
        assert_eq!(timeout(PATIENCE, written).await.expect("ends").expect("commits"), 1);
        assert_eq!(stage.marks().await, ["b"]);
        stage.assert_whole().await;
    }
}
