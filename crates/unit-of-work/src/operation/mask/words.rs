//! Compares the texts of errors with the texts of the database.

use std::{any::Any, error::Error as StdError, sync::Arc};

use async_graphql::{Error, ErrorExtensionValues, ServerError, Value};
use sea_orm::{DbErr, RuntimeErr, SqlErr};

use crate::{UnitError, database::engine::failure, error::driver_error};

/// Texts with fewer letters and digits than this are too short to compare.
const SHORTEST: usize = 8;
/// The words that sqlx puts before the database's text, as letters and digits only.
pub(super) const DRIVER_WORDS: &str = "errorreturnedfromdatabase";

/// The texts of an error that a client would see, as letters and digits only: a text in `Debug` format, with escaped quotes, still compares
/// as equal.
pub(super) struct Said {
    message: String,
    extensions: String,
}

impl Said {
    pub(super) fn of(error: &ServerError) -> Self {
        let extensions = error.extensions.as_ref().map(members).unwrap_or_default();
        Self {
            message: bare(&error.message),
            extensions: extensions
                .iter()
                .map(|(_, value)| bare(&value.to_string()) + "\n")
                .collect(),
        }
    }

    pub(super) fn has(&self, words: &str) -> bool {
        self.message.contains(words) || self.extensions.contains(words)
    }
}

pub(super) fn bare(text: &str) -> String {
    let letters = text.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// The texts of a database error, as letters and digits only.
pub(super) fn texts_of(error: &DbErr) -> Vec<String> {
    let mut texts = Vec::new();
    match driver_error(error) {
        Some(sqlx::Error::Database(error)) => {
            texts.extend(failure::texts(&**error).into_iter().map(bare));
        }
        Some(error) => texts.push(bare(&error.to_string())),
        None => texts.push(bare(&error.to_string())),
    }
    texts.retain(|text| text.len() >= SHORTEST);
    texts
}

pub(super) fn members(extensions: &ErrorExtensionValues) -> Vec<(String, Value)> {
    match serde_json::to_value(extensions) {
        Ok(serde_json::Value::Object(members)) => members
            .into_iter()
            .filter_map(|(name, value)| Some((name, Value::from_json(value).ok()?)))
            .collect(),
        _ => Vec::new(),
    }
}

/// The database error that an error is or comes from.
pub(super) fn database_error(source: &(dyn Any + Send + Sync)) -> Option<DbErr> {
    macro_rules! is_one_of {
        ($($type:ty),*) => {
            $(if let Some(error) = source.downcast_ref::<$type>() {
                return in_chain(error);
            })*
        };
    }
    is_one_of!(
        DbErr,
        Arc<DbErr>,
        Box<DbErr>,
        RuntimeErr,
        sqlx::Error,
        Arc<sqlx::Error>,
        Box<sqlx::Error>,
        SqlErr,
        UnitError,
        std::io::Error
    );
    if let Some(error) = source.downcast_ref::<Box<dyn StdError + Send + Sync>>() {
        return in_chain(&**error);
    }
    if let Some(error) = source.downcast_ref::<Arc<dyn StdError + Send + Sync>>() {
        return in_chain(&**error);
    }
    // The error of a resolver may be wrapped once more.
    if let Some(error) = source.downcast_ref::<Error>() {
        return database_error(error.source.as_deref()?);
    }
    None
}

fn in_chain(error: &(dyn StdError + 'static)) -> Option<DbErr> {
    let mut next = Some(error);
    while let Some(error) = next {
        let found = error
            .downcast_ref::<DbErr>()
            .or_else(|| error.downcast_ref::<Arc<DbErr>>().map(|error| &**error))
            .or_else(|| error.downcast_ref::<Box<DbErr>>().map(|error| &**error));
        if let Some(error) = found {
            return Some(error.clone());
        }
        if let Some(error) = error.downcast_ref::<UnitError>() {
            return Some(error.clone().into());
        }
        if let Some(error) = error.downcast_ref::<RuntimeErr>() {
            return Some(DbErr::Query(error.clone()));
        }
        if let Some(error) = error.downcast_ref::<Arc<sqlx::Error>>() {
            return Some(DbErr::Query(RuntimeErr::SqlxError(Arc::clone(error))));
        }
        // These errors cannot be cloned. Their text is enough to compare.
        if let Some(error) = error.downcast_ref::<sqlx::Error>() {
            return Some(DbErr::Custom(error.to_string()));
        }
        if let Some(error) = error.downcast_ref::<SqlErr>() {
            return Some(DbErr::Custom(error.to_string()));
        }
        next = error.source();
    }
    None
}
