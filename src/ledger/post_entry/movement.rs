//! What an entry does to one account: refused or applied.

use super::error::PostEntryError;
use crate::ledger::balance::room;
use daybook_entity::{AccountStatus, LimitPolicy, Side, account};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter};
use uuid::Uuid;

/// How often an update is tried whose refusal has no reason left when it is looked for. Each turn needs a commit by somebody else in
/// between, so that more than one is rare.
const TURNS: usize = 3;

/// What an entry does to one account.
#[derive(Clone, Debug, Default)]
pub(super) struct Movement {
    /// Minor units over all lines.
    pub(super) debits: i64,
    /// Minor units over all lines.
    pub(super) credits: i64,
    /// How many lines touch it; 0 when only its version matters.
    pub(super) lines: i64,
    /// The version that the account must have before.
    pub(super) expected_version: Option<i64>,
}

impl Movement {
    pub(super) fn add(
        &mut self,
        account: &account::Model,
        side: Side,
        amount: i64,
    ) -> Result<(), PostEntryError> {
        let total = match side {
            Side::Debit => &mut self.debits,
            Side::Credit => &mut self.credits,
        };
        *total = total
            .checked_add(amount)
            .ok_or_else(|| out_of_range(account))?;
        self.lines += 1;
        Ok(())
    }

    /// What the entry takes from the account where its limit is concerned; negative when it gives.
    fn requested(&self, policy: LimitPolicy) -> i64 {
        match policy {
            LimitPolicy::NoCreditOverdraft => self.credits - self.debits,
            LimitPolicy::NoDebitOverdraft | LimitPolicy::None => self.debits - self.credits,
        }
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
        if account.status != AccountStatus::Open {
            return Some(PostEntryError::AccountNotOpen {
                account_id,
                account_code,
                status: account.status,
            });
        }
        if account.debits_posted > (i64::MAX - self.debits) - account.debits_pending
            || account.credits_posted > (i64::MAX - self.credits) - account.credits_pending
        {
            return Some(out_of_range(account));
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

    /// Applies the movement to the account that was read as `account`, and returns it as it is then.
    pub(super) async fn apply(
        &self,
        db: &impl ConnectionTrait,
        mut account: account::Model,
        entry_id: Uuid,
    ) -> Result<account::Model, PostEntryError> {
        let failed = |source| PostEntryError::Database { entry_id, source };
        for _ in 0..TURNS {
            if let Some(updated) = self.update(db, &account).await.map_err(failed)? {
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
    /// can overflow: `i64::MAX - debits` and a total are not negative, and where a limit holds, its room is not either.
    async fn update(
        &self,
        db: &impl ConnectionTrait,
        account: &account::Model,
    ) -> Result<Option<account::Model>, DbErr> {
        use account::Column;
        let col = |column: Column| Expr::col(column);
        let mut update = account::Entity::update_many()
            .col_expr(
                Column::DebitsPosted,
                col(Column::DebitsPosted).add(self.debits),
            )
            .col_expr(
                Column::CreditsPosted,
                col(Column::CreditsPosted).add(self.credits),
            )
            .col_expr(Column::Version, col(Column::Version).add(self.lines))
            .filter(Column::Id.eq(account.id));
        if let Some(expected) = self.expected_version {
            update = update.filter(Column::Version.eq(expected));
        }
        if self.lines > 0 {
            update = update
                .filter(Column::Status.eq(AccountStatus::Open))
                .filter(
                    col(Column::DebitsPosted)
                        .lte(Expr::val(i64::MAX - self.debits).sub(col(Column::DebitsPending))),
                )
                .filter(
                    col(Column::CreditsPosted)
                        .lte(Expr::val(i64::MAX - self.credits).sub(col(Column::CreditsPending))),
                );
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

fn out_of_range(account: &account::Model) -> PostEntryError {
    PostEntryError::AmountOutOfRange {
        account_id: account.id,
        account_code: account.code.clone(),
    }
}
