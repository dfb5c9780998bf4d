//! Every two features of the crate, together: what is there afterwards, seen over a connection of its own, and what the client
//! was told.
//!
//! A mutation has a [`Scenario`], and is run with none, one or two [`Feature`]s. What is to come of it is said once, by
//! [`Expected::of`], for all of them: which feature gives way to which is there, and nowhere else.

mod case;
mod check;
mod feature;
mod run;
mod scene;
mod schema;

use async_graphql::{BatchRequest, BatchResponse, Executor};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use serde_json::json;
use tokio::time::timeout;
use unit_of_work::AllOrNothing;

use crate::{
    persisted::named,
    stage::{PATIENCE, codes, data, report},
};

use self::{case::Case, feature::*, scene::Scene};

/// None, each, and every two.
fn pairs() -> Vec<Vec<Feature>> {
    let mut pairs = vec![vec![]];
    for (index, one) in FEATURES.into_iter().enumerate() {
        pairs.push(vec![one]);
        pairs.extend(FEATURES[index + 1..].iter().map(|other| vec![one, *other]));
    }
    pairs
}

on_every_engine! {
    async fn every_two_features_of_a_mutation(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let pairs = pairs();
        assert_eq!(pairs.len(), 1 + 13 + 78);
        for features in pairs {
            for scenario in SCENARIOS {
                if scenario == CommitIsRefused && scene.stage.test.engine() == Engine::MariaDb {
                    // MariaDB defers nothing to COMMIT.
                    continue;
                }
                Case::new(&scene, &features, scenario).check().await;
            }
        }
        scene.stage.assert_whole().await;
    }

    /// A query writes nothing, leaves no key, and reads one snapshot, whatever it is asked with.
    async fn every_two_features_of_a_query(test: TestDatabase) {
        let scene = Scene::new(test).await;
        scene.stage.observer().await.execute("INSERT INTO mark VALUES ('there')").await;
        let has_settings = scene.stage.test.engine() == Engine::Postgres;
        for features in pairs() {
            for text in ["{ marks }", "{ marks items(n: 2) { marks } }", "{ marks write }"] {
                let mut case = Case::new(&scene, &features, Fine);
                if [Conflict, Savepoint, Transaction, Neighbour].into_iter().any(|it| case.has(it)) {
                    continue;
                }
                case.text = text.replacen('{', &format!("query {} {{", case.name), 1);
                if case.has(HashOnly) {
                    let mut request = named(&case.text).operation_name("Nobody");
                    request.query.clone_from(&case.text);
                    assert!(case.executor().execute(request).await.is_err());
                }
                // The first time it is found out whether it makes one statement.
                for _ in 0..2 {
                    let response = if case.has(Batch) {
                        let batch = BatchRequest::Batch(vec![case.request().data(AllOrNothing)]);
                        let BatchResponse::Batch(mut responses) = case.executor().execute_batch(batch).await else {
                            panic!("a batch answers a batch");
                        };
                        responses.remove(0)
                    } else {
                        timeout(PATIENCE, case.executor().execute(case.request())).await.expect("answers")
                    };
                    let what = format!("{text} with {:?}: {response:?}", case.features);
                    if case.has(Batch) && case.has(Key) {
                        assert_eq!(codes(&response), ["BATCH_REFUSED"], "{what}");
                        continue;
                    }
                    let report = report(&response);
                    assert_eq!(report.get("timeline").is_some(), case.has(Timeline), "{what}");
                    assert!(!response.extensions.contains_key("dryRun"), "{what}");
                    assert!(!response.extensions.contains_key("idempotency"), "{what}");
                    if case.has(Settings) && !has_settings {
                        assert!(response.is_err(), "{what}");
                        continue;
                    }
                    assert_eq!(report["outcome"], "READ", "{what}");
                    match text {
                        "{ marks }" => assert_eq!(data(&response), json!({ "marks": 1 }), "{what}"),
                        "{ marks write }" => assert_eq!(response.errors.len(), 1, "{what}"),
                        _ => assert_eq!(data(&response), json!({ "marks": 1, "items": [{ "marks": 1 }, { "marks": 1 }] }), "{what}"),
                    }
                }
            }
        }
        assert_eq!(scene.stage.marks().await, ["there"]);
        assert_eq!((scene.keys().await, scene.children().await), (0, 0));
        scene.stage.assert_whole().await;
    }
}
