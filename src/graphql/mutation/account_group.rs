//! Creates, changes and deletes groups of accounts.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use futures_util::FutureExt as _;
use unit_of_work::ContextExt as _;

use crate::{
    graphql::{
        context::LedgerContext as _,
        input::{AccountGroupRef, viewer},
        object::{AccountGroup, global_id},
        refusal::{bad_input, refuse},
        scalars::Int64,
        scopes::require_all_ledgers,
    },
    ledger::{self, CreateAccountGroup, DeleteAccountGroup, Id, UpdateAccountGroup},
};

/// The group to create.
#[derive(InputObject)]
pub struct CreateAccountGroupInput {
    /// The unique name that it is called by: 1 to 200 characters, by the rules of codes, in at most ten parts that colons separate. Of
    /// `tax-report:income`, the group `tax-report` has to be there; a path of one part is a new tree.
    path: String,
    /// A name for people: 1 to 200 characters.
    name: String,
}

/// A group, and what it is to become. A field that is left out stays as it is.
#[derive(InputObject)]
pub struct UpdateAccountGroupInput {
    /// The group.
    group: AccountGroupRef,
    /// Another path in the same tree, in a group that is there: so a group moves, and those below it move with it. Null is refused.
    path: MaybeUndefined<String>,
    /// A name for people: 1 to 200 characters. Null is refused.
    name: MaybeUndefined<String>,
    /// Optimistic lock: refuse unless the group is still at this `revision`.
    expected_revision: Option<Int64>,
}

/// The group to delete.
#[derive(InputObject)]
pub struct DeleteAccountGroupInput {
    /// The group.
    group: AccountGroupRef,
    /// Optimistic lock: refuse unless the group is still at this `revision`.
    expected_revision: Option<Int64>,
}

/// The group as it is now.
#[derive(SimpleObject)]
pub struct AccountGroupPayload {
    /// The group as it is now.
    pub(super) group: AccountGroup,
}

/// The group that was deleted.
#[derive(SimpleObject)]
pub struct DeleteAccountGroupPayload {
    /// The id that it had.
    deleted_id: ID,
    /// The path that it had.
    path: String,
}

#[derive(Default)]
pub struct AccountGroupMutation;

#[Object]
impl AccountGroupMutation {
    /// Creates a group of accounts, or a tree of groups.
    async fn create_account_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group.")] input: CreateAccountGroupInput,
    ) -> Result<AccountGroupPayload> {
        require_all_ledgers(ctx)?;
        let command = CreateAccountGroup {
            random: ledger::random(),
            path: input.path,
            name: input.name,
            recorded_by: viewer(ctx),
        };
        let group = ledger::create_account_group(ctx.unit(), command, ctx.clock());
        payload(group.boxed().await)
    }

    /// Changes the path or the name of a group of accounts. With its path, a group moves to another place in its tree.
    async fn update_account_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group, and what it is to become.")] input: UpdateAccountGroupInput,
    ) -> Result<AccountGroupPayload> {
        require_all_ledgers(ctx)?;
        let command = UpdateAccountGroup {
            group: input.group.parse(),
            expected_revision: input.expected_revision.map(|revision| revision.0),
            path: not_null("path", input.path)?,
            name: not_null("name", input.name)?,
            recorded_by: viewer(ctx),
        };
        let group = ledger::update_account_group(ctx.unit(), command, ctx.clock());
        payload(group.boxed().await)
    }

    /// Deletes a group of accounts with nothing in it: no group, no account by hand, and no prefix of codes. Its history stays.
    async fn delete_account_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group.")] input: DeleteAccountGroupInput,
    ) -> Result<DeleteAccountGroupPayload> {
        require_all_ledgers(ctx)?;
        let command = DeleteAccountGroup {
            group: input.group.parse(),
            expected_revision: input.expected_revision.map(|revision| revision.0),
            recorded_by: viewer(ctx),
        };
        let group = ledger::delete_account_group(ctx.unit(), command, ctx.clock());
        let group = group.boxed().await.map_err(refuse)?;
        Ok(DeleteAccountGroupPayload {
            deleted_id: global_id(Id::Group(group.id)),
            path: group.path,
        })
    }
}

pub(super) fn payload(
    group: Result<daybook_entity::account_group::Model, ledger::AccountGroupError>,
) -> Result<AccountGroupPayload> {
    let group = AccountGroup(group.map_err(refuse)?);
    Ok(AccountGroupPayload { group })
}

fn not_null(field: &str, value: MaybeUndefined<String>) -> Result<Option<String>> {
    match value {
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Value(value) => Ok(Some(value)),
        MaybeUndefined::Null => {
            let problem =
                format!("it is null, and a group has a {field}: leave the field out to keep it");
            Err(bad_input(field, &problem))
        }
    }
}
