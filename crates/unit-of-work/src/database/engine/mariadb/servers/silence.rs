//! A node that is silent in the middle of a statement.
//!
//! A node that is frozen, or behind a network that loses everything, answers nothing, and nothing ends the connection to it. So a statement
//! that takes long is a reason to ask its node on a new connection. If the node does not answer there either, or is no part of its
//! cluster any more, the statement is given up as one whose connection was lost: the operation can be run again on another node.
//! A statement that is merely slow goes on.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::{Instant, sleep, timeout};

use super::{
    node::{Node, Told},
    takeover::{SILENCE, answers},
};

/// When a node was asked the last time, and whether it has answered.
pub(super) type LastAsked = tokio::sync::Mutex<Option<(Instant, bool)>>;

/// How often to look whether others have found out that another node has taken over.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

impl Node {
    /// Waits until it is known that a statement on the node is of no use: the node is silent, or another one has taken over from it. Never
    /// ends while the node answers, and for a node by itself.
    ///
    /// # Cancel safety
    /// Cancel safe: a connection that is being made is closed.
    pub(in super::super) async fn is_out_of_reach(&self) {
        if self.known.list.len() == 1 {
            return std::future::pending().await;
        }
        let mut ask_at = Instant::now() + SILENCE;
        loop {
            sleep(LOOK_AGAIN).await;
            if self.was_overtaken() {
                return;
            }
            if Instant::now() >= ask_at {
                if !self.answers().await {
                    return self.is_lost();
                }
                ask_at = Instant::now() + SILENCE;
            }
        }
    }

    fn was_overtaken(&self) -> bool {
        let newest = self.known.epoch.load(Relaxed);
        self.epoch().is_some_and(|epoch| epoch < newest)
    }

    /// Whether the node answers on a new connection. All statements that wait for the answer ask once.
    async fn answers(&self) -> bool {
        let Some(last) = self.known.asked.get(self.at) else {
            return true;
        };
        let from_now = Instant::now();
        let mut last = last.lock().await;
        match *last {
            Some((at, answered)) if at >= from_now => answered,
            _ => {
                let answered = timeout(SILENCE, self.ask_anew()).await.unwrap_or(false);
                *last = Some((Instant::now(), answered));
                answered
            }
        }
    }

    async fn ask_anew(&self) -> bool {
        let told = async {
            let mut connection = self.known.list[self.at].connect().await?;
            let told = Told::by(&mut connection).await?;
            // It is closed even if this fails.
            let _ = connection.close().await;
            Ok(told)
        };
        match told.await {
            Ok(told) => told.is_ready && told.uuid == self.uuid,
            // It may have no room for a connection, and goes on with those that it has.
            Err(error) => answers(&error),
        }
    }
}
