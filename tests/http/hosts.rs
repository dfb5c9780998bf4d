//! The names of the server: a page whose name was made to resolve to this machine ("DNS rebinding") gets no answer.

use daybook::http::Hosts;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    DEFAULT_STOP, PATIENCE, Server,
    binary::Running,
    sockets::{PROTOCOL, Socket},
    tls::Pair,
};

const EVIL: &str = "evil.example";

/// The status that bytes as they are get, by HTTP/1.1 without TLS.
async fn status(address: &str, head: &str, body: &str) -> u16 {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!("{head}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = connection.read_to_end(&mut answer);
    timeout(PATIENCE, read).await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer);
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

fn address(server: &Running) -> &str {
    server.base().rsplit_once('/').unwrap().1
}

#[tokio::test]
async fn a_name_that_was_rebound_to_loopback_is_not_answered() {
    let server = Running::start(&["--listen", "127.0.0.1:0"]);
    let address = address(&server);
    let port = address.rsplit_once(':').unwrap().1;
    let mutation = json!({ "query": "mutation { openAccount(input: { code: \"a\", name: \"A\", currency: \"EUR\", normalSide: DEBIT }) { account { id } } }" }).to_string();
    let ask = async |method: &str, path: &str, host: &str| {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\ncontent-type: application/json\r\n"
        );
        let body = if method == "POST" { &mutation } else { "" };
        status(address, &head, body).await
    };
    for host in [
        EVIL.to_owned(),
        format!("{EVIL}:{port}"),
        format!("0.0.0.0:{port}"),
        format!("localhost.{EVIL}:{port}"),
    ] {
        assert_eq!(ask("POST", "/graphql", &host).await, 421, "{host}");
        for path in [
            "/",
            "/graphql?query={__typename}",
            "/metrics",
            "/healthz",
            "/readyz",
            "/nothing",
            "/favicon.svg",
        ] {
            assert_eq!(ask("GET", path, &host).await, 421, "{host} {path}");
        }
        let upgrade = format!(
            "GET /graphql HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n"
        );
        assert_eq!(status(address, &upgrade, "").await, 421, "{host}");
    }
    for (host, expected) in [
        (address, 200),
        (&format!("localhost:{port}"), 200),
        ("a.localhost", 200),
        ("[::1]:9", 200),
    ] {
        assert_eq!(ask("GET", "/readyz", host).await, expected, "{host}");
    }
    // Not one host, or none that can be read.
    for hosts in [
        "",
        "host: localhost\r\nhost: localhost\r\n",
        "host: evil.example@localhost\r\n",
        "host:\r\n",
    ] {
        let head = format!("GET /readyz HTTP/1.1\r\n{hosts}");
        assert_eq!(status(address, &head, "").await, 400, "{hosts:?}");
    }
    // A target that is a whole URL names the host as well.
    let head = format!("GET http://{EVIL}/readyz HTTP/1.1\r\nhost: localhost\r\n");
    assert_eq!(status(address, &head, "").await, 421);
    // Nothing of it has happened.
    let head = "GET /graphql?query={accounts{totalCount}} HTTP/1.1\r\nhost: localhost\r\n";
    let answer = reqwest::get(format!(
        "{}/graphql?query={{accounts{{totalCount}}}}",
        server.base()
    ))
    .await;
    assert_eq!(
        answer.unwrap().json::<serde_json::Value>().await.unwrap()["data"]["accounts"]["totalCount"],
        0
    );
    assert_eq!(status(address, head, "").await, 200);
}

#[tokio::test]
async fn names_that_are_allowed_are_answered() {
    let server = Running::start(&[
        "--listen",
        "127.0.0.1:0",
        "--allow-host",
        "daybook.example,Other",
    ]);
    let address = address(&server);
    for (host, expected) in [
        ("daybook.example:1", 200),
        ("other", 200),
        ("localhost", 200),
        (EVIL, 421),
    ] {
        let head = format!("GET /readyz HTTP/1.1\r\nhost: {host}\r\n");
        assert_eq!(status(address, &head, "").await, expected, "{host}");
    }
}

/// Beyond loopback only the operator knows the names, and they are looked at once some are given.
#[tokio::test]
async fn beyond_loopback_names_are_looked_at_once_some_are_given() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "s".repeat(32)).unwrap();
    let guarded = [
        "--jwt-secret-file",
        secret.to_str().unwrap(),
        "--jwt-issuer",
        "i",
        "--jwt-audience",
        "a",
    ];
    let open = ["--listen", "0.0.0.0:0", "--without-authentication"];
    let beyond = ["--listen", "0.0.0.0:0"];
    let loopback = ["--listen", "127.0.0.1:0"];
    let allowed = ["--allow-host", "daybook.example"];
    for (args, evil) in [
        (open.to_vec(), 200),
        ([&open[..], &allowed].concat(), 421),
        ([&beyond[..], &guarded].concat(), 200),
        ([&beyond[..], &guarded, &allowed].concat(), 421),
        ([&loopback[..], &guarded].concat(), 200),
        ([&loopback[..], &["--without-authentication"]].concat(), 421),
    ] {
        let server = Running::start(&args);
        let port = address(&server).rsplit_once(':').unwrap().1;
        let address = format!("127.0.0.1:{port}");
        let head = |host: &str| format!("GET /readyz HTTP/1.1\r\nhost: {host}\r\n");
        assert_eq!(status(&address, &head(EVIL), "").await, evil, "{args:?}");
        assert_eq!(
            status(&address, &head("localhost"), "").await,
            200,
            "{args:?}"
        );
        assert_eq!(
            status(&address, "GET /readyz HTTP/1.1\r\n", "").await,
            400,
            "{args:?}"
        );
    }
}

#[tokio::test]
async fn http_2_names_the_host_in_its_authority() {
    let only =
        |options: &mut daybook::http::Options| options.hosts = Hosts::LoopbackAnd(Vec::new());
    let server = Server::start_with(only, DEFAULT_STOP).await;
    let tcp = TcpStream::connect(server.address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(tcp);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io)
            .await
            .unwrap();
    tokio::spawn(connection);
    for (authority, header, expected) in [
        ("localhost:1", None, 200),
        (EVIL, None, 421),
        (EVIL, Some("localhost"), 421),
        ("localhost", Some(EVIL), 421),
    ] {
        let mut request = axum::http::Request::get(format!("http://{authority}/readyz"));
        if let Some(host) = header {
            request = request.header("host", host);
        }
        let request = request.body(axum::body::Body::empty()).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), expected, "{authority} {header:?}");
    }
}

/// A rebound page has an `Origin` and a `Host` that are the same.
#[tokio::test]
async fn a_socket_of_a_rebound_page_is_refused() {
    let only =
        |options: &mut daybook::http::Options| options.hosts = Hosts::LoopbackAnd(Vec::new());
    let server = Server::start_with(only, DEFAULT_STOP).await;
    let evil = [PROTOCOL, ("host", EVIL), ("origin", "http://evil.example")];
    assert!(Socket::try_connect(&server, &evil).await.is_err());
    let own = [
        PROTOCOL,
        ("host", "localhost"),
        ("origin", "http://localhost"),
    ];
    assert!(Socket::try_connect(&server, &own).await.is_ok());
}

#[tokio::test]
async fn names_are_looked_at_inside_tls_too() {
    let pair = Pair::new();
    let server = pair.serve(&[]);
    let client = super::tls::https(pair.client());
    let ask = async |host: &str| {
        let request = axum::http::Request::get(format!("{}/readyz", server.base()));
        let request = request
            .header("host", host)
            .body(axum::body::Body::empty())
            .unwrap();
        client.request(request).await.unwrap().status().as_u16()
    };
    assert_eq!(ask("localhost").await, 200);
    assert_eq!(ask(EVIL).await, 421);
}
