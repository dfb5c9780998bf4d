//! What the nemesis does to MariaDB.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use tokio::time::sleep;

use super::Nemesis;

impl Nemesis {
    /// Kills a server of MariaDB, and starts it again.
    pub(super) async fn crash_node(&mut self) -> Result<()> {
        let away = self.while_of(1200);
        let stand = Arc::clone(&self.stand);
        let nodes = stand.database.nodes()?.all();
        let node = &nodes[self.rng.usize(..nodes.len())];
        let _disturbed = node.disturbed.lock().await;
        node.crash().await?;
        sleep(away).await;
        node.start_again().await
    }

    /// Has a server of MariaDB stand still for a while.
    pub(super) async fn freeze_node(&mut self, most: u64) -> Result<()> {
        let still = self.while_of(most);
        let stand = Arc::clone(&self.stand);
        let nodes = stand.database.nodes()?.all();
        let node = &nodes[self.rng.usize(..nodes.len())];
        let _disturbed = node.disturbed.lock().await;
        node.freeze().await?;
        sleep(still).await;
        node.thaw().await
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
