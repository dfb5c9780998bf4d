//! Inputs that several mutations and queries share, and their translation for the ledger.

use async_graphql::{Context, Enum, ID, InputObject, OneofObject, Result};
use unit_of_work::Viewer;

use super::{
    context::LedgerContext as _,
    refusal::bad_input,
    scalars::{CurrencyCode, DateTime, Int64, Json},
    time::{Days, Time},
};
use crate::ledger;

/// An account, by its id or by its code.
#[derive(OneofObject, Clone, Debug)]
pub enum AccountRef {
    /// `acct_…`
    Id(ID),
    /// Its unique name.
    Code(String),
}

impl AccountRef {
    pub(super) fn parse(self) -> ledger::AccountRef {
        match self {
            Self::Id(id) => match id.parse() {
                Ok(ledger::Id::Account(id)) => ledger::AccountRef::Id(id),
                // The id of something else, or a text that is nothing's: there is no such account.
                Ok(_) | Err(_) => ledger::AccountRef::NoId(id.0),
            },
            Self::Code(code) => ledger::AccountRef::Code(code),
        }
    }
}

/// A group of accounts, by its id or by its path.
#[derive(OneofObject, Clone, Debug)]
pub enum AccountGroupRef {
    /// `group_…`
    Id(ID),
    /// Its unique path, such as `tax-report:income`.
    Path(String),
}

impl AccountGroupRef {
    pub(super) fn parse(self) -> ledger::GroupRef {
        match self {
            Self::Id(id) => match id.parse() {
                Ok(ledger::Id::Group(id)) => ledger::GroupRef::Id(id),
                // The id of something else, or a text that is nothing's: there is no such group.
                Ok(_) | Err(_) => ledger::GroupRef::NoId(id.0),
            },
            Self::Path(path) => ledger::GroupRef::Path(path),
        }
    }
}

/// The entry that an id names. The id of anything else is refused.
pub(super) fn entry_id(field: &str, id: &ID) -> Result<uuid::Uuid> {
    match id.parse() {
        Ok(ledger::Id::Entry(id)) => Ok(id),
        Ok(_) | Err(_) => Err(bad_input(
            field,
            "it is not the id of an entry: write entry_…, as it was read",
        )),
    }
}

/// Amounts of lines, if there are any.
pub(super) fn minor_units(amounts: Option<Vec<Int64>>) -> Option<Vec<i64>> {
    amounts.map(|amounts| amounts.into_iter().map(|amount| amount.0).collect())
}

/// What to answer if another entry has the reference.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTakenReference {
    /// The error `REFERENCE_TAKEN`, which names the entry.
    Refuse,
    /// The entry, if this input would have posted the same: so an entry can be sent again when its answer was lost. If the input is another
    /// one, the error `REFERENCE_TAKEN`, which says in what it differs.
    ReturnEntry,
}

impl From<OnTakenReference> for ledger::OnTakenReference {
    fn from(on_taken: OnTakenReference) -> Self {
        match on_taken {
            OnTakenReference::Refuse => Self::Refuse,
            OnTakenReference::ReturnEntry => Self::ReturnEntry,
        }
    }
}

/// An entry, by its id or by its reference.
#[derive(OneofObject, Clone, Debug)]
pub enum EntryRef {
    /// `entry_…`
    Id(ID),
    /// The reference that it was posted with.
    Reference(String),
}

impl EntryRef {
    pub(super) fn parse(self) -> Result<ledger::EntryRef> {
        match self {
            Self::Id(id) => Ok(ledger::EntryRef::Id(entry_id("entry", &id)?)),
            Self::Reference(reference) => Ok(ledger::EntryRef::Reference(reference)),
        }
    }
}

/// A cursor of the feed.
pub(super) fn parse_cursor(field: &str, cursor: &str) -> Result<i64> {
    let number = cursor.parse().ok().filter(|number| *number >= 0);
    number.ok_or_else(|| {
        bad_input(
            field,
            "it is not a cursor: give one as it arrived in an event, or \"0\" for the beginning",
        )
    })
}

/// How many items of a list are asked for, which is not a connection.
pub(super) fn page_size(first: Option<i32>) -> Result<u64> {
    match first {
        None => Ok(20),
        Some(first @ 0..=100) => Ok(u64::from(first.unsigned_abs())),
        Some(_) => Err(bad_input("first", "it must be 0 to 100")),
    }
}

/// The viewer, as the caller's token names them; none without authentication.
pub(super) fn viewer(ctx: &Context<'_>) -> Option<String> {
    ctx.data_opt::<Viewer>().map(|viewer| viewer.0.clone())
}

/// The fields that the inputs of all kinds of entries have, and the viewer.
pub(super) fn notes(
    ctx: &Context<'_>,
    reference: Option<String>,
    on_taken_reference: OnTakenReference,
    effective_at: Option<DateTime>,
    description: Option<String>,
    metadata: Option<Json>,
) -> ledger::EntryNotes {
    ledger::EntryNotes {
        recorded_by: viewer(ctx),
        reference,
        on_taken_reference: on_taken_reference.into(),
        effective_at: effective_at.map(|at| at.0),
        description,
        metadata: metadata.map(|metadata| metadata.0),
    }
}

/// A point in an account's history.
#[derive(OneofObject, Clone, Debug)]
pub enum PointInTime {
    /// As it counts at this instant, which is included: with every entry that counts from it or from before, whenever it became known.
    /// A date means the end of that day: `2026-03-31` has all of 31 March, and nothing of 1 April. Entries that are backdated later
    /// change it.
    EffectiveAt(Time),
    /// As it was known at this instant, which is included, or at the end of this day: with every entry that was recorded by then. Nothing
    /// changes it any more.
    RecordedAt(Time),
    /// As it counts now: as `effectiveAt` with the server's present time, so that entries dated in the future are left out.
    AsOf(AsOf),
    /// After so many lines: `balances.version`, or a statement line's. Nothing changes it any more.
    Version(Int64),
}

/// A point in time that the server knows.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// The present, by the server's clock.
    Now,
}

impl PointInTime {
    pub(super) fn parse(
        self,
        ctx: &Context<'_>,
        time_zone: Option<&str>,
    ) -> Result<ledger::PointInTime> {
        let mut days = Days::of("timeZone", time_zone)?;
        let point = match self {
            Self::EffectiveAt(at) => {
                ledger::PointInTime::EffectiveAt(days.at("at.effectiveAt", at)?)
            }
            Self::RecordedAt(at) => ledger::PointInTime::RecordedAt(days.at("at.recordedAt", at)?),
            Self::AsOf(AsOf::Now) => ledger::PointInTime::EffectiveAt(ctx.now()),
            Self::Version(version) => ledger::PointInTime::Version(version.0),
        };
        days.finish("a date in `at`")?;
        Ok(point)
    }
}

/// A pair of the metadata: a key at its top, and the value.
#[derive(InputObject, Clone, Debug)]
pub struct MetadataFilter {
    /// The key: at most 200 characters.
    pub key: String,
    /// The value: a text of at most 200 characters, or a whole number, true or false, written as a text. Other values are not found by.
    pub value: String,
}

impl MetadataFilter {
    pub(super) fn pairs(filters: Option<Vec<Self>>) -> Vec<(String, String)> {
        let filters = filters.unwrap_or_default().into_iter();
        filters.map(|pair| (pair.key, pair.value)).collect()
    }
}

/// A range of amounts in one currency. Both ends are in it.
#[derive(InputObject, Clone, Debug)]
pub struct AmountRange {
    /// The currency.
    pub currency: CurrencyCode,
    /// The least, in minor units; no limit by default.
    pub min: Option<Int64>,
    /// The largest, in minor units; no limit by default.
    pub max: Option<Int64>,
}

impl From<AmountRange> for ledger::AmountRange {
    fn from(range: AmountRange) -> Self {
        Self {
            currency: range.currency.0,
            min: range.min.map(|min| min.0),
            max: range.max.map(|max| max.0),
        }
    }
}

/// One positive amount to move, from a debit account to a credit account.
#[derive(InputObject, Clone, Debug)]
pub struct LineInput {
    /// The account to debit.
    pub debit: AccountRef,
    /// The account to credit.
    pub credit: AccountRef,
    /// Minor units; positive.
    pub amount: Int64,
    /// The currency of both accounts.
    pub currency: CurrencyCode,
}

impl LineInput {
    pub(super) fn parse_all(lines: Vec<Self>) -> Vec<ledger::NewLine> {
        let lines = lines.into_iter().map(|line| ledger::NewLine {
            debit: line.debit.parse(),
            credit: line.credit.parse(),
            amount: line.amount.0,
            currency: line.currency.0,
        });
        lines.collect()
    }
}

/// An account, and the version that it must still be at.
#[derive(InputObject, Clone, Debug)]
pub struct ExpectedVersion {
    /// The account.
    pub account: AccountRef,
    /// `balances.version`, as it was read.
    pub version: Int64,
}

impl ExpectedVersion {
    pub(super) fn parse_all(expected: Option<Vec<Self>>) -> Vec<ledger::ExpectedVersion> {
        let expected = expected.unwrap_or_default().into_iter();
        let expected = expected.map(|expected| ledger::ExpectedVersion {
            account: expected.account.parse(),
            version: expected.version.0,
        });
        expected.collect()
    }
}

/// Which balance of an account.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "ledger::BalanceKind")]
pub enum BalanceKind {
    /// What all entries have moved: `balances.posted`.
    Posted,
    /// What is there and not held: `balances.available`.
    Available,
}

/// A condition on the balance of an account: one or two of `atLeast` and `atMost`, or `equals`.
#[derive(InputObject, Clone, Debug)]
pub struct BalanceCondition {
    /// The account: one that the entry touches, or another one.
    pub account: AccountRef,
    /// Which of its balances.
    pub balance: BalanceKind,
    /// The least that it may be, in minor units, positive on the account's normal side.
    pub at_least: Option<Int64>,
    /// The most that it may be, in minor units.
    pub at_most: Option<Int64>,
    /// What it has to be, in minor units; not beside the other two.
    pub equals: Option<Int64>,
}

impl BalanceCondition {
    pub(super) fn parse_all(conditions: Option<Vec<Self>>) -> Vec<ledger::BalanceCondition> {
        let conditions = conditions.unwrap_or_default().into_iter();
        let conditions = conditions.map(|condition| ledger::BalanceCondition {
            account: condition.account.parse(),
            balance: condition.balance.into(),
            at_least: condition.at_least.map(|least| least.0),
            at_most: condition.at_most.map(|most| most.0),
            equals: condition.equals.map(|equals| equals.0),
        });
        conditions.collect()
    }
}
