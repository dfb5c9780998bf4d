//! Where a server sends, and where it does not, whatever somebody has asked it to.

use daybook_test_harness::{TestDatabase, eventually, on_every_engine};
use serde_json::json;

use super::receiver::Receiver;
use super::{CREATE, Client, FLAGS};
use crate::graphql::process::Process;

on_every_engine! {
    async fn private_addresses_and_plain_http_are_refused_unless_they_are_allowed(test: TestDatabase) {
        let receiver = Receiver::start(&[]).await;
        let private = format!("https://127.0.0.1:{}/", receiver.port);
        for (flags, url, is_allowed) in [
            (&[][..], receiver.url(), false),
            (&[], private.clone(), false),
            (&["--webhook-allow-http"], receiver.url(), false),
            (&["--webhook-allow-private"], receiver.url(), false),
            (&["--webhook-allow-private"], private, true),
            (&["--webhook-allow-private", "--webhook-allow-http"], receiver.url(), true),
        ] {
            let server = Process::start_with(test.url(), flags);
            let input = json!({ "input": { "url": url, "events": ["ENTRY_POSTED"] } });
            let (code, field, _) = Client::of(&server).refused(CREATE, input).await;
            let expected = if is_allowed { ("", "") } else { ("BAD_USER_INPUT", "url") };
            assert_eq!((code.as_str(), field.as_str()), expected, "{flags:?} {url}");
        }
    }

    /// A name that looks like one of the Internet, and that the system's resolver resolves to this machine: the port is open, and nobody
    /// connects to it. With private addresses allowed, the same name is reached.
    async fn what_a_name_resolves_to_is_looked_at_when_it_is_connected_to(test: TestDatabase) {
        let mut receiver = Receiver::start(&[]).await;
        let url = format!("http://2130706433:{}/hook", receiver.port);
        let strict = ["--webhook-allow-http", "--webhook-first-wait", "50ms"];
        let mut server = Process::start_with(test.url(), &strict);
        let client = Client::of(&server);
        client.open(&["a", "b"]).await;
        let (id, _) = client.hook(&url, &json!({})).await;
        let posted = client.post("a", "b", 1).await;
        eventually("it is tried", async || client.state().await["failedAttempts"].as_i64() >= Some(2)).await;
        let failure = client.state().await["lastFailure"].as_str().unwrap().to_owned();
        assert!(failure.contains("not public"), "{failure}");
        assert!(receiver.is_empty());
        server.kill();
        let server = Process::start_with(test.url(), &FLAGS);
        Client::of(&server).paused(&id, false).await;
        assert_eq!(receiver.next().await.entry(), posted);
    }

    /// A server with stricter settings than the one that took the URL sends nothing there. An address in a URL is not resolved, so the URL
    /// itself has to be looked at.
    async fn the_settings_of_the_server_that_sends_count(test: TestDatabase) {
        let mut receiver = Receiver::start(&[]).await;
        let mut server = Process::start_with(test.url(), &FLAGS);
        let client = Client::of(&server);
        client.open(&["a", "b"]).await;
        client.hook(&receiver.url(), &json!({})).await;
        client.post("a", "b", 1).await;
        receiver.next().await;
        eventually("it is recorded", async || client.state().await["lastSuccessAt"].is_string()).await;
        server.kill();
        let server = Process::start_with(test.url(), &["--webhook-allow-http", "--webhook-first-wait", "50ms"]);
        let client = Client::of(&server);
        client.post("a", "b", 2).await;
        eventually("it is tried", async || client.state().await["failedAttempts"].as_i64() >= Some(2)).await;
        assert!(receiver.is_empty());
    }
}
