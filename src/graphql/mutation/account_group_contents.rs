//! Puts accounts into groups, and takes them out.

use async_graphql::{Context, InputObject, Object, Result};
use futures_util::FutureExt as _;
use unit_of_work::ContextExt as _;

use super::account_group::{AccountGroupPayload, payload};
use crate::{
    graphql::{
        context::LedgerContext as _,
        input::{AccountGroupRef, AccountRef, viewer},
        scopes::require_all_ledgers,
    },
    ledger::{self, ChangeGroupContents},
};

/// What to put into a group, or to take out.
#[derive(InputObject)]
pub struct AccountGroupContentsInput {
    /// The group.
    group: AccountGroupRef,
    /// Accounts, by hand: at most 500.
    accounts: Option<Vec<AccountRef>>,
    /// Prefixes of codes: at most 500, of 1 to 64 characters. Accounts whose codes begin so are in the group, also those that are opened later.
    code_prefixes: Option<Vec<String>>,
}

impl AccountGroupContentsInput {
    fn parse(self, ctx: &Context<'_>) -> ChangeGroupContents {
        let accounts = self.accounts.unwrap_or_default().into_iter();
        ChangeGroupContents {
            group: self.group.parse(),
            accounts: accounts.map(AccountRef::parse).collect(),
            code_prefixes: self.code_prefixes.unwrap_or_default(),
            recorded_by: viewer(ctx),
        }
    }
}

#[derive(Default)]
pub struct AccountGroupContentsMutation;

#[Object]
impl AccountGroupContentsMutation {
    /// Puts accounts, and prefixes of codes, into a group: all or none. What is in another group of the tree moves from there.
    async fn add_to_account_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group, and what to put into it.")] input: AccountGroupContentsInput,
    ) -> Result<AccountGroupPayload> {
        require_all_ledgers(ctx)?;
        let command = input.parse(ctx);
        let group = ledger::add_to_account_group(ctx.unit(), command, ctx.clock());
        payload(group.boxed().await)
    }

    /// Takes accounts, and prefixes of codes, out of a group: all or none. What is not in this group is refused.
    async fn remove_from_account_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group, and what to take out of it.")]
        input: AccountGroupContentsInput,
    ) -> Result<AccountGroupPayload> {
        require_all_ledgers(ctx)?;
        let command = input.parse(ctx);
        let group = ledger::remove_from_account_group(ctx.unit(), command, ctx.clock());
        payload(group.boxed().await)
    }
}
