//! What a key may be, whose it is, and what it does not apply to.

use async_graphql::{Request, Value};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use unit_of_work::{
    IdempotencyKey, SessionSettings, Viewer,
    idempotency::InvalidIdempotencyKey::{self, BadQuotes, Empty, NotVisibleAscii, TooLong},
};

use super::{Recorded, is_replay, with_key};
use crate::stage::{Stage, codes, data};

const MARK: &str = "mutation { mark(name: \"a\") }";

fn key(key: &str) -> IdempotencyKey {
    IdempotencyKey::new(key).expect("is a key")
}

#[test]
fn rules_of_a_key() {
    let longest = "x".repeat(255);
    for good in [
        "k",
        "8e03978e-40d5-43dd-bc93-6894a57f9324",
        "!~\"\\",
        &longest,
    ] {
        assert_eq!(key(good).as_str(), good);
    }
    let bad: [(&str, InvalidIdempotencyKey); 6] = [
        ("", Empty),
        ("a b", NotVisibleAscii),
        ("a\n", NotVisibleAscii),
        ("\u{7f}", NotVisibleAscii),
        ("schlüssel", NotVisibleAscii),
        (&"x".repeat(256), TooLong),
    ];
    for (text, error) in bad {
        assert_eq!(IdempotencyKey::new(text), Err(error), "{text}");
        assert_eq!(
            IdempotencyKey::from_header(text.as_bytes()),
            Err(error),
            "{text}"
        );
    }
}

#[test]
fn a_header_is_quoted_or_bare() {
    for (header, name) in [
        ("\"k\"", "k"),
        ("k", "k"),
        (" \"k\"\t", "k"),
        (r#""a\"b\\c""#, r#"a"b\c"#),
        (r#"a"b\c"#, r#"a"b\c"#),
    ] {
        assert_eq!(
            IdempotencyKey::from_header(header.as_bytes()),
            Ok(key(name)),
            "{header}"
        );
    }
    for (header, error) in [
        ("\"", BadQuotes),
        ("\"a", BadQuotes),
        ("\"a\"b", BadQuotes),
        ("\"a\"; p=1", BadQuotes),
        (r#""a\b""#, BadQuotes),
        (r#""a\"#, BadQuotes),
        ("\"\"", Empty),
        ("\"a b\"", NotVisibleAscii),
    ] {
        assert_eq!(
            IdempotencyKey::from_header(header.as_bytes()),
            Err(error),
            "{header}"
        );
    }
    assert_eq!(IdempotencyKey::from_header(b"\xff"), Err(NotVisibleAscii));
}

on_every_engine! {
    /// A server that does not record keys does not run what has one: its client believes that it is protected.
    async fn key_is_refused_where_none_are_recorded(test: TestDatabase) {
        let stage = Stage::new(test).await;
        for request in [with_key("k", MARK), Request::new(MARK).data(key("k"))] {
            let refused = stage.schema.execute(request).await;
            assert_eq!(codes(&refused), ["IDEMPOTENCY_NOT_ENABLED"]);
            assert!(!refused.extensions.contains_key("unitOfWork"), "was executed");
        }
        assert_eq!(stage.marks().await, Vec::<String>::new());
        assert!(stage.schema.execute(with_key("k", "{ marks }")).await.is_ok());
    }

    /// A key that breaks the rules, and two that differ, are refused before anything runs.
    async fn bad_key_is_refused(test: TestDatabase) {
        let stage = Recorded::new(test).await;
        let mut number = Request::new(MARK);
        number.extensions.insert("idempotencyKey".to_owned(), Value::from(1));
        for request in [number, with_key("", MARK), with_key("a b", MARK), with_key("a", MARK).data(key("b"))] {
            let refused = stage.send(request).await;
            assert_eq!(codes(&refused), ["IDEMPOTENCY_KEY_INVALID"]);
            assert!(!refused.extensions.contains_key("unitOfWork"), "was executed");
        }
        assert_eq!(stage.marks().await, Vec::<String>::new());
        // The same key twice is one key, wherever it is said.
        assert!(stage.send(with_key("k", MARK).data(key("k"))).await.is_ok());
        assert!(is_replay(&stage.send(Request::new(MARK).data(key("k"))).await));
        assert!(is_replay(&stage.send(with_key("k", MARK)).await));
        let mut null = Request::new("mutation { ping }");
        null.extensions.insert("idempotencyKey".to_owned(), Value::Null);
        assert!(stage.send(null).await.is_ok());
        assert_eq!(stage.keys().await, ["k"]);
    }

    /// A key is for who sees what its first request saw. Without settings, it is what it always was.
    (not on MariaDB: "it has no settings of a transaction, and no rows of an operation")
    async fn a_key_is_for_the_same_settings(test: TestDatabase) {
        let is_sqlite = test.engine() == Engine::Sqlite;
        let stage = Recorded::new(test).await;
        let settings = |tenant: &str| match is_sqlite {
            true => SessionSettings::new().rows("counter", format!("value < {tenant}")),
            false => SessionSettings::new().set("app.tenant", tenant),
        };
        let send = async |key: &str, tenant: Option<&str>| {
            let mut request = with_key(key, &format!("mutation {{ mark(name: \"{key}\") }}"));
            if let Some(tenant) = tenant {
                request = request.data(settings(tenant));
            }
            stage.send(request).await
        };
        for (key, first, others) in [("a", Some("1"), [Some("2"), None]), ("b", None, [Some("1"), Some("2")])] {
            assert!(send(key, first).await.is_ok());
            for other in others {
                assert_eq!(codes(&send(key, other).await), ["IDEMPOTENCY_KEY_REUSED"], "{key} {other:?}");
            }
            assert!(is_replay(&send(key, first).await), "{key}");
        }
        assert_eq!(stage.marks().await, ["a", "b"]);
        // As servers before this one have stored it, and will read it.
        let stored = "SELECT fingerprint FROM unit_of_work_idempotency WHERE idempotency_key = 'b'";
        assert_eq!(stage.observer().await.text(stored).await, "8f456a5c96e49c80b163813f975e9beb5d94fd57760c931c28c4bd18cd603ffd");
    }

    /// One viewer's key is nothing to another, nor to those who are none.
    async fn viewers_have_keys_of_their_own(test: TestDatabase) {
        let stage = Recorded::new(test).await;
        let request = |viewer: Option<&str>, name: &str| {
            let request = with_key("k", &format!("mutation {{ mark(name: \"{name}\") }}"));
            match viewer {
                Some(viewer) => request.data(Viewer(viewer.to_owned())),
                None => request,
            }
        };
        let viewers = [(Some("ann"), "a"), (Some("ben"), "b"), (None, "c")];
        for (viewer, name) in viewers {
            let response = stage.send(request(viewer, name)).await;
            assert!(response.is_ok() && !is_replay(&response), "{response:?}");
        }
        for (viewer, name) in viewers {
            let response = stage.send(request(viewer, name)).await;
            assert!(is_replay(&response));
            assert_eq!(data(&response), serde_json::json!({ "mark": name }));
        }
        assert_eq!(stage.marks().await, ["a", "b", "c"]);
    }

    /// A query with a key is a query; the key stays free.
    async fn query_ignores_its_key(test: TestDatabase) {
        let stage = Recorded::new(test).await;
        for marks in 0..2 {
            let response = stage.run_with_key("k", "{ marks }").await;
            assert_eq!(data(&response), serde_json::json!({ "marks": marks }));
            assert!(!is_replay(&response));
            stage.run(&format!("mutation {{ mark(name: \"{marks}\") }}")).await;
        }
        assert_eq!(stage.keys().await, Vec::<String>::new());
        assert!(stage.run_with_key("k", MARK).await.is_ok());
    }
}
