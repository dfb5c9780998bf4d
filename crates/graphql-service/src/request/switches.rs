//! Which switches a server accepts. The application decides it.

use unit_of_work::Report;

/// Which switches requests may have.
///
/// ```
/// use graphql_service::{Anyone, Options, Switches};
/// use unit_of_work::Report;
///
/// let schema = graphql_operation::Schema::parse("type Query { one: Int! }")?;
/// // The executor runs units of work. Clients who ask get a report, without the statements.
/// let options = Options::new(schema, Anyone).switches(Switches::UnitOfWork {
///     most_told: Report::InExtensions,
/// });
/// # Ok::<(), graphql_operation::SchemaError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Switches {
    /// None, because the executor would ignore them. A request with a switch is refused with 400, since its client relies on it.
    #[default]
    Refused,
    /// The switches of the crate unit-of-work. The executor has to be a [`Retrying`](unit_of_work::Retrying) schema with a
    /// [`UnitOfWorkExtension`](unit_of_work::UnitOfWorkExtension).
    UnitOfWork {
        /// The most that a response may report about its unit of work, to clients who ask for a report.
        most_told: Report,
    },
}

impl Switches {
    pub(crate) fn are_accepted(self) -> bool {
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
