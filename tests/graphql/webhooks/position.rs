//! Where a webhook begins, and what moves its position.

use std::sync::Arc;

use daybook_test_harness::{Engine, TestDatabase, eventually, on_every_engine};
use serde_json::json;
use tokio::sync::Notify;

use super::receiver::{Message, Receiver, Reply};
use super::{CREATE, Client, FLAGS, UPDATE};
use crate::graphql::process::Process;

/// An entry, and what is refused after it: on PostgreSQL its number is never seen.
const IN_VAIN: &str = "mutation { postEntry(input: { lines: [{ debit: { code: \"a\" }, credit: { code: \"b\" }, amount: 1, currency: \"EUR\" }] }) { entry { id } }
    openAccount(input: { code: \"a\", name: \"n\", currency: \"EUR\", normalSide: DEBIT }) { account { id } } }";

async fn begins_at(client: &Client, url: &str) -> i64 {
    let input = json!({ "input": { "url": url, "events": ["ENTRY_POSTED"] } });
    let data = client.data(CREATE, input).await;
    let cursor = &data["createWebhook"]["webhook"]["cursor"];
    cursor.as_str().unwrap().parse().unwrap()
}

on_every_engine! {
    /// Also where numbers are missing before, and where the server has only just started.
    async fn a_webhook_begins_after_what_was_committed(test: TestDatabase) {
        let mut all = Receiver::start(&[]).await;
        let mut server = Process::start_with(test.url(), &FLAGS);
        let mut client = Client::of(&server);
        client.open(&["a", "b"]).await;
        client.hook(&all.url(), &json!({})).await;
        let observer = test.observer().await;
        let newest = async || observer.i64("SELECT MAX(seq) FROM outbox").await;
        let mut others: Vec<Receiver> = Vec::new();
        for round in 0..3 {
            client.post("a", "b", 1).await;
            assert_eq!(client.refused(IN_VAIN, json!({})).await.0, "ACCOUNT_CODE_TAKEN");
            client.post("a", "b", 2).await;
            // All of it is settled.
            let last = all.many(2).await.pop().unwrap();
            assert_eq!(last.cursor(), newest().await);
            for other in &mut others {
                other.many(2).await;
            }
            if round == 2 {
                let is_done = "SELECT COUNT(*) FROM webhook WHERE lease_ms IS NULL AND position = (SELECT MAX(seq) FROM outbox)";
                eventually("all is recorded", async || observer.i64(is_done).await == 3).await;
                server.kill();
                server = Process::start_with(test.url(), &FLAGS);
                client = Client::of(&server);
            }
            let mut one = Receiver::start(&[]).await;
            assert_eq!(begins_at(&client, &one.url()).await, newest().await);
            let next = client.post("a", "b", 3).await;
            assert_eq!(one.next().await.entry(), next);
            for told in others.iter_mut().chain([&mut all]) {
                assert_eq!(told.next().await.entry(), next);
            }
            others.push(one);
        }
        if test.engine() == Engine::Postgres {
            assert!(observer.i64("SELECT COUNT(*) FROM outbox").await < newest().await, "no number is missing");
        }
        // From the beginning, if that is asked for.
        let one = Receiver::start(&[]).await;
        let (id, _) = client.hook(&one.url(), &json!({ "after": "0" })).await;
        assert_eq!(observer.i64("SELECT COUNT(*) FROM webhook WHERE position = 0").await, 1, "{id}");
    }

    /// Other events are chosen while one is under way. Between the last that was recorded and this one is another, which is chosen only
    /// now: it is told, and the one that was under way is told again.
    async fn a_choice_counts_from_the_position_on(test: TestDatabase) {
        let answer = Arc::new(Notify::new());
        let mut receiver = Receiver::start(&[Reply::When(Arc::clone(&answer))]).await;
        let flags = ["--webhook-allow-private", "--webhook-allow-http"];
        let server = Process::start_with(test.url(), &flags);
        let client = Client::of(&server);
        client.open(&["a", "b", "c"]).await;
        let (id, _) = client.hook(&receiver.url(), &json!({ "accounts": [{ "code": "c" }] })).await;
        client.paused(&id, true).await;
        let other = client.post("a", "b", 1).await;
        let chosen = client.post("a", "c", 2).await;
        client.paused(&id, false).await;
        let first = receiver.next().await;
        assert_eq!(first.entry(), chosen);
        client.data(UPDATE, json!({ "input": { "webhook": id, "accounts": [{ "code": "b" }, { "code": "c" }] } })).await;
        answer.notify_one();
        let told = receiver.many(2).await;
        assert_eq!(told.iter().map(Message::entry).collect::<Vec<_>>(), [other, chosen]);
        assert_eq!(told[1].id, first.id);
    }

    /// The database goes back to before an event that is under way, as after a failover, and gives its number to another: that one is not
    /// passed over.
    async fn the_number_of_an_event_that_was_lost_is_not_passed_over(test: TestDatabase) {
        let answer = Arc::new(Notify::new());
        let mut receiver = Receiver::start(&[Reply::Status(200), Reply::When(Arc::clone(&answer))]).await;
        let flags = ["--webhook-allow-private", "--webhook-allow-http", "--webhook-timeout", "20s"];
        let server = Process::start_with(test.url(), &flags);
        let client = Client::of(&server);
        client.open(&["a", "b"]).await;
        client.hook(&receiver.url(), &json!({})).await;
        client.post("a", "b", 1).await;
        receiver.next().await;
        let lost = client.post("a", "b", 2).await;
        let before = receiver.next().await;
        assert_eq!(before.entry(), lost);
        forget_after(&test, before.cursor() - 1).await;
        let after = client.post("a", "b", 3).await;
        answer.notify_one();
        let told = receiver.next().await;
        assert_eq!((told.entry(), told.cursor()), (after, before.cursor()));
        assert_ne!(told.id, before.id);
    }

    /// What was searched in vain before the database went back says nothing of what came then.
    async fn what_was_searched_before_a_loss_is_searched_again(test: TestDatabase) {
        let (mut chosen, mut all) = (Receiver::start(&[]).await, Receiver::start(&[]).await);
        let server = Process::start_with(test.url(), &FLAGS);
        let client = Client::of(&server);
        client.open(&["a", "b", "c"]).await;
        client.hook(&chosen.url(), &json!({ "accounts": [{ "code": "c" }] })).await;
        let (id, _) = client.hook(&all.url(), &json!({})).await;
        let first = client.post("a", "c", 1).await;
        assert_eq!(chosen.next().await.entry(), first);
        let kept = all.next().await.cursor();
        // Several, each found in a look of its own: by the last, the first were searched for both.
        for amount in 2..=6 {
            client.post("a", "b", amount).await;
            all.next().await;
        }
        let remove = "mutation ($input: DeleteWebhookInput!) { deleteWebhook(input: $input) { deletedId } }";
        client.data(remove, json!({ "input": { "webhook": id } })).await;
        forget_after(&test, kept).await;
        let next = client.post("a", "c", 7).await;
        let told = chosen.next().await;
        assert_eq!((told.entry(), told.cursor()), (next, kept + 1));
    }
}

/// Takes events away, as a failover to a standby does that lacks them. Their numbers are given again.
async fn forget_after(test: &TestDatabase, last: i64) {
    let observer = test.observer().await;
    let sql: &[&str] = match test.engine() {
        Engine::MariaDb => &[
            "DROP TRIGGER outbox_refuse_DELETE",
            "DELETE FROM outbox WHERE seq > {last}",
        ],
        Engine::Sqlite => &[
            "DROP TRIGGER outbox_refuse_DELETE",
            "DELETE FROM outbox WHERE seq > {last}",
        ],
        Engine::Postgres => &[
            "ALTER TABLE outbox DISABLE TRIGGER ALL",
            "DELETE FROM outbox WHERE seq > {last}",
            "ALTER SEQUENCE outbox_seq_seq RESTART WITH {next}",
        ],
    };
    for sql in sql {
        let sql = sql.replace("{last}", &last.to_string());
        let sql = sql.replace("{next}", &(last + 1).to_string());
        observer.execute(&sql).await;
    }
}

/// Whoever waits for a lock.
const WAITING: &str = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";

/// Two changes at once: the second builds on the first, so that what was searched for one is not taken for the other's. Only on
/// PostgreSQL, since SQLite has one writer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_changes_at_once_the_second_builds_on_the_first() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let server = Process::start_with(test.url(), &[]);
    let client = Client::of(&server);
    client.open(&["a", "b"]).await;
    let (id, _) = client.hook("https://app.example/", &json!({})).await;
    let (rival, observer) = (test.observer().await, test.observer().await);
    rival
        .execute("BEGIN; UPDATE webhook SET choice = choice + 1")
        .await;
    let change = json!({ "input": { "webhook": id, "events": ["ACCOUNT_CHANGED"] } });
    let change = tokio::spawn(async move { client.data(UPDATE, change).await });
    eventually("the change waits", async || {
        observer.i64(WAITING).await == 1
    })
    .await;
    rival.execute("COMMIT").await;
    change.await.unwrap();
    assert_eq!(observer.i64("SELECT choice FROM webhook").await, 3);
}

/// Two are created at once, and only one more is kept. Only on PostgreSQL, since SQLite has one writer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_at_once_one_is_the_last() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let server = Process::start_with(test.url(), &[]);
    let client = Client::of(&server);
    client.hook("https://app.example/", &json!({})).await;
    let (rival, observer) = (test.observer().await, test.observer().await);
    let columns = "url, events, choice, when_exhausted, status, secret, position, failed_attempts, lease, created_at";
    let more = |count: i64| {
        format!(
            "INSERT INTO webhook (id, {columns}) SELECT gen_random_uuid(), {columns} FROM (SELECT {columns} FROM webhook LIMIT 1) AS one,
             generate_series(1, {count})"
        )
    };
    rival.execute(&more(98)).await;
    rival.execute(&format!("BEGIN; {}", more(1))).await;
    let input = json!({ "input": { "url": "https://app.example/", "events": ["ENTRY_POSTED"] } });
    let create = tokio::spawn(async move { client.refused(CREATE, input).await });
    eventually("it waits", async || observer.i64(WAITING).await == 1).await;
    rival.execute("COMMIT").await;
    let (code, _, message) = create.await.unwrap();
    assert_eq!(code, "BAD_USER_INPUT", "{message}");
    assert_eq!(observer.i64("SELECT COUNT(*) FROM webhook").await, 100);
}
