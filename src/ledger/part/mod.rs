//! Parts: entries that are undone, and holds that are ended, a part at a time.
//!
//! A reversal is about the entry that it undoes, a capture or a release about the hold that it ends: its *subject*. It takes an amount of each
//! of the subject's lines, never more than is left of the line. Whatever leaves something is a part, and other parts can follow; what
//! leaves nothing undoes or ends the subject, and nothing follows.
//!
//! Parts are numbered, and a number is used once: that is a unique index. Of two parts at the same moment, the second finds its number taken
//! when the first is committed. It reads again what is left, and is posted or refused. So the usual reversal, which undoes an entry at
//! once, takes no statement more.
//!
//! The rows of `line_part` have what is left of each line. The database refuses a row that does not add up, and verify compares them with
//! the lines of the parts. A subject that is undone or ended at once has no rows.

mod error;
mod read;

use super::posting::DraftLine;
use super::{AccountRef, InvalidInput};
use chrono::{DateTime, Utc};
use daybook_entity::{EntryKind, LineEffect, entry, entry_line, line_part};
pub(super) use error::PartError;
pub use error::RemainingExceeded;
pub use read::{
    About, Remaining, remaining_by_entry_id, resolutions_by_hold_id, reversals_of_entries,
};
pub(super) use read::{line_parts_of, lines, subject};
use uuid::Uuid;

/// The most parts of one entry. The last of them leaves nothing.
pub(super) const MOST_PARTS: i32 = 100;

/// How an entry is about another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// It undoes it.
    Reverses,
    /// It ends a hold.
    Resolves,
}

impl Relation {
    const fn column(self) -> entry::Column {
        match self {
            Self::Reverses => entry::Column::ReversesId,
            Self::Resolves => entry::Column::ResolvesId,
        }
    }

    /// Whether something can be taken of lines that do this.
    const fn is_about(self, effect: LineEffect) -> bool {
        match self {
            Self::Reverses => matches!(effect, LineEffect::Post | LineEffect::Capture),
            Self::Resolves => matches!(effect, LineEffect::Hold),
        }
    }
}

/// The entry that another one is about.
pub(super) struct Subject {
    pub(super) id: Uuid,
    pub(super) kind: EntryKind,
    pub(super) effective_at: DateTime<Utc>,
    pub(super) expires_at: Option<DateTime<Utc>>,
    /// What has left nothing of it.
    pub(super) ended_by: Option<(Uuid, EntryKind)>,
    /// Whether an entry has the reference of what is to be posted. That one is then the answer, or the refusal, whatever is left now.
    pub(super) is_taken: bool,
    /// How many parts there are. If the reference is taken: how many there were before the entry that has it.
    parts: i32,
}

/// A line of a subject.
pub(super) struct OpenLine {
    line: entry_line::Model,
    /// How much of it can still be taken.
    pub(super) remaining: i64,
}

impl OpenLine {
    /// A line between the same accounts that does `effect`; none for no amount.
    pub(super) fn draft(&self, effect: LineEffect, amount: i64) -> Option<DraftLine> {
        (amount > 0).then(|| DraftLine {
            debit: AccountRef::Id(self.line.debit_account_id),
            credit: AccountRef::Id(self.line.credit_account_id),
            amount,
            currency: self.line.currency.clone(),
            effect,
        })
    }

    /// The line the other way round; none for no amount.
    pub(super) fn mirror(&self, amount: i64) -> Option<DraftLine> {
        let line = self.draft(LineEffect::Post, amount)?;
        Some(DraftLine {
            debit: line.credit,
            credit: line.debit,
            ..line
        })
    }
}

/// What to take of each line: the `amounts` that were asked for, or all that is left. `nothing` is what to do in order to take nothing.
pub(super) fn taken(
    subject: &Subject,
    lines: &[OpenLine],
    amounts: Option<&[i64]>,
    nothing: &str,
) -> Result<Vec<i64>, PartError> {
    let Some(amounts) = amounts else {
        return Ok(lines.iter().map(|line| line.remaining).collect());
    };
    if amounts.len() != lines.len() {
        let problem = format!(
            "has {} amounts, and the entry has {} lines: give one for each, in their order; 0 takes nothing of a line",
            amounts.len(),
            lines.len()
        );
        return Err(InvalidInput::new("amounts", problem).into());
    }
    for (index, (line, amount)) in lines.iter().zip(amounts).enumerate() {
        if !(0..=line.line.amount).contains(amount) {
            let problem = format!(
                "is {amount}, and the line is of {}: take 0 to {1}",
                line.line.amount, line.line.amount
            );
            return Err(InvalidInput::new(format!("amounts[{index}]"), problem).into());
        }
        if *amount > line.remaining {
            return Err(RemainingExceeded {
                entry_id: subject.id,
                field: format!("amounts[{index}]"),
                remaining: line.remaining,
                requested: *amount,
            }
            .into());
        }
    }
    if amounts.iter().all(|amount| *amount == 0) {
        let problem = format!("are all 0: {nothing}");
        return Err(InvalidInput::new("amounts", problem).into());
    }
    Ok(amounts.to_vec())
}

/// What an entry is as a part of its subject. The default is that of an entry that undoes or ends another one at once, and of one that is
/// about no other.
#[derive(Default)]
pub(super) struct Part {
    pub(super) number: Option<i32>,
    pub(super) leaves_rest: bool,
    /// What it takes of each line, and leaves.
    pub(super) lines: Vec<line_part::Model>,
}

impl Part {
    /// The entry `by` takes these amounts of the subject's lines.
    pub(super) fn of(
        subject: &Subject,
        by: Uuid,
        lines: &[OpenLine],
        amounts: &[i64],
    ) -> Result<Self, InvalidInput> {
        let taken = || lines.iter().zip(amounts);
        let leaves_rest = taken().any(|(line, amount)| *amount < line.remaining);
        if subject.parts == 0 && !leaves_rest {
            return Ok(Self::default());
        }
        let part = subject.parts + 1;
        if leaves_rest && part >= MOST_PARTS {
            let problem = format!(
                "would leave something, and this is part {part} of the entry, the last that there can be: take all that is left"
            );
            return Err(InvalidInput::new("amounts", problem));
        }
        let lines = taken().filter(|(_, amount)| **amount > 0);
        let lines = lines.map(|(OpenLine { line, remaining }, amount)| line_part::Model {
            entry_id: subject.id,
            line_no: line.line_no,
            part,
            by_entry_id: by,
            amount: *amount,
            remaining: remaining - amount,
        });
        Ok(Self {
            number: Some(part),
            leaves_rest,
            lines: lines.collect(),
        })
    }
}
