//! A receiver of webhooks, which answers as it is told.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::StreamExt as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc},
    time::{Duration, timeout},
};

use super::PATIENCE;

/// How the receiver answers a message.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// With this status.
    Status(u16),
    /// By naming another URL.
    Redirect(String),
    /// With 204, once it is told to.
    When(Arc<Notify>),
    /// Never.
    Never,
    /// With a body that does not end.
    Endless,
    /// With the beginning of a body, and nothing more.
    Unfinished,
}

/// A message as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) timestamp: i64,
    pub(super) signature: String,
    pub(super) body: String,
}

impl Message {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(super) fn cursor(&self) -> i64 {
        let json = self.json();
        json["data"]["cursor"].as_str().unwrap().parse().unwrap()
    }

    /// The id of the entry that it tells of.
    pub(super) fn entry(&self) -> String {
        let json = self.json();
        json["data"]["entry"]["id"].as_str().unwrap().to_owned()
    }

    /// Whether one of its signatures is that of this secret, as Standard Webhooks has it. HMAC is written out here (RFC 2104).
    pub(super) fn is_signed_with(&self, secret: &str) -> bool {
        let key = STANDARD
            .decode(secret.strip_prefix("whsec_").unwrap())
            .unwrap();
        let mut block = [0_u8; 64];
        block[..key.len()].copy_from_slice(&key);
        let content = format!("{}.{}.{}", self.id, self.timestamp, self.body);
        let mut inner = Sha256::new_with_prefix(block.map(|byte| byte ^ 0x36));
        inner.update(content);
        let mut outer = Sha256::new_with_prefix(block.map(|byte| byte ^ 0x5c));
        outer.update(inner.finalize());
        let expected = format!("v1,{}", STANDARD.encode(outer.finalize()));
        self.signature.split(' ').any(|it| it == expected)
    }
}

#[derive(Clone)]
struct Told {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    messages: mpsc::UnboundedSender<Message>,
}

pub(super) struct Receiver {
    pub(super) port: u16,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    messages: mpsc::UnboundedReceiver<Message>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    /// Listens, and answers with these first, and 204 then.
    pub(super) async fn start(replies: &[Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let replies = Arc::new(Mutex::new(VecDeque::from(replies.to_vec())));
        let (sender, messages) = mpsc::unbounded_channel();
        let told = Told {
            replies: Arc::clone(&replies),
            messages: sender,
        };
        let app = Router::new()
            .route("/{*path}", post(answer))
            .with_state(told);
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            port,
            replies,
            messages,
            task,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// Answers what comes next with these.
    pub(super) fn reply(&self, replies: &[Reply]) {
        self.replies.lock().unwrap().extend(replies.iter().cloned());
    }

    pub(super) async fn next(&mut self) -> Message {
        let message = timeout(PATIENCE, self.messages.recv()).await;
        message.expect("a message in time").unwrap()
    }

    pub(super) async fn many(&mut self, count: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        for _ in 0..count {
            messages.push(self.next().await);
        }
        messages
    }

    /// Whether nothing has arrived that was not taken.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

async fn answer(State(told): State<Told>, headers: HeaderMap, body: String) -> Response {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/json");
    assert!(header("user-agent").starts_with("Daybook/"));
    let message = Message {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp").parse().unwrap(),
        signature: header("webhook-signature"),
        body,
    };
    let reply = told.replies.lock().unwrap().pop_front();
    let _ = told.messages.send(message);
    match reply.unwrap_or(Reply::Status(204)) {
        Reply::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Reply::Redirect(to) => (StatusCode::TEMPORARY_REDIRECT, [("location", to)]).into_response(),
        Reply::When(told) => {
            told.notified().await;
            StatusCode::NO_CONTENT.into_response()
        }
        Reply::Never => std::future::pending().await,
        Reply::Endless => {
            let chunks = futures_util::stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Some((Ok::<_, std::io::Error>(vec![b'x'; 1024]), ()))
            });
            axum::body::Body::from_stream(chunks).into_response()
        }
        Reply::Unfinished => {
            let beginning = futures_util::stream::iter([Ok::<_, std::io::Error>("thank")]);
            let rest = futures_util::stream::pending();
            axum::body::Body::from_stream(beginning.chain(rest)).into_response()
        }
    }
}
