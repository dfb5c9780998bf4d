//! What cannot be read at all is not tried for ever.

use daybook_test_harness::{Engine, TestDatabase, eventually, on_every_engine};
use serde_json::{Value, json};

use super::receiver::Receiver;
use super::{Client, FLAGS};
use crate::graphql::process::Process;

const REASON: &str = "the event cannot be read";

on_every_engine! {
    /// It becomes a dead letter like what cannot be delivered, and the next event is told.
    async fn an_event_that_cannot_be_read_is_a_dead_letter(test: TestDatabase) {
        let mut receiver = Receiver::start(&[]).await;
        let flags: Vec<_> = FLAGS.into_iter().chain(["--webhook-attempts", "2"]).collect();
        let server = Process::start_with(test.url(), &flags);
        let client = Client::of(&server);
        client.open(&["a", "b"]).await;
        let (id, _) = client.hook(&receiver.url(), &json!({})).await;
        client.paused(&id, true).await;
        client.post("a", "b", 1).await;
        let second = client.post("a", "b", 2).await;
        let observer = test.observer().await;
        let lift: &[&str] = match test.engine() {
            Engine::MariaDb => &["DROP TRIGGER entry_refuse_DELETE", "SET foreign_key_checks = 0"],
            Engine::Sqlite => &["DROP TRIGGER entry_refuse_DELETE", "PRAGMA foreign_keys = OFF"],
            Engine::Postgres => &["SET session_replication_role = replica"],
        };
        for sql in lift {
            observer.execute(sql).await;
        }
        if test.engine() == Engine::MariaDb {
            let unnumbered = "SELECT COUNT(*) FROM outbox_unnumbered";
            eventually("events have numbers", async || observer.i64(unnumbered).await == 0).await;
        }
        let first = "(SELECT entry_id FROM outbox WHERE seq = (SELECT MIN(seq) FROM outbox WHERE revision IS NULL))";
        assert_eq!(observer.execute(&format!("DELETE FROM entry WHERE id = {first}")).await, 1);
        client.paused(&id, false).await;
        assert_eq!(receiver.next().await.entry(), second);
        let state = client.state().await;
        let letter = &state["deadLetters"][0];
        assert_eq!((&state["deadLetterCount"], &letter["attempts"]), (&json!(1), &json!(2)), "{state}");
        assert!(letter["reason"].as_str().unwrap().starts_with(REASON), "{state}");
        assert_ne!(state["lastFailureAt"], Value::Null);
    }
}
