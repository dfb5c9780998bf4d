//! SeaORM's `TransactionTrait` on a unit, and on a savepoint: what it begins is a savepoint.
#![expect(
    clippy::disallowed_methods,
    reason = "it is where the methods are implemented"
)]

use std::pin::Pin;

use sea_orm::{
    AccessMode, DbBackend, DbErr, IsolationLevel, SqliteTransactionMode, TransactionError,
    TransactionOptions, TransactionSession, TransactionTrait,
};

use super::{UnitOfWork, savepoint::Savepoint, terms::stricter};
use crate::{Access, UnitError};

impl UnitOfWork {
    /// Refuses options that a savepoint cannot have: it has the isolation and the access of its unit.
    fn allows(&self, options: &TransactionOptions) -> Result<(), DbErr> {
        let TransactionOptions {
            isolation_level,
            access_mode,
            sqlite_transaction_mode,
        } = *options;
        let refused = |asked: String| Err(self.noted(UnitError::SavepointTerms { asked }.into()));
        let is_sqlite = self.backend() == DbBackend::Sqlite;
        let own = if is_sqlite {
            IsolationLevel::Serializable
        } else {
            self.isolation()
        };
        if let Some(level) = isolation_level
            && stricter(own, level) != own
        {
            return refused(format!("the isolation level {level}"));
        }
        match (access_mode, self.access()) {
            (None, _)
            | (Some(AccessMode::ReadOnly), Access::ReadOnly)
            | (Some(AccessMode::ReadWrite), Access::ReadWrite) => {}
            (Some(AccessMode::ReadOnly), Access::ReadWrite) => {
                return refused("read-only access".to_owned());
            }
            (Some(AccessMode::ReadWrite), Access::ReadOnly) => {
                return refused("access to write".to_owned());
            }
        }
        match sqlite_transaction_mode.filter(|_| is_sqlite) {
            None | Some(SqliteTransactionMode::Deferred) => Ok(()),
            Some(SqliteTransactionMode::Immediate) if self.access() == Access::ReadWrite => Ok(()),
            Some(mode) => refused(format!("the mode {mode:?}")),
        }
    }
}

/// Runs the closure, and ends the transaction as SeaORM does.
async fn run<T, E, F>(savepoint: Savepoint, callback: F) -> Result<T, TransactionError<E>>
where
    F: for<'c> FnOnce(&'c Savepoint) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
        + Send,
    T: Send,
    E: std::fmt::Display + std::fmt::Debug + Send,
{
    let result = savepoint.inside(callback(&savepoint)).await;
    match result {
        Ok(answer) => {
            savepoint.keep().await?;
            Ok(answer)
        }
        Err(error) => {
            // The closure's own error says more than that of a failed ROLLBACK TO, which has doomed the unit.
            let _ = savepoint.undo().await;
            Err(TransactionError::Transaction(error))
        }
    }
}

macro_rules! begin_savepoints {
    ($type:ty, $unit:expr) => {
        #[async_trait::async_trait]
        impl TransactionTrait for $type {
            type Transaction = Savepoint;

            async fn begin(&self) -> Result<Savepoint, DbErr> {
                self.begin_savepoint().await
            }

            async fn begin_with_config(
                &self,
                isolation_level: Option<IsolationLevel>,
                access_mode: Option<AccessMode>,
            ) -> Result<Savepoint, DbErr> {
                let options = TransactionOptions {
                    isolation_level,
                    access_mode,
                    ..TransactionOptions::default()
                };
                self.begin_with_options(options).await
            }

            async fn begin_with_options(
                &self,
                options: TransactionOptions,
            ) -> Result<Savepoint, DbErr> {
                let unit: fn(&Self) -> &UnitOfWork = $unit;
                unit(self).allows(&options)?;
                self.begin_savepoint().await
            }

            async fn transaction<F, T, E>(&self, callback: F) -> Result<T, TransactionError<E>>
            where
                F: for<'c> FnOnce(
                        &'c Savepoint,
                    )
                        -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
                    + Send,
                T: Send,
                E: std::fmt::Display + std::fmt::Debug + Send,
            {
                run(self.begin_savepoint().await?, callback).await
            }

            async fn transaction_with_config<F, T, E>(
                &self,
                callback: F,
                isolation_level: Option<IsolationLevel>,
                access_mode: Option<AccessMode>,
            ) -> Result<T, TransactionError<E>>
            where
                F: for<'c> FnOnce(
                        &'c Savepoint,
                    )
                        -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
                    + Send,
                T: Send,
                E: std::fmt::Display + std::fmt::Debug + Send,
            {
                let savepoint = self.begin_with_config(isolation_level, access_mode).await?;
                run(savepoint, callback).await
            }
        }
    };
}

begin_savepoints!(UnitOfWork, |unit| unit);
begin_savepoints!(Savepoint, Savepoint::unit);

#[async_trait::async_trait]
impl TransactionSession for Savepoint {
    /// Keeps what was done in the savepoint. Only the operation commits the unit.
    ///
    /// # Errors
    /// [`UnitError::SavepointFailed`] if something in it failed; then it was undone.
    async fn commit(self) -> Result<(), DbErr> {
        self.keep().await
    }

    /// Undoes what was done in the savepoint; the unit goes on.
    async fn rollback(self) -> Result<(), DbErr> {
        self.undo().await
    }
}
