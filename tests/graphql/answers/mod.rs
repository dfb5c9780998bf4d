//! The rules of every answer, on every transport: what an error nulls, how many bytes the answer may have, and that others are served while
//! it is made.

use std::time::{Duration, Instant};

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::{Value, json};
use unit_of_work::DatabaseOptions;

use self::toy::{MOST, Toy};
use super::server::{Ledger, POST, line};

mod toy;

fn code(answer: &Value) -> &Value {
    &answer["errors"][0]["extensions"]["code"]
}

#[track_caller]
fn assert_too_large(answer: &Value) {
    assert_eq!(answer["data"], Value::Null, "{answer}");
    assert_eq!(
        answer["errors"].as_array().map(Vec::len),
        Some(1),
        "{answer}"
    );
    assert_eq!(code(answer), "ANSWER_TOO_LARGE", "{answer}");
}

on_every_engine! {
    async fn error_of_a_nullable_field_is_that_field_s_alone(test: TestDatabase) {
        let toy = Toy::serve(test).await;
        let answer = toy.everywhere("{ fails item { number fails } }").await;
        assert_eq!(answer["data"], json!({ "fails": null, "item": { "number": 1, "fails": null } }));
        assert_eq!(answer["errors"][0]["path"], json!(["fails"]));
        assert_eq!(answer["errors"][1]["path"], json!(["item", "fails"]));
        let answer = toy.everywhere("{ item { items(count: 2) { number fails } } }").await;
        let item = json!({ "number": 1, "fails": null });
        assert_eq!(answer["data"], json!({ "item": { "items": [item, item] } }));
        assert_eq!(answer["errors"][1]["path"], json!(["item", "items", 1, "fails"]));
        // An error in a field that cannot be null nulls the parent.
        let answer = toy.everywhere("{ item { items(count: 1) { failsWholly } number } }").await;
        assert_eq!(answer["data"], json!({ "item": { "items": [null], "number": 1 } }));
        assert_eq!(answer["errors"][0]["path"], json!(["item", "items", 0, "failsWholly"]));
        for events in [
            toy.streamed("subscription { items { number fails } }").await,
            toy.on_a_socket("subscription { items { number fails } }").await,
        ] {
            assert_eq!(events.len(), 2);
            for event in events {
                assert_eq!(event["data"], json!({ "items": item }));
                assert_eq!(event["errors"].as_array().map(Vec::len), Some(1), "{event}");
                assert_eq!(event["errors"][0]["path"], json!(["items", "fails"]));
            }
        }
    }

    /// Errors of the database are masked there too.
    async fn error_of_a_nullable_field_is_masked(test: TestDatabase) {
        let toy = Toy::serve(test).await;
        let answer = toy.run("{ item { number failsInTheDatabase } }").await;
        assert_eq!(answer["data"], json!({ "item": { "number": 1, "failsInTheDatabase": null } }));
        assert_eq!(code(&answer), "INTERNAL");
        assert!(!answer.to_string().contains("a_secret"), "{answer}");
    }

    async fn error_of_a_nullable_field_rolls_a_mutation_back(test: TestDatabase) {
        let toy = Toy::serve(test).await;
        for query in ["mutation { add { fails } }", "mutation { add { number failsInTheDatabase } }"] {
            let answer = toy.run(query).await;
            assert_eq!(answer["data"], Value::Null, "{answer}");
            assert_eq!(answer["errors"].as_array().map(Vec::len), Some(1), "{answer}");
            assert_eq!(toy.streamed(query).await.len(), 1);
            assert_eq!(toy.on_a_socket(query).await.len(), 1);
            let batch = json!([{ "query": query }, { "query": query }]);
            toy.request(&batch).send().await.unwrap();
            toy.request(&batch).header("x-batch", "all-or-nothing").send().await.unwrap();
        }
        assert_eq!(toy.notes().await, 0);
    }

    /// An answer with errors must not be stored.
    async fn error_of_a_nullable_field_is_not_kept_under_a_key(test: TestDatabase) {
        let toy = Toy::serve(test).await;
        let run = async |query: &str| {
            let request = toy.request(&json!({ "query": query }));
            let answer = request.header("idempotency-key", "\"one\"").send().await.unwrap();
            answer.json::<Value>().await.unwrap()
        };
        for query in ["mutation { add { fails } }", "mutation { add { text(bytes: 30000) } }"] {
            assert_eq!(run(query).await["data"], Value::Null);
        }
        assert_eq!(toy.notes().await, 0);
        assert_eq!(run("mutation { add { number } }").await["data"], json!({ "add": { "number": 1 } }));
        assert_eq!(toy.notes().await, 1);
    }

    async fn answer_that_is_too_large_is_refused(test: TestDatabase) {
        let toy = Toy::serve(test).await;
        let fits = MOST - r#"{"item":{"text":""}}"#.len();
        let fitting = format!("{{ item {{ text(bytes: {fits}) }} }}");
        assert!(toy.everywhere(&fitting).await.get("errors").is_none());
        let exceeding = format!("{{ item {{ text(bytes: {}) }} }}", fits + 1);
        assert_too_large(&toy.everywhere(&exceeding).await);
        toy.resolved();
        let query = "{ item { items(count: 2000) { text(bytes: 1000) number } } }";
        assert_too_large(&toy.run(query).await);
        // Only as much was made as fits.
        let resolved = toy.resolved();
        assert!(resolved < 40, "{resolved}");
        for events in [
            toy.streamed("subscription { items { text(bytes: 30000) } }").await,
            toy.on_a_socket("subscription { items { text(bytes: 30000) } }").await,
        ] {
            assert_eq!(events.len(), 2);
            events.iter().for_each(assert_too_large);
        }
        // Each event may have all of the bytes.
        let query = "subscription { items { text(bytes: 15000) } }";
        assert!(toy.streamed(query).await.iter().all(|event| event.get("errors").is_none()));
    }

    async fn mutation_with_an_answer_that_is_too_large_is_rolled_back(test: TestDatabase) {
        let toy = Toy::serve(test).await;
        let query = "mutation { add { text(bytes: 30000) } }";
        assert_too_large(&toy.everywhere(query).await);
        let two = "mutation { a: add { text(bytes: 15000) } b: add { text(bytes: 15000) } }";
        assert_too_large(&toy.everywhere(two).await);
        assert_eq!(toy.notes().await, 0);
        toy.run("mutation { add { text(bytes: 15000) } }").await;
        assert_eq!(toy.notes().await, 1);
    }

    async fn answers_of_a_batch_have_one_bound(test: TestDatabase) {
        let toy = Toy::serve(test).await;
        let add = json!({ "query": "mutation { add { text(bytes: 9000) } }" });
        let batch = json!([add, add, add, { "query": "mutation { add { number } }" }]);
        let send = async |header: &str| {
            let answer = toy.request(&batch).header("x-batch", header).send().await.unwrap();
            assert!(answer.content_length().unwrap() < MOST as u64 + 1000);
            answer.json::<Vec<Value>>().await.unwrap()
        };
        let answers = send("each").await;
        assert_eq!(answers.iter().map(|answer| code(answer).clone()).collect::<Vec<_>>(), [
            Value::Null, Value::Null, json!("ANSWER_TOO_LARGE"), Value::Null,
        ]);
        assert_eq!(toy.notes().await, 3);
        let answers = send("all-or-nothing").await;
        assert_eq!(code(&answers[2]), "ANSWER_TOO_LARGE", "{answers:?}");
        assert!(answers.iter().all(|answer| answer["data"].is_null()), "{answers:?}");
        assert_eq!(toy.notes().await, 3);
    }

    /// The deadline holds even if no field waits for anything.
    async fn long_answer_hears_its_deadline(test: TestDatabase) {
        let toy = Toy::serve(test).await;
        // Ten seconds of work.
        for query in [
            "{ item { items(count: 5000) { works(microseconds: 2000) } } }",
            "{ item { items(count: 20) { items(count: 20) { items(count: 20) { works(microseconds: 2000) } } } } }",
        ] {
            let began = Instant::now();
            let request = toy.request(&json!({ "query": query })).header("x-timeout", "200ms");
            let answer: Value = request.send().await.unwrap().json().await.unwrap();
            assert_eq!(code(&answer), "DEADLINE_EXCEEDED", "{answer}");
            let elapsed = began.elapsed();
            assert!(elapsed < Duration::from_secs(4), "{elapsed:?}");
        }
    }

    /// More of them than there are threads, and yet another client is answered meanwhile.
    async fn long_answers_let_others_have_their_turn(test: TestDatabase) {
        let toy = Toy::serve(test).await;
        let query = "{ item { items(count: 4000) { works(microseconds: 1000) } } }";
        let mut long = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let request = toy.request(&json!({ "query": query }));
            long.spawn(async move { request.send().await.unwrap().text().await.unwrap() });
        }
        let mut answered = 0;
        while answered < 20 {
            assert!(toy.run("{ item { number } }").await.get("errors").is_none());
            answered += 1;
        }
        assert_eq!(long.len(), 3);
        assert!(long.try_join_next().is_none(), "the long answers are there already");
    }

    /// Daybook's own answers too: what the schema says of itself, and an entry with many lines, as an answer and as an event.
    async fn ledger_s_answers_have_a_bound(test: TestDatabase) {
        let url = test.url().to_owned();
        let ledger = Ledger::serve_bounded(test, &url, DatabaseOptions::default(), 3_000).await;
        ledger.open("cash", "EUR", "DEBIT", "NONE").await;
        ledger.open("alice", "EUR", "CREDIT", "NONE").await;
        let error = ledger.error("{ __schema { types { name description } } }", json!({})).await;
        assert_eq!(error["extensions"]["code"], "ANSWER_TOO_LARGE");
        let lines = vec![line("cash", "alice", 1, "EUR"); 50];
        let input = json!({ "input": { "lines": lines } });
        // It is posted; only the answer is too large.
        let error = ledger.error(POST, input.clone()).await;
        assert_eq!(error["extensions"]["code"], "ANSWER_TOO_LARGE");
        assert_eq!((ledger.count("entry").await, ledger.balance("alice").await), (0, 0));
        let feed = "subscription { entryPosted { entry { lines { id amount { amount decimal currency } } } } }";
        let mut feed = ledger.subscribe(feed, json!({})).await;
        feed.settled().await;
        ledger.data("mutation ($input: PostEntryInput!) { postEntry(input: $input) { entry { id } } }", input).await;
        // An event that cannot be shown is not skipped.
        let event = feed.event().await;
        assert_eq!(code(&event), "FEED_INTERRUPTED", "{event}");
        assert!(event["data"].is_null(), "{event}");
        assert_eq!(feed.message().await["type"], "complete");
    }
}
