//! What a client is shown of an error: never the words of a database, whatever a resolver has made of them.

mod schema;

use std::{
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use async_graphql::{EmptySubscription, Executor, Request, Schema, Value};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use serde_json::json;
use tokio::time::timeout;
use tracing::Level;
use unit_of_work::{DatabaseOptions, FailureKind, Retrying, Shown, UnitOfWorkExtension};

use crate::stage::{PATIENCE, codes, data};

use self::schema::*;

on_every_engine! {
    /// Whatever a resolver makes of a database error, in queries and mutations, in fields that async-graphql catches and in
    /// items of lists.
    async fn database_errors_are_masked(test: TestDatabase) {
        let scene = Scene::new(test).await;
        for how in ALL {
            for query in [
                format!("{{ fails(how: \"{how}\") }}"),
                format!("{{ caught(how: \"{how}\") }}"),
                format!("{{ list(how: \"{how}\") }}"),
                format!("mutation {{ fails(how: \"{how}\") }}"),
                format!("mutation {{ caught(how: \"{how}\") }}"),
                format!("mutation {{ alias: list(how: \"{how}\") }}"),
                format!("{{ elsewhere(how: \"{how}\") }}"),
            ] {
                let response = scene.run(&query).await;
                scene.assert_masked(&response, 1, &query);
                assert_eq!(codes(&response), ["INTERNAL"], "{query}");
            }
        }
        let response = scene.run("{ spawned }").await;
        scene.assert_masked(&response, 1, "spawned");
        let kept = error(&scene.run("{ caught(how: \"extended\") }").await, 0);
        assert_eq!(kept["extensions"]["hint"], "try another");
        assert_eq!(kept["extensions"].get("cause"), None);
        scene.stage.assert_whole().await;
    }

    /// What the application has declared itself stays; its code stays where its words do not.
    async fn declared_errors_stay(test: TestDatabase) {
        let scene = Scene::new(test).await;
        for query in ["{ declared }", "mutation { declared }"] {
            let error = error(&scene.run(query).await, 0);
            assert_eq!(error["message"], "this name is taken");
            assert_eq!(error["extensions"], json!({ "code": "TAKEN" }));
        }
        let response = scene.run("{ declaredAndSaid }").await;
        scene.assert_masked(&response, 1, "declaredAndSaid");
        assert_eq!(codes(&response), ["TAKEN"]);
        for query in ["{ mended }", "mutation { mended }"] {
            assert_eq!(error(&scene.run(query).await, 0)["message"], "that was not to be", "{query}");
        }
        scene.stage.assert_whole().await;
    }

    /// A failure of one field says nothing of the errors of others, beside it or below it.
    async fn errors_of_other_fields_stay(test: TestDatabase) {
        let scene = Scene::new(test).await;
        for query in [
            "{ caught(how: \"silent\") business }",
            "mutation { caught(how: \"silent\") business }",
            "{ item(id: 1) business }",
            "{ elsewhere(how: \"silent\") business }",
        ] {
            let response = scene.run(query).await;
            let shown: Vec<_> = response.errors.iter().filter(|error| error.message == "no more than three").collect();
            assert_eq!((response.errors.len(), shown.len()), (2, 1), "{query}: {response:?}");
        }
        let response = scene.run("{ parent { business } }").await;
        assert_eq!(error(&response, 0)["message"], "no more than three");
        assert_eq!(error(&response, 0)["path"], json!(["parent", "business"]));
        scene.stage.assert_whole().await;
    }

    /// A batch that fails is a failure of every field that waits for it, and of no other; the log has it once.
    async fn loader_errors_are_masked(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let response = scene.run("{ a: item(id: 1) b: item(id: 2) c: item(id: 3) }").await;
        scene.assert_masked(&response, 3, "loader");
        let ids: std::collections::BTreeSet<_> =
            (0..3).map(|index| error(&response, index)["extensions"]["id"].to_string()).collect();
        assert_eq!(ids.len(), 1, "{response:?}");
        scene.stage.assert_whole().await;
    }

    /// Events, streams that cannot be created, and streams that fail between their events.
    async fn errors_of_subscriptions_are_masked(test: TestDatabase) {
        let scene = Scene::new(test).await;
        for how in ALL {
            for (query, count) in [
                (format!("subscription {{ never(how: \"{how}\") }}"), 1),
                (format!("subscription {{ events {{ fails(how: \"{how}\") }} }}"), 2),
                (format!("subscription {{ failing(how: \"{how}\") }}"), 1),
            ] {
                let events = scene.events(&query).await;
                assert_eq!(events.len(), count, "{query}: {events:?}");
                for event in events {
                    scene.assert_masked(&event, 1, &query);
                }
            }
        }
        let events = scene.events("subscription { refused }").await;
        assert_eq!(error(&events[0], 0)["message"], "not today");
        scene.stage.assert_whole().await;
    }

    /// A doomed unit says no more than that, and the log has the first failure under the same id, once.
    async fn doomed_unit_has_a_cause(test: TestDatabase) {
        // The statement that is abandoned ends by this.
        let limit = |options: &mut DatabaseOptions| options.statement_timeout = Duration::from_millis(500);
        let scene = Scene::with(test, limit, |extension| extension).await;
        for query in ["mutation { swallow }", "mutation { swallow again: swallow }"] {
            let response = scene.run(query).await;
            assert_eq!(codes(&response), ["UNIT_DOOMED"], "{query}");
            scene.assert_masked(&response, 1, query);
            let id = error(&response, 0)["extensions"]["id"].as_str().map(str::to_owned);
            let line = scene.logs.lines(Level::ERROR, &id.expect("an id")).remove(0);
            assert!(line.contains("\"field\": \"swallow\""), "{line}");
        }
        // A field that goes on after the failure and reports what it is told is shown the same.
        let response = scene.run("mutation { swallow mark(name: \"a\") }").await;
        assert_eq!(codes(&response), ["UNIT_DOOMED"]);
        scene.assert_masked(&response, 1, "swallow and mark");
        let response = scene.run("mutation { abandon }").await;
        assert_eq!(codes(&response), ["UNIT_DOOMED"]);
        let id = error(&response, 0)["extensions"]["id"].as_str().map(str::to_owned).expect("an id");
        let lines = scene.logs.lines(Level::ERROR, &id);
        assert!(lines.len() == 1 && lines[0].contains("dropped"), "{lines:?}");
        scene.stage.assert_whole().await;
    }

    /// The application decides by a hook.
    async fn hook_decides_what_is_shown(test: TestDatabase) {
        let scene = Scene::with(test, |_| {}, |extension| {
            extension.map_error(|resolver| match (resolver.database, resolver.error.message.as_str()) {
                (Some(FailureKind::Other), _) if resolver.error.source::<AppError>().is_some() => {
                    Shown::Instead(coded("come back tomorrow"))
                }
                (Some(_), text) if text.contains("did not work") => Shown::AsItIs,
                (None, "no more than three") => Shown::Masked,
                (Some(_), text) if text.contains("DbErr") || text.starts_with("Exec") => panic!("the hook's own words"),
                _ => Shown::ByDefault,
            })
        })
        .await;
        let shown = async |query: &str| {
            let response = scene.run(query).await;
            (codes(&response).remove(0), error(&response, 0)["message"].as_str().map(str::to_owned).expect("a text"))
        };
        assert_eq!(shown("{ caught(how: \"transparent\") }").await, ("TAKEN".to_owned(), "come back tomorrow".to_owned()));
        assert_eq!(shown("mutation { caught(how: \"silent\") }").await, (String::new(), "it did not work".to_owned()));
        let business = scene.run("{ business }").await;
        assert_eq!(codes(&business), ["INTERNAL"]);
        let id = error(&business, 0)["extensions"]["id"].as_str().map(str::to_owned).expect("an id");
        assert_eq!(scene.logs.lines(Level::ERROR, &id).len(), 1);
        assert!(scene.logs.lines(Level::ERROR, &id)[0].contains("no more than three"));
        let panicked = scene.run("{ caught(how: \"debug\") }").await;
        assert_eq!(codes(&panicked), ["INTERNAL"]);
        scene.assert_masked(&panicked, 1, "panics");
        scene.stage.assert_whole().await;
    }
}

/// A statement that the database ends by a limit of its own is not the operation's deadline.
#[tokio::test]
async fn statement_timeout_is_told_from_the_deadline() {
    let scene = Scene::with(
        TestDatabase::create(Engine::Postgres).await,
        |options| options.statement_timeout = Duration::from_millis(100),
        |extension| extension,
    )
    .await;
    for query in ["mutation { slow }", "{ slow }"] {
        let response = scene.run(query).await;
        assert_eq!(codes(&response), ["STATEMENT_TIMEOUT"], "{query}");
        let error = error(&response, 0);
        assert_eq!(error["extensions"]["retryable"], true);
        let id = error["extensions"]["id"].as_str().expect("an id");
        assert_eq!(scene.logs.lines(Level::WARN, id).len(), 1);
    }
    let schema = Schema::build(Root, Root, EmptySubscription)
        .extension(
            UnitOfWorkExtension::new(scene.stage.database.clone())
                .deadline(Duration::from_millis(80)),
        )
        .finish();
    for query in ["mutation { slow }", "{ slow }"] {
        assert_eq!(
            codes(&schema.execute(query).await),
            ["DEADLINE_EXCEEDED"],
            "{query}"
        );
    }
    scene.stage.assert_whole().await;
}

/// Nobody sees the errors of an attempt that is run again: they are a warning with their cause, and no error with an id.
#[tokio::test]
async fn attempt_that_is_run_again_is_no_error_in_the_log() {
    let scene = Scene::new(TestDatabase::create(Engine::Postgres).await).await;
    let retrying = Retrying::new(scene.schema.clone());
    let request = Request::new("mutation { runAgainQuietly: diesOnce mark(name: \"a\") }");
    let response = timeout(PATIENCE, retrying.execute(request))
        .await
        .expect("answers");
    assert!(response.is_ok(), "{response:?}");
    assert_eq!(
        data(&response),
        json!({ "runAgainQuietly": true, "mark": true })
    );
    assert_eq!(
        scene.logs.lines(Level::ERROR, "runAgainQuietly"),
        Vec::<String>::new()
    );
    let warned = scene.logs.lines(Level::WARN, "runAgainQuietly");
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert_eq!(scene.stage.marks().await, ["a"]);

    // One that is not run again is shown, and logged.
    let once = Schema::build(Root, Root, EmptySubscription)
        .extension(UnitOfWorkExtension::new(scene.stage.database.clone()))
        .data(Arc::new(AtomicU32::new(0)))
        .finish();
    let response = once.execute("mutation { runOnce: diesOnce }").await;
    assert_eq!(codes(&response), ["DATABASE_UNAVAILABLE"]);
    let id = error(&response, 0)["extensions"]["id"]
        .as_str()
        .map(str::to_owned);
    let logged = scene.logs.lines(Level::WARN, "runOnce");
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(logged[0].contains(&id.expect("an id")), "{logged:?}");
    assert_eq!(response.data, Value::Null);
}
