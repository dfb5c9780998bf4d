//! The task that looks after a replica.
//!
//! A replica that does not answer is not asked by queries. This task finds out when it answers again, and notices one that has gone before a
//! query does.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use super::{Replica, Replicas, beacons::Beacons, look::look};
use crate::{Database, database::pool::no_answer, observe::telemetry};

/// How long to wait between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// How long one look may take, with the connection that it may need.
const LIMIT: Duration = Duration::from_secs(2);

impl Replicas {
    /// Looks after each replica until the database is closed.
    pub(in super::super) fn watch(&self, database: &Database) {
        let (beacons, closing) = (Arc::clone(&self.beacons), database.closing().clone());
        database.tasks().spawn(async move {
            tokio::select! {
                () = closing.cancelled() => {}
                () = beacons.light() => {}
            }
        });
        for replica in &self.list {
            let (replica, closing) = (Arc::clone(replica), database.closing().clone());
            let beacons = Arc::clone(&self.beacons);
            database.tasks().spawn(async move {
                tokio::select! {
                    () = closing.cancelled() => {}
                    () = replica.watch(&beacons) => {}
                }
            });
        }
    }
}

impl Replica {
    async fn watch(&self, beacons: &Beacons) {
        // The last time of which it is known that the replica has what the primary had then. While it is silent, it gets older.
        let mut as_of = Instant::now();
        loop {
            sleep(EVERY).await;
            let looked = timeout(LIMIT, async {
                let mut connection = self.watcher.acquire_once(LIMIT).await?;
                look(&mut connection).await
            });
            match looked.await.unwrap_or_else(|_| Err(no_answer())) {
                Ok(look) if look.is_standby() => {
                    self.has_answered(Ok(()));
                    as_of = beacons.last_of(&look).unwrap_or(as_of);
                }
                Ok(_) => self.has_answered(Err(&"it is no standby now")),
                Err(error) => self.has_answered(Err(&error)),
            }
            telemetry::replica_is_behind(&self.name, as_of.elapsed());
        }
    }
}
