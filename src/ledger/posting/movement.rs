//! What an entry does to one account: refused or applied.

use super::condition::ResolvedCondition;
use super::error::PostEntryError;
use super::together::{Part, Shape};
use crate::ledger::limit::{Limit, room};
use chrono::{DateTime, Utc};
use daybook_entity::{AccountStatus, LineEffect, Side, account};
use sea_orm::sea_query::{
    Alias, Expr, IntoIden, Query, SubQueryStatement, TableRef, UpdateStatement, Value, ValueTuple,
};
use sea_orm::{ColumnTrait, DbBackend, ExprTrait};
use std::any::TypeId;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What an entry does to one account.
#[derive(Clone, Debug, Default)]
pub(super) struct Movement {
    /// Minor units over all lines; not negative.
    pub(super) debits: i64,
    /// Minor units over all lines; not negative.
    pub(super) credits: i64,
    /// Minor units over all lines; negative where a hold ends.
    pub(super) debits_pending: i64,
    /// Minor units over all lines; negative where a hold ends.
    pub(super) credits_pending: i64,
    /// How many lines touch it; 0 when only its version or its balance matters.
    pub(super) lines: i64,
    /// Whether a line does more than to free what a hold had set aside, for which the account has to be open.
    pub(super) needs_open: bool,
    /// The version that the account must have before.
    pub(super) expected_version: Option<i64>,
    /// What its balances must be before.
    pub(super) conditions: Vec<ResolvedCondition>,
}

impl Movement {
    /// Both movements together. The sums fit, because the account accepts one after the other.
    pub(super) fn add_all(&mut self, other: &Self) {
        self.debits += other.debits;
        self.credits += other.credits;
        self.debits_pending += other.debits_pending;
        self.credits_pending += other.credits_pending;
        self.lines += other.lines;
    }

    pub(super) fn add(
        &mut self,
        account: &account::Model,
        side: Side,
        effect: LineEffect,
        amount: i64,
    ) -> Result<(), PostEntryError> {
        let (posted, pending) = match side {
            Side::Debit => (&mut self.debits, &mut self.debits_pending),
            Side::Credit => (&mut self.credits, &mut self.credits_pending),
        };
        let (posts, sets_aside) = change(effect, amount);
        for (total, by) in [(posted, posts), (pending, sets_aside)] {
            *total = total.checked_add(by).ok_or_else(|| out_of_range(account))?;
        }
        self.lines += 1;
        self.needs_open |= effect != LineEffect::Release;
        Ok(())
    }

    /// How far the entry moves the account to this side, as limits count it: what it sets aside included; negative when it moves it to the
    /// other one.
    ///
    /// Clamped to 64 bits. An entry beyond that range was refused before this is asked.
    const fn requested(&self, side: Side) -> i64 {
        match side {
            Side::Credit => self
                .credits
                .saturating_add(self.credits_pending)
                .saturating_sub(self.debits),
            Side::Debit => self
                .debits
                .saturating_add(self.debits_pending)
                .saturating_sub(self.credits),
        }
    }

    /// The refusal of a movement that is beyond a limit of the account.
    fn beyond_limit(&self, account: &account::Model) -> Option<PostEntryError> {
        let sides = [Side::Debit, Side::Credit].into_iter();
        let mut rooms = sides.filter_map(|side| Some((room(account, side)?, self.requested(side))));
        let (room, requested) =
            rooms.find(|(room, requested)| i128::from(*requested) > room.amount)?;
        let (account_id, account_code) = (account.id, account.code.clone());
        let currency = account.currency.clone();
        Some(match room.limit {
            Limit::MaxBalance(max_balance) => PostEntryError::LimitExceeded {
                account_id,
                account_code,
                currency,
                max_balance,
                room: room.clamped(),
                requested,
            },
            limit => PostEntryError::InsufficientFunds {
                account_id,
                account_code,
                currency,
                min_balance: match limit {
                    Limit::MinBalance(min_balance) => Some(min_balance),
                    Limit::Policy(_) | Limit::MaxBalance(_) => None,
                },
                available: room.clamped(),
                requested,
            },
        })
    }

    /// How much the posted and pending totals of each side grow together; `None` where that does not fit.
    fn growth(&self) -> Option<(i64, i64)> {
        let debits = self.debits.checked_add(self.debits_pending)?;
        let credits = self.credits.checked_add(self.credits_pending)?;
        Some((debits, credits))
    }

    /// Why `account` as it is cannot take the movement.
    pub(super) fn refusal(&self, account: &account::Model) -> Option<PostEntryError> {
        let (account_id, account_code) = (account.id, account.code.clone());
        if let Some(expected) = self
            .expected_version
            .filter(|expected| *expected != account.version)
        {
            let actual = account.version;
            return Some(PostEntryError::VersionConflict {
                account_id,
                account_code,
                expected,
                actual,
            });
        }
        let mut conditions = self.conditions.iter();
        if let Some(unmet) = conditions.find_map(|condition| condition.unmet(account)) {
            return Some(PostEntryError::ConditionNotMet(Box::new(unmet)));
        }
        if self.lines == 0 {
            return None;
        }
        if self.needs_open && account.status != AccountStatus::Open {
            return Some(PostEntryError::AccountNotOpen {
                account_id,
                account_code,
                status: account.status,
            });
        }
        let fits = |growth: i64, posted: i64, pending: i64| {
            growth <= 0 || posted <= (i64::MAX - growth) - pending
        };
        match self.growth() {
            Some((debits, credits))
                if fits(debits, account.debits_posted, account.debits_pending)
                    && fits(credits, account.credits_posted, account.credits_pending) => {}
            _ => return Some(out_of_range(account)),
        }
        self.beyond_limit(account)
    }

    /// The account after the movement of an entry that counts from `effective_at`. The movement is one that `account` does not
    /// [refuse](Self::refusal), so that every sum fits.
    pub(super) fn applied(
        &self,
        account: account::Model,
        effective_at: DateTime<Utc>,
    ) -> account::Model {
        account::Model {
            debits_posted: account.debits_posted + self.debits,
            credits_posted: account.credits_posted + self.credits,
            debits_pending: account.debits_pending + self.debits_pending,
            credits_pending: account.credits_pending + self.credits_pending,
            version: account.version + self.lines,
            latest_effective_at: Ord::max(account.latest_effective_at, Some(effective_at)),
            ..account
        }
    }

    /// What it adds to each column of the account.
    const fn by_column(&self) -> [(account::Column, i64); 5] {
        use account::Column;
        [
            (Column::Version, self.lines),
            (Column::DebitsPosted, self.debits),
            (Column::CreditsPosted, self.credits),
            (Column::DebitsPending, self.debits_pending),
            (Column::CreditsPending, self.credits_pending),
        ]
    }
}

/// The statements that apply the movements to their accounts, and move each one's latest instant on to what `latest` says: one on
/// PostgreSQL; one an account elsewhere, where statements cost no round trip, and where SQLite would read all accounts to find those of
/// a list.
pub(super) fn updates(
    engine: DbBackend,
    movements: &BTreeMap<Uuid, Movement>,
    latest: impl Fn(&Uuid) -> DateTime<Utc>,
) -> Vec<Box<dyn Part + '_>> {
    let moved = movements.iter().filter(|(_, movement)| movement.lines > 0);
    let moved = moved.map(|(id, movement)| Moved {
        id: *id,
        movement,
        latest: latest(id),
    });
    if engine == DbBackend::Postgres {
        return vec![Box::new(UpdateAll(moved.collect()))];
    }
    moved.map(|moved| Box::new(UpdateOne(moved)) as _).collect()
}

/// An account that moves.
struct Moved<'a> {
    id: Uuid,
    movement: &'a Movement,
    latest: DateTime<Utc>,
}

struct UpdateOne<'a>(Moved<'a>);

impl Part for UpdateOne<'_> {
    fn shape(&self) -> Shape {
        Shape {
            part: TypeId::of::<UpdateOne<'static>>(),
            rows: 1,
        }
    }

    fn write(&self, _: DbBackend) -> SubQueryStatement {
        let by = self.0.movement.by_column();
        let by = by.map(|(column, by)| (column, by.into()));
        let mut update = update(by, Expr::val(self.0.latest));
        update.and_where(col(account::Column::Id).eq(self.0.id));
        update.into()
    }

    fn parameters(&self) -> Vec<Value> {
        let Moved {
            id,
            movement,
            latest,
        } = self.0;
        let by = movement.by_column().map(|(_, by)| by.into());
        // The latest instant is compared, and put in its place.
        let others = [latest.into(), latest.into(), id.into()];
        by.into_iter().chain(others).collect()
    }
}

struct UpdateAll<'a>(Vec<Moved<'a>>);

impl Moved<'_> {
    fn row(&self) -> impl Iterator<Item = Value> {
        let by = self.movement.by_column().map(|(_, by)| by.into());
        [self.id.into(), self.latest.into()].into_iter().chain(by)
    }
}

impl Part for UpdateAll<'_> {
    fn shape(&self) -> Shape {
        Shape {
            part: TypeId::of::<UpdateAll<'static>>(),
            rows: self.0.len(),
        }
    }

    fn write(&self, _: DbBackend) -> SubQueryStatement {
        let rows = self.0.iter();
        let rows = rows.map(|moved| ValueTuple::Many(moved.row().collect()));
        let movement = Alias::new("movement");
        // What the engine calls the columns of VALUES.
        let from =
            |number: usize| Expr::col((movement.clone(), Alias::new(format!("column{number}"))));
        let by = Movement::default().by_column().map(|(column, _)| column);
        let by = by
            .into_iter()
            .zip(3..)
            .map(|(column, number)| (column, from(number)));
        let mut update = update(by, from(2));
        update
            .from(TableRef::ValuesList(
                rows.collect(),
                movement.clone().into_iden(),
            ))
            .and_where(col(account::Column::Id).eq(from(1)));
        update.into()
    }

    fn parameters(&self) -> Vec<Value> {
        self.0.iter().flat_map(Moved::row).collect()
    }
}

/// Adds to the columns, and moves the account's latest instant on.
fn update(
    by_column: impl IntoIterator<Item = (account::Column, Expr)>,
    latest: Expr,
) -> UpdateStatement {
    use account::Column;
    let mut update: UpdateStatement = Query::update();
    update.table(account::Entity);
    for (column, by) in by_column {
        update.value(column, col(column).add(by));
    }
    let earlier = Column::LatestEffectiveAt
        .is_null()
        .or(col(Column::LatestEffectiveAt).lt(latest.clone()));
    let latest = Expr::case(earlier, latest).finally(col(Column::LatestEffectiveAt));
    update.value(Column::LatestEffectiveAt, latest);
    update
}

fn col(column: account::Column) -> Expr {
    Expr::col((account::Entity, column))
}

/// What a line of `amount` adds to the posted and to the pending total of each of its sides.
pub(super) const fn change(effect: LineEffect, amount: i64) -> (i64, i64) {
    match effect {
        LineEffect::Post => (amount, 0),
        LineEffect::Hold => (0, amount),
        LineEffect::Capture => (amount, -amount),
        LineEffect::Release => (0, -amount),
    }
}

pub(super) fn out_of_range(account: &account::Model) -> PostEntryError {
    PostEntryError::AmountOutOfRange {
        account_id: account.id,
        account_code: account.code.clone(),
    }
}
