//! Which switches a server takes: the application says it.

use unit_of_work::Report;

/// Which switches requests may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Switches {
    /// None: the executor would not heed them. A request with one is refused with 400, since its client counts on it.
    #[default]
    Refused,
    /// Those of the crate unit-of-work: the executor is a [`Retrying`](unit_of_work::Retrying) schema with a
    /// [`UnitOfWorkExtension`](unit_of_work::UnitOfWorkExtension).
    UnitOfWork {
        /// The most that responses tell of their unit, to those who ask.
        most_told: Report,
    },
}

impl Switches {
    pub(crate) fn are_heeded(self) -> bool {
        match self {
            Self::Refused => false,
            Self::UnitOfWork { .. } => true,
        }
    }

    pub(crate) fn most_told(self) -> Report {
        match self {
            Self::Refused => Report::Off,
            Self::UnitOfWork { most_told } => most_told,
        }
    }
}
