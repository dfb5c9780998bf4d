//! Batches: one unit for each operation, or, where asked for, one for all.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_graphql::{
    BatchRequest, BatchResponse, Executor, Request, Response, UploadValue, Variables,
};
use daybook_test_harness::{Engine, TestDatabase, eventually, on_every_engine};
use sea_orm::IsolationLevel;
use tokio::time::{Instant, timeout};
use unit_of_work::{
    AllOrNothing, DatabaseOptions, DryRun, IdempotencySettings, Isolation, OperationDeadline,
    SessionSettings,
};

use crate::{
    clients::behind_a_proxy,
    retries::contended,
    stage::{PATIENCE, Stage, codes, data, outcome, report},
    wire::BEGIN,
};

/// Runs a batch whose every request has been given something by `ask`.
async fn batch_with(
    executor: &impl Executor,
    queries: &[&str],
    ask: impl Fn(Request) -> Request,
) -> Vec<Response> {
    let requests = queries.iter().map(|query| ask(Request::new(*query)));
    let batch = BatchRequest::Batch(requests.collect());
    match timeout(PATIENCE, executor.execute_batch(batch)).await {
        Ok(BatchResponse::Batch(responses)) => responses,
        other => panic!("a batch answers a batch: {other:?}"),
    }
}

async fn all_or_nothing(executor: &impl Executor, queries: &[&str]) -> Vec<Response> {
    batch_with(executor, queries, |request| request.data(AllOrNothing)).await
}

fn all_codes(responses: &[Response]) -> Vec<Vec<String>> {
    responses.iter().map(codes).collect()
}

on_every_engine! {
    /// Operations of a batch run in order, one after the other, each with an outcome of its own; here on a pool of one.
    async fn batch_runs_in_order(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let queries = ["mutation { increment }", "mutation { increment refuse }", "mutation { increment }"];
        let responses = batch_with(&stage.retrying(5), &queries, |request| request).await;
        assert_eq!(data(&responses[0]), serde_json::json!({ "increment": 1 }));
        assert_eq!(codes(&responses[1]), ["REFUSED"]);
        assert_eq!(data(&responses[2]), serde_json::json!({ "increment": 2 }));
    }

    /// Each sees what those before it did; one COMMIT for all, and then the effects, in order.
    async fn batch_that_is_one_unit_commits_once(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let queries = ["mutation { increment effects }", "mutation { increment header }", "mutation { mark(name: \"a\") }"];
        let responses = all_or_nothing(&stage.retrying(5), &queries).await;
        assert_eq!(all_codes(&responses), [[""; 0]; 3]);
        assert_eq!(data(&responses[1])["increment"], 2);
        assert_eq!(responses[1].http_headers.len(), 1);
        for response in &responses {
            assert_eq!((outcome(response), &report(response)["statements"]), ("COMMITTED".to_owned(), &5.into()));
        }
        assert_eq!(stage.cue.effects(), ["first", "last"]);
        assert_eq!((stage.counter().await, stage.marks().await), (2, vec!["a".to_owned()]));
        stage.assert_whole().await;
    }

    /// The first failure ends the batch: what came before is undone, what comes after is not run, and each response says so.
    async fn failure_undoes_the_batch(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let retrying = stage.retrying(5);
        for (failing, code) in [
            ("mutation { mark(name: \"b\") refuse }", "REFUSED"),
            ("mutation { refuse }", "REFUSED"),
            ("mutation { maybe }", "REFUSED"),
            ("mutation { mark(name: \"a\") }", "INTERNAL"),
            ("mutation { panics }", "INTERNAL"),
            ("mutation { unknown }", ""),
            ("mutation {", ""),
        ] {
            let before = stage.cue.increments.load(Ordering::SeqCst);
            let queries = ["mutation { header mark(name: \"a\") effects }", failing, "mutation { increment }"];
            let responses = all_or_nothing(&retrying, &queries).await;
            let expected = [["BATCH_ROLLED_BACK"], [code], ["BATCH_ROLLED_BACK"]];
            assert_eq!(all_codes(&responses), expected, "{failing}");
            for response in &responses {
                assert_eq!(data(response), serde_json::Value::Null, "{failing}");
                assert!(response.http_headers.is_empty(), "{failing}");
            }
            let reason = if failing.contains("panics") { "PANIC" } else { "ERROR" };
            assert_eq!(report(&responses[0])["outcome"], "ROLLED_BACK");
            assert_eq!(report(&responses[0])["reason"], reason, "{failing}");
            assert_eq!(stage.cue.increments.load(Ordering::SeqCst), before, "ran after {failing}");
            assert_eq!(stage.cue.effects(), Vec::<String>::new(), "{failing}");
            assert_eq!(stage.marks().await, Vec::<String>::new(), "{failing}");
        }
        stage.assert_whole().await;
    }

    /// What only the end of the unit finds out is told to every operation: a COMMIT that fails, a failure that was hidden.
    async fn end_of_the_unit_is_told_to_all(test: TestDatabase) {
        let stage = Stage::new(test).await;
        for (queries, code) in [
            (["mutation { orphan }", "mutation { mark(name: \"a\") }"], "COMMIT_FAILED"),
            (["mutation { rollbackOnly(reason: \"no\") }", "mutation { mark(name: \"a\") }"], "ROLLBACK_ONLY"),
            (["mutation { mark(name: \"a\") }", "mutation { swallow(name: \"b\") }"], "UNIT_DOOMED"),
        ] {
            // MariaDB defers nothing to COMMIT: see `mariadb`.
            if stage.test.engine() == Engine::MariaDb && code == "COMMIT_FAILED" {
                continue;
            }
            let responses = all_or_nothing(&stage.retrying(5), &queries).await;
            assert_eq!(all_codes(&responses), [[code], [code]], "{queries:?}");
            assert_eq!(stage.marks().await, Vec::<String>::new(), "{queries:?}");
        }
        stage.assert_whole().await;
    }

    /// A conflict runs the whole batch again, on what is there now.
    async fn batch_that_loses_runs_again(test: TestDatabase) {
        let stage = Arc::new(contended(test).await);
        let retrying = stage.retrying(1000);
        let other = stage.observer().await;
        let meet = stage.test.engine() != Engine::Sqlite;
        let running = {
            let increment = format!("mutation {{ increment(meet: {meet}) }}");
            if !meet {
                other.execute("BEGIN IMMEDIATE").await;
            }
            tokio::spawn(async move {
                all_or_nothing(&retrying, &["mutation { mark(name: \"a\") effects }", &increment]).await
            })
        };
        if meet {
            stage.cue.reached().await;
            other.execute("UPDATE counter SET value = value + 10").await;
            stage.cue.proceed();
        } else {
            let mut runs = 0;
            eventually("the file was busy for a whole attempt", async || {
                runs += 1;
                runs > 50 || running.is_finished()
            }).await;
            other.execute("UPDATE counter SET value = value + 10").await;
            other.execute("COMMIT").await;
        }
        let responses = timeout(PATIENCE, running).await.expect("ends").expect("answers");
        assert_eq!(all_codes(&responses), [[""; 0]; 2]);
        assert_eq!(data(&responses[1])["increment"], 11);
        assert!(report(&responses[0])["attempts"].as_u64() > Some(1), "{responses:?}");
        assert_eq!(stage.cue.effects(), ["first", "last"]);
        assert_eq!((stage.counter().await, stage.marks().await), (11, vec!["a".to_owned()]));
        stage.assert_whole().await;
    }

    /// Queries of a batch read one snapshot, and each keeps its own errors.
    async fn queries_of_a_batch_read_one_snapshot(test: TestDatabase) {
        let stage = Arc::new(Stage::new(test).await);
        let running = {
            let stage = Arc::clone(&stage);
            tokio::spawn(async move {
                all_or_nothing(&stage.retrying(5), &["{ marksTwice }", "{ maybe(fail: true) }", "{ marks }"]).await
            })
        };
        stage.cue.reached().await;
        stage.observer().await.execute("INSERT INTO mark VALUES ('meanwhile')").await;
        stage.cue.proceed();
        let responses = timeout(PATIENCE, running).await.expect("ends").expect("answers");
        assert_eq!(data(&responses[0]), serde_json::json!({ "marksTwice": [0, 0] }));
        assert_eq!(data(&responses[1]), serde_json::json!({ "maybe": null }));
        assert_eq!(codes(&responses[1]), ["REFUSED"]);
        assert_eq!(data(&responses[2]), serde_json::json!({ "marks": 0 }));
        assert_eq!(outcome(&responses[2]), "READ");
        stage.assert_whole().await;
    }

    /// What cannot be one unit is refused before anything of it runs.
    async fn batch_that_cannot_be_one_unit_is_refused(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let retrying = stage.retrying(5);
        for queries in [
            ["mutation { mark(name: \"a\") }", "{ marks }"],
            ["mutation { mark(name: \"a\") }", "subscription { ticks { marks } }"],
        ] {
            let responses = all_or_nothing(&retrying, &queries).await;
            assert_eq!(all_codes(&responses), [["BATCH_REFUSED"], ["BATCH_REFUSED"]], "{queries:?}");
        }
        let upload = |request: Request| {
            let mut request = request.variables(Variables::from_json(serde_json::json!({ "file": null }))).data(AllOrNothing);
            request.set_upload("variables.file", UploadValue { filename: "f".to_owned(), content_type: None, content: "text".into() });
            request
        };
        let responses = batch_with(&retrying, &["mutation { mark(name: \"a\") }"], upload).await;
        assert_eq!(all_codes(&responses), [["BATCH_REFUSED"]]);
        // Not run as a batch: what was asked for cannot be had.
        let single = stage.schema.execute(Request::new("mutation { mark(name: \"a\") }").data(AllOrNothing)).await;
        assert_eq!(codes(&single), ["BATCH_REFUSED"]);
        assert_eq!(stage.marks().await, Vec::<String>::new());
        stage.assert_whole().await;
    }

    /// A key stands for one response, and a batch has several.
    async fn batch_with_a_key_is_refused(test: TestDatabase) {
        let url = test.url().to_owned();
        let stage = Stage::at(test, &url, DatabaseOptions::default(), |extension| {
            extension.idempotency(IdempotencySettings::default())
        }).await;
        let keyed = |mut request: Request| {
            request.extensions.insert("idempotencyKey".to_owned(), "k".into());
            request.data(AllOrNothing)
        };
        let responses = batch_with(&stage.retrying(5), &["mutation { mark(name: \"a\") }"], keyed).await;
        assert_eq!(all_codes(&responses), [["BATCH_REFUSED"]]);
        assert_eq!(stage.marks().await, Vec::<String>::new());
    }

    /// One dry run makes the batch one: all is shown, nothing happens.
    async fn dry_run_of_a_batch(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let dry = |request: Request| {
            let is_last = request.query.contains("mark");
            let request = request.data(AllOrNothing);
            if is_last { request.data(DryRun) } else { request }
        };
        let responses = batch_with(&stage.retrying(5), &["mutation { increment effects }", "mutation { mark(name: \"a\") }"], dry).await;
        assert_eq!(data(&responses[1]), serde_json::json!({ "mark": "a" }));
        for response in &responses {
            assert_eq!(response.extensions["dryRun"], async_graphql::Value::from(true));
            assert_eq!(report(response)["reason"], "DRY_RUN");
        }
        assert_eq!(stage.cue.effects(), Vec::<String>::new());
        assert_eq!((stage.counter().await, stage.marks().await), (0, Vec::new()));
        stage.assert_whole().await;
    }

    /// The earliest deadline holds for all.
    async fn deadline_of_a_batch(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let soon = Instant::now() + Duration::from_millis(200);
        let ask = |request: Request| {
            let meets = request.query.contains("meet");
            let request = request.data(AllOrNothing);
            if meets { request.data(OperationDeadline(soon)) } else { request }
        };
        let responses = batch_with(&stage.retrying(5), &["mutation { mark(name: \"a\") }", "mutation { meet }"], ask).await;
        assert_eq!(all_codes(&responses), [["BATCH_ROLLED_BACK"], ["DEADLINE_EXCEEDED"]]);
        stage.assert_whole().await;
        assert_eq!(stage.marks().await, Vec::<String>::new());
    }

    /// A client that goes between two operations takes the whole batch with it.
    async fn client_of_a_batch_goes(test: TestDatabase) {
        let stage = Arc::new(Stage::new(test).await);
        let running = {
            let stage = Arc::clone(&stage);
            tokio::spawn(async move {
                all_or_nothing(&stage.retrying(5), &["mutation { mark(name: \"a\") effects }", "mutation { meet }"]).await
            })
        };
        stage.cue.reached().await;
        running.abort();
        assert!(running.await.expect_err("is gone").is_cancelled());
        stage.assert_whole().await;
        assert_eq!(stage.marks().await, Vec::<String>::new());
        assert_eq!(stage.cue.effects(), Vec::<String>::new());
    }
}

/// One BEGIN and one COMMIT, at the strictest level that any of them wants, whichever comes first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn isolation_of_a_batch() {
    let (stage, proxy) = behind_a_proxy(DatabaseOptions::default()).await;
    let retrying = stage.retrying(5);
    let insert = |name: &str| format!("INSERT INTO mark VALUES ('{name}')");
    let begin = BEGIN.replacen("BEGIN", "BEGIN ISOLATION LEVEL SERIALIZABLE", 1);
    for (a, b, serializable, expected) in [
        ("a", "b", "none", vec![BEGIN]),
        ("c", "d", "\"c\"", vec![&begin]),
        // What was begun too weakly is rolled back and begun again.
        (
            "e",
            "f",
            "\"f\"",
            vec![BEGIN, &insert("e"), "ROLLBACK", &begin],
        ),
    ] {
        proxy.clear_log();
        let queries = [a, b].map(|name| format!("mutation {{ mark(name: \"{name}\") }}"));
        let ask = |request: Request| {
            let strict = request.query.contains(serializable);
            let request = request.data(AllOrNothing);
            if strict {
                request.data(Isolation(IsolationLevel::Serializable))
            } else {
                request
            }
        };
        let responses = batch_with(&retrying, &[&queries[0], &queries[1]], ask).await;
        assert_eq!(all_codes(&responses), [[""; 0]; 2]);
        let rest = [insert(a), insert(b), "COMMIT".to_owned()];
        let expected = expected.into_iter().map(str::to_owned).chain(rest);
        let sent: Vec<_> = proxy
            .log()
            .into_iter()
            .filter(|sql| !sql.starts_with("PREPARE"))
            .collect();
        assert_eq!(sent, expected.collect::<Vec<_>>());
        assert_eq!(report(&responses[0])["attempts"], 1);
    }
    stage.assert_whole().await;
}

on_every_engine! {
    /// One transaction has one tenant.
    (not on MariaDB: "it has no settings of a transaction, and no rows of an operation")
    async fn settings_of_a_batch_are_the_same(test: TestDatabase) {
        let is_sqlite = test.engine() == Engine::Sqlite;
        let stage = Stage::new(test).await;
        let tenant = |request: Request| {
            let tenant = if request.query.contains("\"a\"") { "1" } else { "2" };
            let settings = SessionSettings::new();
            request.data(AllOrNothing).data(match is_sqlite {
                true => settings.rows("mark", format!("name <> '{tenant}'")),
                false => settings.set("app.tenant", tenant),
            })
        };
        let queries = ["mutation { mark(name: \"a\") }", "mutation { mark(name: \"b\") }"];
        let responses = batch_with(&stage.retrying(5), &queries, tenant).await;
        assert_eq!(all_codes(&responses), [["BATCH_ROLLED_BACK"], ["BATCH_REFUSED"]]);
        assert_eq!(stage.marks().await, Vec::<String>::new());
    }
}
