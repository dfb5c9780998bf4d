//! What the nemesis does to MariaDB.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use tokio::time::sleep;

use super::Nemesis;
use crate::stand::Process;

impl Nemesis {
    /// Kills a server of MariaDB, and starts it again.
    pub(super) async fn crash_node(&mut self) -> Result<()> {
        let away = self.while_of(1200);
        let stand = Arc::clone(&self.stand);
        let nodes = stand.database.nodes()?.all();
        let node = &nodes[self.rng.usize(..nodes.len())];
        let _disturbed = node.disturbed.lock().await;
        node.crash().await;
        sleep(away).await;
        node.start_again().await
    }

    /// Has a server of MariaDB stand still for a while.
    pub(super) async fn freeze_node(&mut self) -> Result<()> {
        let stand = Arc::clone(&self.stand);
        let nodes = stand.database.nodes()?.all();
        // Long enough that the other nodes go on without it.
        let still = self.while_of(if nodes.len() > 1 { 8000 } else { 4000 });
        let node = &nodes[self.rng.usize(..nodes.len())];
        let _disturbed = node.disturbed.lock().await;
        node.with_process(Process::freeze).await;
        sleep(still).await;
        node.with_process(Process::thaw).await;
        Ok(())
    }

    /// Cuts a node of Galera off from the others for a while.
    pub(super) async fn cut_node(&mut self) -> Result<()> {
        let lasts = self.while_of(8000);
        let stand = Arc::clone(&self.stand);
        let nodes = stand.database.nodes()?.all();
        let node = &nodes[self.rng.usize(..nodes.len())];
        let _disturbed = node.disturbed.lock().await;
        node.isolate(true).await?;
        sleep(lasts).await;
        node.isolate(false).await
    }

    /// Has a node of Galera fall behind for a while.
    pub(super) async fn pause_node(&mut self) -> Result<()> {
        let lasts = self.while_of(4000);
        let stand = Arc::clone(&self.stand);
        let nodes = stand.database.nodes()?.all();
        let node = &nodes[self.rng.usize(..nodes.len())];
        let _disturbed = node.disturbed.lock().await;
        // Where it cannot be paused now, because it is a minority, it is behind anyway.
        let _ = node.pause(lasts).await;
        Ok(())
    }

    /// Has an operator end a thread, or the statement that it is at: in half of the cases one that has something to do.
    pub(super) async fn kill_thread(&mut self, order: &str) -> Result<()> {
        let stand = Arc::clone(&self.stand);
        let nodes = stand.database.nodes()?.all();
        let node = &nodes[self.rng.usize(..nodes.len())];
        // Where the server is away, there is nothing to end.
        let mut threads = node.threads().await.unwrap_or_default();
        if threads.iter().any(|(_, is_busy)| *is_busy) && self.rng.bool() {
            threads.retain(|(_, is_busy)| *is_busy);
        }
        if !threads.is_empty() {
            let (thread, _) = threads.swap_remove(self.rng.usize(..threads.len()));
            // It may have gone meanwhile.
            let _ = node.ask(&format!("{order} {thread}")).await;
        }
        sleep(Duration::from_millis(self.rng.u64(..200))).await;
        Ok(())
    }
}
