//! Entries.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result};
use futures_util::FutureExt as _;
use unit_of_work::ContextExt as _;

use crate::graphql::order::OrderDirection;
use crate::{
    graphql::{
        connection::{ConnectionOf, EntryConnectionName, EntryEdgeName, connection},
        context::LedgerContext as _,
        input::{AccountGroupRef, AccountRef, AmountRange, EntryRef, MetadataFilter},
        loaders::{self, Entries, EntriesByReference},
        object::{Entry, EntryKind, HoldStatus},
        refusal::{bad_input, refuse},
        time::{Days, Time},
    },
    ledger::{self, HoldIs, Id},
};

/// Chooses entries.
#[derive(InputObject, Clone, Debug, Default)]
pub struct EntryFilter {
    /// Of this kind.
    pub kind: Option<EntryKind>,
    /// Of one of these kinds.
    pub kinds: Option<Vec<EntryKind>>,
    /// With a line that touches this account. Of an account that there is not, `ACCOUNT_NOT_FOUND`.
    pub account: Option<AccountRef>,
    /// With a line that touches an account whose code begins like this. What is asked of lines (`account`, `accountCodePrefix`,
    /// `accountGroup`, `amount`), one line has to fulfil.
    pub account_code_prefix: Option<String>,
    /// With a line that touches an account of this group, or of one below it. Of a group that there is not, `GROUP_NOT_FOUND`.
    pub account_group: Option<AccountGroupRef>,
    /// With a line of such an amount.
    pub amount: Option<AmountRange>,
    /// With this reference.
    pub reference: Option<String>,
    /// With a reference that begins like this.
    pub reference_prefix: Option<String>,
    /// With all of these pairs in the metadata; at most 8.
    pub metadata: Option<Vec<MetadataFilter>>,
    /// With a description in which each word of this text begins a word; at most 8 words. Whether letters are large does not matter.
    pub text: Option<String>,
    /// Holds of this status.
    pub hold: Option<HoldStatus>,
    /// That count from this instant or day, or a later one.
    pub effective_from: Option<Time>,
    /// That count from before this instant, or by the end of this day.
    pub effective_until: Option<Time>,
    /// That were recorded from this instant or day on.
    pub recorded_from: Option<Time>,
    /// That were recorded before this instant, or by the end of this day.
    pub recorded_until: Option<Time>,
    /// Whose days the dates are, by its name in the IANA database, such as `Europe/Berlin`; UTC by default.
    pub time_zone: Option<String>,
}

/// The order of a list.
#[derive(InputObject, Clone, Debug)]
pub struct EntryOrder {
    /// What to order by.
    pub field: EntryOrderField,
    /// The direction.
    #[graphql(default)]
    pub direction: OrderDirection,
}

/// What entries can be ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryOrderField {
    /// When the ledger learned of it.
    RecordedAt,
    /// When it counts from.
    EffectiveAt,
}

/// A page of entries.
pub type EntryConnection = ConnectionOf<Entry, EntryTotal, EntryConnectionName, EntryEdgeName>;

#[derive(Default)]
pub struct EntryQuery;

#[Object]
impl EntryQuery {
    /// One entry; null if there is none.
    async fn entry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id or its reference.")] by: Option<EntryRef>,
        #[graphql(
            desc = "`entry_…`",
            deprecation = "Write `by: { id: … }`: it takes references too."
        )]
        id: Option<ID>,
    ) -> Result<Option<Entry>> {
        let by = match (by, id) {
            (Some(by), None) => by,
            (None, Some(id)) => EntryRef::Id(id),
            _ => {
                let problem = "give either this or `id`, and not null: which entry is asked for?";
                return Err(bad_input("by", problem));
            }
        };
        let entry = match by {
            EntryRef::Id(id) => {
                let Ok(Id::Entry(id)) = id.parse() else {
                    return Ok(None);
                };
                loaders::load::<Entries, _>(ctx, id).await?
            }
            EntryRef::Reference(reference) => {
                let Some(reference) = ledger::stored_reference(&reference) else {
                    return Ok(None);
                };
                let found = loaders::load::<EntriesByReference, _>(ctx, reference).await?;
                let mut found = found.unwrap_or_default();
                if found.len() > 1 {
                    let problem = "is that of an entry in each of several ledgers: give the id of one, or find them with `entries`";
                    return Err(bad_input("by.reference", problem));
                }
                found.pop()
            }
        };
        Ok(entry.map(Entry::new))
    }

    /// Entries, a page at a time.
    #[expect(
        clippy::too_many_arguments,
        reason = "a connection's four, and two more"
    )]
    async fn entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the front; 20 by default, at most 100.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Those after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many, from the back; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Those before this cursor.")] before: Option<String>,
        #[graphql(desc = "Which ones.")] filter: Option<EntryFilter>,
        #[graphql(desc = "The order; as recorded, oldest first, by default.")] order_by: Option<
            EntryOrder,
        >,
    ) -> Result<EntryConnection> {
        let filter = filter
            .map(|filter| filter.parse(ctx))
            .transpose()?
            .unwrap_or_default();
        let order = order_by.map(ledger::EntryOrder::from).unwrap_or_default();
        let page = ledger::PageRequest {
            first,
            after,
            last,
            before,
        };
        let page = ledger::page_entries(ctx.unit(), &filter, order, &page)
            .boxed()
            .await
            .map_err(refuse)?;
        Ok(connection(page, EntryTotal(filter), Entry::new))
    }
}

/// Counts the entries, only if `totalCount` is selected.
pub struct EntryTotal(ledger::EntryFilter);

#[Object]
impl EntryTotal {
    /// How many entries the filter lets through, over all pages.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let count = ledger::count_entries(ctx.unit(), &self.0)
            .await
            .map_err(refuse)?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

impl EntryFilter {
    fn parse(self, ctx: &Context<'_>) -> Result<ledger::EntryFilter> {
        let mut days = Days::of("filter.timeZone", self.time_zone.as_deref())?;
        let filter = ledger::EntryFilter {
            kind: self.kind.map(Into::into),
            kinds: self
                .kinds
                .map(|kinds| kinds.into_iter().map(Into::into).collect()),
            account: self.account.map(AccountRef::parse),
            account_code_prefix: self.account_code_prefix,
            account_group: self.account_group.map(AccountGroupRef::parse),
            amount: self.amount.map(Into::into),
            reference: self.reference,
            reference_prefix: self.reference_prefix,
            metadata: MetadataFilter::pairs(self.metadata),
            text: self.text,
            hold: self.hold.map(|status| match status {
                HoldStatus::Open => HoldIs::Open(ctx.now()),
                HoldStatus::Expired => HoldIs::Expired(ctx.now()),
                HoldStatus::Captured => HoldIs::Captured,
                HoldStatus::Released => HoldIs::Released,
            }),
            effective_from: days.from("filter.effectiveFrom", self.effective_from)?,
            effective_until: days.until("filter.effectiveUntil", self.effective_until)?,
            recorded_from: days.from("filter.recordedFrom", self.recorded_from)?,
            recorded_until: days.until("filter.recordedUntil", self.recorded_until)?,
        };
        days.finish("a date")?;
        Ok(filter)
    }
}

impl From<EntryOrder> for ledger::EntryOrder {
    fn from(order: EntryOrder) -> Self {
        Self {
            field: match order.field {
                EntryOrderField::RecordedAt => ledger::EntryOrderField::RecordedAt,
                EntryOrderField::EffectiveAt => ledger::EntryOrderField::EffectiveAt,
            },
            descending: order.direction == OrderDirection::Desc,
        }
    }
}
