//! Authentication and authorisation over HTTP: tokens and scopes.

use daybook::http::{Access, Keys, READ, Tokens, WRITE};
use ring::hmac;
use serde_json::{Value as Json, json};

use super::{
    Answer, DEFAULT_STOP, GRAPHQL_RESPONSE, Server,
    jwt::{Signer, claims, now},
};

pub(crate) const SECRET: &[u8] = b"a secret of thirty-two bytes, or more";
pub(super) const ADD: &str = "mutation { add(by: 1) }";

pub(crate) fn sign(claims: &Json) -> String {
    Signer::secret(SECRET).sign(None, claims)
}

pub(super) async fn guarded() -> Server {
    guarded_by(Keys::from_secret(SECRET).unwrap()).await
}

async fn guarded_by(keys: Keys) -> Server {
    let tokens = Tokens::new(keys, "issuer", "daybook");
    Server::start_with(
        |options| options.authentication = Access::Tokens(tokens),
        DEFAULT_STOP,
    )
    .await
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
    // Load balancers and service managers have no token.
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

/// A claim that decides something must be fully understood, or the token is refused.
#[tokio::test]
async fn a_token_that_is_not_understood_is_refused() {
    let server = guarded().await;
    let secret = Signer::secret(SECRET);
    let good = claims("ledger:read ledger:write");
    let headers = [
        json!({ "crit": ["exp"], "exp": 1 }),
        json!({ "crit": ["b64"], "b64": true }),
        json!({ "crit": ["x"] }),
        json!({ "crit": [] }),
        json!({ "b64": false }),
        json!({ "typ": "logout+jwt" }),
        json!({ "typ": 1 }),
        json!({ "kid": 1 }),
        json!({ "alg": "none" }),
        json!({ "alg": "RS256" }),
        json!({ "alg": "hs256" }),
    ];
    for header in headers {
        let token = secret.sign_with(header.clone(), &good.to_string());
        let answer = ask(&server, &token, ADD).await;
        assert_eq!(answer.status, 401, "{header}: {answer:?}");
    }
    let members = |claims: &str, more: &str| format!("{},{more}}}", claims.trim_end_matches('}'));
    let good_text = good.to_string();
    let later = now() + 600;
    for more in [
        format!("\"exp\": {later}"),
        "\"sub\": \"bob\"".to_owned(),
        "\"\\u0073cope\": \"ledger:write\"".to_owned(),
        "\"other\": 1, \"other\": 2".to_owned(),
    ] {
        let token = secret.sign_with(json!({}), &members(&good_text, &more));
        assert_eq!(ask(&server, &token, ADD).await.status, 401, "{more}");
    }
    for (name, value) in [
        ("exp", json!(later.to_string())),
        ("exp", json!("NaN")),
        ("exp", json!(null)),
        ("exp", json!(-1e308)),
        ("exp", json!(i64::MIN)),
        ("nbf", json!(1e308)),
        ("nbf", json!(i64::MAX)),
        ("nbf", json!("0")),
        ("iat", json!("now")),
        ("aud", json!([])),
        ("aud", json!(["daybook", 1])),
        ("aud", json!(1)),
        ("aud", json!({ "daybook": true })),
        ("iss", json!(["issuer"])),
        ("iss", json!("")),
        ("sub", json!("")),
        ("sub", json!(1)),
        ("sub", json!(null)),
        ("scope", json!(1)),
        ("scope", json!(["ledger:write", 1])),
        ("scope", json!({ "ledger:write": true })),
    ] {
        let mut claims = good.clone();
        claims[name] = value.clone();
        let answer = ask(&server, &sign(&claims), ADD).await;
        assert_eq!(answer.status, 401, "{name} {value}: {answer:?}");
    }
    let token = secret.sign_with(
        json!({}),
        &good_text.replace(&format!("{}", good["exp"]), "1e400"),
    );
    assert_eq!(ask(&server, &token, ADD).await.status, 401);
    assert_eq!(server.toy.sum(), 0);
}

#[tokio::test]
async fn a_token_is_read_as_its_specification_has_it() {
    let server = guarded().await;
    let good = claims("ledger:read");
    let seconds = u32::try_from(now()).unwrap();
    for (name, value) in [
        ("exp", json!(f64::from(seconds) + 600.25)),
        ("exp", json!(1e308)),
        ("exp", json!(i64::MAX)),
        ("exp", json!(u64::MAX)),
        ("nbf", json!(f64::from(seconds) - 0.5)),
        ("nbf", json!(-1)),
        ("iat", json!(1.5)),
        ("aud", json!(["another", "daybook"])),
        ("other", json!({ "a": { "a": 1 } })),
    ] {
        let mut claims = good.clone();
        claims[name] = value.clone();
        let answer = ask(&server, &sign(&claims), "{ sum }").await;
        assert_eq!(answer.status, 200, "{name} {value}: {answer:?}");
    }
    for kind in ["JWT", "jwt", "at+jwt", "application/at+JWT"] {
        let token = Signer::secret(SECRET).sign_with(json!({ "typ": kind }), &good.to_string());
        assert_eq!(ask(&server, &token, "{ sum }").await.status, 200, "{kind}");
    }
}

/// As RFC 6749, Entra and Okta write them.
#[tokio::test]
async fn scopes_are_read_wherever_issuers_write_them() {
    let server = guarded().await;
    let with = |name: &str, value: Json| {
        let mut claims = claims("");
        claims.as_object_mut().unwrap().remove("scope");
        claims[name] = value;
        sign(&claims)
    };
    for (name, value) in [
        ("scope", json!("openid ledger:write")),
        ("scope", json!(["openid", "ledger:write"])),
        ("scp", json!("openid ledger:write")),
        ("scp", json!(["ledger:write"])),
    ] {
        let answer = ask(&server, &with(name, value.clone()), ADD).await;
        assert_eq!(answer.status, 200, "{name} {value}: {answer:?}");
    }
    for (name, value) in [
        ("scope", json!("openid\u{a0}ledger:write")),
        ("scope", json!("openid\tledger:write")),
        ("scope", json!("openid,ledger:write")),
        ("scp", json!(["openid ledger:write"])),
        ("scp", json!("ledger:WRITE")),
        ("roles", json!(["ledger:write"])),
    ] {
        ask(&server, &with(name, value), ADD)
            .await
            .assert_refused(403, "FORBIDDEN");
    }
    assert_eq!(server.toy.sum(), 4);
}

/// A key for another use verifies nothing, and an unknown kind of key does not make the set unusable.
#[tokio::test]
async fn only_keys_for_signatures_verify() {
    let key = Signer::generate();
    let set = |change: Json| {
        let mut public = key.public("key");
        for (name, value) in change.as_object().unwrap() {
            public[name] = value.clone();
        }
        let unknown = [
            json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "kid": "new" }),
            json!({ "kty": "OKP", "crv": "X25519", "x": "AAAA", "kid": "agree" }),
            json!({ "kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA" }),
            json!({ "kty": "oct", "k": "AAAA" }),
            json!("nonsense"),
        ];
        let keys = [&unknown[..], &[public]].concat();
        json!({ "keys": keys }).to_string()
    };
    for change in [
        json!({}),
        json!({ "use": "sig" }),
        json!({ "key_ops": ["verify"] }),
        json!({ "use": "sig", "key_ops": ["sign", "verify"] }),
    ] {
        let server = guarded_by(Keys::from_jwks(&set(change)).unwrap()).await;
        let token = key.sign(Some("key"), &claims(READ));
        assert_eq!(ask(&server, &token, "{ sum }").await.status, 200);
    }
    for change in [
        json!({ "use": "enc" }),
        json!({ "use": "other" }),
        json!({ "use": 1 }),
        json!({ "key_ops": ["encrypt"] }),
        json!({ "key_ops": [] }),
        json!({ "use": "enc", "key_ops": ["verify"] }),
        json!({ "alg": "ES384" }),
    ] {
        assert!(Keys::from_jwks(&set(change.clone())).is_err(), "{change}");
    }
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
    // A public key must not be used as a secret.
    let public = set["keys"][1]["n"].as_str().unwrap();
    let token = Signer::secret(public.as_bytes()).sign(None, &claims(READ));
    ask(&server, &token, "{ sum }")
        .await
        .assert_refused(401, "UNAUTHENTICATED");
}
