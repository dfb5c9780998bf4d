//! Where a query is read.

use std::time::Instant;

use async_graphql::{Executor, Request, Value};
use daybook_test_harness::{Cluster, eventually, list};
use sea_orm::IsolationLevel;
use tokio::time::timeout;
use unit_of_work::{ConsistencyToken, Database, DatabaseOptions, Isolation};

use super::{LOOK, Looked, SHORT, Scene, first_look, has_token, looked_untold, replica, token};
use crate::stage::{PATIENCE, codes, data, ended};

/// A replica is waited for until it has what the token stands for, and is read then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn query_reads_on_a_replica_what_its_token_stands_for() {
    let scene = Scene::new(1, PATIENCE).await;
    for marks in 1..=5 {
        scene.cluster.pause(1).await;
        let token = scene.mark(&format!("m{marks}")).await;
        let mut looking = scene.start_looking(token);
        let too_soon = timeout(SHORT, &mut looking).await;
        assert!(too_soon.is_err(), "{too_soon:?}");
        scene.cluster.resume(1).await;
        let looked = Looked::of(&ended(looking).await);
        assert_eq!((looked.marks, looked.port), (marks, scene.port(1)));
        assert!(looked.token >= token);
    }
    scene.assert_whole().await;
}

/// What was just written is read at once, from wherever it is: many times, while the replicas follow as they can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_writes_are_read_while_replicas_follow() {
    let scene = Scene::new(2, SHORT).await;
    let mut on_replicas = 0;
    for marks in 1..=100 {
        let token = scene.mark(&format!("m{marks}")).await;
        let looked = scene.look(token).await;
        assert_eq!(looked.marks, marks, "{looked:?}");
        on_replicas += i32::from(looked.port != scene.port(0));
    }
    assert!(on_replicas > 0);
}

/// A replica that does not get there in time is not waited for: the primary has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn primary_is_read_where_no_replica_has_it_in_time() {
    let scene = Scene::new(1, SHORT).await;
    let before = scene.mark("z").await;
    scene.reads_on(before, 1).await;
    scene.cluster.pause(1).await;
    let token = scene.mark("a").await;
    let started = Instant::now();
    let looked = scene.look(token).await;
    assert_eq!((looked.marks, looked.port), (2, scene.port(0)));
    assert!(started.elapsed() < PATIENCE / 4, "{:?}", started.elapsed());
    // The token of what was read there does not send the next query to the replica either.
    assert_eq!(scene.look(looked.token).await.port, scene.port(0));
    scene.cluster.resume(1).await;
    scene.all_caught_up().await;
    scene.reads_on(token, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_replica_is_read_where_one_lags_behind() {
    let scene = Scene::new(2, PATIENCE).await;
    scene.cluster.pause(1).await;
    let token = scene.mark("a").await;
    for _ in 0..4 {
        let looked = scene.look(token).await;
        assert_eq!((looked.marks, looked.port), (1, scene.port(2)));
    }
}

/// One that is gone costs a query nothing but its wait, and is read again when it has come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replica_that_is_lost_is_left_and_found_again() {
    let scene = Scene::new(1, SHORT).await;
    let token = scene.mark("a").await;
    scene.reads_on(token, 1).await;
    scene.cluster.crash(1).await;
    for _ in 0..3 {
        let looked = scene.look(token).await;
        assert_eq!((looked.marks, looked.port), (1, scene.port(0)));
    }
    scene.cluster.start_again(1).await;
    scene.reads_on(token, 1).await;
}

/// A replica that takes connections and says nothing costs a query its wait; once it was found silent, it costs nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_replica_is_left() {
    let cluster = Cluster::start(1).await;
    let test = cluster.database().await;
    let silent = cluster.database_on(&test, 1).proxy().await;
    let url = test.url().to_owned();
    let named = [silent.url().parse().expect("is a URL")];
    let options = DatabaseOptions::default()
        .replicas(named)
        .replica_wait(SHORT);
    let stage = crate::stage::Stage::at(test, &url, options, |it| it.deadline(PATIENCE)).await;
    silent.blackhole();
    let marked = stage.run("mutation { mark(name: \"a\") }").await;
    let token = token(&marked);
    for _ in 0..3 {
        let started = Instant::now();
        let request = Request::new(LOOK).data(token);
        let looked = Looked::of(&stage.schema.execute(request).await);
        assert_eq!(looked.marks, 1);
        assert!(started.elapsed() < PATIENCE / 4, "{:?}", started.elapsed());
    }
}

/// Queries that fall back to the primary leave half of its connections to others, so that replicas that are lost do not take it down too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_that_fall_back_leave_room_on_the_primary() {
    let mut options = DatabaseOptions::default();
    options.max_connections = 2;
    options.acquire_timeout = 4 * SHORT;
    let scene = Scene::with(options, (1, SHORT)).await;
    let token = scene.mark("a").await;
    scene.cluster.crash(1).await;
    let (schema, query) = (
        scene.schema.clone(),
        Request::new("{ marksAndMeet }").data(token),
    );
    let first = tokio::spawn(async move { schema.execute(query).await });
    scene.cue.reached().await;
    let second = scene.send(Request::new(LOOK).data(token)).await;
    assert!(
        codes(&second).iter().all(|code| code == "OVERLOADED"),
        "{second:?}"
    );
    assert!(second.is_err());
    // Who shows no token is not held up.
    assert_eq!(looked_untold(&scene.send(Request::new(LOOK)).await).0, 1);
    scene.cue.proceed();
    let first = ended(first).await;
    assert!(first.is_ok(), "{first:?}");
    assert_eq!(scene.look(token).await.marks, 1);
}

/// What shows no token, and what a standby cannot do, is for the primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_operations_use_the_primary() {
    let scene = Scene::new(1, PATIENCE).await;
    let token = scene.mark("a").await;
    scene.all_caught_up().await;
    assert_eq!(scene.look(token).await.port, scene.port(1));
    let serializable = Isolation(IsolationLevel::Serializable);
    for request in [
        first_look(),
        Request::new(LOOK).data(token).data(serializable),
        Request::new(format!("mutation {LOOK}").replace("marks", "ping")).data(token),
    ] {
        let response = scene.send(request).await;
        assert!(response.is_ok(), "{response:?}");
        assert_eq!(data(&response)["setting"], scene.port(0));
        assert!(super::token(&response) >= token);
    }
    let untold = scene.send(Request::new(LOOK)).await;
    assert_eq!(looked_untold(&untold), (1, scene.port(0)));
    for mark in ["b", "c"] {
        let response = scene
            .send(Request::new(format!(
                "mutation {{ mark(name: \"{mark}\") }}"
            )))
            .await;
        assert!(super::token(&response) > token);
    }
}

/// A query that meets a replica's end is run again, on the primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn query_that_loses_its_replica_is_run_again() {
    let scene = Scene::new(1, PATIENCE).await;
    let token = scene.mark("a").await;
    scene.all_caught_up().await;
    let retrying = scene.retrying(20);
    let query = Request::new("{ marksTwice setting(name: \"port\") }").data(token);
    let operation = tokio::spawn(async move { retrying.execute(query).await });
    scene.cue.reached().await;
    scene.cluster.crash(1).await;
    scene.cue.proceed();
    scene.cue.reached().await;
    scene.cue.proceed();
    let response = ended(operation).await;
    assert!(response.is_ok(), "{response:?}");
    let data = data(&response);
    assert_eq!(
        (&data["marksTwice"], &data["setting"]),
        (&[1, 1].as_slice().into(), &scene.port(0).into())
    );
}

/// A replica that loses connections costs a query one of them: at BEGIN it goes on at the primary, and later it is run again there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replica_that_loses_connections_is_asked_once() {
    for at in ["BEGIN", "FROM mark"] {
        let cluster = Cluster::start(1).await;
        let test = cluster.database().await;
        let proxy = cluster.database_on(&test, 1).proxy().await;
        let url = test.url().to_owned();
        let options = DatabaseOptions::default()
            .replicas([proxy.url().parse().expect("is a URL")])
            .replica_wait(PATIENCE);
        let stage = crate::stage::Stage::at(test, &url, options, |it| it.deadline(PATIENCE)).await;
        let token = token(&stage.run("mutation { mark(name: \"a\") }").await);
        let primary = stage.run("{ setting(name: \"port\") }").await;
        let primary = data(&primary)["setting"].clone();
        proxy.clear_log();
        let gate = proxy.hold(move |text| text.contains(at));
        let (retrying, request) = (stage.retrying(20), Request::new(LOOK).data(token));
        let operation = tokio::spawn(async move { retrying.execute(request).await });
        gate.reached().await;
        gate.cut();
        let response = ended(operation).await;
        assert_eq!(Looked::of(&response).marks, 1, "{at}");
        assert_eq!(data(&response)["setting"], primary, "{at}");
        let log = proxy.log();
        let begun = log.iter().filter(|text| text.contains("BEGIN"));
        assert_eq!(begun.count(), 1, "{at}: {log:?}");
    }
}

/// The order to stop a statement goes to the replica that runs it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statement_on_a_replica_is_stopped_there() {
    const SLEEPS: &str = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(600)'";
    let scene = Scene::new(2, PATIENCE).await;
    let token = scene.mark("a").await;
    scene.all_caught_up().await;
    let mut observers = Vec::new();
    for number in 1..=2 {
        let there = scene.cluster.database_on(&scene.test, number);
        observers.push(there.observer().await);
    }
    for _ in 0..2 {
        let (schema, request) = (
            scene.schema.clone(),
            Request::new("{ endless }").data(token),
        );
        let operation = tokio::spawn(async move { schema.execute(request).await });
        scene.cue.reached().await;
        let sleeping = async || {
            let mut sleeping = 0;
            for observer in &observers {
                sleeping += observer.i64(SLEEPS).await;
            }
            sleeping
        };
        eventually("it runs on a replica", async || sleeping().await == 1).await;
        operation.abort();
        eventually("it is stopped", async || sleeping().await == 0).await;
    }
    scene.assert_whole().await;
}

/// The token is understood wherever a client can put it, and nothing else is taken for one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_is_read_strictly() {
    let scene = Scene::new(1, PATIENCE).await;
    let token = scene.mark("a").await;
    let text = token.to_string();
    let with = |value: Value| {
        let mut request = Request::new(LOOK);
        request.extensions.insert("consistency".to_owned(), value);
        request
    };
    let looked = Looked::of(&scene.send(with(text.clone().into())).await);
    assert_eq!((looked.marks, looked.port), (1, scene.port(1)));
    let (rest, system) = text.rsplit_once('.').expect("has parts");
    let other_system: String = system
        .chars()
        .map(|c| if c == '0' { '1' } else { '0' })
        .collect();
    let foreign = format!("{rest}.{other_system}");
    for value in [
        Value::Null,
        1.into(),
        "".into(),
        "latest".into(),
        0.into(),
        "00".into(),
        format!("{text} ").into(),
        text.to_uppercase().into(),
        foreign.clone().into(),
    ] {
        // It has a letter, so that the capital ones differ.
        if value == Value::from(text.clone()) {
            continue;
        }
        let response = scene.send(with(value.clone())).await;
        let codes = codes(&response);
        assert!(!codes.is_empty(), "{value}: {response:?}");
        assert!(
            codes.iter().all(|code| code == "CONSISTENCY_TOKEN_INVALID"),
            "{value}: {codes:?}"
        );
    }
    let mut misspelt = Request::new(LOOK);
    misspelt
        .extensions
        .insert("Consistency".to_owned(), text.clone().into());
    assert_eq!(
        codes(&scene.send(misspelt).await),
        ["CONSISTENCY_TOKEN_INVALID"]
    );
    // Nothing of a mutation happens.
    let foreign: unit_of_work::ConsistencyToken = foreign.parse().expect("is a token");
    let mutation = Request::new("mutation { mark(name: \"b\") }").data(foreign);
    assert_eq!(
        codes(&scene.send(mutation).await),
        ["CONSISTENCY_TOKEN_INVALID"]
    );
    assert_eq!(scene.marks().await, ["a"]);
}

/// Without replicas nothing is told, and nothing but the form of a token is looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_without_replicas_has_no_tokens() {
    let scene = Scene::new(1, PATIENCE).await;
    let token = scene.mark("a").await;
    let database = Database::connect(scene.test.url(), DatabaseOptions::default())
        .await
        .expect("connects");
    let schema = crate::stage::schema(&database, &scene.cue, |it| it);
    for (shown, mark) in [(token, "b"), (ConsistencyToken::FIRST, "c")] {
        for query in [LOOK, &format!("mutation {{ mark(name: \"{mark}\") }}")] {
            let response = schema.execute(Request::new(query).data(shown)).await;
            assert!(response.is_ok() && !has_token(&response), "{response:?}");
        }
    }
}

/// A list names several replicas, and several lists can be given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_name_all_of_their_servers() {
    let cluster = Cluster::start(2).await;
    let test = cluster.database().await;
    let urls = [1, 2].map(|number| cluster.database_on(&test, number).url().to_owned());
    let url = test.url().to_owned();
    let options = DatabaseOptions::default()
        .replicas([list(&urls).parse().expect("is a URL")])
        .replica_wait(PATIENCE);
    let stage = crate::stage::Stage::at(test, &url, options, |it| it.deadline(PATIENCE)).await;
    let marked = stage.run("mutation { mark(name: \"a\") }").await;
    let token = token(&marked);
    let mut ports = std::collections::BTreeSet::new();
    for _ in 0..4 {
        for number in 1..=2 {
            cluster.caught_up(&stage.test, number).await;
        }
        let request = Request::new(LOOK).data(token);
        ports.insert(Looked::of(&stage.schema.execute(request).await).port);
    }
    assert_eq!(ports.len(), 2, "{ports:?}");
    let twice = DatabaseOptions::default()
        .replicas([1, 1].map(|number| replica(&cluster, &stage.test, number)));
    let error = Database::connect(&url, twice)
        .await
        .expect_err("is refused");
    assert!(error.to_string().contains("twice"), "{error}");
}
