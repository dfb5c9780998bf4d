//! Sends a case: alone or in a batch, beside a neighbour, after a conflict.

use std::{sync::atomic::Ordering, task::Poll};

use async_graphql::{BatchRequest, BatchResponse, Executor, Request, Response};
use daybook_test_harness::{Engine, eventually};
use futures_util::poll;
use tokio::time::timeout;
use tracing::Level;
use unit_of_work::AllOrNothing;

use crate::{
    persisted::named,
    shared_commits::queued,
    stage::{PATIENCE, ended},
};

use super::{case::Case, feature::*};

impl Case<'_> {
    /// The response to the operation itself. That of the other operation of its batch is checked here.
    pub(super) async fn send(&self) -> Response {
        if !self.has(Batch) {
            return timeout(PATIENCE, self.executor().execute(self.request()))
                .await
                .expect("answers");
        }
        let first = self.shared(Request::new(
            "mutation { conflicts batched: mark(name: \"batched\") }",
        ));
        let batch = [first, self.request()].map(|request| request.data(AllOrNothing));
        let responses = self
            .executor()
            .execute_batch(BatchRequest::Batch(batch.into()));
        let Ok(BatchResponse::Batch(mut responses)) = timeout(PATIENCE, responses).await else {
            panic!("a batch answers a batch");
        };
        let own = responses.pop().expect("two");
        assert_eq!(responses[0].is_ok(), own.is_ok(), "{self}: {responses:?}");
        own
    }

    /// Sends it for the first time, and makes its first attempt lose if it is to.
    pub(super) async fn run(&self) -> Response {
        if self.has(HashOnly) {
            let mut request = named(&self.text).operation_name("Nobody");
            request.query.clone_from(&self.text);
            assert!(self.executor().execute(request).await.is_err());
        }
        if self.has_neighbour() {
            return self.send_beside_a_neighbour().await;
        }
        if !self.has(Conflict) {
            return self.send().await;
        }
        if self.scene.stage.test.engine() != Engine::Sqlite {
            self.scene.conflicts.left.store(1, Ordering::SeqCst);
            return self.send().await;
        }
        // The file is busy, until the operation has lost.
        let other = self.scene.stage.observer().await;
        other.execute("BEGIN IMMEDIATE").await;
        let lost = || {
            let begun = self.scene.conflicts.met.load(Ordering::SeqCst);
            begun > 1 || !self.scene.logs.lines(Level::WARN, &self.name).is_empty()
        };
        let mut sending = std::pin::pin!(self.send());
        let response = tokio::select! {
            response = &mut sending => Some(response),
            () = eventually("it loses", async || lost()) => None,
        };
        // Not within the select: a future that is no longer polled would keep the observer's connection.
        other.execute("COMMIT").await;
        match response {
            Some(response) => response,
            None => sending.await,
        }
    }

    /// Where the file is to be busy, nobody else has the writer.
    pub(super) fn has_neighbour(&self) -> bool {
        self.has(Neighbour) && !self.has(Conflict)
    }

    /// Sends it while another mutation has the writer, and lets that one go on when this one has come as far as it comes by itself.
    async fn send_beside_a_neighbour(&self) -> Response {
        let scene = self.scene;
        let neighbour = queued({
            let retrying = scene.plain.clone();
            async move { retrying.execute("mutation { neighbour }".into()).await }
        })
        .await;
        scene.stage.cue.reached().await;
        let mut sending = Box::pin(self.send());
        let refused = poll!(&mut sending);
        scene.stage.cue.proceed();
        let response = match refused {
            Poll::Ready(response) => response,
            Poll::Pending => sending.await,
        };
        let neighbour = ended(neighbour).await;
        assert!(neighbour.is_ok(), "{self}: {neighbour:?}");
        response
    }
}
