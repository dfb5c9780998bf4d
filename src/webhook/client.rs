//! The client of webhooks. It follows no redirect, uses no proxy, and connects to no address that it may not.
//!
//! Why not `crate::http_client`: that is for servers that the operator has named, and this for those that users have.

use std::{
    error::Error,
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
    vec,
};

use axum::{
    body::Bytes,
    http::{Request, StatusCode},
};
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        self,
        connect::{
            HttpConnector,
            dns::{GaiResolver, Name},
        },
    },
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, crypto::ring};
use tower::Service;

use super::{Addresses, address::PRIVATE};

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(30);

/// How much of an answer is read, so that its connection can be used again. Nothing of it is kept.
const MOST_ANSWER: usize = 16 * 1024;

/// The client of webhooks. Clones share its connections.
#[derive(Clone, Debug)]
pub(crate) struct Client(legacy::Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>);

/// What an endpoint has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// This status.
    Status(StatusCode),
    /// Nothing, for this reason.
    None(String),
}

impl Client {
    /// A client that connects to these addresses.
    ///
    /// # Errors
    /// If there is no version of TLS, which cannot be.
    pub(crate) fn new(addresses: Addresses) -> Result<Self, rustls::Error> {
        let mut http = HttpConnector::new_with_resolver(Resolver {
            system: GaiResolver::new(),
            addresses,
        });
        http.enforce_http(false);
        http.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls()?);
        let connector = match addresses.plain {
            true => connector.https_or_http(),
            false => connector.https_only(),
        };
        Ok(Self(
            legacy::Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE)
                .pool_max_idle_per_host(1)
                .build(connector.enable_http1().wrap_connector(http)),
        ))
    }

    /// Sends a request, and waits for the answer; nothing takes longer than `within`. The caller has checked its URL: an address that
    /// stands in it is not resolved.
    ///
    /// # Cancel safety
    /// Dropping the future ends the exchange; the endpoint may have got the request.
    pub(crate) async fn send(&self, request: Request<Bytes>, within: Duration) -> Answer {
        let until = Instant::now() + within;
        let exchange = self.0.request(request.map(Full::new));
        let response = match timeout_at(until, exchange).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Answer::None(root(&error)),
            Err(_) => return Answer::None(format!("it does not answer within {within:?}")),
        };
        let status = response.status();
        // What it says beside its status does not matter, and neither does it if that ends badly, or not at all.
        let rest = Limited::new(response.into_body(), MOST_ANSWER).collect();
        let _ = timeout_at(until, rest).await;
        Answer::Status(status)
    }
}

/// Certificates are verified with the root certificates of the machine. Where it has none, no certificate is good.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    let config = match builder.clone().with_native_roots() {
        Ok(config) => config,
        Err(error) => {
            tracing::warn!(
                %error,
                "no root certificates are found (install ca-certificates, or set SSL_CERT_FILE): webhooks over HTTPS fail"
            );
            builder.with_root_certificates(RootCertStore::empty())
        }
    };
    Ok(config.with_no_client_auth())
}

/// The system's resolver, without the addresses that may not be connected to.
#[derive(Clone, Debug)]
struct Resolver {
    system: GaiResolver,
    addresses: Addresses,
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (resolved, addresses) = (self.system.call(name), self.addresses);
        Box::pin(async move {
            let allowed: Vec<_> = resolved
                .await?
                .filter(|it| addresses.allows(it.ip()))
                .collect();
            if allowed.is_empty() {
                return Err(io::Error::other(format!("it {PRIVATE}")));
            }
            Ok(allowed.into_iter())
        })
    }
}

/// The innermost cause. The errors around it add nothing.
fn root(mut error: &(dyn Error + 'static)) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
