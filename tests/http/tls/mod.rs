//! TLS: what the port speaks, who can hold it up, and a certificate that is renewed.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use axum::{
    body::{Body, Bytes},
    http::{Request, Version},
};
use daybook::http::CertificateFiles;
use http_body_util::BodyExt;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use tempfile::TempDir;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer},
};

use super::{PATIENCE, binary::Running};

mod certificate;
mod handshakes;
mod transports;

const TYPE: &str = "{ __typename }";

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

    pub(super) fn serve(&self, more: &[&str]) -> Running {
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
    pub(super) fn client(&self) -> ClientConfig {
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

pub(super) type Https = Client<HttpsConnector<HttpConnector>, Body>;

pub(super) fn https(config: ClientConfig) -> Https {
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
