//! Look-ups by key that operations share: sixteen queries that ask for a row each, at the same time, are one statement.
//!
//! A query that makes one statement is its own snapshot ([`snapshots`](crate::retry::snapshots)). Whatever snapshot a row is read
//! from, if that was taken after the query arrived, it is as good. So a look-up that finds others under way waits for the next
//! *flight*: one statement for the keys of all who wait. It departs when one under way lands; nobody waits for a timer, and who finds
//! none under way goes at once, by itself.
//!
//! ```text
//! look_up ─┬─ may not share ────────────────────────────────> its own statement
//!          ├─ room for a flight ────────────────────────────> its own statement; when it lands, the next flight departs
//!          └─ else waits for the next flight ─┬─ it lands ──> the row
//!                                             └─ it fails, or takes too long ──> its own statement
//! ```
//!
//! What may share: a query on plain terms (no settings, no isolation level, no timeline, no shorter time-outs), whose first statement
//! this is, and which is taken to make no other. Whoever goes leaves the flight as it is, and a flight that fails is nobody's error.
//! Nobody waits longer than [`look_up_patience`](crate::DatabaseOptions::look_up_patience): a database that is slower than that is not
//! helped by going together, and one connection that hangs must not hold up more than its own operation.

use std::{collections::HashMap, hash::Hash};

use sea_orm::DbErr;
use tokio::time::timeout;

use crate::UnitOfWork;

mod flights;

pub(crate) use flights::LookUps;
use flights::{Boarded, UnderWay};

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
    /// What is looked up by.
    type Key: Clone + Eq + Hash + Send + Sync + 'static;
    /// What is found. It must depend on nothing but the key and the database: not on who asks.
    type Value: Clone + Send + Sync + 'static;

    /// The most keys of one statement.
    const MOST_KEYS: usize = 64;

    /// Loads what is there under these keys, which differ, in one statement: a second one is refused where the look-up is shared.
    ///
    /// # Errors
    /// Those of the database.
    fn load(
        unit: &UnitOfWork,
        keys: &[Self::Key],
    ) -> impl Future<Output = Result<HashMap<Self::Key, Self::Value>, DbErr>> + Send;
}

impl UnitOfWork {
    /// Looks a value up by its key; `None` where there is none. In one statement with others who look up the same kind of value at
    /// that moment, where that makes no difference to this operation: the value is never older than its operation.
    ///
    /// # Errors
    /// Those of the database.
    ///
    /// # Cancel safety
    /// As of a statement. Others who wait for the same flight notice nothing.
    pub async fn look_up<L: SharedLookUp>(&self, key: L::Key) -> Result<Option<L::Value>, DbErr> {
        let _under_way: Option<UnderWay<L>> = match self.board() {
            None => None,
            Some(boarding) => match self.look_ups().board::<L>(self.database(), &key) {
                Boarded::Alone => None,
                Boarded::Departs(under_way) => Some(under_way),
                Boarded::Waits(landing) => {
                    if let Ok(Ok(found)) =
                        timeout(self.database().look_up_patience(), landing).await
                    {
                        boarding.landed(self);
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
