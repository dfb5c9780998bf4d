//! The meaning of an engine's errors, by their codes and never by their texts.

use sqlx::error::DatabaseError;

use crate::FailureKind;
#[cfg(feature = "mariadb")]
use crate::database::engine::mariadb;
#[cfg(feature = "postgres")]
use crate::database::engine::postgres;
#[cfg(feature = "sqlite")]
use crate::database::engine::sqlite;

/// The kind of a database error.
pub(crate) fn kind(error: &dyn DatabaseError) -> FailureKind {
    #[cfg(feature = "postgres")]
    if let Some(error) = error.try_downcast_ref() {
        return postgres::failure::kind(error);
    }
    #[cfg(feature = "sqlite")]
    if let Some(error) = error.try_downcast_ref() {
        return sqlite::failure::kind(error);
    }
    #[cfg(feature = "mariadb")]
    if let Some(error) = error.try_downcast_ref() {
        return mariadb::failure::kind(error);
    }
    FailureKind::Other
}

/// The kind of one of our own errors, which travel as a driver's errors of configuration.
pub(crate) fn kind_of_own(error: &sqlx::Error) -> FailureKind {
    #[cfg(feature = "sqlite")]
    if sqlite::files::FileReplaced::in_driver_error(error).is_some() {
        return FailureKind::FileReplaced;
    }
    let _ = error;
    FailureKind::Other
}

/// The name of the violated constraint.
pub(crate) fn constraint(error: &dyn DatabaseError) -> Option<String> {
    #[cfg(feature = "postgres")]
    if let Some(error) = error.try_downcast_ref() {
        return postgres::failure::constraint(error);
    }
    #[cfg(feature = "sqlite")]
    if let Some(error) = error.try_downcast_ref() {
        return sqlite::failure::constraint(error);
    }
    #[cfg(feature = "mariadb")]
    if let Some(error) = error.try_downcast_ref() {
        return mariadb::failure::constraint(error);
    }
    error.constraint().map(str::to_owned)
}

/// Whether the server has ended the session with this error.
pub(crate) fn ends_session(error: &dyn DatabaseError) -> bool {
    #[cfg(feature = "postgres")]
    if let Some(error) = error.try_downcast_ref() {
        return postgres::failure::ends_session(error);
    }
    #[cfg(feature = "mariadb")]
    if let Some(error) = error.try_downcast_ref() {
        return mariadb::failure::ends_session(error);
    }
    let _ = error;
    false
}

/// Whether a COMMIT that failed with this error may still take effect after a crash, unless it is overwritten.
pub(crate) fn may_come_back(error: &dyn DatabaseError) -> bool {
    #[cfg(feature = "sqlite")]
    if let Some(error) = error.try_downcast_ref() {
        return sqlite::failure::may_come_back(error);
    }
    let _ = error;
    false
}

/// All texts of this error, the message first.
pub(crate) fn texts(error: &dyn DatabaseError) -> Vec<&str> {
    #[cfg(feature = "postgres")]
    if let Some(error) = error.try_downcast_ref() {
        return postgres::failure::texts(error);
    }
    vec![error.message()]
}
