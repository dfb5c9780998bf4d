//! Which database an operation runs on.

use std::{borrow::Cow, fmt, sync::Arc};

use async_graphql::{Error, Pos, ServerError, extensions::ExtensionContext};

use super::alone::Alone;
use crate::Database;

/// What all operations of an extension share. In one allocation, so that a request clones one pointer.
#[derive(Debug)]
pub(super) struct Databases {
    pub(super) choice: Choice,
    pub(super) alone: Alone,
}

/// One database for all operations, or a function that finds the database of each.
#[derive(Debug)]
pub(super) enum Choice {
    One(Database),
    Each(Find),
}

type Function = dyn Fn(&ExtensionContext<'_>) -> Result<Database, Error> + Send + Sync;

/// Finds the database of an operation.
pub(super) struct Find(pub(super) Box<Function>);

impl Databases {
    pub(super) fn of(choice: Choice) -> Arc<Self> {
        Arc::new(Self {
            choice,
            alone: Alone::default(),
        })
    }

    /// The database of this operation.
    pub(super) fn choose(
        &self,
        ctx: &ExtensionContext<'_>,
    ) -> Result<Cow<'_, Database>, ServerError> {
        match &self.choice {
            Choice::One(database) => Ok(Cow::Borrowed(database)),
            Choice::Each(Find(find)) => match find(ctx) {
                Ok(database) => Ok(Cow::Owned(database)),
                Err(error) => {
                    let mut error = error.into_server_error(Pos::default());
                    // The error belongs to no field.
                    error.locations.clear();
                    Err(error)
                }
            },
        }
    }
}

impl fmt::Debug for Find {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Find").finish()
    }
}
