//! Access by pages of other sites, and by readers of metrics.

use daybook::http::Options;
use serde_json::json;

use crate::http::{Answer, DEFAULT_STOP, Server, binary::Running, jwt};

/// A page of another site costs nothing, and our own page, other programs and people are answered.
#[tokio::test]
async fn a_get_of_another_site_is_not_executed() {
    let allow =
        |options: &mut Options| options.origins = vec!["https://app.example".parse().unwrap()];
    let server = Server::start_with(allow, DEFAULT_STOP).await;
    let own = format!("http://{}", server.address);
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = server.client.get(server.url("/graphql?query={sum}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request).await.status.as_u16()
    };
    let browser = ("user-agent", "Mozilla/5.0 (X11) Firefox/150.0");
    for headers in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "")],
        &[
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "cross-site"),
        ],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[browser],
        &[
            ("sec-fetch-site", "cross-site"),
            ("graphql-require-preflight", ""),
        ],
        &[
            ("sec-fetch-site", "cross-site"),
            ("content-type", "text/plain"),
        ],
    ] {
        assert_eq!(ask(headers).await, 403, "{headers:?}");
    }
    for headers in [
        &[][..],
        &[("user-agent", "curl/8")],
        &[browser, ("sec-fetch-site", "same-origin")],
        &[browser, ("sec-fetch-site", "none")],
        &[browser, ("origin", own.as_str())],
        &[
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://app.example"),
        ],
        &[
            ("sec-fetch-site", "cross-site"),
            ("graphql-require-preflight", "1"),
        ],
        &[
            ("sec-fetch-site", "cross-site"),
            ("apollo-require-preflight", "true"),
        ],
        &[
            ("sec-fetch-site", "cross-site"),
            ("x-apollo-operation-name", "A"),
        ],
        &[
            ("sec-fetch-site", "cross-site"),
            ("content-type", "application/json"),
        ],
    ] {
        assert_eq!(ask(headers).await, 200, "{headers:?}");
    }
}

#[tokio::test]
async fn metrics_are_behind_the_token_or_at_a_port_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "s".repeat(32)).unwrap();
    let guarded = [
        "--listen",
        "127.0.0.1:0",
        "--jwt-secret-file",
        secret.to_str().unwrap(),
        "--jwt-issuer",
        "issuer",
        "--jwt-audience",
        "daybook",
    ];
    let server = Running::start(&guarded);
    let ask = async |url: String, token: Option<String>| {
        let mut request = reqwest::Client::new().get(url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let token = |scope| jwt::Signer::secret(&[b's'; 32]).sign(None, &jwt::claims(scope));
    let url = format!("{}/metrics", server.base());
    assert_eq!(ask(url.clone(), None).await.0, 401);
    assert_eq!(ask(url.clone(), Some(token("ledger:write"))).await.0, 403);
    // What reads every line there is has a scope of its own.
    for (scope, code) in [
        ("ledger:read", Some("FORBIDDEN")),
        ("ledger:read ledger:verify", None),
    ] {
        let request = reqwest::Client::new().post(format!("{}/graphql", server.base()));
        let request = request
            .bearer_auth(token(scope))
            .json(&json!({ "query": "{ verifyLedger { ok } }" }));
        let answer: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(
            answer["errors"][0]["extensions"]["code"].as_str(),
            code,
            "{answer}"
        );
    }
    let (status, text) = ask(url, Some(token("ledger:read"))).await;
    assert_eq!(status, 200);
    assert!(
        text.contains("http_connections_open") && text.contains("http_held_bytes"),
        "{text}"
    );

    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let server = Running::start(&[&guarded[..], &["--metrics-listen", &address]].concat());
    assert_eq!(
        ask(
            format!("{}/metrics", server.base()),
            Some(token("ledger:read"))
        )
        .await
        .0,
        404
    );
    let (status, text) = ask(format!("http://{address}/metrics"), None).await;
    assert_eq!(status, 200);
    assert!(text.contains("http_connections_open"), "{text}");
    assert_eq!(
        ask(
            format!("http://{address}/graphql?query={{__typename}}"),
            None
        )
        .await
        .0,
        404
    );
}
