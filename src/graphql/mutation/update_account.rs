//! Changes what describes an account.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, Result};
use futures_util::FutureExt as _;
use serde_json::json;
use unit_of_work::ContextExt as _;

use super::payload::AccountPayload;
use crate::{
    graphql::{
        context::LedgerContext as _,
        input::{AccountRef, viewer},
        locks::in_order,
        object::{AccountClass, LimitPolicy},
        refusal::{bad_input, refuse},
        scalars::{Int64, Json},
    },
    ledger::{self, LockSet, UpdateAccount},
};

/// An account, and what it is to become. A field that is left out stays as it is.
#[derive(InputObject)]
pub struct UpdateAccountInput {
    /// The account.
    account: AccountRef,
    /// A name for people: 1 to 200 characters. Null is refused.
    name: MaybeUndefined<String>,
    /// What it is in reports; null if it is to be not classified.
    class: MaybeUndefined<AccountClass>,
    /// The limit of 0 that its balance has; null is `NONE`. A limit that the present balance is beyond is refused.
    limit_policy: MaybeUndefined<LimitPolicy>,
    /// The least balance that it may have, in minor units; null is any. A limit that the present balance, less what holds would lower it by,
    /// is beyond is refused.
    min_balance: MaybeUndefined<Int64>,
    /// The largest balance that it may have, in minor units; null is any. A limit that the present balance, with what holds would raise it
    /// by, is beyond is refused.
    max_balance: MaybeUndefined<Int64>,
    /// A JSON object of your own, at most 16 KiB, in the place of the one that is there; null is the empty object.
    metadata: MaybeUndefined<Json>,
    /// Optimistic lock: refuse unless the account is still at this `revision`.
    expected_revision: Option<Int64>,
}

fn limit(input: MaybeUndefined<Int64>) -> Option<Option<i64>> {
    match input {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(limit) => Some(Some(limit.0)),
    }
}

#[derive(Default)]
pub struct UpdateAccountMutation;

#[Object]
impl UpdateAccountMutation {
    /// Changes the name, the class, the limits or the metadata of an account. `Account.changes` keeps what they were. The code, the
    /// currency and the normal side never change.
    async fn update_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account, and what it is to become.")] input: UpdateAccountInput,
    ) -> Result<AccountPayload> {
        let command = UpdateAccount {
            account: input.account.parse(),
            expected_revision: input.expected_revision.map(|revision| revision.0),
            name: match input.name {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => {
                    let problem = "it is null, and an account has a name: leave the field out to keep the one that it has";
                    return Err(bad_input("name", problem));
                }
                MaybeUndefined::Value(name) => Some(name),
            },
            class: match input.class {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(class) => Some(Some(class.into())),
            },
            limit_policy: match input.limit_policy {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(LimitPolicy::None.into()),
                MaybeUndefined::Value(policy) => Some(policy.into()),
            },
            min_balance: limit(input.min_balance),
            max_balance: limit(input.max_balance),
            metadata: match input.metadata {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(json!({})),
                MaybeUndefined::Value(metadata) => Some(metadata.0),
            },
            recorded_by: viewer(ctx),
        };
        let locks = LockSet {
            accounts: vec![command.account.clone()],
            entries: Vec::new(),
        };
        let verb = ledger::update_account(ctx.unit(), command, ctx.clock());
        let account = in_order(ctx, locks, verb).boxed().await.map_err(refuse)?;
        Ok(AccountPayload::of(ctx, account))
    }
}
