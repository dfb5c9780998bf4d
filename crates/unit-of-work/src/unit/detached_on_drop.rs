//! Futures that run to their end even if nobody waits for them.

use std::{
    pin::Pin,
    task::{Context, Poll},
    thread,
};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// A future that goes on in a task of its own if it is dropped before its end. It is for steps that must not be interrupted (BEGIN,
/// COMMIT), and costs no task in the usual case, in which it is awaited to its end.
///
/// If the runtime is shutting down, there is no task, and the future is dropped.
#[must_use]
pub(crate) struct DetachedOnDrop<T: Send + 'static> {
    /// Empty once it has ended.
    future: Option<BoxFuture<'static, T>>,
    tasks: TaskTracker,
}

impl<T: Send + 'static> DetachedOnDrop<T> {
    pub(crate) fn new(
        future: impl Future<Output = T> + Send + 'static,
        tasks: &TaskTracker,
    ) -> Self {
        Self {
            future: Some(Box::pin(future)),
            tasks: tasks.clone(),
        }
    }
}

impl<T: Send + 'static> Future for DetachedOnDrop<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(future) = &mut self.future else {
            return Poll::Pending;
        };
        let output = std::task::ready!(future.as_mut().poll(context));
        self.future = None;
        Poll::Ready(output)
    }
}

impl<T: Send + 'static> Drop for DetachedOnDrop<T> {
    fn drop(&mut self) {
        // A future that has panicked cannot go on.
        if let Some(future) = self.future.take()
            && !thread::panicking()
            && let Ok(runtime) = Handle::try_current()
        {
            self.tasks.spawn_on(future, &runtime);
        }
    }
}
