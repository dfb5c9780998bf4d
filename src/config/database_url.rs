//! The URL of the database, which may hold a password.

use std::{
    fmt::{self, Debug, Display, Formatter},
    path::{Path, PathBuf},
    str::FromStr,
};

use sqlx::{postgres::PgConnectOptions, sqlite::SqliteConnectOptions};

/// A URL that names a database Daybook can use. Neither `Display` nor `Debug` shows a password.
#[derive(Clone)]
pub struct DatabaseUrl {
    url: String,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Sqlite(PathBuf),
    Postgres(String),
}

impl DatabaseUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is allowed, without the URL itself.
    pub fn parse(text: &str) -> Result<Self, String> {
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        let place = match scheme {
            "sqlite" => {
                if text.contains(":memory:") || text.contains("mode=memory") {
                    return Err("a file, such as sqlite://daybook.db?mode=rwc: a database in memory has no snapshots".to_owned());
                }
                SqliteConnectOptions::from_str(text)
                    .map(|options| Place::Sqlite(options.get_filename().to_owned()))
                    .map_err(|_| "sqlite://FILE?mode=rwc".to_owned())?
            }
            "postgres" | "postgresql" => PgConnectOptions::from_str(text)
                .map(|options| Place::Postgres(without_password(&options)))
                .map_err(|_| "postgres://USER:PASSWORD@HOST:PORT/NAME".to_owned())?,
            _ => return Err("a URL that begins with sqlite:// or postgres://".to_owned()),
        };
        Ok(Self {
            url: text.to_owned(),
            place,
        })
    }

    /// The URL, password and all: for the driver, never for a message.
    pub fn expose(&self) -> &str {
        &self.url
    }

    /// The file of an SQLite database.
    pub fn file(&self) -> Option<&Path> {
        match &self.place {
            Place::Sqlite(path) => Some(path),
            Place::Postgres(_) => None,
        }
    }

    /// Whether the URL allows to make the file of an SQLite database.
    pub fn creates(&self) -> bool {
        self.file().is_some() && self.url.contains("mode=rwc")
    }
}

fn without_password(options: &PgConnectOptions) -> String {
    let user = options.get_username();
    let name = options.get_database().unwrap_or(user);
    match options.get_socket() {
        Some(socket) => format!("postgres://{user}@{}/{name}", socket.display()),
        None => format!(
            "postgres://{user}@{}:{}/{name}",
            options.get_host(),
            options.get_port()
        ),
    }
}

impl Display for DatabaseUrl {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Sqlite(path) => Display::fmt(&path.display(), f),
            Place::Postgres(url) => f.write_str(url),
        }
    }
}

impl Debug for DatabaseUrl {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DatabaseUrl")
            .field(&self.to_string())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for url in [
            "postgres://ann:hunter2@db.example:5433/ledger",
            "postgres://db.example:5433/ledger?user=ann&password=hunter2",
        ] {
            let url = DatabaseUrl::parse(url).unwrap();
            assert_eq!(url.to_string(), "postgres://ann@db.example:5433/ledger");
            assert!(!format!("{url:?}").contains("hunter2"));
            assert!(url.expose().contains("hunter2"));
        }
        let error = DatabaseUrl::parse("postgres://ann:hunter2@db:notaport/x").unwrap_err();
        assert!(!error.contains("hunter2"));
    }

    #[test]
    fn an_engine_that_is_not_supported_is_refused() {
        for url in [
            "mysql://localhost/x",
            "nonsense",
            "",
            "sqlite::memory:",
            "sqlite://x?mode=wild",
        ] {
            assert!(DatabaseUrl::parse(url).is_err(), "{url}");
        }
    }
}
