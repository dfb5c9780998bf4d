//! Servers that are killed while others write and listen.

use std::{sync::Arc, time::Duration};

use daybook_test_harness::{Engine, TestDatabase, eventually, on_every_engine};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::RwLock;

use super::{FEED, event};
use crate::graphql::process::Process;
use crate::graphql::server::{POST, Subscription, line};

on_every_engine! {
    /// Six write, three listen, and the two servers are killed in turns, in the middle of whatever they do, and started again. Each writer sends an
    /// entry with its own key until it is answered. Each listener goes on from its last cursor at the other server. All hear
    /// every entry once, in the same order, which is that of each account's versions.
    async fn every_entry_once_through_killed_servers(test: TestDatabase) {
        const WRITERS: usize = 6;
        const ENTRIES: usize = 30;
        const ALL: usize = WRITERS * ENTRIES;
        let url = test.url().to_owned();
        let mut servers = [Process::start(&url), Process::start(&url)];
        let addresses = Arc::new(RwLock::new(servers.iter().map(|server| server.address.clone()).collect::<Vec<_>>()));
        let client = reqwest::Client::new();
        let observer = test.observer().await;
        for code in ["a", "b", "c"] {
            let open = format!("mutation {{ openAccount(input: {{ code: \"{code}\", name: \"n\", currency: \"EUR\", normalSide: DEBIT }}) {{ account {{ id }} }} }}");
            let sent = client.post(format!("http://{}/graphql", servers[0].address)).json(&json!({ "query": open })).send().await.unwrap();
            assert!(sent.status().is_success());
        }

        let writers = (0..WRITERS).map(|writer| {
            let (addresses, client) = (Arc::clone(&addresses), client.clone());
            tokio::spawn(async move {
                for number in 0..ENTRIES {
                    let codes = ["a", "b", "c"];
                    let (debit, credit) = (codes[(writer + number) % 3], codes[(writer + number + 1 + number % 2) % 3]);
                    let body = json!({ "query": POST, "variables": { "input": { "lines": [line(debit, credit, 1, "EUR")] } } });
                    for attempt in 0.. {
                        assert!(attempt < 3000, "no server answers");
                        let address = addresses.read().await[(writer + attempt) % 2].clone();
                        let request = client.post(format!("http://{address}/graphql")).timeout(Duration::from_secs(10));
                        let sent = request.header("idempotency-key", format!("{writer}-{number}")).json(&body).send().await;
                        if let Ok(response) = sent
                            && let Ok(answer) = response.json::<Value>().await
                            && answer["data"]["postEntry"].is_object()
                        {
                            break;
                        }
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
            })
        });
        let listeners = (0..3).map(|listener| {
            let addresses = Arc::clone(&addresses);
            tokio::spawn(async move {
                let mut heard: Vec<(i64, String)> = Vec::new();
                for attempt in 0.. {
                    assert!(attempt < 3000, "no server answers");
                    let address = addresses.read().await[(listener + attempt) % 2].clone();
                    let after = heard.last().map_or(0, |(cursor, _)| *cursor).to_string();
                    let Some(mut feed) = Subscription::open(&address, FEED, json!({ "after": after })).await else {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        continue;
                    };
                    while heard.len() < ALL {
                        let Some(payload) = feed.try_event().await else { break };
                        heard.push(event(&payload));
                    }
                    if heard.len() == ALL {
                        break;
                    }
                }
                heard
            })
        });
        let (writers, listeners): (Vec<_>, Vec<_>) = (writers.collect(), listeners.collect());

        for (turn, threshold) in [20, 60, 100, 140].into_iter().enumerate() {
            eventually("more is posted", async || observer.i64("SELECT COUNT(*) FROM outbox").await >= threshold).await;
            servers[turn % 2].kill();
            servers[turn % 2] = Process::start(&url);
            addresses.write().await[turn % 2] = servers[turn % 2].address.clone();
        }
        for writer in join_all(writers).await {
            writer.unwrap();
        }
        let heard: Vec<_> = join_all(listeners).await.into_iter().map(Result::unwrap).collect();

        let hex = match test.engine() {
            Engine::Sqlite | Engine::MariaDb => "lower(hex(entry_id))",
            Engine::Postgres => "replace(entry_id::text, '-', '')",
        };
        let posted = observer.texts(&format!("SELECT {hex} FROM outbox WHERE entry_id IS NOT NULL ORDER BY seq")).await;
        assert_eq!(posted.len(), ALL);
        for heard in &heard {
            let ids: Vec<_> = heard.iter().map(|(_, id)| {
                let id: daybook::ledger::Id = id.parse().unwrap();
                let daybook::ledger::Id::Entry(id) = id else { panic!("{id}") };
                Some(id.simple().to_string())
            }).collect();
            assert_eq!(ids, posted);
        }
        let backwards = "SELECT COUNT(*) FROM (
            SELECT version - LAG(version) OVER (PARTITION BY account_id ORDER BY seq) AS step FROM (
                SELECT seq, debit_account_id AS account_id, debit_version AS version FROM entry_line JOIN outbox ON outbox.entry_id = entry_line.entry_id
                UNION ALL
                SELECT seq, credit_account_id, credit_version FROM entry_line JOIN outbox ON outbox.entry_id = entry_line.entry_id
            ) AS touched
        ) AS steps WHERE step <> 1";
        assert_eq!(observer.i64(backwards).await, 0);
    }
}
