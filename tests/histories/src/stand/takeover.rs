//! How a standby becomes the primary, and what becomes of the others: what Patroni does, in a few lines.
//!
//! Only the synchronous standby takes over, and only while it has all that was acknowledged: so nothing else happens before
//! the next synchronous standby has all of it as well. A server that has more than the new primary began with cannot follow it, and is made anew.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context as _, Result, ensure};
use daybook_test_harness::postgres::PostgresServer;
use tokio::time::sleep;

use super::servers::{NOWHERE, Roles, Servers};
use crate::history::Switch;

impl Servers {
    /// The primary has crashed, and does not come back: its synchronous standby takes over, the asynchronous one becomes synchronous, and a
    /// new server asynchronous. `alone` is how long the new primary is without standbys.
    ///
    /// # Errors
    /// When something does not go on as it should.
    pub async fn fail_over(&self, alone: Duration) -> Result<()> {
        let old = self.roles();
        let ahead = self.take_over(self.asynchronous()?).await?;
        sleep(alone).await;
        self.lead_upstream();
        self.make_anew(ahead).await?;
        self.rebuild(old.primary).await?;
        self.all_follow().await
    }

    /// The primary is stopped in order, and its synchronous standby takes over: the two change their roles.
    ///
    /// # Errors
    /// When something does not go on as it should.
    pub async fn switch_over(&self, alone: Duration) -> Result<()> {
        let old = self.roles().primary;
        self.stop(PostgresServer::stop).await?;
        let mut ahead = self.take_over(old).await?;
        // It follows nobody yet, so what it has is its own.
        self.order(old, PostgresServer::start_as_standby).await?;
        if self.position(old).await? > self.switched_at().await? {
            ahead.push(old);
        }
        sleep(alone).await;
        self.lead_upstream();
        self.make_anew(ahead).await?;
        self.all_follow().await
    }

    /// Makes the synchronous standby the primary, with another synchronous standby. Answers which of the standbys have more than it began with.
    async fn take_over(&self, next: usize) -> Result<Vec<usize>> {
        let Roles {
            primary: old,
            synchronous: new,
        } = self.roles();
        ensure!(new < self.count(), "there is no standby");
        for number in 0..self.count() {
            self.upstream(number).lead_to(NOWHERE);
            self.upstream(number).cut();
        }
        // What they have got is all that they will get from the old one.
        let mut positions = HashMap::new();
        for number in (0..self.count()).filter(|number| *number != old) {
            let receivers = "SELECT count(*) FROM pg_stat_wal_receiver";
            self.until(number, receivers, |receivers| receivers == 0)
                .await?;
            positions.insert(number, self.position(number).await?);
        }
        // Before it takes a COMMIT.
        self.wait_for(new, next).await?;
        self.set_roles(Roles {
            primary: new,
            synchronous: next,
        });
        self.order(new, PostgresServer::promote).await?;
        let switched_at = self.switched_at().await?;
        let standbys = positions.into_iter().filter(|(number, _)| *number != new);
        let ahead = standbys.filter(|(_, position)| *position > switched_at);
        Ok(ahead.map(|(number, _)| number).collect())
    }

    async fn make_anew(&self, ahead: Vec<usize>) -> Result<()> {
        for number in ahead {
            self.rebuild(number).await?;
        }
        Ok(())
    }

    /// The place of the asynchronous standby.
    fn asynchronous(&self) -> Result<usize> {
        let synchronous = self.roles().synchronous;
        let mut standbys = self.standbys().into_iter();
        let other = standbys.find(|number| *number != synchronous);
        other.context("there is no asynchronous standby")
    }

    /// What a standby has: received, and maybe not yet replayed.
    async fn position(&self, number: usize) -> Result<i64> {
        let position = "SELECT pg_wal_lsn_diff(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), '0/0')::bigint";
        self.ask(number, position).await
    }

    /// Where the primary's timeline began.
    async fn switched_at(&self) -> Result<i64> {
        let switches = self.switches().await?;
        let last = switches.last().context("no server has taken over")?;
        Ok(last.position.try_into()?)
    }

    /// Each time that a server took over, as the primary knows it.
    ///
    /// # Errors
    /// When it does not answer, or in another form than PostgreSQL's.
    pub async fn switches(&self) -> Result<Vec<Switch>> {
        let file = "SELECT coalesce(pg_read_file('pg_wal/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) \
                    || '.history', 0, 1000000, true), '')";
        let text: String = self.ask(self.roles().primary, file).await?;
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let switches = lines.map(|line| {
            // `1\t0/3000148\tno recovery target specified`
            let mut parts = line.split_whitespace();
            let timeline = parts.next().context("no timeline")?.parse()?;
            let (high, low) = parts
                .next()
                .and_then(|position| position.split_once('/'))
                .context("no position")?;
            let (high, low) = (
                u64::from_str_radix(high, 16)?,
                u64::from_str_radix(low, 16)?,
            );
            let position = high << 32 | low;
            Ok(Switch { timeline, position })
        });
        switches.collect()
    }
}
