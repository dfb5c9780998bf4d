//! Which database an operation is for.

use std::{borrow::Cow, fmt, sync::Arc};

use async_graphql::{Error, Pos, ServerError, extensions::ExtensionContext};

use crate::Database;

/// The database of all operations, or what finds that of each.
#[derive(Clone, Debug)]
pub(super) enum Databases {
    One(Database),
    Each(Choose),
}

type Find = dyn Fn(&ExtensionContext<'_>) -> Result<Database, Error> + Send + Sync;

/// Finds the database of an operation.
#[derive(Clone)]
pub(super) struct Choose(pub(super) Arc<Find>);

impl Databases {
    pub(super) fn of(&self, ctx: &ExtensionContext<'_>) -> Result<Cow<'_, Database>, ServerError> {
        match self {
            Self::One(database) => Ok(Cow::Borrowed(database)),
            Self::Each(Choose(find)) => match find(ctx) {
                Ok(database) => Ok(Cow::Owned(database)),
                Err(error) => {
                    let mut error = error.into_server_error(Pos::default());
                    // It is no field's.
                    error.locations.clear();
                    Err(error)
                }
            },
        }
    }
}

impl fmt::Debug for Choose {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Choose").finish()
    }
}
