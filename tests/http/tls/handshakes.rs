//! Who does not shake hands holds up nobody.

use std::time::Duration;

use daybook::http::{self, Certificate, Options, Stopped, TlsListener};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
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
    let options = Options::new(toy.readiness(), definition());
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
