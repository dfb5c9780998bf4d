//! Secrets: shown once, in no log, and replaced without a gap.

use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use serde_json::{Value, json};

use super::receiver::{Receiver, Reply};
use super::{Client, FLAGS, STATE};
use crate::exchange::command::{daybook, export, stderr};
use crate::graphql::process::Process;
use crate::http::binary::Running;

const ROTATE: &str = "mutation ($input: RotateWebhookSecretInput!) { rotateWebhookSecret(input: $input) { webhook { previousSecretUntil } secret } }";

async fn rotated(client: &Client, id: &str, hours: i32) -> (String, Value) {
    let input = json!({ "input": { "webhook": id, "keepPreviousHours": hours } });
    let data = client.data(ROTATE, input).await;
    let rotated = &data["rotateWebhookSecret"];
    let secret = rotated["secret"].as_str().unwrap().to_owned();
    (secret, rotated["webhook"]["previousSecretUntil"].clone())
}

on_every_engine! {
    /// With both secrets for a while, or with the new one alone at once. One from before both is forgotten.
    async fn a_secret_is_replaced_without_a_gap(test: TestDatabase) {
        let mut receiver = Receiver::start(&[]).await;
        let server = Process::start_with(test.url(), &FLAGS);
        let client = Client::of(&server);
        client.open(&["a", "b"]).await;
        let (id, first) = client.hook(&receiver.url(), &json!({})).await;
        let (second, until) = rotated(&client, &id, 1).await;
        assert!(until.is_string());
        client.post("a", "b", 1).await;
        let message = receiver.next().await;
        assert!(message.is_signed_with(&first) && message.is_signed_with(&second), "{message:?}");
        let (third, _) = rotated(&client, &id, 1).await;
        client.post("a", "b", 2).await;
        let message = receiver.next().await;
        let signed = [&first, &second, &third].map(|secret| message.is_signed_with(secret));
        assert_eq!(signed, [false, true, true]);
        // The time of the one before is over.
        let past = match test.engine() {
            Engine::Sqlite => "'2020-01-01T00:00:00+00:00'",
            Engine::Postgres => "timestamptz '2020-01-01T00:00:00Z'",
            Engine::MariaDb => "'2020-01-01'",
        };
        test.observer().await.execute(&format!("UPDATE webhook SET previous_secret_until = {past}")).await;
        client.post("a", "b", 3).await;
        let message = receiver.next().await;
        assert_eq!([&second, &third].map(|secret| message.is_signed_with(secret)), [false, true]);
        let (fourth, until) = rotated(&client, &id, 0).await;
        assert_eq!(until, Value::Null);
        client.post("a", "b", 4).await;
        let message = receiver.next().await;
        assert_eq!([&third, &fourth].map(|secret| message.is_signed_with(secret)), [false, true]);
        assert_eq!(test.observer().await.optional_text("SELECT previous_secret FROM webhook").await, None);
    }

    /// Webhooks are no part of the books: no export has anything of them, and the books are sound beside them.
    async fn an_export_has_nothing_of_webhooks(test: TestDatabase) {
        let server = Process::start_with(test.url(), &[]);
        let client = Client::of(&server);
        client.open(&["a", "b"]).await;
        let (id, secret) = client.hook("https://app.example/hook", &json!({})).await;
        rotated(&client, &id, 1).await;
        client.post("a", "b", 1).await;
        for format in ["hledger", "ledger", "csv", "json"] {
            let text = export(test.url(), format);
            assert!(text.contains("EUR"), "{format}: {text}");
            for word in [secret.strip_prefix("whsec_").unwrap(), "whsec_", "app.example"] {
                assert!(!text.contains(word), "{format}: {text}");
            }
        }
        let output = daybook(&["verify", "--database", test.url()], "");
        assert!(output.status.success(), "{}", stderr(&output));
    }

    /// Whatever is asked for, and whatever is logged.
    async fn a_secret_is_shown_once_and_never_logged(test: TestDatabase) {
        let mut receiver = Receiver::start(&[Reply::Status(500)]).await;
        let log = ["--listen", "127.0.0.1:0", "--log", "trace", "--database", test.url()];
        let args: Vec<_> = log.into_iter().chain(FLAGS).collect();
        let mut server = Running::start(&args);
        let client = Client::at(server.base());
        client.open(&["a", "b"]).await;
        let (id, first) = client.hook(&receiver.url(), &json!({})).await;
        let (second, _) = rotated(&client, &id, 1).await;
        client.post("a", "b", 1).await;
        assert!(receiver.many(2).await.iter().all(|it| it.is_signed_with(&first) && it.is_signed_with(&second)));
        let answers = [
            client.run(STATE, json!({})).await,
            client.run("query ($id: ID!) { node(id: $id) { ... on Webhook { id url status } } }", json!({ "id": id })).await,
            client.paused(&id, true).await,
        ];
        server.logged("a webhook was not delivered").await;
        server.signal("TERM");
        let (code, said) = tokio::task::spawn_blocking(move || server.ended()).await.unwrap();
        assert_eq!(code, Some(0));
        assert!(said.contains("webhook"), "the log is not that of this server");
        let answers = answers.map(|answer| answer.to_string()).concat();
        for secret in [first, second] {
            let bare = secret.strip_prefix("whsec_").unwrap();
            assert!(!said.contains(bare) && !answers.contains(bare));
        }
    }
}
