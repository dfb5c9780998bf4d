//! What a report tells of the server that was used.

use async_graphql::{Executor as _, Request, Response};
use daybook_test_harness::Cluster;
use serde_json::Value;
use unit_of_work::{DatabaseOptions, Report};

use super::{SHORT, Scene, token};
use crate::stage::{PATIENCE, Stage, ended, report};

/// Each step with its server: `-` for a step that needs none.
fn told(response: &Response) -> Vec<(String, String)> {
    let timeline = report(response)["timeline"].take();
    let steps = timeline.as_array().expect("a timeline").iter();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    steps
        .map(|step| (text(&step["step"]), text(&step["server"])))
        .collect()
}

fn steps(steps: &[(&str, &str)]) -> Vec<(String, String)> {
    let steps = steps.iter();
    steps
        .map(|(step, server)| ((*step).to_owned(), (*server).to_owned()))
        .collect()
}

/// Each step is told with the role, the host and the port of its server, and a report without a timeline has the role alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_tells_which_server_was_used() {
    let scene = Scene::new(1, PATIENCE).await;
    let primary = format!("primary 127.0.0.1:{}", scene.port(0));
    let replica = format!("replica 127.0.0.1:{}", scene.port(1));
    let watched = |query: &str| Request::new(query).data(Report::Timeline);
    let written = scene.send(watched("mutation { mark(name: \"a\") }")).await;
    assert_eq!(report(&written)["server"], "PRIMARY");
    assert_eq!(
        told(&written),
        steps(&[
            ("WAIT", "-"),
            ("BEGIN", &primary),
            ("STATEMENT", &primary),
            ("COMMIT", &primary)
        ])
    );
    let shown = token(&written);
    let read = scene.send(watched("{ marks }").data(shown)).await;
    assert_eq!(report(&read)["server"], "REPLICA");
    assert_eq!(
        told(&read),
        steps(&[("WAIT", "-"), ("BEGIN", &replica), ("STATEMENT", &replica)])
    );
    // Who is told less is told no name.
    let briefly = scene.send(Request::new("{ marks }").data(shown)).await;
    let briefly = report(&briefly);
    assert_eq!(briefly["server"], "REPLICA");
    assert!(!briefly.to_string().contains("127.0.0.1"), "{briefly}");
    let untouched = scene.send(watched("{ ping }").data(shown)).await;
    assert_eq!(report(&untouched)["server"], Value::Null);
    scene.assert_whole().await;
}

/// What was tried at the replica stays on the timeline of what the primary has answered, whether BEGIN was lost or a later statement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timeline_tells_that_the_replica_was_left() {
    for (at, lost) in [
        ("BEGIN", &["WAIT", "BEGIN", "CLOSE"] as &[_]),
        ("FROM mark", &["WAIT", "BEGIN", "STATEMENT", "RUN_AGAIN"]),
    ] {
        let cluster = Cluster::start(1).await;
        let test = cluster.database().await;
        let proxy = cluster.database_on(&test, 1).proxy().await;
        let url = test.url().to_owned();
        // These servers do not ask for a password; nobody may be shown one.
        let with_a_secret = proxy
            .url()
            .replace("postgres@", "postgres:hidden-from-all@");
        assert_ne!(with_a_secret, proxy.url());
        let options = DatabaseOptions::default()
            .replicas([with_a_secret.parse().expect("is a URL")])
            .replica_wait(PATIENCE);
        let stage = Stage::at(test, &url, options, |it| it.deadline(PATIENCE)).await;
        let shown = token(&stage.run("mutation { mark(name: \"a\") }").await);
        let gate = proxy.hold(move |text| text.contains(at));
        let request = Request::new("{ marks }").data(shown).data(Report::Timeline);
        let retrying = stage.retrying(20);
        let operation = tokio::spawn(async move { retrying.execute(request).await });
        gate.reached().await;
        gate.cut();
        let response = ended(operation).await;
        assert!(response.is_ok(), "{response:?}");
        assert_eq!(report(&response)["server"], "PRIMARY", "{at}");
        let told = told(&response);
        let replica = format!("replica {}", place(proxy.url()));
        let primary = format!("primary {}", place(&url));
        let before: Vec<_> = told
            .iter()
            .take(lost.len())
            .map(|(step, _)| step.as_str())
            .collect();
        assert_eq!(before, lost, "{told:?}");
        for (step, server) in &told[..lost.len()] {
            let needs_one = !matches!(step.as_str(), "WAIT" | "RUN_AGAIN");
            assert_eq!(server, if needs_one { &replica } else { "-" }, "{told:?}");
        }
        let expected = [("WAIT", "-"), ("BEGIN", &*primary), ("STATEMENT", &primary)];
        assert_eq!(told[lost.len()..], steps(&expected), "{at}");
        let all = serde_json::to_string(&response).expect("is JSON");
        assert!(!all.contains("hidden-from-all"), "{all}");
    }
}

/// Of a list of servers, the one that is the primary is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn primary_of_a_list_is_told() {
    let cluster = Cluster::start(1).await;
    let test = cluster.database().await;
    let url = cluster.url(&test, &[1, 0]);
    let primary = format!("primary {}", place(test.url()));
    let stage = Stage::at(test, &url, DatabaseOptions::default(), |it| {
        it.deadline(PATIENCE).report(Report::Timeline)
    })
    .await;
    let read = stage.run("{ marks }").await;
    assert_eq!(report(&read)["server"], "PRIMARY");
    assert_eq!(told(&read)[1], ("BEGIN".to_owned(), primary));
    stage.assert_whole().await;
}

/// Host and port in a URL.
fn place(url: &str) -> String {
    let (_, rest) = url.split_once('@').expect("has a user");
    rest.split_once('/').expect("has a database").0.to_owned()
}

/// Where the primary is read because no replica has it in time, it is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn primary_that_is_read_for_a_late_replica_is_told() {
    let scene = Scene::new(1, SHORT).await;
    scene.cluster.pause(1).await;
    let shown = scene.mark("a").await;
    let request = Request::new("{ marks }").data(shown).data(Report::Timeline);
    let response = scene.send(request).await;
    assert_eq!(report(&response)["server"], "PRIMARY");
    let primary = format!("primary 127.0.0.1:{}", scene.port(0));
    assert_eq!(told(&response)[1], ("BEGIN".to_owned(), primary));
    scene.cluster.resume(1).await;
    scene.assert_whole().await;
}
