//! Opens an account.

use async_graphql::{Context, InputObject, Object, Result};
use futures_util::FutureExt as _;
use unit_of_work::ContextExt as _;

use super::payload::AccountPayload;
use crate::{
    graphql::{
        context::LedgerContext as _,
        input::viewer,
        object::{AccountClass, LimitPolicy, Side},
        refusal::refuse,
        scalars::{CurrencyCode, Int64, Json},
    },
    ledger::{self, OpenAccount},
};

/// An account to open.
#[derive(InputObject)]
pub struct OpenAccountInput {
    /// Its unique name: 1 to 64 characters.
    code: String,
    /// A name for people: 1 to 200 characters.
    name: String,
    /// The currency of every amount on it.
    currency: CurrencyCode,
    /// The side on which its balance counts as positive.
    normal_side: Side,
    /// What it is in reports; null if it is not classified. The class need not fit the normal side: contra accounts have the other one.
    class: Option<AccountClass>,
    /// The limit of 0 that its balance has.
    #[graphql(default_with = "LimitPolicy::None")]
    limit_policy: LimitPolicy,
    /// The least balance that it may have, in minor units, positive on its normal side; any by default. What holds would lower the balance by
    /// counts at once: nothing is posted or held that would leave less available. Not above 0, since nothing is on a new account.
    min_balance: Option<Int64>,
    /// The largest balance that it may have, in minor units; any by default. What holds would raise the balance by counts at once. Not below
    /// 0, since nothing is on a new account.
    max_balance: Option<Int64>,
    /// A JSON object of your own: at most 16 KiB.
    metadata: Option<Json>,
}

#[derive(Default)]
pub struct OpenAccountMutation;

#[Object]
impl OpenAccountMutation {
    /// Opens an account with nothing on it.
    async fn open_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account.")] input: OpenAccountInput,
    ) -> Result<AccountPayload> {
        let now = ctx.now();
        let command = OpenAccount {
            id: ledger::new_account_id(now, ledger::random()),
            code: input.code,
            name: input.name,
            currency: input.currency.0,
            normal_side: input.normal_side.into(),
            class: input.class.map(Into::into),
            limit_policy: input.limit_policy.into(),
            min_balance: input.min_balance.map(|min| min.0),
            max_balance: input.max_balance.map(|max| max.0),
            metadata: input.metadata.map(|metadata| metadata.0),
            recorded_by: viewer(ctx),
            visible: ctx.visible().cloned(),
        };
        let account = ledger::open_account(ctx.unit(), command, now)
            .boxed()
            .await
            .map_err(refuse)?;
        // The account's row proves the COMMIT: its id is new, and accounts are never deleted.
        ctx.unit().evidence("account", account.id);
        Ok(AccountPayload::of(ctx, account))
    }
}
