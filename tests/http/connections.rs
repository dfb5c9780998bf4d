//! Clients that mean no good, or have gone: each has its time and its share of memory, and the others are served.

use std::time::Duration;

use daybook::http::{ConnectionOptions, Options};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{Answer, DEFAULT_STOP, JSON, PATIENCE, Server, binary::Running, sockets::Socket, toy};

const SOON: Duration = Duration::from_millis(150);
const READY: &[u8] = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n";

async fn serve(configure: impl FnOnce(&mut ConnectionOptions)) -> Server {
    Server::start_with(
        |options: &mut Options| configure(&mut options.connections),
        DEFAULT_STOP,
    )
    .await
}

async fn connect(server: &Server, bytes: &[u8]) -> TcpStream {
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection.write_all(bytes).await.unwrap();
    connection
}

/// What the server says until it closes the connection.
async fn closed(connection: &mut TcpStream) -> String {
    let mut said = Vec::new();
    // Where something of ours was unread, it is a reset.
    let _ = timeout(PATIENCE, connection.read_to_end(&mut said))
        .await
        .expect("it stays open");
    String::from_utf8_lossy(&said).into_owned()
}

/// Reads one answer without a body, or with a short one.
async fn answered(connection: &mut TcpStream) -> String {
    let mut buffer = [0; 4096];
    let read = timeout(PATIENCE, connection.read(&mut buffer))
        .await
        .expect("no answer")
        .unwrap();
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

fn head(length: usize) -> Vec<u8> {
    format!("POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn headers_that_do_not_come_are_not_waited_for() {
    let server = serve(|options| options.header_timeout = SOON).await;
    for begun in [
        &b""[..],
        b"P",
        b"GET /readyz HTTP/1.1\r\nhost: loc",
        b"PRI * HTTP/2.0\r\n",
    ] {
        let mut connection = connect(&server, begun).await;
        assert_eq!(closed(&mut connection).await, "", "{begun:?}");
    }
    // Also those of a second request.
    let mut connection = connect(&server, READY).await;
    assert!(answered(&mut connection).await.starts_with("HTTP/1.1 200"));
    connection.write_all(b"P").await.unwrap();
    closed(&mut connection).await;
    // Between requests there is no hurry.
    let mut idle = connect(&server, READY).await;
    assert!(answered(&mut idle).await.starts_with("HTTP/1.1 200"));
    let mut silent = connect(&server, b"").await;
    closed(&mut silent).await;
    idle.write_all(READY).await.unwrap();
    assert!(answered(&mut idle).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn headers_have_a_limit() {
    let server = Server::start().await;
    let long = format!(
        "GET /readyz HTTP/1.1\r\nhost: localhost\r\nx-long: {}\r\n\r\n",
        "x".repeat(70_000)
    );
    let mut connection = connect(&server, long.as_bytes()).await;
    assert!(answered(&mut connection).await.starts_with("HTTP/1.1 431"));
    let fits = format!(
        "GET /readyz HTTP/1.1\r\nhost: localhost\r\nx-long: {}\r\n\r\n",
        "x".repeat(40_000)
    );
    let mut connection = connect(&server, fits.as_bytes()).await;
    assert!(answered(&mut connection).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let server = serve(|options| options.body_timeout = SOON).await;
    for (head, begun) in [
        (head(1000), "{\"query\":"),
        (head(1000), ""),
        (b"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(), "9\r\n{\"query\":\r\n"),
    ] {
        let mut connection = connect(&server, &head).await;
        connection.write_all(begun.as_bytes()).await.unwrap();
        let said = closed(&mut connection).await;
        assert!(said.starts_with("HTTP/1.1 408") && said.contains("the body takes too long to arrive"), "{said}");
    }
    assert_eq!(server.query(JSON, "{ sum }").await.status, 200);
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_one_that_is_served_is_not() {
    let server = serve(|options| options.idle_timeout = SOON).await;
    let mut socket = Socket::open(&server).await;
    let stream = connect(&server, b"GET /graphql?query=subscription{forever} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n").await;
    let held = server.held("mutation { hold }").await;
    for _ in 0..3 {
        let mut idle = connect(&server, READY).await;
        let said = closed(&mut idle).await;
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    }
    socket.subscribe("1", "{ sum }").await;
    assert_eq!(socket.next().await["payload"]["data"]["sum"], 0);
    server.toy.release.add_permits(1);
    assert_eq!(held.await.unwrap().status, 200);
    assert_eq!(
        server.toy.closed.available_permits(),
        0,
        "the stream was closed"
    );
    drop(stream);
    toy::take(&server.toy.closed).await;
}

#[tokio::test]
async fn a_connection_takes_no_new_requests_when_it_is_old() {
    let server = serve(|options| options.lifetime = SOON).await;
    let held = server.held("mutation { hold }").await;
    let mut other = connect(&server, READY).await;
    assert!(answered(&mut other).await.starts_with("HTTP/1.1 200"));
    closed(&mut other).await;
    // What is under way is finished.
    server.toy.release.add_permits(1);
    assert_eq!(held.await.unwrap().status, 200);
}

#[tokio::test]
async fn who_is_idle_makes_room_for_who_comes() {
    let server = serve(|options| options.connections = 3).await;
    let held = server.held("mutation { hold }").await;
    let mut first = connect(&server, READY).await;
    assert!(answered(&mut first).await.starts_with("HTTP/1.1 200"));
    let mut second = connect(&server, READY).await;
    assert!(answered(&mut second).await.starts_with("HTTP/1.1 200"));
    // The one that has been idle for longest goes.
    let mut third = connect(&server, READY).await;
    assert!(answered(&mut third).await.starts_with("HTTP/1.1 200"));
    closed(&mut first).await;
    second.write_all(READY).await.unwrap();
    assert!(answered(&mut second).await.starts_with("HTTP/1.1 200"));
    // Eighty that say nothing lock nobody out.
    let mut silent = Vec::new();
    for _ in 0..80 {
        silent.push(connect(&server, b"").await);
    }
    assert!(
        answered(&mut connect(&server, READY).await)
            .await
            .starts_with("HTTP/1.1 200")
    );
    server.toy.release.add_permits(1);
    assert_eq!(held.await.unwrap().status, 200);
}

#[tokio::test]
async fn who_is_served_does_not_go() {
    let server = serve(|options| options.per_address = 2).await;
    let held = [
        server.held("mutation { hold }").await,
        server.held("{ hold }").await,
    ];
    // Nothing is said to it.
    assert_eq!(closed(&mut connect(&server, READY).await).await, "");
    server.toy.release.add_permits(2);
    for held in held {
        assert_eq!(held.await.unwrap().status, 200);
    }
    assert!(
        answered(&mut connect(&server, READY).await)
            .await
            .starts_with("HTTP/1.1 200")
    );
}

/// Bodies are bounded together, not only each: the largest that is waited for makes room.
#[tokio::test]
async fn bodies_are_bounded_together() {
    let server = serve(|options| options.held_bytes = 1_000_000).await;
    let mut slow = Vec::new();
    for size in [300_000, 500_000, 100_000] {
        let mut connection = connect(&server, &head(600_000)).await;
        connection.write_all(&vec![b' '; size]).await.unwrap();
        slow.push(connection);
    }
    let filler = "x".repeat(400_000);
    let body = json!({ "query": "{ sum }", "filler": filler });
    // By now, or when the next piece of a body comes, there is too much of them.
    let answer = Answer::of(server.post(JSON, &body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    closed(&mut slow[1]).await;
    assert_eq!(server.query(JSON, "{ sum }").await.status, 200);
}

/// A window of zero, and answers that are asked for again and again.
#[tokio::test]
async fn answers_that_are_not_read_end_the_connection() {
    let server = serve(|options| {
        options.write_timeout = SOON;
        options.held_per_connection = 100_000;
    })
    .await;
    let tcp = TcpStream::connect(server.address).await.unwrap();
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(0);
    let (mut sender, connection) = builder.handshake(TokioIo::new(tcp)).await.unwrap();
    let connection = tokio::spawn(connection);
    let body = json!({ "query": "query($n: String!) { hello(name: $n) }", "variables": { "n": "x".repeat(60_000) } }).to_string();
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let request = axum::http::Request::post(format!("http://{}/graphql", server.address))
            .header("content-type", "application/json")
            .body(axum::body::Body::from(body.clone()))
            .unwrap();
        let Ok(response) = sender.send_request(request).await else {
            break;
        };
        statuses.push(response.status().as_u16());
        // Unread, and not given up.
        std::mem::forget(response.into_body());
    }
    assert_eq!(statuses[..2], [200, 200], "{statuses:?}");
    assert!(!statuses[2..].contains(&200), "{statuses:?}");
    let _ = timeout(PATIENCE, connection).await.expect("it stays open");
}

/// The same where the client has the window, and reads nothing of its socket.
#[tokio::test]
async fn a_stream_of_events_that_is_not_read_is_ended() {
    let server = serve(|options| options.write_timeout = SOON).await;
    let _stream = connect(&server, b"GET /graphql?query=subscription{big} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n").await;
    toy::take(&server.toy.closed).await;
}

#[tokio::test]
async fn answers_that_are_read_arrive_whole() {
    let server = Server::start().await;
    let long = "ü".repeat(200_000);
    let body =
        json!({ "query": "query($n: String!) { hello(name: $n) }", "variables": { "n": long } });
    for encoding in ["identity", "gzip"] {
        let answer = server
            .post(JSON, &body)
            .header("accept-encoding", encoding)
            .send()
            .await
            .unwrap();
        let is_packed = answer.headers().contains_key("content-encoding");
        let bytes = answer.bytes().await.unwrap();
        if is_packed {
            assert!(bytes.len() < 10_000);
        } else {
            let data: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(data["data"]["hello"], format!("hello {long}"));
        }
    }
    let tcp = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = axum::http::Request::post(format!("http://{}/graphql", server.address))
        .header("content-type", "application/json")
        .body(axum::body::Body::from(body.to_string()))
        .unwrap();
    let bytes = sender
        .send_request(request)
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(
        bytes.len(),
        json!({ "data": { "hello": format!("hello {long}") } })
            .to_string()
            .len()
    );
}

/// What the client names things is in every answer.
#[tokio::test]
async fn names_and_pings_have_a_length() {
    let server = Server::start().await;
    for message in [
        json!({ "type": "subscribe", "id": "x".repeat(1025), "payload": { "query": "{ sum }" } }),
        json!({ "type": "complete", "id": "x".repeat(1025) }),
        json!({ "type": "ping", "payload": { "x": "x".repeat(4096) } }),
        json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ sum }", "operationName": "x".repeat(1025) } }),
    ] {
        let mut socket = Socket::open(&server).await;
        socket.send(message.clone()).await;
        assert_eq!(socket.closed().await, 4400, "{}", message["type"]);
    }
    let mut socket = Socket::open(&server).await;
    socket.subscribe(&"x".repeat(1024), "{ sum }").await;
    assert_eq!(socket.next().await["payload"]["data"]["sum"], 0);
    let body = json!({ "query": "{ sum }", "operationName": "x".repeat(1025) });
    Answer::of(server.post(JSON, &body))
        .await
        .assert_refused(400, "BAD_REQUEST");
}

#[tokio::test]
async fn answers_do_not_repeat_what_is_long() {
    let server = Server::start().await;
    let long = "x".repeat(300_000);
    for body in [
        json!({ "query": format!("{{ {long} }}") }),
        json!({ "query": format!("{{ hello(name: \"{long}) }}") }),
        json!({ "query": format!("query {long} {{ nothing }}") }),
        json!({ "query": "{ sum }", "operationName": "x".repeat(1024) }),
    ] {
        let answer = Answer::of(server.post(JSON, &body)).await;
        assert!(answer.json()["errors"][0]["message"].is_string());
        assert!(answer.text.len() < 10_000, "{} bytes", answer.text.len());
        let mut socket = Socket::open(&server).await;
        socket.subscribe_with("1", &body).await;
        let message = socket.next().await;
        assert_eq!(message["type"], "error");
        assert!(message.to_string().len() < 10_000);
    }
}

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
    let token =
        |scope| super::jwt::Signer::secret(&[b's'; 32]).sign(None, &super::jwt::claims(scope));
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
