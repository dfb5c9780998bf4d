//! Anything by its id.

use async_graphql::{Context, ID, Object, Result};
use futures_util::future::join_all;
use unit_of_work::ContextExt as _;

use crate::{
    graphql::{
        loaders::{self, AccountGroups, Accounts, Entries, Lines},
        object::{Account, AccountGroup, Entry, EntryLine, Node, Webhook},
        refusal::bad_input,
        scopes::{WEBHOOKS, require},
    },
    ledger::{self, Id},
};

/// How many ids `nodes` takes.
const MOST_NODES: usize = 100;

#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// What has this id; null if nothing has.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id, as it was read.")] id: ID,
    ) -> Result<Option<Node>> {
        find(ctx, &id).await
    }

    /// What has each of these ids, in their order, with null for those that nothing has. At most 100.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ids, as they were read.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Result<Node>>>> {
        if ids.len() > MOST_NODES {
            return Err(bad_input(
                "ids",
                &format!("it has {} ids; at most {MOST_NODES} are taken", ids.len()),
            ));
        }
        let nodes = join_all(ids.iter().map(|id| find(ctx, id))).await;
        // The engine treats an item of type `Result<Option<_>>` as one that cannot be null.
        Ok(nodes.into_iter().map(Result::transpose).collect())
    }
}

async fn find(ctx: &Context<'_>, id: &ID) -> Result<Option<Node>> {
    // An id that does not parse is treated as one that nothing has.
    let Ok(id) = id.parse::<Id>() else {
        return Ok(None);
    };
    Ok(match id {
        Id::Account(id) => {
            let account = loaders::load::<Accounts, _>(ctx, id).await?;
            account.map(|account| Account(account).into())
        }
        Id::Entry(id) => {
            let entry = loaders::load::<Entries, _>(ctx, id).await?;
            entry.map(|entry| Entry::new(entry).into())
        }
        Id::Group(id) => {
            let group = loaders::load::<AccountGroups, _>(ctx, id).await?;
            group.map(|group| AccountGroup(group).into())
        }
        Id::Webhook(id) => {
            require(ctx, WEBHOOKS)?;
            let webhook = ledger::webhook(ctx.unit(), id).await?;
            webhook.map(|webhook| Webhook(webhook).into())
        }
        Id::Line { entry_id, line_no } => {
            let lines = loaders::load::<Lines, _>(ctx, entry_id).await?;
            let mut lines = lines.unwrap_or_default().into_iter();
            lines
                .find(|line| line.line_no == line_no)
                .map(|line| EntryLine(line).into())
        }
    })
}
