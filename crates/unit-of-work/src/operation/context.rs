//! How a resolver gets at its unit.

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
    /// Where there is none: the schema was built without [`UnitOfWorkExtension`](crate::UnitOfWorkExtension), or this
    /// is the creation of a subscription's stream, which belongs to no event yet. [`ContextExt::try_unit`] asks.
    fn unit(&self) -> &'a UnitOfWork;

    /// The operation's unit of work, where there is one.
    ///
    /// # Errors
    /// Where [`ContextExt::unit`] would panic.
    fn try_unit(&self) -> Result<&'a UnitOfWork, Error>;

    /// The operation's own loader of this type, made when it is first asked for. It batches over all fields that ask on
    /// the same turn, and reads through the operation's unit.
    ///
    /// # Panics
    /// Where [`ContextExt::unit`] does.
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
