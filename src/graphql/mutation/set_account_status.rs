//! Freezes, opens again, or closes an account.

use async_graphql::{Context, InputObject, Object, Result};
use futures_util::FutureExt as _;
use unit_of_work::ContextExt as _;

use super::payload::AccountPayload;
use crate::{
    graphql::{
        context::LedgerContext as _,
        input::{AccountRef, viewer},
        locks::in_order,
        object::AccountStatus,
        refusal::refuse,
    },
    ledger::{self, LockSet, SetAccountStatus},
};

/// An account, and the status that it is to have.
#[derive(InputObject)]
pub struct SetAccountStatusInput {
    /// The account.
    account: AccountRef,
    /// `CLOSED` is for ever, and only for an account with nothing on it.
    status: AccountStatus,
}

#[derive(Default)]
pub struct SetAccountStatusMutation;

#[Object]
impl SetAccountStatusMutation {
    /// Freezes an account, opens it again, or closes it for ever.
    async fn set_account_status(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account, and its new status.")] input: SetAccountStatusInput,
    ) -> Result<AccountPayload> {
        let account = input.account.parse();
        let locks = LockSet {
            accounts: vec![account.clone()],
            entries: Vec::new(),
        };
        let command = SetAccountStatus {
            account,
            status: input.status.into(),
            recorded_by: viewer(ctx),
        };
        let verb = ledger::set_account_status(ctx.unit(), command, ctx.clock());
        let account = in_order(ctx, locks, verb).boxed().await.map_err(refuse)?;
        Ok(AccountPayload::of(ctx, account))
    }
}
