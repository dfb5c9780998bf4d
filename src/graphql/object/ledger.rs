//! A ledger.

use async_graphql::{Context, Object, Result};
use daybook_entity::ledger;

use crate::graphql::{
    loaders::{self, Ledgers},
    scalars::DateTime,
};

/// A ledger beside the one that has no name. No entry crosses from one ledger to another.
pub struct Ledger(pub(in crate::graphql) ledger::Model);

impl Ledger {
    /// The ledger with this code; none for the one that has no name.
    pub(super) async fn of(ctx: &Context<'_>, code: Option<&str>) -> Result<Option<Self>> {
        let Some(code) = code else {
            return Ok(None);
        };
        let ledger = loaders::load::<Ledgers, _>(ctx, code.to_owned()).await?;
        Ok(ledger.map(Self))
    }
}

/// A ledger beside the one that has no name. No entry crosses from one ledger to another.
#[Object]
impl Ledger {
    /// The first part of its accounts' codes: `acme` of `acme:assets:cash`.
    async fn code(&self) -> &str {
        &self.0.code
    }

    /// What people call it.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// When it was created.
    async fn recorded_at(&self) -> DateTime {
        DateTime(self.0.recorded_at)
    }

    /// Who created it: the `sub` of the token. Null without authentication.
    async fn recorded_by(&self) -> Option<&str> {
        self.0.recorded_by.as_deref()
    }
}
