//! Tells a connection to end, now or after its running requests.

use std::{
    sync::atomic::{AtomicU8, Ordering::SeqCst},
    task::Context,
};

use futures_util::task::AtomicWaker;

const GO_ON: u8 = 0;
const GO_AWAY: u8 = 1;
const CLOSE: u8 = 2;

/// The current order for a connection. It only becomes stricter.
///
/// A connection reads it whenever it is woken. Atomics, since a cancellation token for each order would take two locks each time.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    order: AtomicU8,
    /// Wakes the task that speaks HTTP.
    connection: AtomicWaker,
    /// Wakes the task that reads and writes the bytes: after an upgrade, that is another one.
    stream: AtomicWaker,
}

/// An order to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    GoOn,
    /// End when the running requests have ended.
    GoAway,
    /// End at once.
    Close,
}

impl Orders {
    /// Orders the connection to end after its running requests. `true` if this is new.
    pub(crate) fn go_away(&self) -> bool {
        self.give(GO_AWAY)
    }

    /// Orders the connection to end now. `true` if this is new.
    pub(crate) fn close(&self) -> bool {
        self.give(CLOSE)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.order() == Order::Close
    }

    /// The current order. The task that speaks HTTP is woken when it changes.
    pub(crate) fn of_connection(&self, context: &Context<'_>) -> Order {
        // Registered first, so that an order that comes meanwhile finds the waker.
        self.connection.register(context.waker());
        self.order()
    }

    /// Whether the stream has to fail. The task that reads and writes is woken when this changes.
    pub(crate) fn is_stream_closed(&self, context: &Context<'_>) -> bool {
        self.stream.register(context.waker());
        self.is_closed()
    }

    fn order(&self) -> Order {
        match self.order.load(SeqCst) {
            GO_ON => Order::GoOn,
            GO_AWAY => Order::GoAway,
            _ => Order::Close,
        }
    }

    fn give(&self, order: u8) -> bool {
        let is_new = self.order.fetch_max(order, SeqCst) < order;
        if is_new {
            self.connection.wake();
            self.stream.wake();
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::task::noop_waker_ref;

    use super::*;

    #[test]
    fn an_order_wakes_and_only_gets_stricter() {
        struct Count(std::sync::atomic::AtomicUsize);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, SeqCst);
            }
        }
        let orders = Orders::default();
        let woken = Arc::new(Count(0.into()));
        let waker = woken.clone().into();
        let context = Context::from_waker(&waker);
        assert_eq!(orders.of_connection(&context), Order::GoOn);
        assert!(!orders.is_stream_closed(&Context::from_waker(noop_waker_ref())));
        assert!(orders.go_away() && !orders.go_away());
        assert_eq!(woken.0.load(SeqCst), 1);
        assert_eq!(orders.of_connection(&context), Order::GoAway);
        assert!(!orders.is_closed());
        assert!(orders.close() && !orders.close() && !orders.go_away());
        assert_eq!(woken.0.load(SeqCst), 2);
        assert_eq!(orders.of_connection(&context), Order::Close);
        assert!(orders.is_stream_closed(&context));
    }
}
