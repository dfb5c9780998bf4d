//! The HTTP client with which the server gets keys and sends spans, and with which commands ask a server. It does not follow redirects: a setting should name the right URL.
//!
//! Why not reqwest: it is built on the same hyper and rustls. It would save the connector and the bound of the body, about forty lines.
//! But it follows redirects and uses the environment's proxies unless it is told not to.

use std::{error::Error, io, sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    http::{Request, Response, StatusCode, Uri},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::timeout;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(30);

/// A client for one server. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Client(legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The machine has no root certificates.
    #[error("no root certificates are found (install ca-certificates, or set SSL_CERT_FILE): {0}")]
    Roots(#[source] io::Error),
    /// The server cannot be reached. Nothing was sent to it.
    #[error("{0}")]
    Connect(String),
    /// The connection was lost, or the answer is not HTTP.
    #[error("{0}")]
    Exchange(String),
    /// The server answers with an error status.
    #[error("it answers {0}")]
    Status(StatusCode),
    /// The server redirects to another URL.
    #[error("it answers {0}, and redirects are not followed: name the URL that it leads to")]
    Redirect(StatusCode),
    /// The server does not answer in time.
    #[error("it does not answer within {0:?}")]
    Late(Duration),
}

impl Client {
    /// A client for the server of this URL. Its certificate is verified with the root certificates of the machine.
    ///
    /// # Errors
    /// [`FetchError::Roots`].
    pub fn to(url: &Uri) -> Result<Self, FetchError> {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| FetchError::Exchange(error.to_string()))?;
        let config = if url.scheme_str() == Some("https") {
            config.with_native_roots().map_err(FetchError::Roots)?
        } else {
            config.with_root_certificates(RootCertStore::empty())
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config.with_no_client_auth())
            .https_or_http()
            .enable_http1()
            .build();
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self(client))
    }

    /// Gets what is at a URL. Longer than `most` bytes is an error.
    ///
    /// # Errors
    /// A [`FetchError`].
    ///
    /// # Cancel safety
    /// Dropping the future ends the exchange.
    pub async fn get(&self, url: &Uri, most: usize, within: Duration) -> Result<Bytes, FetchError> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = url.clone();
        let response = self.send(request, most, within).await?;
        match response.status() {
            StatusCode::OK => Ok(response.into_body()),
            status if status.is_redirection() => Err(FetchError::Redirect(status)),
            status => Err(FetchError::Status(status)),
        }
    }

    /// Sends a request, and returns the answer, whatever its status. A body of more than `most` bytes is an error.
    ///
    /// # Errors
    /// A [`FetchError`] if there is no complete answer.
    ///
    /// # Cancel safety
    /// Dropping the future ends the exchange.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        most: usize,
        within: Duration,
    ) -> Result<Response<Bytes>, FetchError> {
        let exchange = async {
            let response = self.0.request(request.map(Full::new)).await;
            let response = response.map_err(|error| match error.is_connect() {
                true => FetchError::Connect(root(&error)),
                false => FetchError::Exchange(root(&error)),
            })?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, most).collect().await;
            let body = body.map_err(|error| FetchError::Exchange(root(error.as_ref())))?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        let outcome = timeout(within, exchange).await;
        outcome.unwrap_or(Err(FetchError::Late(within)))
    }
}

/// The innermost cause. The errors around it add nothing.
fn root(mut error: &(dyn Error + 'static)) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
