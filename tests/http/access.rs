//! Who may do what over HTTP: tokens and scopes.

use daybook::http::{Keys, READ, Tokens, WRITE};
use ring::hmac;
use serde_json::{Value as Json, json};

use super::{
    Answer, DEFAULT_STOP, GRAPHQL_RESPONSE, Server,
    jwt::{Signer, claims, now},
};

const SECRET: &[u8] = b"a secret of thirty-two bytes, or more";
pub(super) const ADD: &str = "mutation { add(by: 1) }";

pub(super) fn sign(claims: &Json) -> String {
    Signer::secret(SECRET).sign(None, claims)
}

pub(super) async fn guarded() -> Server {
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
