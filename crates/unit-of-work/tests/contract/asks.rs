//! What one request asks of its unit: a dry run, an isolation level, a deadline, settings; and a rollback.

use std::time::Duration;

use async_graphql::{BatchRequest, BatchResponse, Request};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::IsolationLevel;
use tokio::time::{Instant, timeout};
use unit_of_work::{
    AllOrNothing, DatabaseOptions, DryRun, Isolation, OperationDeadline, SessionSettings,
};

use crate::{
    clients::behind_a_proxy,
    stage::{PATIENCE, Stage, codes, data, report},
};

on_every_engine! {
    /// Everything runs, the response shows it, and nothing of it happens.
    async fn dry_run_shows_and_does_nothing(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let query = "mutation { header mark(name: \"a\") effects increment }";
        let asked = [
            Request::new(query).data(DryRun),
            serde_json::from_value(serde_json::json!({ "query": query, "extensions": { "dryRun": true } })).expect("a request"),
        ];
        for request in asked {
            let response = stage.schema.execute(request).await;
            assert!(response.is_ok(), "{response:?}");
            assert_eq!(data(&response)["increment"], 1);
            assert_eq!(response.extensions["dryRun"], async_graphql::Value::from(true));
            assert_eq!((&report(&response)["outcome"], &report(&response)["reason"]), (&"ROLLED_BACK".into(), &"DRY_RUN".into()));
            assert!(response.http_headers.is_empty());
            assert_eq!(stage.cue.effects(), Vec::<String>::new());
            assert_eq!((stage.marks().await, stage.counter().await), (Vec::new(), 0));
        }
        stage.assert_whole().await;
    }

    /// Whatever is not clearly a dry run, and not clearly none, is refused before anything runs.
    async fn unclear_dry_run_is_refused(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let ask = |extensions: serde_json::Value| {
            let request = serde_json::json!({ "query": "mutation { mark(name: \"a\") }", "extensions": extensions });
            serde_json::from_value::<Request>(request).expect("a request")
        };
        let unclear = [
            serde_json::json!({ "dryRun": "true" }),
            serde_json::json!({ "dryRun": "" }),
            serde_json::json!({ "dryRun": 1 }),
            serde_json::json!({ "dryRun": null }),
            serde_json::json!({ "dryRun": [true] }),
            serde_json::json!({ "dryRun": { "value": true } }),
            serde_json::json!({ "dryrun": true }),
            serde_json::json!({ "dry_run": true }),
            serde_json::json!({ "DRY-RUN": true }),
            serde_json::json!({ "dryRunn": true }),
            serde_json::json!({ "dryRuns": true }),
            serde_json::json!({ "dyrRun": true }),
            serde_json::json!({ "drRn": true }),
            serde_json::json!({ "x-dry-run": true }),
            serde_json::json!({ "dryRun": true, "Dryrun": true }),
        ];
        for extensions in unclear {
            let response = stage.schema.execute(ask(extensions.clone())).await;
            assert_eq!(codes(&response), ["DRY_RUN_INVALID"], "{extensions}");
            let part = || ask(extensions.clone()).data(AllOrNothing);
            let batch = BatchRequest::Batch(vec![Request::new("mutation { mark(name: \"b\") }").data(AllOrNothing), part()]);
            let BatchResponse::Batch(responses) = stage.schema.execute_batch(batch).await else {
                panic!("a batch is answered by a batch");
            };
            assert_eq!(codes(&responses[1]), ["DRY_RUN_INVALID"], "{extensions}");
        }
        for key in ["idempotencykey", "Idempotency-Key", "idempotency_key", "idempotencyKeys", "idempotenceKey", "idempotentKey"] {
            let response = stage.schema.execute(ask(serde_json::json!({ key: "once" }))).await;
            assert_eq!(codes(&response), ["IDEMPOTENCY_KEY_INVALID"], "{key}");
        }
        assert_eq!(stage.marks().await, Vec::<String>::new());
        let response = stage.schema.execute(ask(serde_json::json!({ "dryRun": false, "other": 1, "dry": 1, "persistedQueries": 1, "trial": 1 }))).await;
        assert!(response.is_ok(), "{response:?}");
        assert_eq!(stage.marks().await, ["a"]);
        stage.assert_whole().await;
    }

    /// What only COMMIT would refuse, a dry run refuses too; and what fails, fails.
    async fn dry_run_does_not_promise_what_commit_refuses(test: TestDatabase) {
        let stage = Stage::new(test).await;
        for (query, code) in [
            ("mutation { orphan }", "COMMIT_FAILED"),
            ("mutation { mark(name: \"a\") refuse }", "REFUSED"),
            ("mutation { swallow(name: \"a\") }", "UNIT_DOOMED"),
            ("mutation { rollbackOnly(reason: \"no\") }", "ROLLBACK_ONLY"),
        ] {
            // MariaDB defers nothing to COMMIT: see `mariadb`.
            if stage.test.engine() == Engine::MariaDb && code == "COMMIT_FAILED" {
                continue;
            }
            let response = stage.schema.execute(Request::new(query).data(DryRun)).await;
            assert_eq!(codes(&response), [code], "{query}");
            assert_eq!(data(&response), serde_json::Value::Null, "{query}");
            assert!(!response.extensions.contains_key("dryRun"), "{query}");
        }
        stage.assert_whole().await;
    }

    /// A resolver that wants none of it: rolled back, and the client is told why instead of being told of success.
    async fn rollback_only(test: TestDatabase) {
        let stage = Stage::new(test).await;
        for query in [
            "mutation { mark(name: \"a\") effects rollbackOnly(reason: \"closed for today\") }",
            "mutation { effects rollbackOnly(reason: \"closed for today\") }",
        ] {
            let response = stage.run(query).await;
            assert_eq!(codes(&response), ["ROLLBACK_ONLY"]);
            assert_eq!(response.errors[0].message, "closed for today");
            assert_eq!(data(&response), serde_json::Value::Null);
            assert_eq!(report(&response)["reason"], "ROLLBACK_ONLY");
            assert_eq!(stage.cue.effects(), Vec::<String>::new());
        }
        assert_eq!(stage.marks().await, Vec::<String>::new());
        stage.assert_whole().await;
    }

    /// A request may ask for less time than the settings give, not for more.
    async fn deadline_of_one_operation(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let (short, long) = (Duration::from_millis(200), PATIENCE * 2);
        for (settings, asked) in [(long, short), (short, long)] {
            let schema = stage.schema_with(|extension| extension.deadline(settings));
            let asked = OperationDeadline(Instant::now() + asked);
            let request = Request::new("mutation { mark(name: \"a\") meet }").data(asked);
            let response = timeout(PATIENCE, schema.execute(request)).await.expect("answers");
            assert_eq!(codes(&response), ["DEADLINE_EXCEEDED"]);
            stage.assert_whole().await;
        }
    }
}

/// A stricter level is asked for by the request or by a field, through fragments too; a weaker one is ignored. It travels
/// with BEGIN.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn isolation_of_one_operation() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    let stage = Stage::at(test, proxy.url(), DatabaseOptions::default(), |extension| {
        extension.field_isolation("increment", IsolationLevel::RepeatableRead)
    })
    .await;
    let through_a_fragment = "mutation { ...F } fragment F on Mutation { i: increment }";
    let cases = [
        (
            "mutation { mark(name: \"a\") refuse }",
            None,
            "READ COMMITTED",
        ),
        ("mutation { increment }", None, "REPEATABLE READ"),
        (through_a_fragment, None, "REPEATABLE READ"),
        (
            "mutation { increment }",
            Some(IsolationLevel::Serializable),
            "SERIALIZABLE",
        ),
        (
            "mutation { increment }",
            Some(IsolationLevel::ReadUncommitted),
            "REPEATABLE READ",
        ),
        ("{ marks }", None, "REPEATABLE READ"),
        (
            "{ marks }",
            Some(IsolationLevel::Serializable),
            "SERIALIZABLE",
        ),
        (
            "{ marks }",
            Some(IsolationLevel::ReadCommitted),
            "REPEATABLE READ",
        ),
    ];
    for (query, asked, expected) in cases {
        let mut request = Request::new(query);
        if let Some(level) = asked {
            request = request.data(Isolation(level));
        }
        let response = stage.schema.execute(request).await;
        assert_eq!(report(&response)["isolation"], expected, "{query}");
    }
    let levels: Vec<_> = proxy
        .log()
        .into_iter()
        .filter(|flight| flight.contains("ISOLATION LEVEL") || flight.starts_with("SET"))
        .map(|flight| flight.split(';').next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(
        levels,
        [
            "BEGIN ISOLATION LEVEL REPEATABLE READ",
            "BEGIN ISOLATION LEVEL REPEATABLE READ",
            "BEGIN ISOLATION LEVEL SERIALIZABLE",
            "BEGIN ISOLATION LEVEL REPEATABLE READ",
            "BEGIN ISOLATION LEVEL SERIALIZABLE",
        ]
    );
}

/// The server itself ends a statement that overruns the operation's deadline, and the connection is usable at once: there is
/// only one, and its statement would take ten minutes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overrunning_statement_is_cancelled_by_the_server() {
    let (stage, proxy) = behind_a_proxy(DatabaseOptions::default()).await;
    for query in ["mutation { slow }", "{ slow }"] {
        let request = Request::new(query).data(OperationDeadline(
            Instant::now() + Duration::from_millis(300),
        ));
        let response = stage.schema.execute(request).await;
        assert_eq!(codes(&response), ["DEADLINE_EXCEEDED"], "{query}");
        stage.assert_whole().await;
    }
    // No connection was given up for it.
    assert!(!proxy.log().iter().any(|flight| flight == "CONNECT"));
}

/// Settings hold for one operation's transaction alone: on a pool of one, the next does not see them. They cost no flight.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_do_not_leak() {
    let (stage, proxy) = behind_a_proxy(DatabaseOptions::default()).await;
    let tenant = "it's \\ 42";
    let with = || {
        SessionSettings::new()
            .set("app.tenant", tenant)
            .set("app.viewer", "7")
    };
    let field = "setting(name: \"app.tenant\")";
    // A reader that is rolled back, a writer that commits, and one that is rolled back.
    for (read, asks) in [
        (format!("{{ {field} }}"), format!("{{ {field} }}")),
        (
            format!("mutation {{ {field} }}"),
            format!("mutation {{ {field} }}"),
        ),
        (
            format!("mutation {{ {field} }}"),
            format!("mutation {{ {field} refuse }}"),
        ),
    ] {
        let response = stage.schema.execute(Request::new(&asks).data(with())).await;
        match codes(&response).first() {
            None => assert_eq!(data(&response), serde_json::json!({ "setting": tenant })),
            Some(code) => assert_eq!(code, "REFUSED"),
        }
        let response = stage.schema.execute(Request::new(&read)).await;
        let seen = &data(&response)["setting"];
        assert!(seen.is_null() || seen == "", "a setting leaked: {seen}");
    }
    assert!(
        !proxy
            .log()
            .iter()
            .any(|flight| flight.starts_with("SELECT set_config"))
    );
}

/// Row-level security by such a setting, on a pool of one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_level_security() {
    let stage = Stage::new(TestDatabase::create(Engine::Postgres).await).await;
    let admin = stage.observer().await;
    for sql in [
        "INSERT INTO mark VALUES ('ann'), ('bob')",
        "CREATE ROLE tenant_of_a_test",
        "GRANT SELECT, INSERT ON mark TO tenant_of_a_test",
        "ALTER TABLE mark ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY own ON mark USING (name = current_setting('app.tenant', true))",
    ] {
        admin.execute(sql).await;
    }
    let count = async |tenant: Option<&str>| {
        let mut request = Request::new("{ marks }");
        if let Some(tenant) = tenant {
            request = request.data(
                SessionSettings::new()
                    .set("role", "tenant_of_a_test")
                    .set("app.tenant", tenant),
            );
        }
        data(&stage.schema.execute(request).await)["marks"].as_i64()
    };
    assert_eq!(count(Some("ann")).await, Some(1));
    assert_eq!(count(Some("nobody")).await, Some(0));
    // Neither role nor tenant is left on the connection: this is the owner of the table.
    assert_eq!(count(None).await, Some(2));
    let write = Request::new("mutation { mark(name: \"bob's\") }").data(
        SessionSettings::new()
            .set("role", "tenant_of_a_test")
            .set("app.tenant", "ann"),
    );
    assert!(stage.schema.execute(write).await.is_err());
    assert_eq!(stage.marks().await, ["ann", "bob"]);
}

/// SQLite has no such settings, and what guards data is not dropped silently.
#[tokio::test]
async fn settings_are_refused_on_sqlite() {
    let stage = Stage::new(TestDatabase::create(Engine::Sqlite).await).await;
    let request = Request::new("{ marks }").data(SessionSettings::new().set("app.tenant", "42"));
    assert_eq!(codes(&stage.schema.execute(request).await), ["INTERNAL"]);
    stage.assert_whole().await;
}

/// The check of what COMMIT would refuse is a statement too: the answer does not wait for a database that hangs in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dry_run_that_hangs_in_its_check_keeps_its_deadline() {
    let (stage, proxy) = behind_a_proxy(DatabaseOptions::default()).await;
    let gate = proxy.hold(|sql| sql.contains("SET CONSTRAINTS"));
    let deadline = OperationDeadline(Instant::now() + Duration::from_secs(1));
    let request = Request::new("mutation { mark(name: \"a\") }")
        .data(DryRun)
        .data(deadline);
    let schema = stage.schema.clone();
    let operation = tokio::spawn(async move { schema.execute(request).await });
    gate.reached().await;
    // The server's own time-outs are not heard either.
    proxy.blackhole();
    let response = timeout(PATIENCE / 2, operation)
        .await
        .expect("answers")
        .expect("does not panic");
    assert_eq!(codes(&response), ["DEADLINE_EXCEEDED"]);
    assert_eq!(data(&response), serde_json::Value::Null);
}
