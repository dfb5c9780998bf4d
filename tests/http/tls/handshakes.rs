//! Who does not shake hands holds up nobody.

use std::time::Duration;

use daybook::http::{self, Certificate, Stopped, TlsListener};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{Pair, TYPE, address, https, post, tls};
use crate::http::{
    DEFAULT_STOP, PATIENCE,
    toy::{Toy, definition},
};

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
    let options = http::options(toy.readiness(), definition());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener =
        TlsListener::new(listener, certificate).handshake_within(Duration::from_millis(20));
    let stop = CancellationToken::new();
    let server = tokio::spawn(http::serve(
        listener,
        http::app(toy.schema(), options),
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

async fn silent_from(from: &str, address: std::net::SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(address).await.unwrap()
}

async fn ended(connection: &mut TcpStream) {
    // Closed, or reset: it is over.
    let end = timeout(PATIENCE, connection.read(&mut [0])).await;
    assert!(matches!(end.expect("it is waited for"), Ok(0) | Err(_)));
}

/// An address that begins handshakes without end ends its own, and not those of others.
#[tokio::test]
async fn handshakes_are_bounded_together_and_for_each_address() {
    let pair = Pair::new();
    let certificate = Certificate::read(pair.files()).unwrap();
    let toy = Toy::default();
    let options = http::options(toy.readiness(), definition());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = TlsListener::new(listener, certificate)
        .handshake_within(Duration::from_secs(3600))
        .handshakes(4);
    let stop = CancellationToken::new();
    let server = tokio::spawn(http::serve(
        listener,
        http::app(toy.schema(), options),
        stop.clone().cancelled_owned(),
        DEFAULT_STOP,
    ));
    let mut other = silent_from("127.0.0.2", address).await;
    let mut greedy = Vec::new();
    for _ in 0..6 {
        greedy.push(silent_from("127.0.0.1", address).await);
    }
    let (ending, open) = greedy.split_at_mut(4);
    for connection in ending {
        ended(connection).await;
    }
    let mut byte = [0];
    for connection in open.iter_mut().chain([&mut other]) {
        let error = connection.try_read(&mut byte).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
    // The fourth of all is taken; a fifth ends the oldest of all.
    let _third = silent_from("127.0.0.3", address).await;
    let _fourth = silent_from("127.0.0.4", address).await;
    ended(&mut other).await;
    // Who shakes hands is served meanwhile.
    let _ = tls(address, pair.client()).await;
    stop.cancel();
    assert_eq!(
        timeout(PATIENCE, server).await.unwrap().unwrap(),
        Stopped::Clean
    );
}
