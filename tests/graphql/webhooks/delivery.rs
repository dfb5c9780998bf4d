//! What arrives, in which order, and what becomes of what does not.

use daybook_test_harness::{TestDatabase, eventually, on_every_engine};
use serde_json::{Value, json};

use super::receiver::{Message, Receiver, Reply};
use super::{Client, FLAGS, UPDATE};
use crate::graphql::process::Process;

const REDELIVER: &str = "mutation ($input: RedeliverWebhookEventsInput!) { redeliverWebhookEvents(input: $input) { webhook { id } } }";

on_every_engine! {
    /// All kinds, in the order of the feed, each once, with the fields that GraphQL has, and the position moves with them.
    async fn events_arrive_once_in_the_order_of_the_feed(test: TestDatabase) {
        let mut receiver = Receiver::start(&[]).await;
        let server = Process::start_with(test.url(), &FLAGS);
        let client = Client::of(&server);
        client.open(&["a", "b"]).await;
        client.post("a", "b", 1).await;
        let events = json!({ "events": ["ENTRY_CHANGED", "ENTRY_POSTED", "ACCOUNT_CHANGED"], "after": "0" });
        let (id, secret) = client.hook(&receiver.url(), &events).await;
        let first = client.post("a", "b", 2).await;
        let add = format!("mutation {{ annotateEntry(input: {{ entry: {{ id: \"{first}\" }}, metadata: {{ k: 1 }} }}) {{ entry {{ id }} }} }}");
        client.data(&add, json!({})).await;
        let name = "mutation { updateAccount(input: { account: { code: \"a\" }, name: \"A\" }) { account { id } } }";
        client.data(name, json!({})).await;
        for amount in 3..6 {
            client.post("b", "a", amount).await;
        }

        let messages = receiver.many(9).await;
        let kinds: Vec<_> = messages.iter().map(|it| it.json()["type"].as_str().unwrap().to_owned()).collect();
        let (account, entry) = ("account.changed", "entry.posted");
        assert_eq!(kinds, [account, account, entry, entry, "entry.changed", account, entry, entry, entry]);
        let observer = test.observer().await;
        let seqs = observer.texts("SELECT CAST(seq AS text) FROM outbox ORDER BY seq").await;
        let told: Vec<_> = messages.iter().map(|it| Some(it.cursor().to_string())).collect();
        assert_eq!(told, seqs);
        for message in &messages {
            assert!(message.is_signed_with(&secret), "{message:?}");
            assert!(message.json()["timestamp"].is_string(), "{message:?}");
        }
        // The same fields as a query has.
        let fields = "id reference kind description metadata effectiveAt recordedAt recordedBy resolves { id } reverses { id } leavesRest lines { id effect
            amount { amount currency decimal } debit { id code } credit { id code } debitBalanceAfter { amount currency decimal }
            creditBalanceAfter { amount currency decimal } }";
        let last = &messages[8].json()["data"]["entry"];
        let query = format!("{{ entry(by: {{ id: {} }}) {{ {fields} }} }}", last["id"]);
        assert_eq!(client.data(&query, json!({})).await["entry"], *last);
        // Only what takes of another entry may leave a rest.
        for at in [2, 3, 6, 7, 8] {
            let entry = &messages[at].json()["data"]["entry"];
            let takes = entry["resolves"].is_object() || entry["reverses"].is_object();
            assert_eq!(entry["leavesRest"], if takes { json!(false) } else { json!(null) }, "{entry}");
        }
        assert_eq!(messages[4].json()["data"]["change"]["after"], json!({ "k": 1 }));
        assert_eq!(messages[5].json()["data"]["change"]["before"]["name"], "n");

        let newest = messages[8].cursor();
        eventually("it is recorded, and the lease given back", async || {
            observer.i64("SELECT COUNT(*) FROM webhook WHERE lease_ms IS NULL AND failed_attempts = 0 AND position = (SELECT MAX(seq) FROM outbox)").await == 1
        }).await;
        let state = client.state().await;
        assert_eq!((&state["id"], &state["cursor"], &state["status"]), (&json!(id), &json!(newest.to_string()), &json!("ACTIVE")));
        assert!(state["lastSuccessAt"].is_string() && state["lastFailureAt"].is_null(), "{state}");
        assert!(receiver.is_empty());
    }

    /// From now on, of these accounts: whatever else happens is not told, and a choice can be changed.
    async fn only_what_is_chosen_is_told(test: TestDatabase) {
        let mut receiver = Receiver::start(&[]).await;
        let server = Process::start_with(test.url(), &FLAGS);
        let client = Client::of(&server);
        client.open(&["a", "b", "c"]).await;
        // It would be chosen, and was committed before.
        client.post("a", "c", 1).await;
        let (id, _) = client.hook(&receiver.url(), &json!({ "accounts": [{ "code": "c" }] })).await;
        client.post("a", "b", 2).await;
        let third = client.post("a", "c", 3).await;
        assert_eq!(receiver.next().await.entry(), third);
        // A choice counts from the position on, which is not that of this event before it is recorded.
        let observer = test.observer().await;
        let is_done = "SELECT COUNT(*) FROM webhook WHERE lease_ms IS NULL AND position = (SELECT MAX(seq) FROM outbox)";
        eventually("it is recorded", async || observer.i64(is_done).await == 1).await;
        let choice = json!({ "webhook": id, "accounts": [{ "code": "b" }], "events": ["ENTRY_POSTED", "ACCOUNT_CHANGED"] });
        let changed = client.data(UPDATE, json!({ "input": choice })).await["updateWebhook"]["webhook"].take();
        assert_eq!((&changed["accounts"], &changed["events"]), (&json!([{ "code": "b" }]), &json!(["ENTRY_POSTED", "ACCOUNT_CHANGED"])));
        client.post("a", "c", 4).await;
        let rename = |code: &str| format!("mutation {{ updateAccount(input: {{ account: {{ code: \"{code}\" }}, name: \"x\" }}) {{ account {{ id }} }} }}");
        client.data(&rename("a"), json!({})).await;
        client.data(&rename("b"), json!({})).await;
        let fifth = client.post("b", "c", 5).await;
        assert_eq!(receiver.next().await.json()["data"]["change"]["account"]["code"], "b");
        assert_eq!(receiver.next().await.entry(), fifth);
        eventually("it is recorded", async || observer.i64(is_done).await == 1).await;
        client.data(UPDATE, json!({ "input": { "webhook": id, "accounts": [] } })).await;
        let sixth = client.post("a", "c", 6).await;
        assert_eq!(receiver.next().await.entry(), sixth);
    }

    /// An error, no answer, and an answer that leads elsewhere: the same message comes again, and the next one waits.
    async fn an_event_is_tried_again_and_the_next_one_waits(test: TestDatabase) {
        let elsewhere = Receiver::start(&[]).await;
        let replies = [Reply::Status(500), Reply::Never, Reply::Redirect(elsewhere.url()), Reply::Status(404)];
        let mut receiver = Receiver::start(&replies).await;
        let server = Process::start_with(test.url(), &FLAGS);
        let client = Client::of(&server);
        client.open(&["a", "b"]).await;
        let (_, secret) = client.hook(&receiver.url(), &json!({})).await;
        let (first, second) = (client.post("a", "b", 1).await, client.post("a", "b", 2).await);
        let messages = receiver.many(6).await;
        for message in &messages[..5] {
            assert_eq!((&message.id, &message.body, message.entry()), (&messages[0].id, &messages[0].body, first.clone()));
            assert!(message.is_signed_with(&secret));
        }
        assert_eq!(messages[5].entry(), second);
        assert_ne!(messages[5].id, messages[0].id);
        assert!(elsewhere.is_empty(), "it followed");
        eventually("the last is recorded", async || client.state().await["cursor"] == json!(messages[5].cursor().to_string())).await;
        let state = client.state().await;
        assert_eq!((&state["failedAttempts"], &state["nextAttemptAt"]), (&json!(0), &Value::Null));
        assert_eq!(state["lastFailure"], "it answers 404 Not Found");
    }

    /// What the receiver says beside its status does not matter, and takes no longer than the time that it has.
    async fn an_answer_without_an_end_holds_nothing_up(test: TestDatabase) {
        let mut receiver = Receiver::start(&[Reply::Endless, Reply::Unfinished]).await;
        let server = Process::start_with(test.url(), &FLAGS);
        let client = Client::of(&server);
        client.open(&["a", "b"]).await;
        client.hook(&receiver.url(), &json!({})).await;
        let mut posted = Vec::new();
        for amount in 1..=3 {
            posted.push(client.post("a", "b", amount).await);
        }
        let told: Vec<_> = receiver.many(3).await.iter().map(Message::entry).collect();
        assert_eq!(told, posted);
        let observer = test.observer().await;
        let is_done = "SELECT COUNT(*) FROM webhook WHERE lease_ms IS NULL AND position = (SELECT MAX(seq) FROM outbox)";
        eventually("all is recorded", async || observer.i64(is_done).await == 1).await;
        // The status had arrived: neither is a failure.
        assert_eq!(client.state().await["lastFailureAt"], Value::Null);
    }

    async fn what_cannot_be_delivered_is_a_dead_letter_and_can_be_sent_again(test: TestDatabase) {
        let mut receiver = Receiver::start(&[Reply::Status(500), Reply::Status(503)]).await;
        let flags: Vec<_> = FLAGS.into_iter().chain(["--webhook-attempts", "2"]).collect();
        let server = Process::start_with(test.url(), &flags);
        let client = Client::of(&server);
        client.open(&["a", "b"]).await;
        let (id, secret) = client.hook(&receiver.url(), &json!({})).await;
        let (first, second) = (client.post("a", "b", 1).await, client.post("a", "b", 2).await);
        let messages = receiver.many(3).await;
        let entries: Vec<_> = messages.iter().map(Message::entry).collect();
        assert_eq!(entries, [first.clone(), first.clone(), second]);
        let cursor = messages[0].cursor().to_string();
        let letter = client.state().await;
        assert_eq!(letter["deadLetterCount"], 1);
        let letter = &letter["deadLetters"][0];
        assert_eq!((&letter["cursor"], &letter["attempts"], &letter["reason"]), (&json!(cursor), &json!(2), &json!("it answers 503 Service Unavailable")));

        // Nothing but a dead letter is sent again.
        let other = messages[2].cursor().to_string();
        let redeliver = |cursors: Value| json!({ "input": { "webhook": id, "cursors": cursors } });
        for cursors in [json!([cursor, other]), json!([]), json!(["-1"])] {
            let (code, field, _) = client.refused(REDELIVER, redeliver(cursors)).await;
            assert_eq!((code.as_str(), field.as_str()), ("BAD_USER_INPUT", "cursors"));
        }
        // Once more, each time that it is asked for: first in vain.
        receiver.reply(&[Reply::Status(500)]);
        client.data(REDELIVER, redeliver(json!([cursor]))).await;
        let again = receiver.next().await;
        assert_eq!((&again.id, &again.body), (&messages[0].id, &messages[0].body));
        let observer = test.observer().await;
        eventually("it is on the list still", async || {
            observer.i64("SELECT COUNT(*) FROM webhook_dead_letter WHERE attempts = 3 AND is_requested = 0").await == 1
        }).await;
        client.data(REDELIVER, redeliver(json!([cursor]))).await;
        let again = receiver.next().await;
        assert!(again.is_signed_with(&secret) && again.id == messages[0].id);
        eventually("it has left the list", async || observer.i64("SELECT COUNT(*) FROM webhook_dead_letter").await == 0).await;
        assert_eq!(client.state().await["cursor"], other);

        let metrics = reqwest::get(format!("http://{}/metrics", server.address)).await.unwrap().text().await.unwrap();
        for (outcome, count) in [("DELIVERED", 2), ("FAILED", 1), ("EXHAUSTED", 2)] {
            let line = format!("daybook_webhook_attempts_total{{outcome=\"{outcome}\"}} {count}");
            assert!(metrics.contains(&line), "{line}: {metrics}");
        }
    }

    /// A server that sends to one webhook at a time, and one that always takes long: the other has its turn all the same.
    async fn a_slow_endpoint_leaves_others_their_turn(test: TestDatabase) {
        const EVENTS: usize = 40;
        let (mut slow, mut other) = (Receiver::start(&vec![Reply::Unfinished; EVENTS]).await, Receiver::start(&[]).await);
        let flags: Vec<_> = FLAGS.into_iter().chain(["--max-webhook-deliveries", "1"]).collect();
        let server = Process::start_with(test.url(), &flags);
        let client = Client::of(&server);
        client.open(&["a", "b"]).await;
        let (id, _) = client.hook(&slow.url(), &json!({})).await;
        client.paused(&id, true).await;
        for _ in 0..EVENTS {
            client.post("a", "b", 1).await;
        }
        client.paused(&id, false).await;
        slow.next().await;
        let url = other.url();
        client.hook(&url, &json!({})).await;
        let posted = client.post("a", "b", 2).await;
        assert_eq!(other.next().await.entry(), posted);
        let mut told = 1;
        while !slow.is_empty() {
            slow.next().await;
            told += 1;
        }
        assert!(told < EVENTS, "{told}");
    }

    /// Nothing comes out of order where that is asked for, and an endpoint that is gone is left alone.
    async fn a_webhook_can_stop_and_go_on(test: TestDatabase) {
        let mut receiver = Receiver::start(&[Reply::Status(500), Reply::Status(500)]).await;
        let flags: Vec<_> = FLAGS.into_iter().chain(["--webhook-attempts", "2"]).collect();
        let server = Process::start_with(test.url(), &flags);
        let client = Client::of(&server);
        client.open(&["a", "b"]).await;
        let (id, _) = client.hook(&receiver.url(), &json!({ "whenExhausted": "STOP" })).await;
        let first = client.post("a", "b", 1).await;
        let second = client.post("a", "b", 2).await;
        receiver.many(2).await;
        eventually("it stops", async || client.state().await["status"] == "STOPPED").await;
        let state = client.state().await;
        assert_eq!((&state["failedAttempts"], &state["deadLetterCount"]), (&json!(2), &json!(0)));
        assert!(receiver.is_empty());
        receiver.reply(&[Reply::Status(200), Reply::Status(410)]);
        assert_eq!(client.paused(&id, false).await["status"], "ACTIVE");
        let entries: Vec<_> = receiver.many(2).await.iter().map(Message::entry).collect();
        assert_eq!(entries, [first, second.clone()]);
        eventually("it stops again", async || client.state().await["status"] == "STOPPED").await;
        assert_eq!(client.state().await["lastFailure"], "it answers 410 Gone");
        client.paused(&id, false).await;
        assert_eq!(receiver.next().await.entry(), second);
    }

    /// Another webhook is told meanwhile, so the paused one would have been.
    async fn nothing_is_sent_while_it_is_paused_and_nothing_is_lost(test: TestDatabase) {
        let (mut paused, mut other) = (Receiver::start(&[]).await, Receiver::start(&[]).await);
        let server = Process::start_with(test.url(), &FLAGS);
        let client = Client::of(&server);
        client.open(&["a", "b"]).await;
        let (id, _) = client.hook(&paused.url(), &json!({})).await;
        client.hook(&other.url(), &json!({})).await;
        assert_eq!(client.paused(&id, true).await["status"], "PAUSED");
        let (observer, mut posted) = (test.observer().await, Vec::new());
        for amount in 1..=5 {
            posted.push(client.post("a", "b", amount).await);
            other.next().await;
            // The turn has ended: the next event is told only after another look at all webhooks.
            let is_done = "SELECT COUNT(*) FROM webhook WHERE lease_ms IS NULL AND position = (SELECT MAX(seq) FROM outbox)";
            eventually("it is recorded", async || observer.i64(is_done).await >= 1).await;
        }
        assert!(paused.is_empty());
        client.paused(&id, false).await;
        let told: Vec<_> = paused.many(5).await.iter().map(Message::entry).collect();
        assert_eq!(told, posted);
    }
}
