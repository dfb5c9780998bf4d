//! Operations of a dynamic schema, which is put together when the program runs, are units as well.

mod schema;

use std::{sync::Arc, time::Duration};

use async_graphql::{
    BatchRequest, BatchResponse, Data, Executor, Request, Response,
    dynamic::Schema,
    http::{WebSocket, WebSocketProtocols, WsMessage},
};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::time::timeout;
use unit_of_work::{
    AllOrNothing, DryRun, IdempotencyKey, IdempotencySettings, Report, RetryPolicy, Retrying,
    UnitOfWorkExtension, Viewer, codes::DYNAMIC_SCHEMA_REFUSED, idempotency::create_table,
};

use self::schema::Locale;
use crate::{
    retries::{contended, ended},
    stage::{PATIENCE, Stage, codes, data, outcome, report},
};

/// A dynamic schema on a stage.
struct Scene {
    stage: Stage,
    schema: Schema,
}

impl Scene {
    async fn new(test: TestDatabase, has_subscriptions: bool) -> Self {
        Self::with(Stage::new(test).await, has_subscriptions, |units| units)
    }

    fn with(
        stage: Stage,
        has_subscriptions: bool,
        configure: impl FnOnce(UnitOfWorkExtension) -> UnitOfWorkExtension,
    ) -> Self {
        let units = UnitOfWorkExtension::new(stage.database.clone()).report(Report::InExtensions);
        let schema = schema::build(&stage.cue, has_subscriptions)
            .extension(configure(units))
            .finish()
            .expect("is a schema");
        Self { stage, schema }
    }

    fn retrying(&self) -> Retrying<Schema> {
        let policy = RetryPolicy::default()
            .attempts(1000)
            .first_delay(Duration::from_millis(1));
        Retrying::new(self.schema.clone()).policy(policy)
    }
}

async fn answer(executor: &impl Executor, request: impl Into<Request>) -> Response {
    timeout(PATIENCE, executor.execute(request.into()))
        .await
        .expect("answers")
}

async fn events(
    executor: &impl Executor,
    request: impl Into<Request>,
    session: Option<Data>,
) -> Vec<Response> {
    let events = executor.execute_stream(request.into(), session.map(Arc::new));
    timeout(PATIENCE, events.collect()).await.expect("ends")
}

async fn batch(executor: &impl Executor, requests: Vec<Request>) -> Vec<Response> {
    let batch = executor.execute_batch(BatchRequest::Batch(requests));
    match timeout(PATIENCE, batch).await.expect("answers") {
        BatchResponse::Batch(responses) => responses,
        BatchResponse::Single(response) => vec![response],
    }
}

/// Commits, rolls back and reads through an executor, on a stage without marks.
async fn is_a_unit(scene: &Scene, executor: &impl Executor) {
    let stage = &scene.stage;
    let response = answer(executor, "mutation { mark(name: \"a\") }").await;
    assert_eq!(outcome(&response), "COMMITTED", "{response:?}");
    assert_eq!(stage.marks().await, ["a"]);
    let response = answer(executor, "mutation { mark(name: \"b\") refuse }").await;
    assert_eq!(outcome(&response), "ROLLED_BACK", "{response:?}");
    let response = answer(executor, "mutation { panics }").await;
    assert_eq!(codes(&response), ["INTERNAL"]);
    let response = answer(executor, "{ marks twice: marks items(n: 3) { marks } }").await;
    assert!(response.is_ok(), "{response:?}");
    assert_eq!(
        data(&response)["items"],
        json!([{ "marks": 1 }, { "marks": 1 }, { "marks": 1 }])
    );
    // The three items share a statement.
    assert_eq!(report(&response)["statements"], 3);
    let response = answer(
        executor,
        Request::new("mutation { mark(name: \"dry\") }").data(DryRun),
    )
    .await;
    assert_eq!(response.extensions["dryRun"], true.into(), "{response:?}");
    assert_eq!(stage.marks().await, ["a"]);
    stage.observer().await.execute("DELETE FROM mark").await;
    stage.assert_whole().await;
}

on_every_engine! {
    async fn operations_of_a_dynamic_schema_are_units(test: TestDatabase) {
        let scene = Scene::new(test, false).await;
        is_a_unit(&scene, &scene.schema).await;
    }

    /// With subscriptions or without: the schema takes streams in one of these only.
    async fn operations_of_a_dynamic_schema_are_units_under_retrying(test: TestDatabase) {
        let mut scene = Scene::new(test, false).await;
        is_a_unit(&scene, &scene.retrying()).await;
        scene = Scene::with(scene.stage, true, |units| units);
        is_a_unit(&scene, &scene.retrying()).await;
    }

    async fn conflict_of_a_dynamic_schema_is_run_again(test: TestDatabase) {
        let scene = Scene::with(contended(test).await, false, |units| units);
        let stage = &scene.stage;
        let retrying = scene.retrying().carries::<Locale>();
        let request = |text: String| {
            Request::new(text).data(Locale("de")).data(Viewer("alice".to_owned()))
        };
        let mutation = "mutation { increment(meet: MEET) locale }";
        let response = ended(stage.loses_once_as(&retrying, mutation, request).await).await;
        assert!(response.is_ok(), "{response:?}");
        assert_eq!(data(&response), json!({ "increment": 11, "locale": "de" }));
        assert!(report(&response)["attempts"].as_u64() > Some(1), "{response:?}");
        assert_eq!(stage.counter().await, 11);
        assert_eq!(stage.cue.effects(), ["committed"]);
        // A query of two statements runs again on one transaction, with the data of the first time.
        let response = answer(&retrying, request("{ marks locale viewer more: marks }".to_owned())).await;
        assert_eq!(data(&response), json!({ "marks": 0, "locale": "de", "viewer": "alice", "more": 0 }));
        stage.assert_whole().await;
    }

    /// Data of a type that nobody has named reaches the resolvers once.
    async fn data_that_cannot_be_cloned_is_there_once(test: TestDatabase) {
        let scene = Scene::new(test, false).await;
        let retrying = scene.retrying();
        for _ in 0..2 {
            let response = answer(&retrying, Request::new("{ locale marks again: marks }").data(Locale("fr"))).await;
            assert_eq!(data(&response), json!({ "locale": "fr", "marks": 0, "again": 0 }), "{response:?}");
        }
        // Where others have the data too, the operation would miss it.
        let mut session = Data::default();
        session.insert(Locale("fr"));
        let session = Arc::new(session);
        let refused: Vec<_> = retrying
            .execute_stream(Request::new("mutation { mark(name: \"a\") }"), Some(Arc::clone(&session)))
            .collect()
            .await;
        assert_eq!(codes(&refused[0]), [DYNAMIC_SCHEMA_REFUSED]);
        let all_or_nothing = Request::new("mutation { mark(name: \"a\") }").data(AllOrNothing).data(Locale("fr"));
        let refused = batch(&retrying, vec![all_or_nothing]).await;
        assert_eq!(codes(&refused[0]), [DYNAMIC_SCHEMA_REFUSED]);
        assert!(scene.stage.marks().await.is_empty());
        let retrying = retrying.carries::<Locale>();
        let read: Vec<_> = retrying
            .execute_stream(Request::new("{ locale }").data(Viewer("alice".to_owned())), Some(session))
            .collect()
            .await;
        assert_eq!(data(&read[0]), json!({ "locale": "fr" }), "{read:?}");
        scene.stage.assert_whole().await;
    }

    /// What arrives as a stream, as all does on a WebSocket.
    async fn operations_that_arrive_as_streams_are_units(test: TestDatabase) {
        let mut scene = Scene::new(test, false).await;
        for has_subscriptions in [false, true] {
            scene = Scene::with(scene.stage, has_subscriptions, |units| units);
            let stage = &scene.stage;
            let retrying = scene.retrying().carries::<Locale>();
            let mut session = Data::default();
            session.insert(Locale("de"));
            let answered = events(&retrying, "{ locale marks }", Some(session)).await;
            assert_eq!(answered.len(), 1);
            assert_eq!(data(&answered[0]), json!({ "locale": "de", "marks": 0 }), "{answered:?}");
            let answered = events(&retrying, "mutation { mark(name: \"a\") refuse }", None).await;
            assert_eq!(outcome(&answered[0]), "ROLLED_BACK");
            let answered = events(&retrying, "mutation { mark(name: \"a\") }", None).await;
            assert_eq!(outcome(&answered[0]), "COMMITTED");
            assert_eq!(stage.marks().await, ["a"]);
            stage.observer().await.execute("DELETE FROM mark").await;
            stage.assert_whole().await;
        }
    }

    async fn operations_over_a_websocket_are_units(test: TestDatabase) {
        let scene = Scene::new(test, true).await;
        let subscribe = |id: &str, query: &str| {
            json!({ "type": "subscribe", "id": id, "payload": { "query": query } }).to_string()
        };
        let messages = [
            json!({ "type": "connection_init" }).to_string(),
            subscribe("1", "mutation { mark(name: \"a\") }"),
        ];
        // The client stays: its stream does not end.
        let messages = stream::iter(messages).chain(stream::pending());
        let socket = WebSocket::new(scene.retrying(), messages, WebSocketProtocols::GraphQLWS);
        let answers = socket.map(WsMessage::unwrap_text).take(3).collect::<Vec<_>>();
        let answers = timeout(PATIENCE, answers).await.expect("answers");
        let next: serde_json::Value = serde_json::from_str(&answers[1]).expect("is JSON");
        assert_eq!(next["payload"]["data"], json!({ "mark": "a" }), "{answers:?}");
        assert_eq!(next["payload"]["extensions"]["unitOfWork"]["outcome"], "COMMITTED");
        assert_eq!(scene.stage.marks().await, ["a"]);
        scene.stage.assert_whole().await;
    }

    /// Each event has a snapshot of its own, and gives its connection back before the next.
    async fn event_of_a_dynamic_schema_is_its_own_unit(test: TestDatabase) {
        let scene = Scene::new(test, true).await;
        let stage = &scene.stage;
        let request = Request::new("subscription { ticks { marks } }");
        let mut events = scene.retrying().execute_stream(request, None);
        let first = timeout(PATIENCE, events.next()).await.expect("in time").expect("an event");
        assert_eq!(data(&first), json!({ "ticks": { "marks": 0 } }), "{first:?}");
        assert_eq!(outcome(&first), "READ");
        assert!(answer(&scene.schema, "mutation { mark(name: \"between\") }").await.is_ok());
        stage.cue.proceed();
        let second = timeout(PATIENCE, events.next()).await.expect("in time").expect("an event");
        assert_eq!(data(&second), json!({ "ticks": { "marks": 1 } }));
        assert!(timeout(PATIENCE, events.next()).await.expect("in time").is_none());
        stage.assert_whole().await;
    }

    /// Without Retrying, what arrives as a stream would have no unit; nothing of it runs.
    async fn stream_without_retrying_is_refused(test: TestDatabase) {
        let mut scene = Scene::new(test, false).await;
        for has_subscriptions in [false, true] {
            scene = Scene::with(scene.stage, has_subscriptions, |units| units);
            for refused in ["mutation { mark(name: \"a\") }", "{ marks }"] {
                let answered = events(&scene.schema, refused, None).await;
                assert_eq!(codes(&answered[0]), [DYNAMIC_SCHEMA_REFUSED], "{answered:?}");
                assert!(answered[0].errors[0].message.contains("`Retrying`"), "{answered:?}");
            }
            // A subscription is none of this.
            let subscription = "subscription { redelivered { marks } }";
            let answered = events(&scene.retrying(), subscription, None).await;
            assert_eq!(answered[0].is_ok(), has_subscriptions, "{answered:?}");
            assert!(codes(&answered[0]).iter().all(|code| code != DYNAMIC_SCHEMA_REFUSED));
        }
        assert!(scene.stage.marks().await.is_empty());
        scene.stage.assert_whole().await;
    }

    async fn batch_of_a_dynamic_schema_is_all_or_nothing(test: TestDatabase) {
        let scene = Scene::new(test, false).await;
        let retrying = scene.retrying();
        let requests = |texts: [&str; 2]| texts.map(|text| Request::new(text).data(AllOrNothing)).into();
        let responses = batch(&retrying, requests(["mutation { mark(name: \"a\") }", "mutation { refuse }"])).await;
        assert!(responses.iter().all(Response::is_err), "{responses:?}");
        assert!(scene.stage.marks().await.is_empty());
        let both = ["mutation { mark(name: \"a\") }", "mutation { mark(name: \"b\") }"];
        let responses = batch(&retrying, requests(both)).await;
        assert!(responses.iter().all(Response::is_ok), "{responses:?}");
        assert_eq!(scene.stage.marks().await, ["a", "b"]);
        scene.stage.assert_whole().await;
    }

    async fn key_of_a_dynamic_schema_is_replayed(test: TestDatabase) {
        let stage = Stage::new(test).await;
        stage.observer().await.execute(&create_table(stage.database.backend())).await;
        let scene = Scene::with(stage, false, |units| units.idempotency(IdempotencySettings::default()));
        let retrying = scene.retrying();
        let request = |viewer: &str| {
            Request::new("mutation { increment(meet: false) }")
                .data(IdempotencyKey::new("key").expect("is a key"))
                .data(Viewer(viewer.to_owned()))
        };
        for (viewer, told, value) in [("a", "COMMITTED", 1), ("a", "REPLAYED", 1), ("b", "COMMITTED", 2)] {
            let response = answer(&retrying, request(viewer)).await;
            assert_eq!(outcome(&response), told, "{response:?}");
            assert_eq!(data(&response), json!({ "increment": value }));
        }
        assert_eq!(scene.stage.counter().await, 2);
        scene.stage.assert_whole().await;
    }

    async fn field_of_a_dynamic_schema_is_undone_alone(test: TestDatabase) {
        let scene = Scene::with(Stage::new(test).await, false, |units| units.field_savepoints(true));
        let response = answer(&scene.retrying(), "mutation { markAndFail(name: \"a\") mark(name: \"b\") }").await;
        assert_eq!(data(&response), json!({ "markAndFail": null, "mark": "b" }), "{response:?}");
        assert_eq!(response.errors.len(), 1);
        assert_eq!(scene.stage.marks().await, ["b"]);
        scene.stage.assert_whole().await;
    }

    /// A stream that is being created belongs to no event, and so has no unit.
    async fn creation_of_a_stream_has_no_unit(test: TestDatabase) {
        let scene = Scene::new(test, true).await;
        let answered = events(&scene.retrying(), "subscription { needsAUnit { marks } }", None).await;
        assert_eq!(answered.len(), 1);
        let message = &answered[0].errors[0].message;
        assert!(message.contains("in the fields of the event"), "{message}");
        scene.stage.assert_whole().await;
    }
}

/// An event whose connection is lost comes again, although a dynamic schema ends a subscription with the first event that has an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_event_of_a_dynamic_schema_comes_again() {
    let scene = Scene::new(TestDatabase::create(Engine::Postgres).await, true).await;
    let subscription = "subscription { redelivered { marksAfterALoss } }";
    let answered = events(&scene.retrying(), subscription, None).await;
    assert_eq!(answered.len(), 2, "{answered:?}");
    for event in &answered {
        assert_eq!(
            data(event),
            json!({ "redelivered": { "marksAfterALoss": 0 } }),
            "{event:?}"
        );
    }
    scene.stage.assert_whole().await;
}
