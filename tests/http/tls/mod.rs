//! TLS: what the port speaks, who can hold it up, and a certificate that is renewed.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{Request, Version},
};
use daybook::http::{
    self, Certificate, CertificateFiles, Lifecycle, Options, Stopped, TlsListener,
};
use futures_util::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use hyper::{client::conn::http2, ext::Protocol};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest, protocol::Role},
};
use tokio_util::sync::CancellationToken;

use super::{DEFAULT_STOP, PATIENCE, command::Running, toy::Toy};

mod certificate;

const TYPE: &str = "{ __typename }";
const SUBPROTOCOL: (&str, &str) = ("sec-websocket-protocol", "graphql-transport-ws");

/// Two files, and what a client needs to know of them.
pub(super) struct Pair {
    folder: TempDir,
    root: CertificateDer<'static>,
}

impl Pair {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = write(&folder);
        Self { folder, root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn files(&self) -> CertificateFiles {
        CertificateFiles {
            chain: self.path("certificate.pem"),
            key: self.path("key.pem"),
        }
    }

    fn serve(&self, more: &[&str]) -> Running {
        let CertificateFiles { chain, key } = self.files();
        let tls = [
            "--tls-certificate",
            chain.to_str().unwrap(),
            "--tls-key",
            key.to_str().unwrap(),
            "--listen",
            "127.0.0.1:0",
        ];
        Running::start(&[&tls, more].concat())
    }

    /// Knows this certificate and no other.
    fn client(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}

/// Writes a certificate for 127.0.0.1, and its key.
fn write(folder: &TempDir) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    let names = ["127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    std::fs::write(folder.path().join("certificate.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
    certificate.der().clone()
}

type Https = Client<HttpsConnector<HttpConnector>, Body>;

fn https(config: ClientConfig) -> Https {
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_only()
        .enable_all_versions()
        .build();
    Client::builder(TokioExecutor::new()).build(connector)
}

/// The answer's version and text.
async fn post(client: &Https, base: &str, accept: &str, query: &str) -> (Version, String) {
    let request = Request::post(format!("{base}/graphql"))
        .header("content-type", "application/json")
        .header("accept", accept)
        .body(Body::from(json!({ "query": query }).to_string()))
        .unwrap();
    let response = client.request(request).await.unwrap();
    let version = response.version();
    let body: Bytes = response.into_body().collect().await.unwrap().to_bytes();
    (version, String::from_utf8(body.to_vec()).unwrap())
}

fn address(server: &Running) -> SocketAddr {
    let base = server.base().strip_prefix("https://").unwrap();
    base.parse().unwrap()
}

async fn tls(
    address: SocketAddr,
    config: ClientConfig,
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let tcp = TcpStream::connect(address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let handshake = connector.connect(address.ip().into(), tcp);
    timeout(PATIENCE, handshake)
        .await
        .expect("no handshake")
        .unwrap()
}

#[tokio::test]
async fn every_transport_speaks_tls() {
    let pair = Pair::new();
    let server = pair.serve(&[]);
    let base = server.base();
    assert!(base.starts_with("https://"), "{base}");
    let data = json!({ "data": { "__typename": "Query" } });

    let (version, text) = post(&https(pair.client()), base, "*/*", TYPE).await;
    assert_eq!(version, Version::HTTP_2);
    assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), data);

    let (_, events) = post(&https(pair.client()), base, "text/event-stream", TYPE).await;
    assert_eq!(
        events.lines().next().map(str::trim),
        Some("event: next"),
        "{events}"
    );

    let stream = tls(address(&server), pair.client()).await;
    let url = format!("wss://{}/graphql", address(&server));
    let mut request = url.into_client_request().unwrap();
    for (name, value) in [SUBPROTOCOL, ("origin", base)] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let socket = tokio_tungstenite::client_async(request, stream).await;
    ask(socket.unwrap().0, TYPE, &data).await;
}

/// As browsers do where a page came by HTTP/2 (RFC 8441).
#[tokio::test]
async fn a_socket_can_be_a_stream_of_http_2() {
    let pair = Pair::new();
    let server = pair.serve(&[]);
    let mut config = pair.client();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TokioIo::new(tls(address(&server), config).await);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream)
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = Request::connect(format!("{}/graphql", server.base()))
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .header(SUBPROTOCOL.0, SUBPROTOCOL.1)
        .header("origin", server.base());
    // A first answer: by then the server's settings are known, and allow this.
    let first = Request::get(format!("{}/healthz", server.base()));
    let first = sender.send_request(first.body(Body::empty()).unwrap());
    first.await.unwrap();
    let response = sender.send_request(request.body(Body::empty()).unwrap());
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    let stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    let data = json!({ "data": { "__typename": "Query" } });
    ask(socket, TYPE, &data).await;
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: WebSocketStream<S>,
    query: &str,
    data: &Json,
) {
    for (message, answer) in [
        (
            json!({ "type": "connection_init" }),
            json!({ "type": "connection_ack" }),
        ),
        (
            json!({ "type": "subscribe", "id": "1", "payload": { "query": query } }),
            json!({ "type": "next", "id": "1", "payload": data }),
        ),
    ] {
        let message = Message::text(message.to_string());
        socket.send(message).await.unwrap();
        let answered = socket.next().await.unwrap().unwrap().into_text().unwrap();
        assert_eq!(serde_json::from_str::<Json>(&answered).unwrap(), answer);
    }
}

#[tokio::test]
async fn http_1_1_is_spoken_where_a_client_asks_for_it() {
    let pair = Pair::new();
    let server = pair.serve(&[]);
    let mut config = pair.client();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut stream = tls(address(&server), config).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let request = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn plain_http_is_told_that_the_port_speaks_tls() {
    let pair = Pair::new();
    let server = pair.serve(&[]);
    let url = server.base().replacen("https://", "http://", 1);
    // Longer than what is read with the first byte.
    let response = reqwest::Client::new()
        .post(format!("{url}/graphql"))
        .body("x".repeat(20_000))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(
        response.text().await.unwrap(),
        "this port speaks TLS: ask by https://\n"
    );
}

/// The drain is longer than a test may take: a silent client that held it would be seen.
#[tokio::test]
async fn a_client_that_says_nothing_holds_up_nobody() {
    let pair = Pair::new();
    let server = pair.serve(&["--drain", "1h", "--log", "info"]);
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(address(&server)).await.unwrap());
    }
    // One that has shaken hands, and says nothing more.
    let _idle = tls(address(&server), pair.client()).await;
    let client = https(pair.client());
    let answer = post(&client, server.base(), "*/*", TYPE);
    timeout(PATIENCE, answer).await.expect("it is held up");
    server.signal("TERM");
    let ended = tokio::task::spawn_blocking(|| server.ended());
    let (code, said) = timeout(PATIENCE, ended).await.expect("it is held").unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("rolled back"), "{said}");
}

#[tokio::test]
async fn a_handshake_has_its_time() {
    let pair = Pair::new();
    let certificate = Certificate::read(pair.files()).unwrap();
    let toy = Toy::default();
    let lifecycle = Lifecycle::new();
    let options = Options::new(toy.readiness(), lifecycle.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener =
        TlsListener::new(listener, certificate).handshake_within(Duration::from_millis(20));
    let stop = CancellationToken::new();
    let server = tokio::spawn(http::serve(
        listener,
        http::router(toy.schema(), options),
        lifecycle,
        stop.clone().cancelled_owned(),
        DEFAULT_STOP,
    ));
    let mut silent = TcpStream::connect(address).await.unwrap();
    let end = timeout(PATIENCE, silent.read(&mut [0])).await;
    assert_eq!(end.expect("it is waited for").unwrap(), 0);
    // Whoever has shaken hands has all the time there is.
    let mut idle = tls(address, pair.client()).await;
    let waited = timeout(Duration::from_millis(60), idle.read(&mut [0])).await;
    assert!(waited.is_err(), "{waited:?}");
    stop.cancel();
    assert_eq!(
        timeout(PATIENCE, server).await.unwrap().unwrap(),
        Stopped::Clean
    );
}
