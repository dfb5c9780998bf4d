//! Any error rolls back, also one that nobody reported.

use daybook_test_harness::{TestDatabase, on_every_engine};

use crate::stage::{Stage, codes, data, report};

on_every_engine! {
    /// The second of two aliased fields fails: the first one did not happen, and nothing of it is shown.
    async fn second_field_failure_undoes_first(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let response = stage.run("mutation { header a: mark(name: \"a\") b: refuse }").await;
        assert_eq!(data(&response), serde_json::Value::Null);
        assert_eq!(codes(&response), ["REFUSED"]);
        assert_eq!(response.errors[0].message, "refused");
        assert_eq!(response.errors[0].path.len(), 1);
        assert!(response.http_headers.is_empty(), "a resolver's header survived the rollback");
        assert_eq!(report(&response)["reason"], "ERROR");
        assert_eq!(stage.marks().await, Vec::<String>::new());
        stage.assert_whole().await;
    }

    /// A header that a resolver sets goes out with the commit.
    async fn headers_of_a_commit_are_kept(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let response = stage.run("mutation { mark(name: \"a\") header }").await;
        assert_eq!(response.http_headers["x-resolver"], "was here");
    }

    /// A nullable field that fails leaves data in the response, but an error all the same.
    async fn error_of_a_nullable_field_rolls_back(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let response = stage.run("mutation { mark(name: \"a\") maybe }").await;
        assert_eq!(data(&response), serde_json::Value::Null);
        assert_eq!(codes(&response), ["REFUSED"]);
        assert_eq!(stage.marks().await, Vec::<String>::new());
        stage.assert_whole().await;
    }

    /// The same where no statement was run: there is nothing to roll back, and nothing to show either.
    async fn error_without_a_statement_is_answered_alike(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let response = stage.run("mutation { header ping maybe }").await;
        assert_eq!(data(&response), serde_json::Value::Null);
        assert_eq!(codes(&response), ["REFUSED"]);
        assert!(response.http_headers.is_empty(), "a resolver's header survived the error");
        assert_eq!(report(&response)["outcome"], "UNTOUCHED");

        let response = stage.run("mutation { failsElsewhere }").await;
        assert_eq!(codes(&response), ["INTERNAL"]);
        let shown = serde_json::to_string(&response).expect("is JSON");
        assert!(!shown.contains("UNIQUE"), "{shown}");
        stage.assert_whole().await;
    }

    /// A resolver that swallows a database error cannot make the unit commit, and later statements are refused.
    async fn swallowed_database_error_dooms(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let response = stage.run("mutation { swallow(name: \"a\") }").await;
        assert_eq!(data(&response), serde_json::Value::Null);
        assert_eq!(codes(&response), ["UNIT_DOOMED"]);
        assert_eq!(report(&response)["reason"], "DOOMED");
        assert_eq!(stage.marks().await, Vec::<String>::new());

        let response = stage.run("mutation { swallow(name: \"a\") mark(name: \"b\") }").await;
        assert_eq!(codes(&response), ["UNIT_DOOMED"]);
        // BEGIN is no statement of the resolvers: two inserts ran, the third was refused.
        assert_eq!(report(&response)["statements"], 2);
        assert_eq!(stage.marks().await, Vec::<String>::new());
        stage.assert_whole().await;
    }

    /// A statement that a resolver drops half way may or may not have happened: the unit is doomed.
    async fn abandoned_statement_dooms(test: TestDatabase) {
        let url = test.url().to_owned();
        let mut options = unit_of_work::DatabaseOptions::default();
        options.statement_timeout = std::time::Duration::from_millis(500);
        let stage = Stage::at(test, &url, options, |extension| extension).await;
        let response = stage.run("mutation { mark(name: \"a\") abandon }").await;
        assert_eq!(codes(&response), ["UNIT_DOOMED"]);
        assert_eq!(stage.marks().await, Vec::<String>::new());
        stage.assert_whole().await;
    }

    /// The text of a database error is not for clients.
    async fn database_errors_are_masked(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let response = stage.run("mutation { a: mark(name: \"same\") b: mark(name: \"same\") }").await;
        assert_eq!(codes(&response), ["INTERNAL"]);
        let shown = serde_json::to_string(&response).expect("is JSON");
        for hidden in ["UNIQUE", "unique", "constraint", "mark_pkey", "INSERT"] {
            assert!(!shown.contains(hidden), "{hidden} in {shown}");
        }
        stage.assert_whole().await;
    }
}
