//! Servers that are killed, started again, and beside each other.

use std::collections::BTreeSet;

use daybook_test_harness::{TestDatabase, eventually, on_every_engine};
use futures_util::future::join_all;
use serde_json::json;

use super::receiver::{Message, Receiver, Reply};
use super::{Client, FLAGS};
use crate::graphql::process::Process;

/// As [`FLAGS`], with more time to answer than it takes to kill a server.
const PATIENT: [&str; 4] = [
    "--webhook-allow-private",
    "--webhook-allow-http",
    "--webhook-timeout",
    "5s",
];

on_every_engine! {
    /// The endpoint has got the event, and the server that sent it dies before it knows. It comes again, and the next one after it.
    async fn what_was_sent_and_not_recorded_is_sent_again(test: TestDatabase) {
        let mut receiver = Receiver::start(&[Reply::Status(200), Reply::Never]).await;
        let mut server = Process::start_with(test.url(), &PATIENT);
        let client = Client::of(&server);
        client.open(&["a", "b"]).await;
        client.hook(&receiver.url(), &json!({})).await;
        let mut posted = Vec::new();
        for amount in 1..=3 {
            posted.push(client.post("a", "b", amount).await);
        }
        let before = receiver.many(2).await;
        server.kill();
        let server = Process::start_with(test.url(), &FLAGS);
        let after = receiver.many(2).await;
        assert_eq!((&after[0].id, &after[0].body), (&before[1].id, &before[1].body));
        let told: Vec<_> = before.iter().chain(&after[1..]).map(Message::entry).collect();
        assert_eq!(told, posted);
        let client = Client::of(&server);
        eventually("all is recorded", async || client.state().await["cursor"] == json!(after[1].cursor().to_string())).await;
        assert_eq!(client.state().await["deadLetterCount"], 0);
    }

    /// The time of the next attempt is in the database: a server that starts does not make it sooner.
    async fn the_next_attempt_survives_a_restart(test: TestDatabase) {
        let mut receiver = Receiver::start(&[Reply::Status(500)]).await;
        let flags = ["--webhook-allow-private", "--webhook-allow-http", "--webhook-first-wait", "1h"];
        let mut server = Process::start_with(test.url(), &flags);
        let client = Client::of(&server);
        client.open(&["a", "b"]).await;
        let (id, _) = client.hook(&receiver.url(), &json!({})).await;
        client.post("a", "b", 1).await;
        let first = receiver.next().await;
        eventually("it is recorded", async || client.state().await["failedAttempts"] == 1).await;
        let at = client.state().await["nextAttemptAt"].clone();
        server.kill();
        let server = Process::start_with(test.url(), &flags);
        let client = Client::of(&server);
        // Another webhook is told of a later event, so that this one would have been tried.
        let mut other = Receiver::start(&[]).await;
        client.hook(&other.url(), &json!({})).await;
        client.post("a", "b", 2).await;
        other.next().await;
        assert!(receiver.is_empty());
        assert_eq!(client.state().await["nextAttemptAt"], at);
        // Who does not want to wait need not.
        client.paused(&id, false).await;
        assert_eq!(receiver.next().await.id, first.id);
    }

    /// Both look, one has the endpoint at a time: nothing comes twice, and all is in order.
    async fn two_servers_tell_each_event_once(test: TestDatabase) {
        const ENTRIES: i64 = 40;
        let mut receivers = [Receiver::start(&[]).await, Receiver::start(&[]).await];
        let servers = [Process::start_with(test.url(), &FLAGS), Process::start_with(test.url(), &FLAGS)];
        let clients = [Client::of(&servers[0]), Client::of(&servers[1])];
        clients[0].open(&["a", "b"]).await;
        for (client, receiver) in clients.iter().zip(&receivers) {
            client.hook(&receiver.url(), &json!({})).await;
        }
        let posted = (0..ENTRIES).map(|number| clients[usize::try_from(number % 2).unwrap()].post("a", "b", number + 1));
        let posted: BTreeSet<_> = join_all(posted).await.into_iter().collect();
        for receiver in &mut receivers {
            let messages = receiver.many(posted.len()).await;
            assert!(messages.is_sorted_by(|one, two| one.cursor() < two.cursor()));
            assert_eq!(messages.iter().map(Message::entry).collect::<BTreeSet<_>>(), posted);
        }
        let observer = test.observer().await;
        eventually("all is recorded", async || {
            observer.i64("SELECT COUNT(*) FROM webhook WHERE lease_ms IS NULL AND position = (SELECT MAX(seq) FROM outbox)").await == 2
        }).await;
        assert!(receivers.iter().all(Receiver::is_empty));
    }

    /// One server dies with the endpoint in its hands, and the other takes over.
    async fn another_server_takes_over_from_one_that_has_died(test: TestDatabase) {
        let mut receiver = Receiver::start(&[Reply::Never]).await;
        let mut first = Process::start_with(test.url(), &PATIENT);
        let client = Client::of(&first);
        client.open(&["a", "b"]).await;
        client.hook(&receiver.url(), &json!({})).await;
        let posted = client.post("a", "b", 1).await;
        let before = receiver.next().await;
        let second = Process::start_with(test.url(), &FLAGS);
        first.kill();
        let after = receiver.next().await;
        assert_eq!((&after.id, after.entry()), (&before.id, posted));
        let client = Client::of(&second);
        eventually("it is recorded", async || client.state().await["cursor"] == json!(after.cursor().to_string())).await;
    }
}
