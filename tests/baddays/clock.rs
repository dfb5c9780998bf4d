//! The machine's clock is set, back and forward, while the server runs. What lasts (deadlines, time-outs, jobs) goes by a clock that nobody
//! can set; what is an instant (a token's `exp`, `recordedAt`) by the machine's.
//!
//! `libfaketime` stands before the binary and sets its clock; the tests' own clock stays.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use daybook_test_harness::{TestDatabase, eventually, on_every_engine};
use ring::hmac;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::server::{POST, Server};

const HOUR: TimeDelta = TimeDelta::hours(1);

/// What a machine's clock says, as far as the server knows.
struct Machine {
    folder: TempDir,
    library: PathBuf,
}

impl Machine {
    /// Its clock is right.
    fn new() -> Self {
        let library = fs::read_dir("/usr/lib").unwrap().flatten();
        let library = library.map(|entry| entry.path().join("faketime/libfaketime.so.1"));
        let library = library
            .chain(["/usr/lib/faketime/libfaketime.so.1".into()])
            .find(|path| path.exists());
        let machine = Self {
            folder: TempDir::with_prefix("daybook-clock.").unwrap(),
            library: library.expect("libfaketime (Debian's package of that name) is needed"),
        };
        machine.set(TimeDelta::zero());
        machine
    }

    /// Sets the clock to so much more than the truth.
    fn set(&self, ahead: TimeDelta) {
        let new = self.folder.path().join("new");
        fs::write(&new, format!("{:+}", ahead.num_seconds())).unwrap();
        fs::rename(new, self.folder.path().join("clock")).unwrap();
    }

    fn serve(&self, url: &str, more: &[&str]) -> Server {
        let shell = format!(
            "export FAKETIME_TIMESTAMP_FILE={}/clock FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1 LD_PRELOAD={}",
            self.folder.path().display(),
            self.library.display(),
        );
        Server::start_in(&shell, url, more)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the tests' own clock is the truth"
)]
fn truth() -> DateTime<Utc> {
    Utc::now()
}

/// Posts an entry: when it was recorded.
async fn recorded(server: &Server) -> DateTime<Utc> {
    let line = json!({ "debit": { "code": "cash" }, "credit": { "code": "alice" }, "amount": "10", "currency": "EUR" });
    let answer = server
        .send(POST, json!({ "input": { "lines": [line] } }))
        .await
        .unwrap();
    let at = answer["data"]["postEntry"]["entry"]["recordedAt"].as_str();
    at.unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
}

on_every_engine! {
    async fn recorded_at_never_runs_backwards(test: TestDatabase) {
        let machine = Machine::new();
        let server = machine.serve(test.url(), &[]);
        server.open_accounts().await;
        let mut last = recorded(&server).await;
        for (ahead, is_told) in [(TimeDelta::zero(), true), (-HOUR, false), (HOUR, true), (TimeDelta::zero(), false), (-HOUR, false), (HOUR * 2, true)] {
            machine.set(ahead);
            for _ in 0..2 {
                let now = recorded(&server).await;
                assert!(now >= last, "{now} is before {last}");
                // Where the machine's clock is ahead of all that was recorded, it is believed.
                let off = (now - truth() - ahead).abs();
                assert_eq!(off < TimeDelta::minutes(5), is_told, "{ahead}: {off}");
                last = now;
            }
        }
        // So does a server that begins with the clock set back.
        drop(server);
        machine.set(-HOUR);
        let server = machine.serve(test.url(), &[]);
        assert!(recorded(&server).await >= last);
    }

    /// An operation that waits is given up at its deadline, neither at once nor an hour later.
    async fn deadlines_and_time_outs_do_not_care(test: TestDatabase) {
        const DEADLINE: Duration = Duration::from_secs(3);
        let machine = Machine::new();
        let server = machine.serve(test.url(), &["--idle-timeout", "60s", "--header-timeout", "60s"]);
        server.open_accounts().await;
        let observer = test.observer().await;
        for ahead in [HOUR, -HOUR] {
            machine.set(TimeDelta::zero());
            observer.hold_writers("entry").await;
            let mut connection = server.connect().await;
            assert!(connection.ask("/healthz").await.starts_with("HTTP/1.1 200"));
            let began = Instant::now();
            let post = async {
                let answer = server.post(10).await;
                (answer, began.elapsed())
            };
            let set = async {
                // It is under way by then: it has a connection, and waits for the lock.
                eventually("it waits", async || server.get("/metrics").await.contains("graphql_operations_in_flight 1")).await;
                machine.set(ahead);
            };
            let ((code, took), ()) = tokio::join!(post, set);
            assert_eq!(code.as_deref(), Some("DEADLINE_EXCEEDED"), "{ahead}");
            assert!((DEADLINE - Duration::from_millis(500)..DEADLINE * 3).contains(&took), "{ahead}: {took:?}");
            observer.execute("ROLLBACK").await;
            // It has been idle for seconds, and not for an hour.
            assert!(connection.ask("/healthz").await.starts_with("HTTP/1.1 200"), "{ahead}");
            assert_eq!(server.post(10).await.as_deref(), Some(""));
        }
    }

    /// A payment that is sent again with its key is not made again, also where the clock has leapt past the key's end, and where the server
    /// was started after that.
    async fn keys_do_not_expire_by_a_leap(test: TestDatabase) {
        let day = HOUR * 25;
        let machine = Machine::new();
        let mut server = machine.serve(test.url(), &[]);
        server.open_accounts().await;
        let pay = async |server: &Server| {
            let line = json!({ "debit": { "code": "cash" }, "credit": { "code": "alice" }, "amount": "10", "currency": "EUR" });
            let answer = server.answer_with_key("pay-1", POST, json!({ "input": { "lines": [line] } })).await;
            let is_replay = answer.headers().contains_key("idempotency-replayed");
            let body: Json = answer.json().await.unwrap();
            assert!(body.get("errors").is_none(), "{body}");
            (body["data"]["postEntry"]["entry"]["recordedAt"].clone(), is_replay)
        };
        let (first, is_replay) = pay(&server).await;
        assert!(first.is_string() && !is_replay);
        for ahead in [day, TimeDelta::zero(), -day, day, day * 400] {
            machine.set(ahead);
            assert_eq!(pay(&server).await, (first.clone(), true), "{ahead}");
        }
        // The server sweeps as it starts.
        for ahead in [day, -day, day * 400] {
            drop(server);
            machine.set(ahead);
            server = machine.serve(test.url(), &[]);
            eventually("it has swept", async || {
                let metrics = server.get("/metrics").await;
                metrics.lines().any(|line| line.starts_with("daybook_job_last_success") && line.contains("sweep"))
            })
            .await;
            assert_eq!(pay(&server).await, (first.clone(), true), "{ahead}");
        }
        drop(server);
        assert_eq!(test.observer().await.i64("SELECT count(*) FROM entry").await, 1);
    }

    /// A hold expires when the machine's clock says so, and the job that releases it goes on whatever the clock says.
    async fn holds_expire_by_the_clock(test: TestDatabase) {
        let machine = Machine::new();
        let server = machine.serve(test.url(), &[]);
        server.open_accounts().await;
        recorded(&server).await;
        let hold = async |minutes| {
            let line = json!({ "debit": { "code": "alice" }, "credit": { "code": "cash" }, "amount": "1", "currency": "EUR" });
            let expires = (truth() + TimeDelta::minutes(minutes)).to_rfc3339();
            let place = "mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { entry { id } } }";
            let answer = server.send(place, json!({ "input": { "lines": [line], "expiresAt": expires } })).await.unwrap();
            answer["data"]["placeHold"]["entry"]["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
        };
        let status = async |id: &str| {
            let query = "query ($id: ID!) { node(id: $id) { ... on Entry { hold { status } } } }";
            let answer = server.send(query, json!({ "id": id })).await.unwrap();
            answer["data"]["node"]["hold"]["status"].as_str().unwrap().to_owned()
        };
        let (soon, later) = (hold(30).await, hold(150).await);
        machine.set(-HOUR);
        assert_eq!(status(&soon).await, "OPEN");
        machine.set(HOUR);
        eventually("it is released", async || status(&soon).await == "RELEASED").await;
        assert_eq!(status(&later).await, "OPEN");
        machine.set(-HOUR);
        machine.set(HOUR * 3);
        eventually("the other one is, too", async || status(&later).await == "RELEASED").await;
    }

    /// A token is good from its `nbf` to its `exp`, as the machine's clock has it at each moment, also for a stream that was opened before.
    async fn tokens_expire_by_the_clock(test: TestDatabase) {
        let machine = Machine::new();
        let secret = machine.folder.path().join("secret");
        fs::write(&secret, [7; 32]).unwrap();
        let access = ["--jwt-secret-file", secret.to_str().unwrap(), "--jwt-issuer", "i", "--jwt-audience", "a"];
        let mut server = machine.serve(test.url(), &access);
        let now = truth().timestamp();
        let claims = json!({
            "iss": "i", "aud": "a", "sub": "s", "scope": "ledger:read ledger:write", "nbf": now - 600, "exp": now + 600,
        });
        server.show(&signed(&claims));
        server.open_accounts().await;
        let events = server.events("subscription { entryPosted { cursor } }").await;
        for (ahead, is_good) in [(-HOUR, false), (TimeDelta::zero(), true), (HOUR, false)] {
            machine.set(ahead);
            let status = server.answer("{ __typename }", Json::Null).await.status();
            assert_eq!(status.is_success(), is_good, "{ahead}: {status}");
        }
        events.end().await;
    }
}

/// A token of HS256.
fn signed(claims: &Json) -> String {
    let parts = [json!({ "alg": "HS256" }), claims.clone()];
    let parts = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let message = parts.join(".");
    let signature = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]),
        message.as_bytes(),
    );
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}
