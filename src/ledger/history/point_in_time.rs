//! A point in an account's history.

use crate::ledger::{InvalidInput, input};
use chrono::{DateTime, Utc};
use daybook_entity::account;

/// A point in an account's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PointInTime {
    /// With all lines that count from this instant or earlier, whenever they became known.
    EffectiveAt(DateTime<Utc>),
    /// With all lines that were recorded at this instant or earlier.
    RecordedAt(DateTime<Utc>),
    /// After so many lines.
    Version(i64),
}

impl PointInTime {
    /// The point as history can be asked for it.
    ///
    /// # Errors
    /// When the instant is outside of the years that the ledger knows, or when the account has not had so many versions.
    pub fn check(self, account: &account::Model) -> Result<Self, InvalidInput> {
        match self {
            Self::EffectiveAt(at) => Ok(Self::EffectiveAt(input::instant("at.effectiveAt", at)?)),
            Self::RecordedAt(at) => Ok(Self::RecordedAt(input::instant("at.recordedAt", at)?)),
            Self::Version(version) if (0..=account.version).contains(&version) => Ok(self),
            Self::Version(version) => Err(InvalidInput::new(
                "at.version",
                format!(
                    "is {version}, and the account `{}` has the versions 0 to {}",
                    account.code, account.version
                ),
            )),
        }
    }
}
