//! A certificate that is renewed, and one that is none.

use daybook::http::{Certificate, CertificateFiles};

use super::{Pair, TYPE, address, https, post, tls, write};
use crate::http::binary::{run, stderr};

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let mut pair = Pair::new();
    let mut server = pair.serve(&[]);
    let before = pair.client();
    let old = https(before.clone());
    post(&old, server.base(), "*/*", TYPE).await;

    // Not a pair yet: the one before stays.
    let other = Pair::new();
    std::fs::copy(other.path("key.pem"), pair.path("key.pem")).unwrap();
    server.signal("HUP");
    server.logged("cannot be renewed").await;
    tls(address(&server), before).await;

    pair.root = write(&pair.folder);
    server.signal("HUP");
    server.logged("the certificate is renewed").await;
    tls(address(&server), pair.client()).await;
    // What is open stays open.
    post(&old, server.base(), "*/*", TYPE).await;
}

#[test]
fn a_certificate_that_changes_is_read_again_and_one_that_does_not_is_not() {
    let pair = Pair::new();
    let certificate = Certificate::read(pair.files()).unwrap();
    assert!(!certificate.reload().unwrap());
    write(&pair.folder);
    assert!(certificate.reload().unwrap());
    assert!(!certificate.reload().unwrap());
    std::fs::write(pair.path("key.pem"), "nonsense").unwrap();
    assert!(certificate.reload().is_err());
}

#[test]
fn a_wrong_pair_is_refused_with_what_to_do() {
    let (pair, other) = (Pair::new(), Pair::new());
    let damaged = pair.path("damaged.pem");
    std::fs::write(&damaged, "-----BEGIN PRIVATE KEY-----\nhunter2").unwrap();
    let path = |pair: &Pair, name: &str| pair.path(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path(&pair, "certificate.pem"), path(&pair, "key.pem"));
    let damaged = damaged.to_str().unwrap();
    let others = path(&other, "key.pem");
    for (args, expected) in [
        (
            vec!["--tls-certificate", &certificate, "--tls-key", &others],
            format!(
                "--tls-key is {others:?}; expected the private key of the certificate: this one belongs to \
                 another, so give the two that were made together"
            ),
        ),
        (
            vec!["--tls-certificate", &certificate],
            "--tls-key is wrong; expected the private key that --tls-certificate needs".to_owned(),
        ),
        (
            vec!["--tls-key", &key],
            "--tls-certificate is wrong; expected the certificate that --tls-key belongs to"
                .to_owned(),
        ),
        (
            vec!["--tls-certificate", &key, "--tls-key", &key],
            format!("--tls-certificate is {key:?}; expected a PEM file with a certificate"),
        ),
        (
            vec!["--tls-certificate", &certificate, "--tls-key", damaged],
            format!("--tls-key is {damaged:?}; expected a PEM file with a private key"),
        ),
        (
            vec!["--tls-certificate", "/nowhere", "--tls-key", &key],
            "--tls-certificate is \"/nowhere\"; expected a PEM file with a certificate and those that lead to \
             its root (it cannot be read: No such file"
                .to_owned(),
        ),
    ] {
        let output = run(&args, &[]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&expected), "{said}\nlacks\n{expected}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

/// TLS keeps secrets; it does not say who may do what.
#[test]
fn tls_is_no_authentication() {
    let pair = Pair::new();
    let CertificateFiles { chain, key } = pair.files();
    let output = run(
        &[
            "--listen",
            "0.0.0.0:0",
            "--tls-certificate",
            chain.to_str().unwrap(),
            "--tls-key",
            key.to_str().unwrap(),
        ],
        &[],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("expected a loopback address, authentication"),
        "{}",
        stderr(&output)
    );
}
