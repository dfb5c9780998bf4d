//! Servers that are killed, frozen, stopped, started again, and beside each other.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::DateTime;
use daybook_test_harness::{Engine, TestDatabase, eventually, on_every_engine};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::Notify};

use super::receiver::{Message, Receiver, Reply};
use super::{Client, FLAGS, PATIENCE};
use crate::{graphql::process::Process, http::binary::Running};

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
        // Without the lease given back, the time of the next attempt would not be what is waited for.
        let observer = test.observer().await;
        let is_free = "SELECT COUNT(*) FROM webhook WHERE failed_attempts = 1 AND lease_ms IS NULL";
        eventually("it is recorded", async || observer.i64(is_free).await == 1).await;
        let at = client.state().await["nextAttemptAt"].clone();
        // An hour, by up to a fifth more or less.
        let time = |value: &Value| DateTime::parse_from_rfc3339(value.as_str().unwrap()).unwrap();
        let wait = time(&at) - time(&client.state().await["lastFailureAt"]);
        assert!((48..=72).contains(&wait.num_minutes()), "{wait}");
        let kept = format!("SELECT COUNT(*) FROM webhook WHERE failed_attempts = 1 AND lease = {}",
            observer.i64("SELECT lease FROM webhook").await);
        // Another webhook is told of later events, before the restart and after it, so that this one would have been tried.
        let mut other = Receiver::start(&[]).await;
        client.hook(&other.url(), &json!({})).await;
        let mut told_of = async |server: &Process, amount| {
            Client::of(server).post("a", "b", amount).await;
            other.next().await;
            // The turn has ended: the next event is told only after another look at all webhooks.
            let is_done = "SELECT COUNT(*) FROM webhook WHERE lease_ms IS NULL AND position = (SELECT MAX(seq) FROM outbox)";
            eventually("it is recorded", async || observer.i64(is_done).await == 1).await;
        };
        for amount in 2..=5 {
            told_of(&server, amount).await;
        }
        assert!(receiver.is_empty());
        server.kill();
        let server = Process::start_with(test.url(), &flags);
        let client = Client::of(&server);
        for amount in 6..=9 {
            told_of(&server, amount).await;
        }
        assert!(receiver.is_empty());
        // No server has so much as taken it.
        assert_eq!(observer.i64(&kept).await, 1);
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

    /// A server stands still while two endpoints are in its hands, and another one goes on with both. When the first wakes up, one has
    /// answered and one has not: it records neither, so no position goes anywhere, nothing counts as failed and nothing is passed over.
    async fn a_server_that_was_thought_dead_records_nothing(test: TestDatabase) {
        let answer = Arc::new(Notify::new());
        let mut receivers = [Receiver::start(&[Reply::When(Arc::clone(&answer))]).await, Receiver::start(&[Reply::Never]).await];
        // Whatever the first records as failed would be a dead letter. The second has more time, on a machine however busy.
        let flags = ["--webhook-allow-private", "--webhook-allow-http", "--webhook-attempts", "1", "--webhook-timeout", "3s"];
        let patient = [&flags[..5], &["20s"]].concat();
        let fixed = ["--listen", "127.0.0.1:0", "--database", test.url()];
        let mut first = Running::start(&[&fixed[..], &flags[..]].concat());
        let client = Client::at(first.base());
        client.open(&["a", "b"]).await;
        for receiver in &receivers {
            client.hook(&receiver.url(), &json!({})).await;
        }
        let mut posted = vec![client.post("a", "b", 1).await];
        let before = [receivers[0].next().await, receivers[1].next().await];
        freeze(&first, &test).await;
        answer.notify_one();
        let second = Process::start_with(test.url(), &patient);
        let client = Client::of(&second);
        for amount in 2..=3 {
            posted.push(client.post("a", "b", amount).await);
        }
        for (receiver, before) in receivers.iter_mut().zip(&before) {
            let told = receiver.many(3).await;
            assert_eq!(told[0].id, before.id);
            assert_eq!(told.iter().map(Message::entry).collect::<Vec<_>>(), posted);
        }
        let observer = test.observer().await;
        let is_right = "SELECT COUNT(*) FROM webhook WHERE lease_ms IS NULL AND position = (SELECT MAX(seq) FROM outbox)
            AND failed_attempts = 0 AND last_failure_at IS NULL AND next_attempt_at IS NULL";
        eventually("the second has recorded it", async || observer.i64(is_right).await == 2).await;
        first.signal("CONT");
        for _ in 0..2 {
            first.logged("an attempt is not recorded").await;
        }
        assert_eq!(observer.i64(is_right).await, 2);
        assert_eq!(observer.i64("SELECT COUNT(*) FROM webhook_dead_letter").await, 0);
        // It runs again, and what is posted through it is told by either, once.
        let last = Client::at(first.base()).post("a", "b", 4).await;
        for receiver in &mut receivers {
            assert_eq!(receiver.next().await.entry(), last);
        }
        eventually("it is recorded", async || observer.i64(is_right).await == 2).await;
        assert!(receivers.iter().all(Receiver::is_empty));
    }

    /// A server that stops waits for the answer, records it and gives the endpoint back, and sends nothing more: another one goes on at
    /// once, and nothing comes twice.
    async fn a_server_that_stops_waits_for_the_answer(test: TestDatabase) {
        let answer = Arc::new(Notify::new());
        let mut receiver = Receiver::start(&[Reply::When(Arc::clone(&answer))]).await;
        // Longer than this test has patience for a takeover.
        let flags = ["--webhook-allow-private", "--webhook-allow-http", "--webhook-timeout", "1m"];
        let fixed = ["--listen", "127.0.0.1:0", "--database", test.url()];
        let server = Running::start(&[&fixed[..], &flags[..]].concat());
        let client = Client::at(server.base());
        client.open(&["a", "b"]).await;
        client.hook(&receiver.url(), &json!({})).await;
        let posted = [client.post("a", "b", 1).await, client.post("a", "b", 2).await];
        let first = receiver.next().await;
        assert_eq!(first.entry(), posted[0]);
        let address = server.base().trim_start_matches("http://").to_owned();
        server.signal("TERM");
        // All that requests had to wait for is over.
        eventually("it does not listen any more", async || TcpStream::connect(&address).await.is_err()).await;
        answer.notify_one();
        let (code, said) = tokio::task::spawn_blocking(move || server.ended()).await.unwrap();
        assert_eq!(code, Some(0), "{said}");
        let observer = test.observer().await;
        let at = format!("SELECT COUNT(*) FROM webhook WHERE lease_ms IS NULL AND position = {}", first.cursor());
        assert_eq!(observer.i64(&at).await, 1, "{said}");
        assert!(receiver.is_empty());
        let _server = Process::start_with(test.url(), &flags);
        assert_eq!(receiver.next().await.entry(), posted[1]);
    }

    /// What does not answer keeps no server from stopping.
    async fn a_server_that_stops_does_not_wait_for_ever(test: TestDatabase) {
        let mut receiver = Receiver::start(&[Reply::Never]).await;
        let flags = ["--webhook-allow-private", "--webhook-allow-http", "--webhook-timeout", "1m", "--drain", "500ms"];
        let fixed = ["--listen", "127.0.0.1:0", "--database", test.url()];
        let server = Running::start(&[&fixed[..], &flags[..]].concat());
        let client = Client::at(server.base());
        client.open(&["a", "b"]).await;
        client.hook(&receiver.url(), &json!({})).await;
        client.post("a", "b", 1).await;
        receiver.next().await;
        server.signal("TERM");
        let ended = tokio::task::spawn_blocking(move || server.ended());
        let (code, said) = tokio::time::timeout(PATIENCE, ended).await.expect("it ends").unwrap();
        assert_eq!(code, Some(0));
        assert!(said.contains("a webhook was not answered in time"), "{said}");
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

/// Stops a server where it has no transaction open: others would wait for that, and not for the server.
async fn freeze(server: &Running, test: &TestDatabase) {
    let observer = test.observer().await;
    observer.lock_timeout(Duration::from_millis(100)).await;
    loop {
        server.signal("STOP");
        let is_free = match test.engine() {
            Engine::MariaDb => test.open_transactions().await == 0,
            Engine::Sqlite => observer.try_execute("BEGIN IMMEDIATE").await.is_ok(),
            Engine::Postgres => {
                let busy = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'";
                observer.i64(busy).await == 0
            }
        };
        if is_free {
            if test.engine() == Engine::Sqlite {
                observer.execute("ROLLBACK").await;
            }
            return;
        }
        server.signal("CONT");
    }
}

/// The database takes so long to read an event that another server has taken the endpoint by then: the first sends nothing. Only on
/// PostgreSQL, since readers of SQLite wait for nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_lease_was_taken_does_not_send() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    let mut receiver = Receiver::start(&[]).await;
    let flags: Vec<_> = FLAGS.into_iter().chain(["--log", "info"]).collect();
    let fixed = ["--listen", "127.0.0.1:0", "--database", proxy.url()];
    let mut first = Running::start(&[&fixed[..], &flags[..]].concat());
    let client = Client::at(first.base());
    client.open(&["a", "b"]).await;
    client.hook(&receiver.url(), &json!({})).await;
    // The server has settled what was there.
    client.post("a", "b", 1).await;
    receiver.next().await;
    let observer = test.observer().await;
    let is_free = "SELECT COUNT(*) FROM webhook WHERE lease_ms IS NULL AND position = (SELECT MAX(seq) FROM outbox)";
    eventually("it is recorded", async || observer.i64(is_free).await == 1).await;
    let read = proxy.hold(|sql| sql.contains("FROM \"entry\" WHERE \"entry\".\"id\" IN"));
    let posted = client.post("a", "b", 2).await;
    read.reached().await;
    let _second = Process::start_with(test.url(), &FLAGS);
    assert_eq!(receiver.next().await.entry(), posted);
    eventually("it is recorded", async || observer.i64(is_free).await == 1).await;
    read.release();
    first
        .logged("another server has taken the webhook over")
        .await;
    assert_eq!(observer.i64(is_free).await, 1);
    assert!(receiver.is_empty());
}
