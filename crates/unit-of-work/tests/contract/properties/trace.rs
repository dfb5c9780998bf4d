//! What the resolvers of one operation note about themselves, as far as the contract leaves it open.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use sea_orm::DbErr;
use unit_of_work::{UnitError, UnitOfWork};

use super::operation::Kind;
use crate::stage::lock;

/// How a resolver ended. One that has not is not in the trace: it was dropped, or never started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Done,
    Failed,
    Panicked,
}

/// Whether the unit is doomed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doom {
    #[default]
    No,
    /// A statement was dropped which may have been waiting for another one, or under way.
    Possible,
    Certain,
}

/// Shared by all who note something down.
pub struct Trace {
    name: String,
    notes: Arc<Mutex<Notes>>,
}

#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// By the field's id.
    pub ends: BTreeMap<usize, End>,
    /// Rows that were tried.
    tried: usize,
    /// Rows whose INSERT answered with success.
    pub inserted: Vec<String>,
    /// Statements that were polled.
    pub started: usize,
    /// Statements that the database answered, with success or with an error.
    pub answered: usize,
    in_flight: usize,
    /// Savepoints that were begun on the unit: it has a transaction, even if it has run no statement.
    pub savepoints: usize,
    /// Savepoints that were kept.
    pub kept: usize,
    /// Savepoints that were undone by themselves.
    pub undone: usize,
    effects_registered: usize,
    pub doom: Doom,
    pub effects: Vec<String>,
    pub effects_run: Vec<String>,
    pub escaped: Vec<UnitOfWork>,
    tasks: usize,
    /// Tasks that nobody has waited for to the end.
    pub orphans: usize,
    refused_as_doomed: bool,
    refused_as_finished: bool,
    /// Where the unit did not do what it must, whatever the order of events.
    violations: Vec<String>,
}

impl Trace {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            notes: Arc::default(),
        }
    }

    /// What has been noted so far.
    pub fn notes(&self) -> Notes {
        lock(&self.notes).clone()
    }

    pub fn end(&self, id: usize, end: End) {
        lock(&self.notes).ends.insert(id, end);
    }

    /// A name for a row.
    pub fn inserting(&self) -> String {
        let mut notes = lock(&self.notes);
        notes.tried += 1;
        format!("{}-{}", self.name, notes.tried)
    }

    pub fn inserted(&self, name: String) {
        lock(&self.notes).inserted.push(name);
    }

    /// The least and the most rows that the unit can see: the one that was there, and its own.
    pub fn rows(&self) -> (usize, usize) {
        let notes = lock(&self.notes);
        (1 + notes.inserted.len(), 1 + notes.tried)
    }

    /// A read began when there were `least` rows, and has counted `seen`.
    pub fn read(&self, least: usize, seen: i64) {
        let most = self.rows().1;
        if !usize::try_from(seen).is_ok_and(|seen| (least..=most).contains(&seen)) {
            self.violated(format!("a read saw {seen} rows, not {least} to {most}"));
        }
    }

    /// Registers an effect and notes it, in one order for both.
    pub fn effect(&self, register: impl FnOnce(String)) -> String {
        let mut notes = lock(&self.notes);
        let name = format!("effect {}", notes.effects_registered);
        notes.effects_registered += 1;
        notes.effects.push(name.clone());
        register(name.clone());
        name
    }

    pub fn savepoint_kept(&self) {
        lock(&self.notes).kept += 1;
    }

    /// Notes a savepoint that was undone, and forgets the effects that went with it.
    pub fn savepoint_undone(&self, effects: &[String]) {
        let mut notes = lock(&self.notes);
        notes.undone += 1;
        notes.effects.retain(|name| !effects.contains(name));
    }

    pub fn effect_ran(&self, name: String) {
        lock(&self.notes).effects_run.push(name);
    }

    pub fn escape(&self, unit: &UnitOfWork) {
        lock(&self.notes).escaped.push(unit.clone());
    }

    pub fn take_escaped(&self) -> Vec<UnitOfWork> {
        std::mem::take(&mut lock(&self.notes).escaped)
    }

    pub fn doom(&self, doom: Doom) {
        let mut notes = lock(&self.notes);
        notes.doom = notes.doom.max(doom);
    }

    /// Whether the unit is open, not doomed, and used by nobody: the next statement gets through at once.
    pub fn is_free(&self) -> bool {
        let notes = lock(&self.notes);
        let untroubled = notes.answered > 0 && notes.doom == Doom::No;
        untroubled && notes.in_flight == 0 && notes.tasks == 0
    }

    /// Notes a task, which lives as long as the guard.
    pub fn task(&self) -> impl Send + 'static {
        struct Alive(Arc<Mutex<Notes>>);
        impl Drop for Alive {
            fn drop(&mut self) {
                lock(&self.0).tasks -= 1;
            }
        }
        let mut notes = lock(&self.notes);
        notes.tasks += 1;
        notes.orphans += 1;
        Alive(Arc::clone(&self.notes))
    }

    pub fn joined(&self) {
        lock(&self.notes).orphans -= 1;
    }

    /// Notes a statement that begins.
    pub fn start(&self, kind: Kind, does: Does) -> Flight<'_> {
        let mut notes = lock(&self.notes);
        notes.started += 1;
        notes.in_flight += 1;
        Flight {
            trace: self,
            doomed: notes.doom == Doom::Certain,
            // A query may read only: the database refuses a write, also one that nobody waits for any more.
            is_harmless: kind == Kind::Query && does == Does::Read,
            landed: false,
        }
    }

    /// Notes a savepoint, which keeps others from the unit.
    pub fn savepoint_starts(&self) {
        let mut notes = lock(&self.notes);
        notes.started += 1;
        notes.in_flight += 1;
    }

    pub fn savepoint_ends(&self) {
        lock(&self.notes).in_flight -= 1;
    }

    pub fn begun(&self) {
        lock(&self.notes).savepoints += 1;
    }

    /// Notes that the database has answered a statement on a savepoint.
    pub fn answered(&self) {
        lock(&self.notes).answered += 1;
    }

    /// Notes that the unit refused something on a savepoint, or the savepoint.
    pub fn refused(&self, refusal: &UnitError) {
        lock(&self.notes).refused(refusal);
    }

    pub fn violated(&self, what: String) {
        lock(&self.notes).violations.push(what);
    }
}

impl Notes {
    fn refused(&mut self, refusal: &UnitError) {
        match refusal {
            UnitError::Doomed => self.refused_as_doomed = true,
            UnitError::Finished => self.refused_as_finished = true,
            other => self.violations.push(format!("refused: {other}")),
        }
    }

    /// What went against the contract before the operation ended.
    pub fn violations(mut self) -> Vec<String> {
        if self.refused_as_doomed && self.doom == Doom::No {
            self.violations.push("doomed without a reason".to_owned());
        }
        if self.refused_as_finished && self.orphans == 0 {
            self.violations
                .push("finished under its own operation".to_owned());
        }
        self.violations
    }
}

/// What a statement does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Does {
    Read,
    Write,
}

/// A statement that has been started. Dropped before it landed, it leaves open what became of it.
pub struct Flight<'a> {
    trace: &'a Trace,
    /// The unit is none the worse if nobody waits for it.
    is_harmless: bool,
    /// The unit was doomed already.
    doomed: bool,
    landed: bool,
}

impl Flight<'_> {
    pub fn land<T>(mut self, result: &Result<T, DbErr>) {
        self.landed = true;
        let refusal = result.as_ref().err().map(UnitError::in_db_err);
        let mut notes = lock(&self.trace.notes);
        match refusal {
            Some(Some(refusal)) => notes.refused(refusal),
            answered => {
                notes.answered += 1;
                if answered.is_some() {
                    notes.doom = Doom::Certain;
                }
                if self.doomed {
                    let what = "a doomed unit ran a statement".to_owned();
                    notes.violations.push(what);
                }
            }
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut notes = lock(&self.trace.notes);
        notes.in_flight -= 1;
        if !self.landed && !self.is_harmless {
            notes.doom = notes.doom.max(Doom::Possible);
        }
    }
}
