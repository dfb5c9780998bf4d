//! Which answers have a token, and what it stands for.

use std::sync::Arc;

use async_graphql::{BatchRequest, BatchResponse, Executor, Request, Response, Schema};
use daybook_test_harness::Cluster;
use futures_util::FutureExt as _;
use sea_orm::DbBackend;
use unit_of_work::{
    AllOrNothing, ConsistencyToken, DatabaseOptions, DryRun, IdempotencyKey, IdempotencySettings,
    UnitOfWorkExtension, idempotency::create_table,
};

use super::{LOOK, Looked, SHORT, Scene, first_look, has_token, token};
use crate::stage::{Mutation, PATIENCE, Query, Subscriptions, codes, data, ended};

/// The answer of a mutation that changes nothing rests on what it has read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutation_that_is_rolled_back_has_a_token_too() {
    let scene = Scene::new(1, PATIENCE).await;
    let before = scene.mark("a").await;
    let dry = Request::new("mutation { mark(name: \"b\") }").data(DryRun);
    let refused = Request::new("mutation { mark(name: \"b\") refuse }");
    for request in [dry, refused] {
        let response = scene.send(request).await;
        assert!(token(&response) > before, "{response:?}");
    }
    let constraint = scene
        .send(Request::new("mutation { mark(name: \"a\") }"))
        .await;
    assert!(constraint.is_err(), "{constraint:?}");
    assert!(token(&constraint) > before);
    // Nothing was read.
    for query in ["mutation { ping }", "{ ping }"] {
        let response = scene.send(Request::new(query).data(before)).await;
        assert!(response.is_ok() && !has_token(&response), "{response:?}");
    }
    scene.assert_whole().await;
}

/// What was stored under a key was written before, and whoever hears of it reads it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replay_has_a_token_of_what_it_tells() {
    let scene = Scene::new(1, PATIENCE).await;
    let table = create_table(DbBackend::Postgres);
    scene.observer().await.execute(&table).await;
    let extension = UnitOfWorkExtension::new(scene.database.clone())
        .deadline(PATIENCE)
        .idempotency(IdempotencySettings::default());
    let schema = Schema::build(Query, Mutation, Subscriptions)
        .extension(extension)
        .data(Arc::clone(&scene.cue))
        .finish();
    let run = async || {
        let key = IdempotencyKey::new("k").expect("is a key");
        let request = Request::new("mutation { mark(name: \"a\") }").data(key);
        schema.execute(request).await
    };
    let first = run().await;
    assert!(first.is_ok(), "{first:?}");
    scene.cluster.pause(1).await;
    let again = run().await;
    assert!(again.extensions.contains_key("idempotency"), "{again:?}");
    assert!(token(&again) >= token(&first));
    let looking = scene.start_looking(token(&again));
    scene.cluster.resume(1).await;
    assert_eq!(Looked::of(&ended(looking).await).marks, 1);
}

/// Mutations that share a COMMIT each have the token of that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_a_shared_commit_have_its_token() {
    let cluster = Cluster::start(1).await;
    let test = cluster.database().await;
    let url = test.url().to_owned();
    // Shorter than the deadline, so that no operation has time-outs of its own: those share nothing.
    let mut options = DatabaseOptions::default()
        .commit_patience(PATIENCE)
        .statement_timeout(PATIENCE / 2)
        .idle_in_transaction_timeout(PATIENCE / 2);
    options.max_connections = 4;
    let scene = Scene::at(cluster, test, &url, options, (1, PATIENCE)).await;
    let queued = |name: &str, rest: &str| {
        let retrying = scene.retrying(20);
        let query =
            format!("mutation {{ willLock(names: [\"one\"]) mark(name: \"{name}\") {rest} }}");
        let mut operation = Box::pin(async move { retrying.execute(Request::new(query)).await });
        assert!((&mut operation).now_or_never().is_none(), "waits");
        tokio::spawn(operation)
    };
    let first = queued("a", "meet");
    scene.cue.reached().await;
    let second = queued("b", "meet");
    let third = queued("c", "refuse");
    scene.cluster.pause(1).await;
    scene.cue.proceed();
    scene.cue.reached().await;
    assert!(!first.is_finished(), "they share a COMMIT");
    scene.cue.proceed();
    let mut looking = Vec::new();
    for (operation, is_ok) in [(first, true), (second, true), (third, false)] {
        let response = ended(operation).await;
        assert_eq!(response.is_ok(), is_ok, "{response:?}");
        looking.push(scene.start_looking(token(&response)));
    }
    // Where the log of the primary ends behind the header of a page, the replica has it with the next record.
    scene.mark("d").await;
    scene.cluster.resume(1).await;
    for looking in looking {
        let marks = Looked::of(&ended(looking).await).marks;
        assert!((2..=3).contains(&marks), "{marks}");
    }
}

/// COMMIT's own answer is lost, and with it the position: it is asked for once it is known that COMMIT happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_whose_answer_is_lost_has_a_token() {
    let cluster = Cluster::start(1).await;
    let test = cluster.database().await;
    let proxy = test.proxy().await;
    let url = proxy.url().to_owned();
    let scene = Scene::at(
        cluster,
        test,
        &url,
        DatabaseOptions::default(),
        (1, PATIENCE),
    )
    .await;
    scene.cluster.pause(1).await;
    let gate = proxy.hold_reply(|sql| sql.contains("COMMIT"));
    let operation = scene.start("mutation { mark(name: \"a\") }");
    gate.reached().await;
    gate.cut();
    let response = ended(operation).await;
    assert!(response.is_ok(), "{response:?}");
    let looking = scene.start_looking(token(&response));
    // Where the log of the primary ends behind the header of a page, the replica has it with the next record.
    scene.mark("b").await;
    scene.cluster.resume(1).await;
    assert!(Looked::of(&ended(looking).await).marks >= 1);
    scene.assert_whole().await;
}

/// ROLLBACK's own answer is lost, and with it the position. What a dry run or a refusal tells was read, so its client is told a token all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rollback_whose_answer_is_lost_has_a_token() {
    let cluster = Cluster::start(1).await;
    let test = cluster.database().await;
    let proxy = test.proxy().await;
    let url = proxy.url().to_owned();
    let options = DatabaseOptions::default();
    let scene = Scene::at(cluster, test, &url, options, (1, PATIENCE)).await;
    let before = scene.mark("a").await;
    let dry = Request::new("mutation { mark(name: \"b\") }").data(DryRun);
    let refused = Request::new("mutation { mark(name: \"b\") refuse }");
    for (request, is_ok) in [(dry, true), (refused, false)] {
        let gate = proxy.hold_reply(|sql| sql.contains("ROLLBACK"));
        let schema = scene.schema.clone();
        let operation = tokio::spawn(async move { schema.execute(request).await });
        gate.reached().await;
        gate.cut();
        let response = ended(operation).await;
        assert_eq!(response.is_ok(), is_ok, "{response:?}");
        assert!(token(&response) > before, "{response:?}");
    }
    scene.assert_whole().await;
}

/// Where the primary cannot be asked either, the token is one that no replica ever has. The next query reads on the primary, and has an ordinary one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_of_what_is_not_known_leads_to_the_primary() {
    let cluster = Cluster::start(1).await;
    let test = cluster.database().await;
    let proxy = test.proxy().await;
    let url = proxy.url().to_owned();
    let options = DatabaseOptions::default();
    let scene = Scene::at(cluster, test, &url, options, (1, SHORT)).await;
    let before = scene.mark("a").await;
    scene.reads_on(before, 1).await;
    let gate = proxy.hold_reply(|sql| sql.contains("ROLLBACK"));
    let schema = scene.schema.clone();
    let request = Request::new("mutation { mark(name: \"b\") }").data(DryRun);
    let operation = tokio::spawn(async move { schema.execute(request).await });
    gate.reached().await;
    scene.cluster.crash(0).await;
    gate.cut();
    let response = ended(operation).await;
    assert!(response.is_ok(), "{response:?}");
    let unknown = token(&response);
    assert!(
        unknown.to_string().contains(".ffffffffffffffff."),
        "{unknown}"
    );
    scene.cluster.start_again(0).await;
    let looked = scene.look(unknown).await;
    assert_eq!((looked.marks, &looked.port), (1, &scene.port(0)));
    assert!(
        before <= looked.token && looked.token < unknown,
        "{looked:?}"
    );
    scene.reads_on(looked.token, 1).await;
    scene.assert_whole().await;
}

async fn batch(scene: &Scene, requests: Vec<Request>) -> Vec<Response> {
    let requests = requests
        .into_iter()
        .map(|request| request.data(AllOrNothing));
    let batch = BatchRequest::Batch(requests.collect());
    match scene.retrying(5).execute_batch(batch).await {
        BatchResponse::Batch(responses) => responses,
        BatchResponse::Single(response) => panic!("a batch answers a batch: {response:?}"),
    }
}

/// A batch that is one unit has one token, and reads on the primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batch_that_is_one_unit_has_one_token() {
    let scene = Scene::new(1, PATIENCE).await;
    let mutation = |name| Request::new(format!("mutation {{ mark(name: \"{name}\") }}"));
    let written = batch(&scene, vec![mutation("a"), mutation("b")]).await;
    let tokens: Vec<_> = written.iter().map(token).collect();
    assert_eq!(tokens[0], tokens[1]);
    assert_eq!(scene.look(tokens[0]).await.marks, 2);
    let look = |token| Request::new(LOOK).data(token);
    let later = scene.mark("c").await;
    let read = batch(
        &scene,
        vec![look(later), look(tokens[0]), Request::new(LOOK)],
    )
    .await;
    for response in &read {
        let looked = Looked::of(response);
        assert_eq!((looked.marks, looked.port), (3, scene.port(0)));
    }
    // The unit has begun when the newer token comes.
    let read = batch(&scene, vec![look(tokens[0]), look(later)]).await;
    assert_eq!(codes(&read[1]), ["BATCH_REFUSED"]);
    assert_eq!(data(&read[1]), serde_json::Value::Null);
    // Its position was not asked for when it began.
    let read = batch(&scene, vec![Request::new(LOOK), first_look()]).await;
    assert_eq!(codes(&read[1]), ["BATCH_REFUSED"]);
    let read = batch(&scene, vec![first_look(), Request::new(LOOK)]).await;
    assert!(read.iter().all(|response| token(response) >= later));
    // Of a mutation it is known anyway.
    let first = mutation("e").data(ConsistencyToken::FIRST);
    let written = batch(&scene, vec![mutation("d"), first]).await;
    assert!(written.iter().all(|response| token(response) > later));
}
