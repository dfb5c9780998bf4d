//! Holds: money set aside now, and moved later, in whole or in part, or given back.
//!
//! A hold is an entry whose lines add to the pending totals of their accounts. It counts against limits at once, so that what was
//! set aside is still there when it is captured. Exactly one entry resolves it: a CAPTURE moves some or all of it and frees the rest, a
//! RELEASE frees all. That there is only one is a unique constraint; of two clients at the same instant one waits for the other and
//! is refused.
//!
//! An expired hold can no longer be captured. It still counts until somebody releases it. Time alone changes no balance, because a balance
//! that changed without an entry could not be recomputed.

mod error;
mod expired;

use super::posting::{self, Draft, DraftLine, EntryNotes};
use super::{
    AccountRef, BalanceCondition, Clock, ExpectedVersion, InvalidInput, NewLine, PostEntryError,
    PostedEntry, input,
};
use super::{find, post_entry};
use chrono::{DateTime, Utc};
use daybook_entity::{EntryKind, LineEffect, entry, entry_line};
pub(super) use error::with_article;
pub use error::{HoldError, ResolvedBy};
pub use expired::{ExpiredHold, expired_holds, find_expired_holds, release_expired_hold};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter};
use uuid::Uuid;

/// The hold to place.
#[derive(Clone, Debug)]
pub struct PlaceHold {
    /// From [`new_entry_id`](super::new_entry_id).
    pub id: Uuid,
    /// 1 to 1000 lines; they may be of several currencies.
    pub lines: Vec<NewLine>,
    /// From when on it can no longer be captured; never, where not said.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it counts from, and what people and programs read.
    pub notes: EntryNotes,
    /// The versions that accounts (of the hold, or others) must still have; each account once.
    pub expect: Vec<ExpectedVersion>,
    /// What balances of accounts (of the hold, or others) must be, before it; an account can be in several.
    pub conditions: Vec<BalanceCondition>,
}

/// The hold to capture.
#[derive(Clone, Debug)]
pub struct CaptureHold {
    /// From [`new_entry_id`](super::new_entry_id).
    pub id: Uuid,
    /// The hold.
    pub hold_id: Uuid,
    /// How much of each of its lines, in their order; everything, where not said. What is not captured is freed.
    pub amounts: Option<Vec<i64>>,
    /// When the capture counts from, and what people and programs read.
    pub notes: EntryNotes,
}

/// The hold to release.
#[derive(Clone, Debug)]
pub struct ReleaseHold {
    /// From [`new_entry_id`](super::new_entry_id).
    pub id: Uuid,
    /// The hold.
    pub hold_id: Uuid,
    /// When the release counts from, and what people and programs read.
    pub notes: EntryNotes,
}

/// Sets money aside: two statements on PostgreSQL, as posting it takes, and on SQLite one more than that.
///
/// # Errors
/// Those of [`post_entry`](super::post_entry()), and when it would expire at once. The transaction must then be rolled back.
pub async fn place_hold(
    db: &impl ConnectionTrait,
    command: PlaceHold,
    clock: &Clock,
) -> Result<PostedEntry, PostEntryError> {
    let lines = command.lines.into_iter();
    let lines = lines.map(|line| line.draft(LineEffect::Hold)).collect();
    let mut draft = Draft::new(command.id, EntryKind::Hold, command.notes, lines);
    draft.expect = command.expect;
    draft.conditions = command.conditions;
    let expires_at = command.expires_at;
    match expires_at.map(|at| input::instant("expiresAt", at)) {
        Some(Err(problem)) => draft.problem(problem),
        Some(Ok(expires_at)) => draft.expires_at = Some(expires_at),
        None => {}
    }
    let placed = post_entry::written(draft.id, posting::write(db, draft, clock).await)?;
    // Compared with the time of recording, since the hold may have waited for its accounts.
    let recorded_at = placed.entry.recorded_at;
    if placed.entry.expires_at.is_some_and(|at| at <= recorded_at) {
        let problem = "is not in the future: a hold that has expired cannot be captured";
        return Err(InvalidInput::new("expiresAt", problem).into());
    }
    Ok(placed)
}

/// Moves what a hold has set aside, all of it or a part, and frees the rest: the hold and its lines are
/// read, and the entry is inserted by itself, so five statements on PostgreSQL, and two more than the hold took on SQLite.
///
/// # Errors
/// When there is no such hold, when it is resolved or has expired, when more is asked for than it holds, when an account is not open, or
/// when the database fails. The transaction must then be rolled back.
pub async fn capture_hold(
    db: &impl ConnectionTrait,
    command: CaptureHold,
    clock: &Clock,
) -> Result<PostedEntry, HoldError> {
    let reference = command.notes.reference()?;
    let (hold, is_taken) = open_hold(db, command.hold_id, reference).await?;
    if !is_taken {
        refuse_expired(&hold, clock.now())?;
    }
    let held = lines(db, hold.id).await?;
    let amounts = match command.amounts {
        Some(amounts) => captured(&held, amounts)?,
        None => held.iter().map(|line| line.amount).collect(),
    };
    let part = |line: &entry_line::Model, effect, amount| {
        (amount > 0).then(|| DraftLine {
            debit: AccountRef::Id(line.debit_account_id),
            credit: AccountRef::Id(line.credit_account_id),
            amount,
            currency: line.currency.clone(),
            effect,
        })
    };
    let captures = held.iter().zip(&amounts);
    let captures = captures.map(|(line, amount)| part(line, LineEffect::Capture, *amount));
    let rests = held.iter().zip(&amounts);
    let rests = rests.map(|(line, amount)| part(line, LineEffect::Release, line.amount - amount));
    let lines = captures.chain(rests).flatten().collect();
    let draft = Draft::new(command.id, EntryKind::Capture, command.notes, lines).checked()?;
    let captured = resolve(db, &hold, draft, clock).await?;
    // It may have expired while this waited for the accounts.
    refuse_expired(&hold, captured.entry.recorded_at)?;
    Ok(captured)
}

/// Frees what a hold has set aside, expired or not, on frozen accounts too: as many statements as capturing it.
///
/// # Errors
/// When there is no such hold, when it is resolved, or when the database fails. The transaction must then be rolled back.
pub async fn release_hold(
    db: &impl ConnectionTrait,
    command: ReleaseHold,
    clock: &Clock,
) -> Result<PostedEntry, HoldError> {
    let reference = command.notes.reference()?;
    let (hold, _) = open_hold(db, command.hold_id, reference).await?;
    let lines = lines(db, hold.id).await?.into_iter().map(|line| DraftLine {
        debit: AccountRef::Id(line.debit_account_id),
        credit: AccountRef::Id(line.credit_account_id),
        amount: line.amount,
        currency: line.currency,
        effect: LineEffect::Release,
    });
    let lines = lines.collect();
    let draft = Draft::new(command.id, EntryKind::Release, command.notes, lines).checked()?;
    resolve(db, &hold, draft, clock).await
}

fn refuse_expired(hold: &entry::Model, now: DateTime<Utc>) -> Result<(), HoldError> {
    match hold.expires_at {
        Some(expired_at) if expired_at <= now => Err(HoldError::Expired {
            hold_id: hold.id,
            expired_at,
        }),
        _ => Ok(()),
    }
}

/// What to capture of each line.
fn captured(held: &[entry_line::Model], amounts: Vec<i64>) -> Result<Vec<i64>, InvalidInput> {
    if amounts.len() != held.len() {
        let problem = format!(
            "has {} amounts, and the hold has {} lines: give one for each, in their order; 0 frees a line",
            amounts.len(),
            held.len()
        );
        return Err(InvalidInput::new("amounts", problem));
    }
    for (index, (line, amount)) in held.iter().zip(&amounts).enumerate() {
        if !(0..=line.amount).contains(amount) {
            let problem = format!(
                "is {amount}, and the hold has set {} aside: capture 0 to {0}, and post what is beyond",
                line.amount
            );
            return Err(InvalidInput::new(format!("amounts[{index}]"), problem));
        }
    }
    if amounts.iter().all(|amount| *amount == 0) {
        let problem = "are all 0: to capture nothing, release the hold";
        return Err(InvalidInput::new("amounts", problem));
    }
    Ok(amounts)
}

/// The hold, when nothing has resolved it yet, and whether an entry has the reference: one statement. If one has, it does not matter
/// whether the hold is resolved: that entry is then the answer, or the refusal.
async fn open_hold(
    db: &impl ConnectionTrait,
    hold_id: Uuid,
    reference: Option<String>,
) -> Result<(entry::Model, bool), HoldError> {
    let found = entry::Entity::find()
        .filter(
            Condition::any()
                .add(entry::Column::Id.eq(hold_id))
                .add(entry::Column::ResolvesId.eq(hold_id))
                .add_option(
                    reference
                        .as_deref()
                        .map(|it| entry::Column::Reference.eq(it)),
                ),
        )
        .all(db)
        .await
        .map_err(|source| HoldError::Database { hold_id, source })?;
    let is_taken = reference.is_some() && found.iter().any(|it| it.reference == reference);
    let (mut hold, mut resolver) = (None, None);
    for entry in found {
        if entry.id == hold_id {
            hold = Some(entry);
        } else if entry.resolves_id == Some(hold_id) {
            resolver = Some(entry);
        }
    }
    let hold = hold.ok_or(HoldError::NotFound { hold_id })?;
    if hold.kind != EntryKind::Hold {
        let kind = hold.kind;
        return Err(HoldError::NotAHold { hold_id, kind });
    }
    match resolver {
        Some(resolver) if !is_taken => Err(already_resolved(hold_id, &resolver)),
        _ => Ok((hold, is_taken)),
    }
}

async fn lines(
    db: &impl ConnectionTrait,
    hold_id: Uuid,
) -> Result<Vec<entry_line::Model>, HoldError> {
    let mut lines = find::lines_by_entry_id(db, [hold_id])
        .await
        .map_err(|source| HoldError::Database { hold_id, source })?;
    Ok(lines.remove(&hold_id).unwrap_or_default())
}

/// Writes the entry that resolves `hold`.
async fn resolve(
    db: &impl ConnectionTrait,
    hold: &entry::Model,
    draft: Draft,
    clock: &Clock,
) -> Result<PostedEntry, HoldError> {
    let mut draft = draft.not_before(hold)?;
    draft.resolves_id = Some(hold.id);
    if let Some(posted) = posting::write(db, draft, clock).await? {
        return Ok(posted);
    }
    let failed = |source| HoldError::Database {
        hold_id: hold.id,
        source,
    };
    let resolver = entry::Entity::find()
        .filter(entry::Column::ResolvesId.eq(hold.id))
        .one(db)
        .await
        .map_err(failed)?
        .ok_or_else(|| failed(DbErr::RecordNotInserted))?;
    Err(already_resolved(hold.id, &resolver))
}

fn already_resolved(hold_id: Uuid, resolver: &entry::Model) -> HoldError {
    HoldError::AlreadyResolved {
        hold_id,
        by: ResolvedBy {
            id: resolver.id,
            kind: resolver.kind,
        },
    }
}
