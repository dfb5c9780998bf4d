//! An entry before it is written.

use super::condition::BalanceCondition;
use crate::ledger::input::{self, Checks};
use crate::ledger::part::Part;
use crate::ledger::{AccountRef, InvalidInput};
use chrono::{DateTime, SecondsFormat, Utc};
use daybook_entity::{EntryKind, LineEffect, entry};
use serde_json::Value as Json;
use uuid::Uuid;

/// A version that an account must still have before the entry.
#[derive(Clone, Debug)]
pub struct ExpectedVersion {
    /// The account.
    pub account: AccountRef,
    /// Its version.
    pub version: i64,
}

/// What to answer to an entry whose reference an earlier entry has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnTakenReference {
    /// The refusal [`PostEntryError::ReferenceTaken`](super::PostEntryError::ReferenceTaken).
    #[default]
    Refuse,
    /// The earlier entry, if it is what would have been posted; otherwise the refusal.
    ReturnEntry,
}

/// What callers say about an entry of any kind, besides its lines.
#[derive(Clone, Debug, Default)]
pub struct EntryNotes {
    /// The name by which the caller knows the entry: 1 to 200 visible characters, which no other entry ever has.
    pub reference: Option<String>,
    /// What happens when an earlier entry has the reference; only with a reference is there a choice.
    pub on_taken_reference: OnTakenReference,
    /// Who has it recorded: 1 to 1024 characters, as the caller's authentication names them; none where nobody is known.
    pub recorded_by: Option<String>,
    /// When it counts from; now, where not said.
    pub effective_at: Option<DateTime<Utc>>,
    /// At most 1000 characters for people.
    pub description: Option<String>,
    /// A JSON object; none is the empty one.
    pub metadata: Option<Json>,
}

impl EntryNotes {
    /// The reference as it is stored.
    pub(in crate::ledger) fn reference(&self) -> Result<Option<String>, InvalidInput> {
        let reference = self.reference.as_deref();
        let reference = reference.map(|text| input::reference("reference", text));
        let reference = reference.transpose()?;
        if reference.is_none() && self.on_taken_reference != OnTakenReference::Refuse {
            let problem = "needs a `reference`: without one, no entry is a repeated one";
            return Err(InvalidInput::new("onTakenReference", problem));
        }
        Ok(reference)
    }
}

/// An entry to write.
pub(in crate::ledger) struct Draft {
    pub(in crate::ledger) id: Uuid,
    pub(in crate::ledger) kind: EntryKind,
    pub(in crate::ledger) resolves_id: Option<Uuid>,
    pub(in crate::ledger) reverses_id: Option<Uuid>,
    /// What it is as a part of the entry that it ends or undoes.
    pub(in crate::ledger) part: Part,
    pub(in crate::ledger) expires_at: Option<DateTime<Utc>>,
    pub(in crate::ledger) lines: Vec<DraftLine>,
    pub(in crate::ledger) expect: Vec<ExpectedVersion>,
    pub(in crate::ledger) conditions: Vec<BalanceCondition>,
    pub(super) reference: Option<String>,
    pub(super) on_taken_reference: OnTakenReference,
    recorded_by: Option<String>,
    description: Option<String>,
    metadata: Json,
    pub(super) counts_from: CountsFrom,
    /// What is wrong with what the caller says besides lines. With a problem, the rest is not what the caller says.
    pub(super) problems: Vec<InvalidInput>,
}

/// From when on an entry counts.
#[derive(Clone, Copy)]
pub(super) enum CountsFrom {
    /// From when the caller says.
    Instant(DateTime<Utc>),
    /// From when it is recorded, or from this instant, if that is later.
    Recording(Option<DateTime<Utc>>),
}

impl CountsFrom {
    /// The instant, for an entry that is recorded at this one.
    pub(super) fn at(self, recorded_at: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Instant(instant) => instant,
            Self::Recording(None) => recorded_at,
            Self::Recording(Some(earliest)) => recorded_at.max(earliest),
        }
    }
}

/// A line to write.
pub(in crate::ledger) struct DraftLine {
    pub(in crate::ledger) debit: AccountRef,
    pub(in crate::ledger) credit: AccountRef,
    pub(in crate::ledger) amount: i64,
    pub(in crate::ledger) currency: String,
    pub(in crate::ledger) effect: LineEffect,
}

impl Draft {
    /// An entry of these lines, with nothing that only some kinds have. Its problems are refused when it is written, or [by
    /// itself](Self::checked).
    pub(in crate::ledger) fn new(
        id: Uuid,
        kind: EntryKind,
        notes: EntryNotes,
        lines: Vec<DraftLine>,
    ) -> Self {
        let mut checks = Checks::default();
        let reference = checks.take(notes.reference());
        let effective_at = notes.effective_at;
        let effective_at = effective_at.map(|at| input::instant("effectiveAt", at));
        let effective_at = effective_at.and_then(|at| checks.take(at));
        let description = input::description("description", notes.description.as_deref());
        let description = checks.take(description);
        let metadata = checks.take(input::metadata("metadata", notes.metadata));
        Self {
            id,
            kind,
            resolves_id: None,
            reverses_id: None,
            part: Part::default(),
            expires_at: None,
            lines,
            expect: Vec::new(),
            conditions: Vec::new(),
            reference: reference.flatten(),
            on_taken_reference: notes.on_taken_reference,
            recorded_by: notes.recorded_by,
            description: description.flatten(),
            metadata: metadata.unwrap_or_default(),
            counts_from: match effective_at {
                Some(instant) => CountsFrom::Instant(instant),
                None => CountsFrom::Recording(None),
            },
            problems: checks.into_problems(),
        }
    }

    /// Notes one more problem.
    pub(in crate::ledger) fn problem(&mut self, problem: InvalidInput) {
        self.problems.push(problem);
    }

    /// The draft, if nothing is wrong with it besides its lines.
    pub(in crate::ledger) fn checked(mut self) -> Result<Self, InvalidInput> {
        let mut checks = Checks::default();
        for problem in std::mem::take(&mut self.problems) {
            checks.add(problem);
        }
        match checks.refusal() {
            None => Ok(self),
            Some(refusal) => Err(refusal),
        }
    }

    /// The draft of an entry that ends or undoes one that counts from `earliest`, and counts from no instant before it.
    ///
    /// Counting from before it would leave history with a hold that ended before it began.
    pub(in crate::ledger) fn not_before(
        mut self,
        earliest: DateTime<Utc>,
    ) -> Result<Self, InvalidInput> {
        match self.counts_from {
            CountsFrom::Instant(instant) if instant < earliest => {
                let earliest = earliest.to_rfc3339_opts(SecondsFormat::AutoSi, true);
                let problem = format!(
                    "is before {earliest}, from when on the entry that it ends or undoes counts: choose that instant or a later one"
                );
                return Err(InvalidInput::new("effectiveAt", problem));
            }
            CountsFrom::Instant(_) => {}
            CountsFrom::Recording(_) => {
                self.counts_from = CountsFrom::Recording(Some(earliest));
            }
        }
        Ok(self)
    }

    /// Whether there can be another entry in its place: of two that resolve or reverse the same entry, or that have the same reference,
    /// only one is written.
    pub(super) const fn has_rival(&self) -> bool {
        self.resolves_id.is_some() || self.reverses_id.is_some() || self.reference.is_some()
    }

    /// The entry's row, when it is recorded at this instant, in this ledger.
    pub(super) fn recorded_at(
        self,
        recorded_at: DateTime<Utc>,
        ledger: Option<String>,
    ) -> entry::Model {
        entry::Model {
            id: self.id,
            kind: self.kind,
            resolves_id: self.resolves_id,
            reverses_id: self.reverses_id,
            description: self.description,
            effective_at: self.counts_from.at(recorded_at),
            recorded_at,
            expires_at: self.expires_at,
            metadata: self.metadata,
            reference: self.reference,
            recorded_by: self.recorded_by,
            part: self.part.number,
            leaves_rest: self.part.leaves_rest,
            ledger,
        }
    }
}
