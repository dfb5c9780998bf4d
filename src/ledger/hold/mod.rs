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

use super::part::{self, MOST_PARTS, OpenLine, Part, Relation, Subject};
use super::post_entry;
use super::posting::{self, Draft, EntryNotes};
use super::{
    BalanceCondition, Clock, ExpectedVersion, InvalidInput, NewLine, PostEntryError, PostedEntry,
    input,
};
use chrono::{DateTime, Utc};
use daybook_entity::{EntryKind, LineEffect};
pub(super) use error::with_article;
pub use error::{HoldError, ResolvedBy};
pub use expired::{ExpiredHold, expired_holds, find_expired_holds, release_expired_hold};
use sea_orm::{ConnectionTrait, DbErr};
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
    /// How much of each of its lines, in their order: minor units. All that is left, where not said.
    pub amounts: Option<Vec<i64>>,
    /// Whether what is not captured stays set aside, so that the hold can be captured or released again; otherwise it is freed.
    pub keeps_rest: bool,
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
    /// How much of each of its lines, in their order: minor units; the rest stays set aside. All that is left, where not said.
    pub amounts: Option<Vec<i64>>,
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

/// Moves what a hold has set aside, all that is left of it or a part, and frees the rest or keeps it: the hold and its lines are
/// read, and the entry is inserted by itself, so five statements on PostgreSQL, and two more than the hold took on SQLite. What follows a
/// part takes one more.
///
/// # Errors
/// When there is no such hold, when it is resolved or has expired, when more is asked for than is left of a line, when an account is not
/// open, or when the database fails. The transaction must then be rolled back.
pub async fn capture_hold(
    db: &impl ConnectionTrait,
    command: CaptureHold,
    clock: &Clock,
) -> Result<PostedEntry, HoldError> {
    let keeps_rest = command.keeps_rest;
    let resolution = Resolution {
        id: command.id,
        hold_id: command.hold_id,
        kind: EntryKind::Capture,
        amounts: command.amounts,
        notes: command.notes,
    };
    resolve(db, &resolution, clock, |line, amount| match keeps_rest {
        true => (amount, 0),
        false => (amount, line.remaining - amount),
    })
    .await
}

/// Frees what a hold has set aside, all that is left of it or a part, expired or not, on frozen accounts too: as many statements as capturing
/// it.
///
/// # Errors
/// When there is no such hold, when it is resolved, when more is asked for than is left of a line, or when the database fails. The
/// transaction must then be rolled back.
pub async fn release_hold(
    db: &impl ConnectionTrait,
    command: ReleaseHold,
    clock: &Clock,
) -> Result<PostedEntry, HoldError> {
    let resolution = Resolution {
        id: command.id,
        hold_id: command.hold_id,
        kind: EntryKind::Release,
        amounts: command.amounts,
        notes: command.notes,
    };
    resolve(db, &resolution, clock, |_, amount| (0, amount)).await
}

/// What is to become of a hold.
struct Resolution {
    id: Uuid,
    hold_id: Uuid,
    /// A capture or a release.
    kind: EntryKind,
    amounts: Option<Vec<i64>>,
    notes: EntryNotes,
}

/// Writes the entry. `parts` says what is captured and what is freed of a line, given the amount for it.
async fn resolve(
    db: &impl ConnectionTrait,
    resolution: &Resolution,
    clock: &Clock,
    parts: impl Fn(&OpenLine, i64) -> (i64, i64),
) -> Result<PostedEntry, HoldError> {
    // Each time that another transaction was faster, there is a part more.
    for _ in 0..=MOST_PARTS {
        if let Some(posted) = try_resolve(db, resolution, clock, &parts).await? {
            return Ok(posted);
        }
    }
    Err(HoldError::Database {
        hold_id: resolution.hold_id,
        source: DbErr::RecordNotInserted,
    })
}

/// Writes the entry; `None` if another transaction has captured or released the hold, or a part of it, since it was read.
async fn try_resolve(
    db: &impl ConnectionTrait,
    resolution: &Resolution,
    clock: &Clock,
    parts: &impl Fn(&OpenLine, i64) -> (i64, i64),
) -> Result<Option<PostedEntry>, HoldError> {
    let Resolution { id, hold_id, .. } = *resolution;
    let failed = |source| HoldError::Database { hold_id, source };
    let reference = resolution.notes.reference()?;
    let hold = part::subject(db, Relation::Resolves, hold_id, reference.as_deref());
    let hold = open_hold(hold_id, hold.await.map_err(failed)?)?;
    let captures = resolution.kind == EntryKind::Capture;
    if captures && !hold.is_taken {
        refuse_expired(&hold, clock.now())?;
    }
    let lines = part::lines(db, Relation::Resolves, &hold).await;
    let lines = lines.map_err(failed)?;
    let nothing = match captures {
        true => "to capture nothing, release the hold",
        false => "say how much to release",
    };
    let amounts = part::taken(&hold, &lines, resolution.amounts.as_deref(), nothing)?;
    let both = lines.iter().zip(&amounts);
    let both: Vec<_> = both
        .map(|(line, amount)| (line, parts(line, *amount)))
        .collect();
    let captured = both.iter();
    let captured =
        captured.filter_map(|(line, (amount, _))| line.draft(LineEffect::Capture, *amount));
    let freed = both.iter();
    let freed = freed.filter_map(|(line, (_, amount))| line.draft(LineEffect::Release, *amount));
    let drafts = captured.chain(freed).collect();
    let taken: Vec<i64> = both
        .iter()
        .map(|(_, (captured, freed))| captured + freed)
        .collect();
    let draft = Draft::new(id, resolution.kind, resolution.notes.clone(), drafts);
    let mut draft = draft.checked()?.not_before(hold.effective_at)?;
    draft.resolves_id = Some(hold_id);
    draft.part = Part::of(&hold, id, &lines, &taken)?;
    let posted = posting::write(db, draft, clock).await?;
    if captures && let Some(captured) = &posted {
        // It may have expired while this waited for the accounts.
        refuse_expired(&hold, captured.entry.recorded_at)?;
    }
    Ok(posted)
}

fn refuse_expired(hold: &Subject, now: DateTime<Utc>) -> Result<(), HoldError> {
    match hold.expires_at {
        Some(expired_at) if expired_at <= now => Err(HoldError::Expired {
            hold_id: hold.id,
            expired_at,
        }),
        _ => Ok(()),
    }
}

/// The hold, when something of it is left. What is left does not matter if another entry has the reference: that one is then the answer, or
/// the refusal.
fn open_hold(hold_id: Uuid, subject: Option<Subject>) -> Result<Subject, HoldError> {
    let hold = subject.ok_or(HoldError::NotFound { hold_id })?;
    if hold.kind != EntryKind::Hold {
        let kind = hold.kind;
        return Err(HoldError::NotAHold { hold_id, kind });
    }
    match hold.ended_by {
        Some((id, kind)) => Err(HoldError::AlreadyResolved {
            hold_id,
            by: ResolvedBy { id, kind },
        }),
        None => Ok(hold),
    }
}
