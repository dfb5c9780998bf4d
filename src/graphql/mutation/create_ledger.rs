//! Creates ledgers.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use futures_util::FutureExt as _;
use unit_of_work::ContextExt as _;

use crate::{
    graphql::{
        context::LedgerContext as _, input::viewer, object::Ledger, refusal::refuse,
        scopes::require_all_ledgers,
    },
    ledger::{self, CreateLedger},
};

/// The ledger to create.
#[derive(InputObject)]
pub struct CreateLedgerInput {
    /// Its unique name, which is the first part of the codes of its accounts: 1 to 32 letters (a to z, A to Z), digits, `-` and `_`.
    code: String,
    /// What people call it: 1 to 200 characters.
    name: String,
}

/// The ledger that was created.
#[derive(SimpleObject)]
pub struct LedgerPayload {
    /// The ledger that was created.
    ledger: Ledger,
}

#[derive(Default)]
pub struct CreateLedgerMutation;

#[Object]
impl CreateLedgerMutation {
    /// Creates a ledger beside the one that has no name. Accounts whose codes begin with its code and a colon are in it from then on, also those
    /// of the same operation; there must be none yet (`LEDGER_NOT_NEW`). No entry crosses from one ledger to another. A token can be for
    /// some ledgers alone, by the scopes `ledger:read:CODE` and `ledger:write:CODE`.
    async fn create_ledger(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ledger.")] input: CreateLedgerInput,
    ) -> Result<LedgerPayload> {
        require_all_ledgers(ctx)?;
        let command = CreateLedger {
            code: input.code,
            name: input.name,
            recorded_by: viewer(ctx),
        };
        let ledger = ledger::create_ledger(ctx.unit(), command, ctx.now())
            .boxed()
            .await
            .map_err(refuse)?;
        Ok(LedgerPayload {
            ledger: Ledger(ledger),
        })
    }
}
