//! An identity provider that tests can change and stop, and whose requests they count.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use graphql_service::Listener;
use serde_json::json;
use tokio::{net::TcpListener, sync::Semaphore};

use super::jwt::Signer;

/// An identity provider, as far as servers that take its tokens know it.
#[derive(Clone)]
pub(super) struct Issuer {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    answer: Arc<Mutex<(StatusCode, String)>>,
    /// How many requests may be answered.
    pub(super) answers: Arc<Semaphore>,
}

impl Issuer {
    pub(super) async fn start(keys: &[(&str, &Signer)]) -> Self {
        Self::start_on(keys, |listener| listener).await
    }

    pub(super) async fn start_on<L>(
        keys: &[(&str, &Signer)],
        listen: impl FnOnce(TcpListener) -> L,
    ) -> Self
    where
        L: Listener,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            answer: Arc::default(),
            answers: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        };
        issuer.publish(keys);
        let app = Router::new()
            .route("/keys", get(answer))
            .with_state(issuer.clone());
        tokio::spawn(axum::serve(Listening(listen(listener), issuer.address), app).into_future());
        issuer
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }

    pub(super) fn publish(&self, keys: &[(&str, &Signer)]) {
        self.answer(StatusCode::OK, &set(keys));
    }

    pub(super) fn answer(&self, status: StatusCode, text: &str) {
        *self.answer.lock().unwrap() = (status, text.to_owned());
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// One of ours as axum's.
struct Listening<L>(L, SocketAddr);

impl<L: Listener> axum::serve::Listener for Listening<L> {
    type Io = L::Io;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (L::Io, SocketAddr) {
        self.0.accept().await.unwrap()
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.1)
    }
}

async fn answer(State(issuer): State<Issuer>) -> Response {
    issuer.asked.fetch_add(1, Ordering::SeqCst);
    let _permit = issuer.answers.acquire().await.unwrap();
    let answer = issuer.answer.lock().unwrap().clone();
    // Where a redirect leads to.
    let elsewhere = (header::LOCATION, format!("http://{}/keys?", issuer.address));
    ([elsewhere], answer).into_response()
}

/// A JSON Web Key Set.
pub(super) fn set(keys: &[(&str, &Signer)]) -> String {
    let keys: Vec<_> = keys.iter().map(|(id, key)| key.public(id)).collect();
    json!({ "keys": keys }).to_string()
}
