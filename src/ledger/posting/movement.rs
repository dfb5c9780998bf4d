//! What an entry does to one account: refused or applied.

use super::error::PostEntryError;
use crate::ledger::balance::room;
use chrono::{DateTime, Utc};
use daybook_entity::{AccountStatus, LimitPolicy, LineEffect, Side, account, entry};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter};

/// How often an update is tried whose refusal has no reason left when it is looked for. Each turn needs a commit by somebody else in
/// between, so that more than one is rare.
const TURNS: usize = 3;

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
    /// How many lines touch it; 0 when only its version matters.
    pub(super) lines: i64,
    /// Whether a line does more than to free what a hold had set aside, for which the account has to be open.
    pub(super) needs_open: bool,
    /// The version that the account must have before.
    pub(super) expected_version: Option<i64>,
}

impl Movement {
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

    /// What the entry takes from the account where its limit is concerned, what it sets aside included; negative when it gives.
    ///
    /// Clamped: an entry that posts and sets aside beyond 64 bits is refused by the range before.
    fn requested(&self, policy: LimitPolicy) -> i64 {
        match policy {
            LimitPolicy::NoCreditOverdraft => self
                .credits
                .saturating_add(self.credits_pending)
                .saturating_sub(self.debits),
            LimitPolicy::NoDebitOverdraft | LimitPolicy::None => self
                .debits
                .saturating_add(self.debits_pending)
                .saturating_sub(self.credits),
        }
    }

    /// How much the posted and pending totals of each side grow together; `None` where that does not fit.
    fn growth(&self) -> Option<(i64, i64)> {
        let debits = self.debits.checked_add(self.debits_pending)?;
        let credits = self.credits.checked_add(self.credits_pending)?;
        Some((debits, credits))
    }

    /// Why `account` as it is cannot take the movement. The same conditions stand in [`Movement::update`].
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
        let requested = self.requested(account.limit_policy);
        let available = room(account).filter(|available| requested > *available)?;
        let currency = account.currency.clone();
        Some(PostEntryError::InsufficientFunds {
            account_id,
            account_code,
            currency,
            available,
            requested,
        })
    }

    /// Applies the movement of `entry` to the account that was read as `account`, and returns it as it is then.
    pub(super) async fn apply(
        &self,
        db: &impl ConnectionTrait,
        mut account: account::Model,
        entry: &entry::Model,
    ) -> Result<account::Model, PostEntryError> {
        let failed = |source| PostEntryError::Database {
            entry_id: entry.id,
            source,
        };
        let effective_at = entry.effective_at;
        for _ in 0..TURNS {
            let updated = self.update(db, &account, effective_at).await;
            if let Some(updated) = updated.map_err(failed)? {
                return Ok(updated);
            }
            account = account::Entity::find_by_id(account.id)
                .one(db)
                .await
                .map_err(failed)?
                .ok_or_else(|| failed(DbErr::RecordNotFound(format!("account {}", account.id))))?;
            if let Some(refusal) = self.refusal(&account) {
                return Err(refusal);
            }
        }
        Err(PostEntryError::Contended {
            account_id: account.id,
            account_code: account.code,
        })
    }

    /// One relative update; `None` when the account does not fulfil its conditions.
    ///
    /// The policy was read before, and nothing changes it; were it changed, the table's CHECK would still hold. No condition
    /// can overflow: `i64::MAX - growth` and a total are not negative, and where a limit holds, its room is not either.
    async fn update(
        &self,
        db: &impl ConnectionTrait,
        account: &account::Model,
        effective_at: DateTime<Utc>,
    ) -> Result<Option<account::Model>, DbErr> {
        use account::Column;
        let col = |column: Column| Expr::col(column);
        let mut update = account::Entity::update_many()
            .col_expr(Column::Version, col(Column::Version).add(self.lines))
            .filter(Column::Id.eq(account.id));
        for (column, by) in [
            (Column::DebitsPosted, self.debits),
            (Column::CreditsPosted, self.credits),
            (Column::DebitsPending, self.debits_pending),
            (Column::CreditsPending, self.credits_pending),
        ] {
            if by != 0 {
                update = update.col_expr(column, col(column).add(by));
            }
        }
        if let Some(expected) = self.expected_version {
            update = update.filter(Column::Version.eq(expected));
        }
        if self.needs_open {
            update = update.filter(Column::Status.eq(AccountStatus::Open));
        }
        if self.lines > 0 {
            let earlier = Column::LatestEffectiveAt
                .is_null()
                .or(Column::LatestEffectiveAt.lt(effective_at));
            let latest = Expr::case(earlier, Expr::val(effective_at))
                .finally(col(Column::LatestEffectiveAt));
            update = update.col_expr(Column::LatestEffectiveAt, latest.into());
            let (debits, credits) = self.growth().unwrap_or((i64::MAX, i64::MAX));
            for (growth, posted, pending) in [
                (debits, Column::DebitsPosted, Column::DebitsPending),
                (credits, Column::CreditsPosted, Column::CreditsPending),
            ] {
                if growth > 0 {
                    let most = Expr::val(i64::MAX - growth).sub(col(pending));
                    update = update.filter(col(posted).lte(most));
                }
            }
            let room = match account.limit_policy {
                LimitPolicy::None => None,
                LimitPolicy::NoDebitOverdraft => Some(
                    col(Column::CreditsPosted)
                        .sub(col(Column::DebitsPending))
                        .sub(col(Column::DebitsPosted)),
                ),
                LimitPolicy::NoCreditOverdraft => Some(
                    col(Column::DebitsPosted)
                        .sub(col(Column::CreditsPending))
                        .sub(col(Column::CreditsPosted)),
                ),
            };
            if let Some(room) = room {
                update = update.filter(room.gte(self.requested(account.limit_policy)));
            }
        }
        Ok(update.exec_with_returning(db).await?.into_iter().next())
    }
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
