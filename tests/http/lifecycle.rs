//! Health, and stopping: what is under way is finished, for as long as there is time.

use std::time::{Duration, Instant};

use daybook::http::{Stop, Stopped};
use serde_json::json;
use tokio::{net::TcpStream, time::timeout};

use super::{Answer, JSON, PATIENCE, Server, sockets::Socket, toy};

impl Server {
    async fn stopped(&mut self) -> Stopped {
        timeout(PATIENCE, &mut self.task)
            .await
            .expect("it does not stop")
            .unwrap()
    }

    /// Starts a request that is held, and waits until it is.
    pub(super) async fn held(&self, query: &str) -> tokio::task::JoinHandle<Answer> {
        let request = self.post(JSON, &json!({ "query": query }));
        let answer = tokio::spawn(Answer::of(request));
        toy::take(&self.toy.holding).await;
        answer
    }

    /// Waits until the server accepts no more connections.
    async fn closed(&self) {
        let started = Instant::now();
        while TcpStream::connect(self.address).await.is_ok() {
            assert!(started.elapsed() < PATIENCE, "it still accepts");
            tokio::task::yield_now().await;
        }
    }
}

const SHORT: Stop = Stop {
    notice: Duration::ZERO,
    drain: Duration::from_millis(50),
};

#[tokio::test]
async fn alive_is_200() {
    let server = Server::start().await;
    *server.toy.not_ready.lock().unwrap() = Some("no database".to_owned());
    let answer = server.get("/healthz").await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "ok"));
}

#[tokio::test]
async fn ready_is_200_and_not_ready_503_with_the_reason() {
    let server = Server::start().await;
    assert_eq!(server.get("/readyz").await.status, 200);
    *server.toy.not_ready.lock().unwrap() = Some("no database".to_owned());
    let answer = server.get("/readyz").await;
    assert_eq!(
        (answer.status.as_u16(), answer.text.as_str()),
        (503, "no database")
    );
}

#[tokio::test]
async fn a_stopping_server_is_not_ready_before_it_stops_accepting() {
    let stop = Stop {
        notice: PATIENCE,
        drain: PATIENCE,
    };
    let server = Server::start_with(|_| {}, stop).await;
    server.stop.cancel();
    let started = Instant::now();
    loop {
        let answer = server.get("/readyz").await;
        if answer.status == 503 {
            assert_eq!(answer.text, "stopping");
            break;
        }
        assert!(started.elapsed() < PATIENCE);
    }
    assert_eq!(server.query(JSON, "{ sum }").await.status, 200);
}

#[tokio::test]
async fn what_is_under_way_is_finished_and_nothing_new_is_accepted() {
    let mut server = Server::start().await;
    let held = server.held("mutation { hold }").await;
    server.stop.cancel();
    server.closed().await;
    assert!(!server.task.is_finished());
    server.toy.release.add_permits(1);
    assert_eq!(
        held.await.unwrap().json(),
        json!({ "data": { "hold": true } })
    );
    assert_eq!(server.stopped().await, Stopped::Clean);
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_ended_and_told() {
    let mut server = Server::start_with(|_| {}, SHORT).await;
    let held = server.held("mutation { hold }").await;
    server.stop.cancel();
    assert_eq!(server.stopped().await, Stopped::CutOff);
    held.await.unwrap().assert_refused(503, "BAD_REQUEST");
    toy::take(&server.toy.dropped).await;
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_the_stop() {
    let mut server = Server::start().await;
    assert_eq!(server.get("/healthz").await.status, 200);
    let _silent = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(server.get("/healthz").await.status, 200);
    server.stop.cancel();
    assert_eq!(server.stopped().await, Stopped::Clean);
}

#[tokio::test]
async fn a_socket_is_closed_with_1001_after_what_is_under_way() {
    let mut server = Server::start().await;
    let mut socket = Socket::open(&server).await;
    socket.subscribe("s", "subscription { forever }").await;
    assert_eq!(socket.next().await["id"], "s");
    socket.subscribe("m", "mutation { hold }").await;
    toy::take(&server.toy.holding).await;

    server.stop.cancel();
    toy::take(&server.toy.closed).await;
    // Not begun any more, and not answered.
    socket.subscribe("late", "mutation { add(by: 1) }").await;
    server.toy.release.add_permits(1);
    assert_eq!(socket.next().await["payload"]["data"]["hold"], true);
    assert_eq!(
        socket.next().await,
        json!({ "type": "complete", "id": "m" })
    );
    assert_eq!(socket.closed().await, 1001);
    assert_eq!(server.stopped().await, Stopped::Clean);
    assert_eq!(server.toy.sum(), 0);
}

#[tokio::test]
async fn an_operation_of_a_socket_cannot_hold_the_stop_beyond_its_bound() {
    let mut server = Server::start_with(|_| {}, SHORT).await;
    let mut socket = Socket::open(&server).await;
    socket.subscribe("m", "mutation { hold }").await;
    toy::take(&server.toy.holding).await;
    server.stop.cancel();
    assert_eq!(server.stopped().await, Stopped::CutOff);
    toy::take(&server.toy.dropped).await;
}

#[tokio::test]
async fn a_client_that_goes_ends_its_operation() {
    let server = Server::start().await;
    let held = server.held("mutation { hold }").await;
    held.abort();
    toy::take(&server.toy.dropped).await;
}
