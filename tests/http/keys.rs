//! Keys that change while the server serves: from a URL, and from a file.
//!
//! The issuer answers while a test waits for the server to start: such tests have more than one thread.

use std::{
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use axum::http::{StatusCode, header};
use daybook::http::{Certificate, READ, TlsListener, WRITE};
use serde_json::json;
use tokio::{net::TcpListener, sync::Semaphore};

use super::{
    GRAPHQL_RESPONSE,
    binary::{Running, run, stderr},
    issuer::{Issuer, set},
    jwt::{Signer, claims},
    tls::Pair,
};

const ACCESS: [&str; 6] = [
    "--listen",
    "127.0.0.1:0",
    "--jwt-issuer",
    "issuer",
    "--jwt-audience",
    "daybook",
];

fn serve(keys: &[&str]) -> Running {
    Running::start(&[&ACCESS, keys].concat())
}

/// The status of a query with this token.
async fn ask(server: &Running, token: &str) -> u16 {
    ask_at(server.base().to_owned(), token.to_owned()).await
}

async fn ask_at(base: String, token: String) -> u16 {
    let request = reqwest::Client::new()
        .post(format!("{base}/graphql"))
        .header(header::ACCEPT, GRAPHQL_RESPONSE)
        .bearer_auth(token)
        .json(&json!({ "query": "{ __typename }" }));
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_taken_as_soon_as_a_token_names_it() {
    let (old, new) = (Signer::generate(), Signer::generate());
    let issuer = Issuer::start(&[("old", &old)]).await;
    let server = serve(&["--jwks", &issuer.url()]);
    let by = |key: &Signer, id: &str| key.sign(Some(id), &claims(READ));
    assert_eq!(ask(&server, &by(&old, "old")).await, 200);
    assert_eq!(issuer.asked(), 1);

    issuer.publish(&[("new", &new)]);
    assert_eq!(ask(&server, &by(&new, "new")).await, 200);
    assert_eq!(issuer.asked(), 2);
    // A withdrawn key is gone.
    assert_eq!(ask(&server, &by(&old, "old")).await, 401);
    // A wrong key with a known name is refused, and not looked for again.
    assert_eq!(ask(&server, &by(&old, "new")).await, 401);
    assert_eq!(issuer.asked(), 2);
}

/// Whose certificate is good, the machine says: OpenSSL's variable is as good as its own folder.
#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_shows_a_certificate_that_the_machine_trusts() {
    let (pair, other) = (Pair::new(), Pair::new());
    let certificate = Certificate::read(pair.files()).unwrap();
    let key = Signer::generate();
    let issuer = Issuer::start_on(&[("key", &key)], |listener| {
        TlsListener::new(listener, certificate)
    })
    .await;
    let url = issuer.url().replacen("http://", "https://", 1);
    let args = [&ACCESS[..], &["--jwks", &url]].concat();
    let trusting = |pair: &Pair| pair.files().chain.to_str().unwrap().to_owned();
    let server = Running::start_with(&args, &[("SSL_CERT_FILE", &trusting(&pair))]);
    let token = key.sign(Some("key"), &claims(READ));
    assert_eq!(ask(&server, &token).await, 200);
    let output = run(&args, &[("SSL_CERT_FILE", &trusting(&other))]);
    let said = stderr(&output);
    assert!(said.contains("invalid peer certificate"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_invented_keys_costs_the_issuer_one_question() {
    let (key, new) = (Signer::generate(), Signer::generate());
    let forger = Signer::generate();
    let issuer = Issuer::start(&[("key", &key)]).await;
    let server = serve(&["--jwks", &issuer.url()]);
    let forged = |id: usize| forger.sign(Some(&format!("forged-{id}")), &claims(WRITE));
    issuer.answers.forget_permits(Semaphore::MAX_PERMITS);
    let asking = |token| tokio::spawn(ask_at(server.base().to_owned(), token));
    let first = asking(forged(0));
    daybook_test_harness::eventually("the issuer is asked", async || issuer.asked() == 2).await;
    issuer.publish(&[("key", &key), ("new", &new)]);
    let storm: Vec<_> = (1..50).map(|id| asking(forged(id))).collect();
    let late = asking(new.sign(Some("new"), &claims(READ)));
    // Who asked first goes, and the others are not left alone; who has a known key does not wait.
    first.abort();
    assert_eq!(
        ask(&server, &key.sign(Some("key"), &claims(READ))).await,
        200
    );
    issuer.answers.add_permits(Semaphore::MAX_PERMITS);
    for forged in storm {
        assert_eq!(forged.await.unwrap(), 401);
    }
    assert_eq!(late.await.unwrap(), 200);
    for id in 50..60 {
        assert_eq!(ask(&server, &forged(id)).await, 401);
    }
    assert_eq!(issuer.asked(), 2);
}

/// The first tokens wait for a second at most, and later ones not at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_hangs_holds_up_nobody_for_long() {
    let key = Signer::generate();
    let issuer = Issuer::start(&[("key", &key)]).await;
    let server = serve(&["--jwks", &issuer.url()]);
    issuer.answers.forget_permits(Semaphore::MAX_PERMITS);
    let forger = Signer::generate();
    let forged = |id: usize| forger.sign(Some(&format!("forged-{id}")), &claims(WRITE));
    let began = Instant::now();
    let first: Vec<_> = (0..5)
        .map(|id| tokio::spawn(ask_at(server.base().to_owned(), forged(id))))
        .collect();
    for first in first {
        assert_eq!(first.await.unwrap(), 401);
    }
    for id in 5..15 {
        assert_eq!(ask(&server, &forged(id)).await, 401);
    }
    // The source would have five seconds, each time.
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(issuer.asked(), 2);
}

#[test]
fn a_secret_that_everybody_can_read_brings_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "s".repeat(32)).unwrap();
    let path = file.to_str().unwrap();
    for (mode, warns) in [(0o600, false), (0o640, false), (0o644, true), (0o602, true)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let server = serve(&["--jwt-secret-file", path]);
        server.signal("TERM");
        let (_, said) = server.ended();
        let is_warned = said.contains("every user of this machine can read or change this file")
            && said.contains(path);
        assert_eq!(is_warned, warns, "{mode:o}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_stay_when_their_source_fails() {
    let key = Signer::generate();
    let issuer = Issuer::start(&[("key", &key)]).await;
    let mut server = serve(&["--jwks", &issuer.url()]);
    let token = key.sign(Some("key"), &claims(READ));
    for (status, text) in [
        (StatusCode::INTERNAL_SERVER_ERROR, "{}"),
        (StatusCode::OK, "{\"keys\": []}"),
        (StatusCode::OK, "<html>"),
        (StatusCode::FOUND, ""),
    ] {
        issuer.answer(status, text);
        server.signal("HUP");
        server
            .logged("the keys cannot be renewed: those before stay")
            .await;
        assert_eq!(ask(&server, &token).await, 200, "{status} {text}");
    }
    let unknown = Signer::generate().sign(Some("unknown"), &claims(READ));
    assert_eq!(ask(&server, &unknown).await, 401);
    assert_eq!(ask(&server, &token).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_not_there_at_the_start_are_one_line() {
    let issuer = Issuer::start(&[]).await;
    let url = issuer.url();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("http://{}/keys", nobody.local_addr().unwrap());
    drop(nobody);
    let large = format!("{{\"keys\": [], \"x\": \"{}\"}}", "x".repeat(300_000));
    for (url, status, text, expected) in [
        (&nowhere, StatusCode::OK, "", "Connection refused"),
        (&url, StatusCode::NOT_FOUND, "", "it answers 404 Not Found"),
        (
            &url,
            StatusCode::FOUND,
            "",
            "it answers 302 Found, and redirects are not followed",
        ),
        (
            &url,
            StatusCode::OK,
            "[]",
            "it is not a JSON Web Key Set with keys",
        ),
        (&url, StatusCode::OK, &large, "length limit exceeded"),
    ] {
        issuer.answer(status, text);
        let asked = issuer.asked();
        let args = [&ACCESS[..], &["--jwks", url]].concat();
        let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        let output = tokio::task::spawn_blocking(move || {
            let args: Vec<_> = args.iter().map(String::as_str).collect();
            run(&args, &[])
        });
        let output = output.await.unwrap();
        let said = stderr(&output);
        let said = said.lines().last().unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let start = format!("daybook: cannot get the keys of tokens from {url}: ");
        assert!(
            said.starts_with(&start) && said.contains(expected),
            "{said}"
        );
        assert!(issuer.asked() <= asked + 1, "a redirect is followed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_does_not_answer_is_not_waited_for_long() {
    let issuer = Issuer::start(&[]).await;
    issuer.answers.forget_permits(Semaphore::MAX_PERMITS);
    let url = issuer.url();
    let output =
        tokio::task::spawn_blocking(move || run(&[&ACCESS[..], &["--jwks", &url]].concat(), &[]));
    let said = stderr(&output.await.unwrap());
    assert!(said.contains("it does not answer within 5s"), "{said}");
}

#[tokio::test]
async fn keys_of_a_file_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second, third) = (Signer::generate(), Signer::generate(), Signer::generate());
    let file = folder.path().join("keys.json");
    let write = |keys: &[(&str, &Signer)]| std::fs::write(&file, set(keys)).unwrap();
    write(&[("1", &first)]);
    let mut server = serve(&["--jwks", file.to_str().unwrap(), "--log", "debug"]);
    let by = |key: &Signer, id: &str| key.sign(Some(id), &claims(READ));
    assert_eq!(ask(&server, &by(&first, "1")).await, 200);
    write(&[("2", &second)]);
    assert_eq!(ask(&server, &by(&second, "2")).await, 200);
    assert_eq!(ask(&server, &by(&first, "1")).await, 401);
    // A second look would come too soon, but for whoever says that there is something to see.
    write(&[("3", &third)]);
    assert_eq!(ask(&server, &by(&third, "3")).await, 401);
    server.signal("HUP");
    server.logged("the keys are read again").await;
    assert_eq!(ask(&server, &by(&third, "3")).await, 200);
}

#[tokio::test]
async fn a_secret_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let secrets = ["a".repeat(32), "b".repeat(32)];
    let tokens = secrets
        .each_ref()
        .map(|secret| Signer::secret(secret.as_bytes()).sign(None, &claims(READ)));
    std::fs::write(&file, format!("{}\n", secrets[0])).unwrap();
    let mut server = serve(&[
        "--jwt-secret-file",
        file.to_str().unwrap(),
        "--log",
        "debug",
    ]);
    assert_eq!(ask(&server, &tokens[0]).await, 200);
    assert_eq!(ask(&server, &tokens[1]).await, 401);
    std::fs::write(&file, format!("{}\n", secrets[1])).unwrap();
    server.signal("HUP");
    server.logged("the keys are read again").await;
    assert_eq!(ask(&server, &tokens[0]).await, 401);
    assert_eq!(ask(&server, &tokens[1]).await, 200);
}
