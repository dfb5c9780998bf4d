//! The way to a server, by HTTP.

use std::time::Duration;

use async_trait::async_trait;
use axum::{
    body::Bytes,
    http::{
        HeaderValue, Method, Request, Response, Uri,
        header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
    },
};

use super::{MOST_BYTES, Transport, Undelivered};
use crate::{
    command::terminal::failure::{Failure, Outcome},
    config::ServerPlace,
    http::warn_if_exposed,
    http_client::{self, FetchError},
};

/// How much longer than the server's own deadline to wait for its answer: so long it may take the server to find out what became of a
/// COMMIT, and a little.
const GRACE: Duration = Duration::from_secs(15);

pub(super) struct Server {
    client: http_client::Client,
    place: ServerPlace,
    within: Duration,
}

impl Server {
    pub(super) fn new(place: &ServerPlace, timeout: Duration) -> Result<Self, Failure> {
        if let Some(file) = &place.token_file {
            warn_if_exposed(file);
        }
        let client = http_client::Client::to(&place.url);
        let client = client.map_err(|error| {
            let problem = format!("cannot ask {}: {error}", place.url);
            Failure::new(Outcome::Failed, problem)
        })?;
        Ok(Self {
            client,
            place: place.clone(),
            within: timeout + GRACE,
        })
    }
}

#[async_trait]
impl Transport for Server {
    async fn send(&self, request: Bytes) -> Result<Response<Bytes>, Undelivered> {
        let mut request = Request::new(request);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.place.url.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accept = "application/graphql-response+json, application/json";
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        if let Some(authorization) = &self.place.authorization {
            headers.insert(AUTHORIZATION, authorization.0.clone());
        }
        let answer = self.client.send(request, MOST_BYTES, self.within).await;
        answer.map_err(|error| undelivered(&self.place.url, &error))
    }
}

fn undelivered(url: &Uri, error: &FetchError) -> Undelivered {
    match error {
        FetchError::Connect(problem) => Undelivered::NotSent(format!(
            "cannot reach {url}: {problem}; is the server running, and is --server right?"
        )),
        error => Undelivered::Unanswered(format!("there is no answer of {url}: {error}")),
    }
}
