//! How a resolver gets its unit.

use std::sync::Arc;

use async_graphql::{
    Context, Error,
    dataloader::{DataLoader, HashMapCache},
};

use crate::{
    UnitOfWork,
    operation::loader::{Loaders, UnitLoader},
};

/// Borrows the operation's unit of work from a resolver's [`Context`].
///
/// ```
/// use async_graphql::{Context, Object, Result};
/// use sea_orm::ConnectionTrait;
/// use unit_of_work::ContextExt;
///
/// struct Mutation;
///
/// #[Object]
/// impl Mutation {
///     async fn tidy(&self, ctx: &Context<'_>) -> Result<u64> {
///         let deleted = ctx.unit().execute_unprepared("DELETE FROM draft").await?;
///         Ok(deleted.rows_affected())
///     }
/// }
/// ```
pub trait ContextExt<'a> {
    /// The operation's unit of work.
    ///
    /// # Panics
    /// If there is none: the schema has no [`UnitOfWorkExtension`](crate::UnitOfWorkExtension), or a subscription's stream is being
    /// created, which belongs to no event yet. [`ContextExt::try_unit`] does not panic.
    fn unit(&self) -> &'a UnitOfWork;

    /// The operation's unit of work, if there is one.
    ///
    /// # Errors
    /// If [`ContextExt::unit`] would panic.
    fn try_unit(&self) -> Result<&'a UnitOfWork, Error>;

    /// The operation's loader of this type. It is created on first use, batches the keys of all fields that ask at the same time, and reads
    /// through the operation's unit.
    ///
    /// # Panics
    /// As [`ContextExt::unit`].
    fn loader<L: UnitLoader>(&self) -> Arc<DataLoader<L, HashMapCache>>;
}

impl<'a> ContextExt<'a> for Context<'a> {
    fn unit(&self) -> &'a UnitOfWork {
        self.data_unchecked()
    }

    fn try_unit(&self) -> Result<&'a UnitOfWork, Error> {
        self.data()
    }

    fn loader<L: UnitLoader>(&self) -> Arc<DataLoader<L, HashMapCache>> {
        self.data_unchecked::<Loaders>().get()
    }
}
