//! Look-ups by key that operations share: if sixteen queries each look up a row at the same time, they make one statement.
//!
//! A query with one statement reads that statement's snapshot ([`snapshots`](crate::retry::snapshots)). Any snapshot that was taken after
//! the query arrived is as good. So a look-up that finds others under way waits for the next *flight*: one statement for the keys of all
//! that wait. It departs when a flight under way lands, and not by a timer. A look-up that finds no flight under way makes its own
//! statement at once.
//!
//! ```text
//! look_up ─┬─ may not share ────────────────────────────────> its own statement
//!          ├─ room for a flight ────────────────────────────> its own statement; when it lands, the next flight departs
//!          └─ else waits for the next flight ─┬─ it lands ──> the row
//!                                             └─ it fails, or takes too long ──> its own statement
//! ```
//!
//! A query may share if it has no settings, isolation level, timeline or shorter time-outs of its own, and if this is its first statement and
//! expected to be its only one. Queries that show consistency tokens have flights of their own, to replicas: a flight shows the newest of the tokens,
//! and all passengers are told what it has seen. A token that no replica is known to have does not fly: nobody else waits for it. Nor does a query
//! that may be read a little behind. If a query is dropped, its flight goes on. If a flight fails, no query gets an error from it. No
//! look-up waits longer than [`look_up_patience`](crate::DatabaseOptions::look_up_patience): sharing does not help a slower database, and a
//! connection that hangs must delay only its own operation.

use std::{collections::HashMap, hash::Hash};

use sea_orm::DbErr;
use tokio::time::timeout;

use crate::UnitOfWork;

mod flights;

use flights::{Boarded, UnderWay};
pub(crate) use flights::{Destination, Landing, LookUps};

/// A look-up by key which operations of one [`Database`](crate::Database) may share, with [`UnitOfWork::look_up`].
///
/// ```
/// # use std::collections::HashMap;
/// # use sea_orm::{ConnectionTrait, DbErr, Statement};
/// # use unit_of_work::{SharedLookUp, UnitOfWork};
/// /// Names of users, by id.
/// struct UserName;
///
/// impl SharedLookUp for UserName {
///     type Key = i64;
///     type Value = String;
///
///     async fn load(unit: &UnitOfWork, ids: &[i64]) -> Result<HashMap<i64, String>, DbErr> {
///         let ids: Vec<_> = ids.iter().map(i64::to_string).collect();
///         let sql = format!("SELECT id, name FROM users WHERE id IN ({})", ids.join(", "));
///         let rows = unit.query_all_raw(Statement::from_string(unit.get_database_backend(), sql)).await?;
///         rows.iter().map(|row| Ok((row.try_get("", "id")?, row.try_get("", "name")?))).collect()
///     }
/// }
/// ```
pub trait SharedLookUp: Send + Sync + 'static {
    /// The key.
    type Key: Clone + Eq + Hash + Send + Sync + 'static;
    /// The value. It must depend only on the key and the database, and not on who asks.
    type Value: Clone + Send + Sync + 'static;

    /// The most keys of one statement.
    const MOST_KEYS: usize = 64;

    /// Loads the values of these keys, which are distinct, in one statement. If the look-up is shared, a second statement is refused.
    ///
    /// # Errors
    /// Those of the database.
    fn load(
        unit: &UnitOfWork,
        keys: &[Self::Key],
    ) -> impl Future<Output = Result<HashMap<Self::Key, Self::Value>, DbErr>> + Send;
}

impl UnitOfWork {
    /// Looks up a value by its key; `None` if there is none. If other operations look up the same kind of value at the same time, they may
    /// share one statement. The value is never older than the operation.
    ///
    /// # Errors
    /// Those of the database.
    ///
    /// # Cancel safety
    /// As for a statement. Other operations that wait for the same flight are not affected.
    pub async fn look_up<L: SharedLookUp>(&self, key: L::Key) -> Result<Option<L::Value>, DbErr> {
        let _under_way: Option<UnderWay<L>> = match self.board() {
            None => None,
            Some(boarding) => match self
                .look_ups()
                .board::<L>(self.database(), boarding.to(), &key)
            {
                Boarded::Alone => None,
                Boarded::Departs(under_way) => Some(under_way),
                Boarded::Waits(landing) => {
                    if let Ok(Ok((found, landed))) =
                        timeout(self.database().look_up_patience(), landing).await
                    {
                        boarding.landed(self, landed);
                        return Ok(found);
                    }
                    None
                }
            },
        };
        let mut found = L::load(self, std::slice::from_ref(&key)).await?;
        Ok(found.remove(&key))
    }
}
