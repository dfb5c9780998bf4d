//! What a unit may do.

/// What a unit may do to the database. The database enforces it.
///
/// ```
/// # fn example(unit: &unit_of_work::UnitOfWork) {
/// use unit_of_work::Access;
///
/// let may_write = unit.access() == Access::ReadWrite;
/// # let _ = may_write; }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads on one snapshot; a write is refused by the database.
    ReadOnly,
    /// Reads and writes.
    ReadWrite,
}

impl Access {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "READ ONLY",
            Self::ReadWrite => "READ WRITE",
        }
    }
}
