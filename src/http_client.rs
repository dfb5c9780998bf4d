//! HTTP that the server itself speaks to others. Redirects are not followed: whoever names a URL is to name the right one.
//!
//! Why not reqwest: it is the same hyper and rustls beneath. It would save the connector and the bound of the body, some forty lines, and
//! it follows redirects and the environment's proxies unless it is told not to.

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

/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(30);

/// Asks one server. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Client(legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The machine does not say whom it trusts.
    #[error("no root certificates are found (install ca-certificates, or set SSL_CERT_FILE): {0}")]
    Roots(#[source] io::Error),
    /// Nobody answers, or not as HTTP has it.
    #[error("{0}")]
    Exchange(String),
    /// It answers, and says no.
    #[error("it answers {0}")]
    Status(StatusCode),
    /// It answers that another URL is right.
    #[error("it answers {0}, and redirects are not followed: name the URL that it leads to")]
    Redirect(StatusCode),
    /// It takes too long.
    #[error("it does not answer within {0:?}")]
    Late(Duration),
}

impl Client {
    /// A client for the server of this URL. Who that is, is verified with the root certificates of the machine.
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

    /// What is at a URL, of at most this many bytes.
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

    /// The answer to a request, whatever its status, with a body of at most this many bytes.
    ///
    /// # Errors
    /// A [`FetchError`] where there is none.
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
            let response = response.map_err(|error| FetchError::Exchange(root(&error)))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, most).collect().await;
            let body = body.map_err(|error| FetchError::Exchange(root(error.as_ref())))?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        let outcome = timeout(within, exchange).await;
        outcome.unwrap_or(Err(FetchError::Late(within)))
    }
}

/// The innermost cause: what wraps it only says that there is one.
fn root(mut error: &(dyn Error + 'static)) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
