//! Sends the requests of the exporter's thread, which has no runtime, on the server's runtime.

use std::time::Duration;

use axum::http::Uri;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;

use crate::http_client::{Client, FetchError};

/// How long a collector may take to answer. OpenTelemetry's default.
const ANSWER: Duration = Duration::from_secs(10);

/// The most bytes of an answer. It only says which spans were rejected.
const LARGEST_ANSWER: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Sending {
    client: Client,
    runtime: Handle,
}

impl Sending {
    pub(super) fn new(url: &Uri, runtime: Handle) -> Result<Self, FetchError> {
        let client = Client::to(url)?;
        Ok(Self { client, runtime })
    }
}

#[async_trait::async_trait]
impl HttpClient for Sending {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let exchange = async move { client.send(request, LARGEST_ANSWER, ANSWER).await };
        Ok(self.runtime.spawn(exchange).await??)
    }
}
