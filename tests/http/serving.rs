//! The real binary while it serves: it keeps its limits, counts, sweeps, and loses nothing when it is stopped.

use daybook_test_harness::{TestDatabase, eventually, on_every_engine};
use serde_json::{Value as Json, json};

use super::binary::Running;

/// The ledger's own accounts, and an entry that moves a cent to the second.
const ACCOUNTS: &str = r#"mutation {
  a: openAccount(input: { code: "a", name: "A", currency: "EUR", normalSide: DEBIT }) { account { id } }
  b: openAccount(input: { code: "b", name: "B", currency: "EUR", normalSide: CREDIT }) { account { id } }
}"#;
const POST: &str = r#"mutation { postEntry(input: { lines: [
  { debit: { code: "a" }, credit: { code: "b" }, amount: "1", currency: "EUR" }
] }) { entry { id } } }"#;

async fn post(client: &reqwest::Client, base: &str, query: &str) -> reqwest::Result<Json> {
    let body = json!({ "query": query });
    let response = client
        .post(format!("{base}/graphql"))
        .json(&body)
        .send()
        .await?;
    response.json().await
}

/// Each of them, on the ledger's schema: a page that nobody has named a length of counts as long as it is.
#[tokio::test]
async fn the_limits_of_the_command_line_hold() {
    let limits = [
        ("--max-tokens", "1000"),
        ("--max-depth", "4"),
        ("--max-root-fields", "21"),
        ("--max-aliases", "22"),
        ("--max-directives", "1"),
        ("--max-complexity", "61"),
        ("--max-batch", "2"),
        ("--max-body", "9999"),
    ];
    let mut args = vec!["--listen", "127.0.0.1:0"];
    args.extend(limits.iter().flat_map(|&(flag, value)| [flag, value]));
    let server = Running::start(&args);
    let client = reqwest::Client::new();
    let ask = async |query: &str| post(&client, server.base(), query).await.unwrap();

    let many = |one: &dyn Fn(usize) -> String, count| (0..count).map(one).collect::<String>();
    let open = |n| {
        format!(
            r#"a{n}: openAccount(input: {{ code: "{n}", name: "A", currency: "EUR", normalSide: DEBIT }}) {{ __typename }} "#
        )
    };
    let opened = ask(&format!("mutation {{ {} }}", many(&open, 21))).await;
    assert_eq!(opened.get("errors"), None, "{opened}");
    let page = ask("{ accounts { edges { node { id } } } }").await;
    let edges = page["data"]["accounts"]["edges"].as_array();
    assert_eq!(edges.map(Vec::len), Some(20), "{page}");

    let code = |_| "code ".to_owned();
    let alias = |n| format!("c{n}: code ");
    for (query, limit, max, value) in [
        (
            format!("{{ currencies {{ {} }} }}", many(&code, 1000)),
            "tokens",
            1000,
            1005,
        ),
        (
            "{ accounts(first: 1) { edges { node { balances { version } } } } }".to_owned(),
            "depth",
            4,
            5,
        ),
        (
            format!("{{ {} }}", "__typename ".repeat(22)),
            "rootFields",
            21,
            22,
        ),
        (
            format!("{{ currencies {{ {} }} }}", many(&alias, 23)),
            "aliases",
            22,
            23,
        ),
        (
            "{ currencies @include(if: true) { code @skip(if: false) } }".to_owned(),
            "directives",
            1,
            2,
        ),
        (
            "{ accounts { edges { node { id code } } } }".to_owned(),
            "complexity",
            61,
            81,
        ),
    ] {
        let extensions = &ask(&query).await["errors"][0]["extensions"];
        let expected = json!({ "code": "GRAPHQL_VALIDATION_FAILED", "limit": limit, "max": max, "value": value });
        assert_eq!(extensions, &expected, "{query}");
    }

    let send = async |body: &Json| {
        let request = client.post(format!("{}/graphql", server.base())).json(body);
        request.send().await.unwrap().status()
    };
    let query = json!({ "query": "{ __typename }" });
    assert_eq!(send(&json!([query, query])).await, 200);
    assert_eq!(send(&json!([query, query, query])).await, 400);
    let with = |filler: usize| json!({ "query": "{ __typename }", "x": "x".repeat(filler) });
    assert_eq!(send(&with(9900)).await, 200);
    assert_eq!(send(&with(9999)).await, 413);
}

#[tokio::test]
async fn what_is_counted_is_told_to_prometheus() {
    let server = Running::start(&["--listen", "127.0.0.1:0"]);
    let client = reqwest::Client::new();
    let body = json!({ "query": ACCOUNTS, "extensions": { "idempotencyKey": "once" } });
    for _ in 0..2 {
        let request = client
            .post(format!("{}/graphql", server.base()))
            .json(&body);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    let metrics = reqwest::get(format!("{}/metrics", server.base()))
        .await
        .unwrap();
    assert!(
        metrics.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    let text = metrics.text().await.unwrap();
    for line in [
        "unit_of_work_replayed_total 1",
        "graphql_operations_in_flight 0",
        "graphql_sockets_open 0",
        "graphql_slots_taken{class=\"cheap\"} 0",
        "graphql_slots_taken{class=\"heavy\"} 0",
        "graphql_heavy_operations_waiting 0",
    ] {
        assert!(
            text.lines().any(|said| said == line),
            "{line} is not in:\n{text}"
        );
    }
    assert!(text.contains("unit_of_work_held_seconds_bucket"), "{text}");

    let without = Running::start(&["--listen", "127.0.0.1:0", "--no-metrics"]);
    let metrics = reqwest::get(format!("{}/metrics", without.base()))
        .await
        .unwrap();
    assert_eq!(metrics.status(), 404);
}

on_every_engine! {
    async fn operations_beyond_what_may_run_at_once_are_told_so(test: TestDatabase) {
        let server = Running::start(&[
            "--listen", "127.0.0.1:0", "--database", test.url(), "--max-operations", "2",
        ]);
        let (client, base) = (reqwest::Client::new(), server.base().to_owned());
        post(&client, &base, ACCOUNTS).await.unwrap();
        let observer = test.observer().await;
        observer.hold_writers("entry").await;
        let waiting = [(); 2].map(|()| {
            let (client, base) = (client.clone(), base.clone());
            tokio::spawn(async move { post(&client, &base, POST).await.unwrap() })
        });
        eventually("two operations are under way", async || {
            let metrics = client.get(format!("{base}/metrics")).send().await.unwrap();
            let text = metrics.text().await.unwrap();
            text.lines().any(|line| line == "graphql_operations_in_flight 2")
        })
        .await;
        let refused = post(&client, &base, "{ __typename }").await.unwrap();
        let extensions = &refused["errors"][0]["extensions"];
        assert_eq!(extensions["code"], "OVERLOADED", "{refused}");
        observer.execute("COMMIT").await;
        for answer in waiting {
            let answer = answer.await.unwrap();
            assert_eq!(answer.get("errors"), None, "{answer}");
        }
        let answer = post(&client, &base, "{ __typename }").await.unwrap();
        assert_eq!(answer.get("errors"), None, "{answer}");
    }

    async fn subscriptions_beyond_the_limit_are_told_so(test: TestDatabase) {
        let server = Running::start(&[
            "--listen", "127.0.0.1:0", "--database", test.url(), "--max-subscriptions", "1",
        ]);
        let (client, base) = (reqwest::Client::new(), server.base().to_owned());
        let subscribe = || {
            let request = client.post(format!("{base}/graphql")).header("accept", "text/event-stream");
            request.json(&json!({ "query": "subscription { entryPosted { cursor } }" })).send()
        };
        let open = async |count: u32| {
            let metrics = client.get(format!("{base}/metrics")).send().await.unwrap();
            metrics.text().await.unwrap().lines().any(|line| line == format!("graphql_subscriptions_open {count}"))
        };
        let first = subscribe().await.unwrap();
        eventually("the first is open", async || open(1).await).await;
        let refused = subscribe().await.unwrap().text().await.unwrap();
        let refused = refused.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        let refused: Json = serde_json::from_str(refused).unwrap();
        let extensions = &refused["errors"][0]["extensions"];
        assert_eq!(extensions["code"], "TOO_MANY_SUBSCRIPTIONS", "{refused}");
        assert_eq!((&extensions["limit"], &extensions["max"], &extensions["value"]), (&json!("subscriptions"), &json!(1), &json!(2)));
        drop(first);
        eventually("the first has gone", async || open(0).await).await;
        let _second = subscribe().await.unwrap();
        eventually("the second is open", async || open(1).await).await;
    }

    /// Clients that post all the while a server is asked to stop: what it answered is there, and what is there it answered.
    async fn a_drain_under_load_loses_no_committed_response(test: TestDatabase) {
        let server = Running::start(&["--listen", "127.0.0.1:0", "--database", test.url(), "--log", "warn"]);
        let client = reqwest::Client::new();
        post(&client, server.base(), ACCOUNTS).await.unwrap();
        let posting = (0..8).map(|_| {
            let (client, base) = (client.clone(), server.base().to_owned());
            tokio::spawn(async move {
                let mut answered = 0;
                // Bounded, and ended by the server that goes.
                while answered < 10_000 && let Ok(response) = post(&client, &base, POST).await {
                    assert_eq!(response.get("errors"), None, "{response}");
                    answered += 1;
                }
                answered
            })
        });
        let posting: Vec<_> = posting.collect();
        let observer = test.observer().await;
        eventually("the load is on", async || observer.i64("SELECT COUNT(*) FROM entry").await > 20).await;
        server.signal("TERM");
        let (code, said) = tokio::task::spawn_blocking(|| server.ended()).await.unwrap();
        assert_eq!(code, Some(0), "{said}");
        let mut answered: i64 = 0;
        for client in posting {
            answered += i64::from(client.await.unwrap());
        }
        assert_eq!(observer.i64("SELECT COUNT(*) FROM entry").await, answered);
    }
}

on_every_engine! {
    /// What has expired is deleted while the server serves, and nothing else.
    async fn expired_idempotency_keys_are_swept(test: TestDatabase) {
        let url = daybook::config::DatabaseUrl::parse(test.url()).unwrap();
        daybook::database::migrate(&url).await.unwrap();
        let observer = test.observer().await;
        observer.execute(
            "INSERT INTO unit_of_work_idempotency (viewer, idempotency_key, fingerprint, expires_at) \
             VALUES ('', 'old', '', 1), ('', 'new', '', 9000000000000000000)",
        ).await;
        let server = Running::start(&["--listen", "127.0.0.1:0", "--database", test.url()]);
        eventually("the expired key is gone", async || {
            // On PostgreSQL a row without a key says how far the sweep went.
            observer.texts("SELECT idempotency_key FROM unit_of_work_idempotency WHERE idempotency_key <> ''").await == [Some("new".to_owned())]
        }).await;
        server.signal("TERM");
        let (code, said) = tokio::task::spawn_blocking(|| server.ended()).await.unwrap();
        assert_eq!(code, Some(0), "{said}");
    }
}

#[tokio::test]
async fn a_log_filter_names_modules_or_spans() {
    for (filter, answered) in [
        ("error,daybook::http=debug", &["/healthz", "/readyz"][..]),
        ("error,[request{path=/readyz}]=debug", &["/readyz"]),
        ("error,unit_of_work=debug", &[]),
    ] {
        let server = Running::start(&["--listen", "127.0.0.1:0", "--log", filter]);
        for path in ["/healthz", "/readyz"] {
            let answer = reqwest::get(format!("{}{path}", server.base()))
                .await
                .unwrap();
            assert_eq!(answer.status(), 200);
        }
        server.signal("TERM");
        let (_, said) = tokio::task::spawn_blocking(|| server.ended())
            .await
            .unwrap();
        let lines: Vec<&str> = said
            .lines()
            .filter(|line| line.contains("answered"))
            .collect();
        assert_eq!(lines.len(), answered.len(), "{filter}: {said}");
        for (line, path) in lines.iter().zip(answered) {
            assert!(line.contains(path), "{filter}: {line}");
        }
    }
}
