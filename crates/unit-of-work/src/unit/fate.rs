//! How a unit will end: all rules about which of two facts takes precedence.
//!
//! ```text
//! Sound ──set_rollback_only──> RollbackOnly
//!   └──a statement fails, or is dropped half way──> Doomed <──the same── RollbackOnly
//! ```
//! The fate follows from the unit's facts, and never goes back. It answers three questions: does the unit refuse a statement
//! ([`Fate::refusal`]), how does it end when it is asked to ([`Fate::ending`]), and what does the client see ([`Fate::answer`])? The rules
//! for effects and for another attempt are here too. `tests` has all of them in one table.

use super::{Ending, Outcome, Reason};
use crate::{FailureKind, UnitError, retry::attempt::Lost, unit::effects::Follow};

/// What is known about a unit's end so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It can be committed.
    Sound,
    /// A resolver has asked for a rollback, whatever else happens.
    RollbackOnly,
    /// A statement failed, or was dropped half way.
    Doomed(FailureKind),
}

/// What a client sees of an operation whose unit has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The resolvers' response.
    AsItIs,
    /// The resolvers' errors, without data; and this error, if they do not have it.
    Errors(Option<Told>),
    /// Only this error, whatever the resolvers' errors are.
    Only(Told),
}

/// The error that is added to those of the resolvers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Conflict,
    /// The database was lost, or could not be reached.
    Unavailable,
    CommitFailed,
    OutcomeUnknown,
    Deadline,
    RollbackOnly,
    Doomed,
}

impl Fate {
    /// The fate of a unit with these facts. A failed statement takes precedence over a resolver's request.
    pub(crate) fn of(doom: Option<FailureKind>, is_rollback_only: bool) -> Self {
        match (doom, is_rollback_only) {
            (Some(kind), _) => Self::Doomed(kind),
            (None, true) => Self::RollbackOnly,
            (None, false) => Self::Sound,
        }
    }

    /// Why a statement is refused, if it is. A unit with a requested rollback still accepts statements, whose errors may say more.
    pub(crate) fn refusal(self, is_closing: bool, has_part_failed: bool) -> Option<UnitError> {
        match self {
            _ if is_closing => Some(UnitError::Finished),
            Self::Doomed(_) => Some(UnitError::Doomed),
            _ if has_part_failed => Some(UnitError::SavepointFailed),
            Self::Sound | Self::RollbackOnly => None,
        }
    }

    /// How the unit ends when it is asked to.
    pub(crate) fn ending(self, asked: Ending) -> Ending {
        match (asked, self) {
            (Ending::Commit, Self::Doomed(_)) => Ending::RollBack(Reason::Doomed),
            (Ending::Commit, Self::RollbackOnly) => Ending::RollBack(Reason::RollbackOnly),
            (asked, _) => asked,
        }
    }

    /// How a unit without a transaction has ended: it was never touched, or could not begin.
    pub(crate) fn without_transaction(self) -> Outcome {
        match self {
            Self::Doomed(_) => Outcome::RolledBack(Reason::Doomed),
            Self::RollbackOnly => Outcome::RolledBack(Reason::RollbackOnly),
            Self::Sound => Outcome::Untouched,
        }
    }

    /// What a client sees of a unit that may write: nothing that was not committed.
    pub(crate) fn answer(self, outcome: &Outcome, has_errors: bool) -> Answer {
        match (outcome, self) {
            (Outcome::Committed | Outcome::Read | Outcome::Replayed, _) => Answer::AsItIs,
            // The response, even its errors, rests on writes that have not happened.
            (Outcome::RolledBack(Reason::SharedCommit), _) => Answer::Only(Told::Conflict),
            (Outcome::Untouched, _) if !has_errors => Answer::AsItIs,
            (Outcome::CommitFailed(_), _) => Answer::Errors(Some(Told::CommitFailed)),
            (Outcome::Unknown, _) => Answer::Errors(Some(Told::OutcomeUnknown)),
            // If the resolvers' errors say what failed, the deadline that passed meanwhile adds nothing.
            (Outcome::RolledBack(Reason::Deadline), _) if !has_errors => {
                Answer::Errors(Some(Told::Deadline))
            }
            // This is the reason, whatever the resolvers made of it.
            (Outcome::RolledBack(_), Self::Doomed(FailureKind::Conflict)) => {
                Answer::Only(Told::Conflict)
            }
            (
                Outcome::RolledBack(_),
                Self::Doomed(FailureKind::ConnectionLost | FailureKind::Unavailable),
            ) => Answer::Only(Told::Unavailable),
            (Outcome::RolledBack(_), _) if has_errors => Answer::Errors(None),
            (Outcome::RolledBack(_), Self::RollbackOnly) => {
                Answer::Errors(Some(Told::RollbackOnly))
            }
            (Outcome::RolledBack(_), _) => Answer::Errors(Some(Told::Doomed)),
            (Outcome::Untouched, _) => Answer::Errors(None),
        }
    }

    /// Why an operation should be run again: it may succeed then, and has certainly not happened.
    pub(crate) fn lost(self, outcome: &Outcome) -> Option<Lost> {
        let kind = match (outcome, self) {
            (Outcome::RolledBack(Reason::SharedCommit), _) => return Some(Lost::SharedCommit),
            (Outcome::CommitFailed(failure), _) => failure.kind,
            (
                Outcome::RolledBack(Reason::Error | Reason::Doomed) | Outcome::Read,
                Self::Doomed(kind),
            ) => kind,
            _ => return None,
        };
        match kind {
            FailureKind::Conflict => Some(Lost::Conflict),
            FailureKind::ConnectionLost | FailureKind::Unavailable => Some(Lost::Database),
            _ => None,
        }
    }
}

/// What a client sees of an operation that its deadline has ended. If it was waiting for an unreachable database, that is the error.
pub(crate) fn answer_late(waits_for_database: bool) -> Answer {
    if waits_for_database {
        Answer::Only(Told::Unavailable)
    } else {
        Answer::AsItIs
    }
}

/// Which effects follow an end.
pub(crate) fn follow(outcome: &Outcome, ending: Ending) -> Option<Follow> {
    match (outcome, ending) {
        (Outcome::Committed, _) | (Outcome::Untouched, Ending::Commit) => Some(Follow::Commit),
        (Outcome::RolledBack(_) | Outcome::CommitFailed(_), _)
        | (Outcome::Untouched, Ending::RollBack(_)) => Some(Follow::Rollback),
        (Outcome::Unknown | Outcome::Replayed | Outcome::Read, _)
        | (Outcome::Untouched, Ending::Replay) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CommitFailure;

    /// What the database says to the ending.
    #[derive(Clone, Copy, Debug)]
    enum Said {
        /// It was never asked.
        Nothing,
        /// It did as it was asked.
        Yes,
        /// It refused COMMIT for this, or says that COMMIT has not happened.
        No(FailureKind),
        Unknown,
    }

    fn outcome(fate: Fate, ending: Ending, said: Said) -> Outcome {
        match (ending, said) {
            (_, Said::Nothing) => fate.without_transaction(),
            (Ending::RollBack(reason), _) => Outcome::RolledBack(reason),
            (Ending::Replay, _) => Outcome::Replayed,
            (Ending::Commit, Said::Yes) => Outcome::Committed,
            (Ending::Commit, Said::No(kind)) => Outcome::CommitFailed(CommitFailure {
                kind,
                constraint: None,
            }),
            (Ending::Commit, Said::Unknown) => Outcome::Unknown,
        }
    }

    #[test]
    #[rustfmt::skip]
    fn every_fate_has_its_end() {
        use Answer::{AsItIs, Errors, Only};
        use Ending::{Commit, Replay, RollBack};
        use FailureKind::{Conflict, ConnectionLost, Constraint, Full, Unavailable};
        use Fate::{Doomed, RollbackOnly, Sound};
        use Reason as R;
        use Said::{No, Nothing, Unknown, Yes};

        const COMMITTED: Option<Follow> = Some(Follow::Commit);
        const ROLLED_BACK: Option<Follow> = Some(Follow::Rollback);
        const CONFLICT: Option<Lost> = Some(Lost::Conflict);
        const SHARED: Option<Lost> = Some(Lost::SharedCommit);
        const DATABASE: Option<Lost> = Some(Lost::Database);
        let told = |told| Errors(Some(told));

        // fate, asked, what the database said -> ending, answer (without errors, with errors), effects, what it lost
        let table = [
            (Sound, Commit, Nothing, Commit, [AsItIs, Errors(None)], COMMITTED, None),
            (Sound, Commit, Yes, Commit, [AsItIs, AsItIs], COMMITTED, None),
            (Sound, Commit, No(Constraint), Commit, [told(Told::CommitFailed); 2], ROLLED_BACK, None),
            (Sound, Commit, No(Conflict), Commit, [told(Told::CommitFailed); 2], ROLLED_BACK, CONFLICT),
            (Sound, Commit, No(ConnectionLost), Commit, [told(Told::CommitFailed); 2], ROLLED_BACK, DATABASE),
            (Sound, Commit, Unknown, Commit, [told(Told::OutcomeUnknown); 2], None, None),
            (Sound, RollBack(R::Error), Nothing, RollBack(R::Error), [AsItIs, Errors(None)], ROLLED_BACK, None),
            (Sound, RollBack(R::Error), Yes, RollBack(R::Error), [told(Told::Doomed), Errors(None)], ROLLED_BACK, None),
            (Sound, RollBack(R::Deadline), Yes, RollBack(R::Deadline), [told(Told::Deadline), Errors(None)], ROLLED_BACK, None),
            (Sound, RollBack(R::SharedCommit), Yes, RollBack(R::SharedCommit), [Only(Told::Conflict); 2], ROLLED_BACK, SHARED),
            (Doomed(Constraint), RollBack(R::SharedCommit), Yes, RollBack(R::SharedCommit), [Only(Told::Conflict); 2], ROLLED_BACK, SHARED),
            (RollbackOnly, RollBack(R::SharedCommit), Yes, RollBack(R::SharedCommit), [Only(Told::Conflict); 2], ROLLED_BACK, SHARED),
            (Sound, Replay, Nothing, Replay, [AsItIs, Errors(None)], None, None),
            (Sound, Replay, Yes, Replay, [AsItIs, AsItIs], None, None),
            (RollbackOnly, Commit, Nothing, RollBack(R::RollbackOnly), [told(Told::RollbackOnly), Errors(None)], ROLLED_BACK, None),
            (RollbackOnly, Commit, Yes, RollBack(R::RollbackOnly), [told(Told::RollbackOnly), Errors(None)], ROLLED_BACK, None),
            (RollbackOnly, RollBack(R::Error), Yes, RollBack(R::Error), [told(Told::RollbackOnly), Errors(None)], ROLLED_BACK, None),
            (RollbackOnly, RollBack(R::Deadline), Yes, RollBack(R::Deadline), [told(Told::Deadline), Errors(None)], ROLLED_BACK, None),
            (Doomed(Constraint), Commit, Nothing, RollBack(R::Doomed), [told(Told::Doomed), Errors(None)], ROLLED_BACK, None),
            (Doomed(Constraint), Commit, Yes, RollBack(R::Doomed), [told(Told::Doomed), Errors(None)], ROLLED_BACK, None),
            (Doomed(Constraint), RollBack(R::Error), Yes, RollBack(R::Error), [told(Told::Doomed), Errors(None)], ROLLED_BACK, None),
            (Doomed(Constraint), RollBack(R::DryRun), Yes, RollBack(R::DryRun), [told(Told::Doomed), Errors(None)], ROLLED_BACK, None),
            (Doomed(Conflict), Commit, Nothing, RollBack(R::Doomed), [Only(Told::Conflict); 2], ROLLED_BACK, CONFLICT),
            (Doomed(Conflict), Commit, Yes, RollBack(R::Doomed), [Only(Told::Conflict); 2], ROLLED_BACK, CONFLICT),
            (Doomed(Conflict), RollBack(R::Error), Yes, RollBack(R::Error), [Only(Told::Conflict); 2], ROLLED_BACK, CONFLICT),
            (Doomed(Conflict), RollBack(R::Deadline), Yes, RollBack(R::Deadline), [told(Told::Deadline), Only(Told::Conflict)], ROLLED_BACK, None),
            (Doomed(Conflict), RollBack(R::Panic), Yes, RollBack(R::Panic), [Only(Told::Conflict); 2], ROLLED_BACK, None),
            (Doomed(ConnectionLost), Commit, Yes, RollBack(R::Doomed), [Only(Told::Unavailable); 2], ROLLED_BACK, DATABASE),
            (Doomed(ConnectionLost), RollBack(R::Error), Yes, RollBack(R::Error), [Only(Told::Unavailable); 2], ROLLED_BACK, DATABASE),
            (Doomed(Unavailable), Commit, Nothing, RollBack(R::Doomed), [Only(Told::Unavailable); 2], ROLLED_BACK, DATABASE),
            (Doomed(Unavailable), RollBack(R::Error), Nothing, RollBack(R::Error), [Only(Told::Unavailable); 2], ROLLED_BACK, DATABASE),
            (Doomed(Unavailable), RollBack(R::Error), Yes, RollBack(R::Error), [Only(Told::Unavailable); 2], ROLLED_BACK, DATABASE),
            (Doomed(Unavailable), RollBack(R::Deadline), Yes, RollBack(R::Deadline), [told(Told::Deadline), Only(Told::Unavailable)], ROLLED_BACK, None),
            (Doomed(Unavailable), RollBack(R::Panic), Yes, RollBack(R::Panic), [Only(Told::Unavailable); 2], ROLLED_BACK, None),
            (Sound, Commit, No(Full), Commit, [told(Told::CommitFailed); 2], ROLLED_BACK, None),
            (Doomed(Full), Commit, Yes, RollBack(R::Doomed), [told(Told::Doomed), Errors(None)], ROLLED_BACK, None),
            (Doomed(Full), RollBack(R::Error), Yes, RollBack(R::Error), [told(Told::Doomed), Errors(None)], ROLLED_BACK, None),
        ];
        for (fate, asked, said, ending, answers, effects, lost) in table {
            let row = format!("{fate:?} asked for {asked:?}, and the database said {said:?}");
            let outcome = outcome(fate, fate.ending(asked), said);
            assert_eq!(fate.ending(asked), ending, "{row}");
            assert_eq!([fate.answer(&outcome, false), fate.answer(&outcome, true)], answers, "{row}");
            assert_eq!(follow(&outcome, ending), effects, "{row}");
            assert_eq!(fate.lost(&outcome), lost, "{row}");
        }
    }

    #[test]
    fn deadline_that_came_while_there_was_no_database_is_of_the_database() {
        assert_eq!(answer_late(true), Answer::Only(Told::Unavailable));
        assert_eq!(answer_late(false), Answer::AsItIs);
    }

    #[test]
    fn what_takes_no_statement_says_why() {
        let doomed = Fate::Doomed(FailureKind::Constraint);
        for (fate, is_closing, has_part_failed, refusal) in [
            (Fate::Sound, false, false, None),
            (Fate::RollbackOnly, false, false, None),
            (Fate::Sound, false, true, Some(UnitError::SavepointFailed)),
            (doomed, false, true, Some(UnitError::Doomed)),
            (doomed, true, false, Some(UnitError::Finished)),
            (Fate::Sound, true, true, Some(UnitError::Finished)),
        ] {
            assert_eq!(fate.refusal(is_closing, has_part_failed), refusal);
        }
        let doom = Some(FailureKind::Timeout);
        assert_eq!(Fate::of(doom, true), Fate::Doomed(FailureKind::Timeout));
        assert_eq!(Fate::of(None, true), Fate::RollbackOnly);
        assert_eq!(Fate::of(None, false), Fate::Sound);
    }
}
