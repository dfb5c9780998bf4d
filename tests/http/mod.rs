//! Tests of the HTTP interface over real sockets, with a toy schema that reports its calls.

use std::net::SocketAddr;

use daybook::http::{self, Options, Stop, Stopped};
use reqwest::{RequestBuilder, Response, StatusCode, header};
use serde_json::Value as Json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use self::toy::Toy;

pub(crate) mod access;
pub(crate) mod binary;
mod command;
mod compression;
mod connections;
mod events;
mod files;
mod hosts;
mod http2;
mod issuer;
pub(crate) mod jwt;
mod keys;
mod lifecycle;
mod limits;
mod multipart;
mod origins;
mod persisted;
mod proxy;
mod replicas;
mod requests;
mod responses;
mod serving;
mod settings;
mod slots;
mod sockets;
mod startup;
mod switches;
mod timeouts;
mod tls;
mod toy;
mod traces;
mod unavailable;

const JSON: &str = "application/json";
const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";

/// Longer than anything here takes. A test that waits this long has failed.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// A server on a port of its own. Dropping it stops it.
struct Server {
    address: SocketAddr,
    toy: Toy,
    client: reqwest::Client,
    stop: CancellationToken,
    task: JoinHandle<Stopped>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Server {
    async fn start() -> Self {
        Self::start_with(|_| {}, DEFAULT_STOP).await
    }

    async fn start_with(configure: impl FnOnce(&mut Options), stop_times: Stop) -> Self {
        let toy = Toy::default();
        let mut options = http::options(toy.readiness(), toy::definition());
        configure(&mut options);
        let app = http::app(toy.schema(), options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let shutdown = stop.clone().cancelled_owned();
        let task = tokio::spawn(http::serve(listener, app, shutdown, stop_times));
        Self {
            address,
            toy,
            client: reqwest::Client::new(),
            stop,
            task,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn post(&self, accept: &str, body: &Json) -> RequestBuilder {
        self.client
            .post(self.url("/graphql"))
            .header(header::ACCEPT, accept)
            .json(body)
    }

    async fn query(&self, accept: &str, query: &str) -> Answer {
        let body = serde_json::json!({ "query": query });
        Answer::of(self.post(accept, &body)).await
    }

    async fn get(&self, path: &str) -> Answer {
        Answer::of(self.client.get(self.url(path))).await
    }

    /// Sends bytes as they are, and reads until the server closes or has sent a body that ends in `}` or `]`.
    async fn raw(&self, request: &str) -> String {
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let read = tokio::time::timeout(PATIENCE, connection.read(&mut buffer));
            match read.await.unwrap() {
                Ok(0) | Err(_) => break,
                Ok(read) => answer.extend_from_slice(&buffer[..read]),
            }
            if answer.ends_with(b"}") || answer.ends_with(b"]") {
                break;
            }
        }
        String::from_utf8(answer).unwrap()
    }
}

const DEFAULT_STOP: Stop = Stop {
    notice: std::time::Duration::ZERO,
    drain: PATIENCE,
};

/// A response, read to its end.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: header::HeaderMap,
    text: String,
}

impl Answer {
    async fn of(request: RequestBuilder) -> Self {
        Self::read(request.send().await.unwrap()).await
    }

    async fn read(response: Response) -> Self {
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    #[track_caller]
    fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{self:?} is not JSON"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn media_type(&self) -> &str {
        self.header("content-type").unwrap_or_default()
    }

    /// A GraphQL response of errors alone, the first of which has this code.
    #[track_caller]
    fn assert_refused(&self, status: u16, code: &str) {
        let json = self.json();
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(json["errors"][0]["extensions"]["code"], code, "{self:?}");
        assert!(json["errors"][0]["message"].is_string(), "{self:?}");
        assert!(json.get("data").is_none(), "{self:?}");
    }
}
