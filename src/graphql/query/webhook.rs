//! Webhooks.

use async_graphql::{Context, Object, Result};
use unit_of_work::ContextExt as _;

use crate::{
    graphql::{
        count_items::count_items,
        object::Webhook,
        scopes::{WEBHOOKS, require},
    },
    ledger,
};

#[derive(Default)]
pub struct WebhookQuery;

#[Object]
impl WebhookQuery {
    /// The webhooks, oldest first: at most 100. One is `node(id)`. The token needs the scope `ledger:webhooks`, too.
    async fn webhooks(&self, ctx: &Context<'_>) -> Result<Vec<Webhook>> {
        require(ctx, WEBHOOKS)?;
        let webhooks = ledger::webhooks(ctx.unit()).await?;
        count_items(ctx, webhooks.len())?;
        Ok(webhooks.into_iter().map(Webhook).collect())
    }
}
