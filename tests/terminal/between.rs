//! Something between a command and its server, such as a proxy that gives up.

use std::{io, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{future::BoxFuture, stream};
use tokio::net::TcpListener;

/// What becomes of an answer.
pub(super) enum Answer {
    /// It is passed on.
    Passed,
    /// The connection is lost in the middle of it.
    Lost,
    /// This is answered in its place.
    Instead(StatusCode),
}

/// What to do before a request with this body is passed on, and with the answer.
type Act = dyn Fn(String) -> BoxFuture<'static, Answer> + Send + Sync;

/// Passes requests on to a server.
pub(super) struct Between {
    pub(super) url: String,
}

struct Shared {
    server: String,
    act: Box<Act>,
    client: reqwest::Client,
}

impl Between {
    pub(super) async fn start(
        server: &str,
        act: impl Fn(String) -> BoxFuture<'static, Answer> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Shared {
            server: format!("{server}/graphql"),
            act: Box::new(act),
            client: reqwest::Client::new(),
        };
        let app = Router::new().fallback(pass).with_state(Arc::new(shared));
        tokio::spawn(axum::serve(listener, app).into_future());
        Self { url }
    }
}

async fn pass(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let answer = (shared.act)(text).await;
    let request = shared.client.post(&shared.server).body(body);
    let request = request.header(header::CONTENT_TYPE, "application/json");
    // The server has answered, whatever becomes of its answer.
    let response = request.send().await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        response.headers()[header::CONTENT_TYPE].clone(),
    );
    let body = response.bytes().await.unwrap();
    match answer {
        Answer::Passed => (headers, body).into_response(),
        Answer::Lost => {
            let error = stream::iter([Ok(body.slice(..5)), Err(io::Error::other("lost"))]);
            (headers, Body::from_stream(error)).into_response()
        }
        Answer::Instead(status) => (status, "<html>sorry</html>").into_response(),
    }
}
