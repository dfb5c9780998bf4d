//! The features, what happens to an operation, and what is to come of both.

use std::collections::BTreeSet;

use daybook_test_harness::Engine;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Feature {
    DryRun,
    Key,
    FieldSavepoints,
    /// A field does something in a savepoint, which is undone.
    Savepoint,
    /// A field begins SeaORM's transactions: one is kept, one is rolled back.
    Transaction,
    /// Another mutation has the writer when this one arrives; where the engine has one writer, they share a COMMIT if they may.
    Neighbour,
    /// The second operation of a batch that is all or nothing.
    Batch,
    Settings,
    Isolation,
    /// A deadline of its own, which does not pass.
    Deadline,
    Timeline,
    /// The first attempt loses a conflict.
    Conflict,
    /// The request has the hash of its document, and no text.
    HashOnly,
}

pub(super) use Feature::{
    Batch, Conflict, Deadline, DryRun as Dry, FieldSavepoints, HashOnly, Isolation as Isolated,
    Key, Neighbour, Savepoint, Settings, Timeline, Transaction,
};

pub(super) const FEATURES: [Feature; 13] = [
    Dry,
    Key,
    FieldSavepoints,
    Savepoint,
    Transaction,
    Neighbour,
    Batch,
    Settings,
    Isolated,
    Deadline,
    Timeline,
    Conflict,
    HashOnly,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scenario {
    Fine,
    /// A nullable root field fails after it has written.
    NullableFails,
    /// One that cannot be null does.
    NonNullFails,
    Swallows,
    CommitIsRefused,
    RollbackOnly,
    /// The deadline has passed before anything runs.
    Late,
}

pub(super) use Scenario::{
    CommitIsRefused, Fine, Late, NonNullFails, NullableFails, RollbackOnly, Swallows,
};

pub(super) const SCENARIOS: [Scenario; 7] = [
    Fine,
    NullableFails,
    NonNullFails,
    Swallows,
    CommitIsRefused,
    RollbackOnly,
    Late,
];

impl Scenario {
    pub(super) fn field(self) -> &'static str {
        match self {
            Fine | Late => "fine: mark(name: \"fine\")",
            NullableFails => "fails(name: \"failed\")",
            NonNullFails => "must(name: \"failed\")",
            Swallows => "swallow",
            CommitIsRefused => "orphan",
            RollbackOnly => "rollbackOnly",
        }
    }
}

/// What is to come of an operation.
#[derive(Debug)]
pub(super) struct Expected {
    /// Whether it is there afterwards.
    pub(super) is_committed: bool,
    /// Whether its data is shown.
    pub(super) is_shown: bool,
    /// The code of its error, if it has one.
    pub(super) code: Option<&'static str>,
    /// Whether any resolver has run.
    pub(super) has_run: bool,
}

impl Expected {
    pub(super) fn of(features: &BTreeSet<Feature>, scenario: Scenario, engine: Engine) -> Self {
        let has = |feature| features.contains(&feature);
        let nothing = |code| Self {
            is_committed: false,
            is_shown: false,
            code: Some(code),
            has_run: true,
        };
        if has(Batch) && (scenario == Late || has(Settings) && engine != Engine::Postgres) {
            // The operation before it fails already.
            return Self {
                has_run: false,
                ..nothing("BATCH_ROLLED_BACK")
            };
        }
        if has(Key) && has(Batch) {
            // A key belongs to one operation.
            return Self {
                has_run: false,
                ..nothing("BATCH_REFUSED")
            };
        }
        if scenario == Late {
            return Self {
                has_run: false,
                ..nothing("DEADLINE_EXCEEDED")
            };
        }
        if has(Settings) && engine != Engine::Postgres {
            // With a key, the key is the first that meets the database.
            return Self {
                has_run: !has(Key) || has(Dry),
                ..nothing("INTERNAL")
            };
        }
        // Partial success: not where all or nothing was asked for, and not where the answer is kept for a key.
        let in_part = scenario == NullableFails && has(FieldSavepoints) && !has(Key) && !has(Batch);
        match scenario {
            Fine | Late => Self {
                is_committed: !has(Dry),
                is_shown: true,
                code: None,
                has_run: true,
            },
            NullableFails if in_part => Self {
                is_committed: !has(Dry),
                is_shown: true,
                code: Some("REFUSED"),
                has_run: true,
            },
            NullableFails | NonNullFails => nothing("REFUSED"),
            Swallows => nothing("UNIT_DOOMED"),
            CommitIsRefused => nothing("COMMIT_FAILED"),
            RollbackOnly => nothing("ROLLBACK_ONLY"),
        }
    }
}
