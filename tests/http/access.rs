//! Who may do what: tokens and scopes on every transport, and pages of other origins.

use std::time::Duration;

use daybook::http::{Keys, Options, READ, Tokens, WRITE};
use reqwest::Method;
use ring::hmac;
use serde_json::{Value as Json, json};
use tokio::time::timeout;

use super::{
    Answer, DEFAULT_STOP, GRAPHQL_RESPONSE, PATIENCE, Server,
    jwt::{Signer, claims, now},
    sockets::Socket,
    toy,
};

const SECRET: &[u8] = b"a secret of thirty-two bytes, or more";
const ADD: &str = "mutation { add(by: 1) }";
const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "graphql-transport-ws");

fn sign(claims: &Json) -> String {
    Signer::secret(SECRET).sign(None, claims)
}

async fn guarded() -> Server {
    guarded_by(Keys::from_secret(SECRET).unwrap()).await
}

async fn guarded_by(keys: Keys) -> Server {
    let tokens = Tokens::new(keys, "issuer", "daybook");
    Server::start_with(|options| options.tokens = Some(tokens), DEFAULT_STOP).await
}

async fn ask(server: &Server, token: &str, query: &str) -> Answer {
    let request = server.post(GRAPHQL_RESPONSE, &json!({ "query": query }));
    Answer::of(request.bearer_auth(token)).await
}

#[tokio::test]
async fn without_a_token_nothing_is_answered() {
    let server = guarded().await;
    let bodies = [
        json!({ "query": ADD }),
        json!([{ "query": ADD }]),
        json!({ "query": "{" }),
        json!(1),
    ];
    for body in bodies {
        let answer = Answer::of(server.post(GRAPHQL_RESPONSE, &body)).await;
        answer.assert_refused(401, "UNAUTHENTICATED");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    server
        .get("/graphql?query={sum}")
        .await
        .assert_refused(401, "UNAUTHENTICATED");
    let events = server.post(
        "text/event-stream",
        &json!({ "query": "subscription { count(to: 1) }" }),
    );
    Answer::of(events)
        .await
        .assert_refused(401, "UNAUTHENTICATED");
    assert_eq!(server.toy.sum(), 0);
    // Who starts and routes to servers has no token.
    assert_eq!(server.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn a_token_that_is_not_to_be_believed_is_refused() {
    let server = guarded().await;
    let good = claims("ledger:read ledger:write");
    let but = |name: &str, value: Json| {
        let mut claims = good.clone();
        claims[name] = value;
        sign(&claims)
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        sign(&claims)
    };
    let now = now();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let unsigned = format!("{none}.{}.", sign(&good).split('.').nth(1).unwrap());
    let other = Signer::secret(b"another secret of thirty-two bytes...");
    let longer = Signer::Secret(hmac::Key::new(hmac::HMAC_SHA512, SECRET));
    for (what, token) in [
        ("expired", but("exp", json!(now - 60))),
        ("not yet", but("nbf", json!(now + 60))),
        ("issuer", but("iss", json!("another"))),
        ("audience", but("aud", json!("another"))),
        ("no exp", without("exp")),
        ("no iss", without("iss")),
        ("no aud", without("aud")),
        ("no sub", without("sub")),
        ("key", other.sign(None, &good)),
        ("algorithm", longer.sign(None, &good)),
        ("unsigned", unsigned),
        ("changed", sign(&good).replace("eyJ", "eyK")),
        ("nonsense", "nonsense".to_owned()),
        ("empty", String::new()),
    ] {
        let answer = ask(&server, &token, ADD).await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
    }
    let twice = server
        .post(GRAPHQL_RESPONSE, &json!({ "query": ADD }))
        .bearer_auth(sign(&good));
    Answer::of(twice.bearer_auth("x"))
        .await
        .assert_refused(401, "UNAUTHENTICATED");
    assert_eq!(server.toy.sum(), 0);
    assert_eq!(
        ask(&server, &sign(&good), ADD).await.json(),
        json!({ "data": { "add": 1 } })
    );
}

#[tokio::test]
async fn a_scope_is_needed_for_what_it_is_for() {
    let server = guarded().await;
    let (read, write) = (sign(&claims(READ)), sign(&claims(WRITE)));
    assert_eq!(
        ask(&server, &read, "{ viewer }").await.json(),
        json!({ "data": { "viewer": "ann" } })
    );
    let answer = ask(&server, &read, ADD).await;
    answer.assert_refused(403, "FORBIDDEN");
    assert_eq!(answer.json()["errors"][0]["extensions"]["scope"], WRITE);
    ask(&server, &write, "{ sum }")
        .await
        .assert_refused(403, "FORBIDDEN");
    ask(&server, &sign(&claims("ledger:readx openid")), "{ sum }")
        .await
        .assert_refused(403, "FORBIDDEN");
    assert_eq!(server.toy.sum(), 0);
    assert_eq!(
        ask(&server, &write, ADD).await.json(),
        json!({ "data": { "add": 1 } })
    );

    let batch = json!([{ "query": "{ sum }" }, { "query": ADD }]);
    let answer = Answer::of(server.post(GRAPHQL_RESPONSE, &batch).bearer_auth(&read))
        .await
        .json();
    assert_eq!(answer[0], json!({ "data": { "sum": 1 } }));
    assert_eq!(answer[1]["errors"][0]["extensions"]["code"], "FORBIDDEN");
    let events = server.post(
        "text/event-stream",
        &json!({ "query": "subscription { count(to: 1) }" }),
    );
    Answer::of(events.bearer_auth(&write))
        .await
        .assert_refused(403, "FORBIDDEN");
    assert_eq!(server.toy.sum(), 1);
}

#[tokio::test]
async fn public_keys_verify_the_algorithm_they_are_for() {
    let es = Signer::es_from_pem(include_bytes!("keys/es256.pem"));
    let rs = Signer::rs_from_pem(include_bytes!("keys/rs256.pem"));
    let ed = Signer::ed_from_pem(include_bytes!("keys/eddsa.pem"));
    let keys = [("es", &es), ("rs", &rs), ("ed", &ed)];
    let set = json!({ "keys": keys.map(|(id, key)| key.public(id)) });
    let server = guarded_by(Keys::from_jwks(&set.to_string()).unwrap()).await;
    for (id, key) in keys {
        for kid in [Some(id), None] {
            let token = key.sign(kid, &claims(READ));
            assert_eq!(ask(&server, &token, "{ sum }").await.status, 200, "{id}");
            // The same with another signature.
            let (message, signature) = token.rsplit_once('.').unwrap();
            let changed = format!("{message}.{}{}", "A".repeat(8), &signature[8..]);
            ask(&server, &changed, "{ sum }")
                .await
                .assert_refused(401, "UNAUTHENTICATED");
        }
        let token = key.sign(Some("unknown"), &claims(READ));
        ask(&server, &token, "{ sum }")
            .await
            .assert_refused(401, "UNAUTHENTICATED");
    }
    // What everyone can read is no secret to sign with.
    let public = set["keys"][1]["n"].as_str().unwrap();
    let token = Signer::secret(public.as_bytes()).sign(None, &claims(READ));
    ask(&server, &token, "{ sum }")
        .await
        .assert_refused(401, "UNAUTHENTICATED");
}

async fn init(server: &Server, headers: &[(&'static str, &str)], payload: Json) -> Socket {
    let headers = [&[PROTOCOL], headers].concat();
    let mut socket = Socket::try_connect(server, &headers).await.unwrap();
    socket
        .send(json!({ "type": "connection_init", "payload": payload }))
        .await;
    socket
}

#[tokio::test]
async fn a_socket_shows_its_token_when_it_is_opened_or_initialised() {
    let server = guarded().await;
    let token = sign(&claims(READ));
    let bearer = format!("Bearer {token}");
    for (headers, payload) in [
        (&[][..], json!({ "authorization": bearer })),
        (&[], json!({ "Authorization": bearer })),
        (&[], json!({ "token": token })),
        (&[("authorization", bearer.as_str())], Json::Null),
    ] {
        let mut socket = init(&server, headers, payload).await;
        assert_eq!(socket.next().await, json!({ "type": "connection_ack" }));
        socket.subscribe("1", "{ viewer }").await;
        assert_eq!(socket.next().await["payload"]["data"]["viewer"], "ann");
        assert_eq!(socket.next().await["type"], "complete");
        socket.subscribe("2", ADD).await;
        let message = socket.next().await;
        assert_eq!(
            message["payload"][0]["extensions"]["code"], "FORBIDDEN",
            "{message}"
        );
    }
    for payload in [
        Json::Null,
        json!({}),
        json!({ "token": "x" }),
        json!({ "authorization": token }),
        json!({ "token": 1 }),
    ] {
        let mut socket = init(&server, &[], payload).await;
        assert_eq!(socket.closed().await, 4403);
    }
    // What is said last counts.
    let mut socket = init(
        &server,
        &[("authorization", &bearer)],
        json!({ "token": "x" }),
    )
    .await;
    assert_eq!(socket.closed().await, 4403);
    let refused = Socket::try_connect(&server, &[PROTOCOL, ("authorization", "Bearer x")]).await;
    match refused.err() {
        Some(tokio_tungstenite::tungstenite::Error::Http(response)) => {
            assert_eq!(response.status(), 401);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(server.toy.sum(), 0);
}

/// It has a few seconds of leeway left, in which it is still taken.
#[tokio::test]
async fn a_token_that_expires_ends_what_is_open() {
    let server = guarded().await;
    let mut claims = claims(READ);
    claims["exp"] = json!(now() - 4);
    let token = sign(&claims);
    let mut socket = init(&server, &[], json!({ "token": token })).await;
    assert_eq!(socket.next().await, json!({ "type": "connection_ack" }));
    socket.subscribe("1", "subscription { forever }").await;
    assert_eq!(socket.next().await["payload"]["data"]["forever"], 1);
    let events = server.post(
        "text/event-stream",
        &json!({ "query": "subscription { forever }" }),
    );
    let mut events = events.bearer_auth(&token).send().await.unwrap();
    assert!(events.chunk().await.unwrap().is_some());

    assert_eq!(socket.closed().await, 4403);
    let end = timeout(PATIENCE, events.chunk())
        .await
        .expect("the stream goes on");
    assert_eq!(end.unwrap(), None);
    for _ in 0..2 {
        toy::take(&server.toy.closed).await;
    }
}

#[tokio::test]
async fn only_pages_of_allowed_origins_are_consented_to() {
    let allow =
        |options: &mut Options| options.origins = vec!["https://app.example".parse().unwrap()];
    let server = Server::start_with(allow, DEFAULT_STOP).await;
    let preflight = |origin: &'static str| {
        let request = server
            .client
            .request(Method::OPTIONS, server.url("/graphql"));
        Answer::of(
            request
                .header("origin", origin)
                .header("access-control-request-method", "POST")
                .header(
                    "access-control-request-headers",
                    "content-type, authorization, idempotency-key",
                ),
        )
    };
    let answer = preflight("https://app.example").await;
    assert_eq!(
        (
            answer.status.as_u16(),
            answer.header("access-control-allow-origin")
        ),
        (200, Some("https://app.example"))
    );
    assert!(
        answer
            .header("access-control-allow-headers")
            .unwrap()
            .contains("idempotency-key")
    );
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    for origin in [
        "https://evil.example",
        "https://app.example.evil.example",
        "null",
    ] {
        assert_eq!(
            preflight(origin)
                .await
                .header("access-control-allow-origin"),
            None,
            "{origin}"
        );
    }
    let post = server.post(GRAPHQL_RESPONSE, &json!({ "query": "{ sum }" }));
    let answer = Answer::of(post.header("origin", "https://app.example")).await;
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example")
    );
    assert_eq!(answer.header("vary"), Some("origin"));

    assert!(
        Socket::try_connect(&server, &[PROTOCOL, ("origin", "https://app.example")])
            .await
            .is_ok()
    );
    assert!(
        Socket::try_connect(&server, &[PROTOCOL, ("origin", "https://evil.example")])
            .await
            .is_err()
    );
}

#[tokio::test]
async fn long_answers_are_compressed_and_streams_are_not() {
    let server = Server::start().await;
    let long = json!({ "query": "query($n: String!) { hello(name: $n) }", "variables": { "n": "x".repeat(10_000) } });
    for (accept, encoding) in [
        ("gzip", Some("gzip")),
        ("br, gzip", Some("br")),
        ("zstd", None),
        ("gzip, zstd", Some("gzip")),
    ] {
        let answer = server
            .post(GRAPHQL_RESPONSE, &long)
            .header("accept-encoding", accept)
            .send()
            .await
            .unwrap();
        let header = answer
            .headers()
            .get("content-encoding")
            .map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header.as_deref(), encoding, "{accept}");
        assert_eq!(
            answer.bytes().await.unwrap().len() < 1000,
            encoding.is_some()
        );
    }
    let short = json!({ "query": "query($n: String!) { hello(name: $n) }", "variables": { "n": "x".repeat(900) } });
    let short = server
        .post(GRAPHQL_RESPONSE, &short)
        .header("accept-encoding", "gzip")
        .send()
        .await
        .unwrap();
    assert_eq!(short.headers().get("content-encoding"), None);
    let events = server
        .post("text/event-stream", &long)
        .header("accept-encoding", "gzip")
        .send();
    let events = timeout(Duration::from_secs(20), events)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(events.headers().get("content-encoding"), None);
}
