//! Looks at the outbox that are dropped half way, as the job drops one that takes too long.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use async_graphql::{Request, Response, Variables};
use daybook::{
    config::DatabaseUrl,
    database,
    graphql::{self, Feed, FeedOptions, Watcher},
    ledger::Clock,
};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use futures_util::{Stream, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::timeout;
use unit_of_work::{DatabaseOptions, UnitOfWorkExtension};

use super::{FEED, event};
use crate::graphql::server::Ledger;

const PATIENCE: Duration = Duration::from_secs(20);

/// At least as many waits as a look has.
const WAITS: usize = 16;

/// Polls a future at most so many times. `None` if it is not over then: it is dropped.
async fn polled<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// Looks until both subscribers have their next event, and answers the entries' ids.
async fn next_of_both(
    watcher: &mut Watcher,
    (one, other): (
        &mut (impl Stream<Item = Response> + Unpin),
        &mut (impl Stream<Item = Response> + Unpin),
    ),
) -> (String, String) {
    let looking = async {
        loop {
            watcher.look().await.unwrap();
        }
    };
    let heard = timeout(PATIENCE, async { tokio::join!(one.next(), other.next()) });
    let heard = tokio::select! {
        heard = heard => heard.expect("an event comes"),
        never = looking => never,
    };
    let id = |response: Option<Response>| {
        let response = serde_json::to_value(response.unwrap()).unwrap();
        event(&response).1
    };
    (id(heard.0), id(heard.1))
}

on_every_engine! {
    /// A look that is dropped at any of its waits takes no event with it.
    async fn a_look_that_is_dropped_takes_no_event_with_it(test: TestDatabase) {
        let (url, engine) = (DatabaseUrl::parse(test.url()).unwrap(), test.engine());
        let ledger = Ledger::with_accounts(test).await;
        let database = database::connect(&url, DatabaseOptions::default()).await.unwrap();
        let (feed, mut watcher) = Feed::new(database.clone(), FeedOptions::default());
        let schema = graphql::schema(Clock::system())
            .data(feed)
            .extension(UnitOfWorkExtension::new(database))
            .finish();
        let subscribe = |variables: Value| {
            schema.execute_stream(Request::new(FEED).variables(Variables::from_json(variables)))
        };
        let mut all = pin!(subscribe(json!({ "after": "0" })));
        // While somebody chooses accounts, a look reads them for its events.
        let of_alice = json!({ "after": "0", "accounts": [{ "code": "alice" }] });
        let mut of_alice = pin!(subscribe(of_alice));
        let post = async || ledger.post("cash", "alice", 1).await["entry"]["id"].as_str().unwrap().to_owned();

        let first = post().await;
        let heard = next_of_both(&mut watcher, (&mut all, &mut of_alice)).await;
        assert_eq!(heard, (first.clone(), first));
        let mut dropped = 0;
        for waits in 1..=WAITS {
            let posted = [post().await, post().await];
            if polled(watcher.look(), waits).await.is_none() {
                dropped += 1;
            }
            // If the dropped look had taken the first ones along, the third would come in their place.
            let third = post().await;
            for expected in [&posted[0], &posted[1], &third] {
                let heard = next_of_both(&mut watcher, (&mut all, &mut of_alice)).await;
                assert_eq!(heard, (expected.clone(), expected.clone()), "after {waits} waits");
            }
        }
        // How many waits a look has depends on how fast the database answers. PostgreSQL is always waited for; SQLite may have answered before.
        assert!(dropped > 0 || engine == Engine::Sqlite, "no look was dropped");
    }
}
