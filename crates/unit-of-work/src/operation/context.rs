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

/// What to do where there is no unit.
const NO_UNIT: &str = "there is no unit of work here. While a subscription's stream is created there is none, because each event has \
    a unit of its own: read in the fields of the event, or use `Database::read` on a `Database` from the schema's data. Anywhere else, \
    register `UnitOfWorkExtension` on the schema";

impl<'a> ContextExt<'a> for Context<'a> {
    fn unit(&self) -> &'a UnitOfWork {
        match self.data_opt() {
            Some(unit) => unit,
            None => panic!("{NO_UNIT}"),
        }
    }

    fn try_unit(&self) -> Result<&'a UnitOfWork, Error> {
        self.data_opt().ok_or_else(|| Error::new(NO_UNIT))
    }

    fn loader<L: UnitLoader>(&self) -> Arc<DataLoader<L, HashMapCache>> {
        match self.data_opt::<Loaders>() {
            Some(loaders) => loaders.get(),
            None => panic!("{NO_UNIT}"),
        }
    }
}
