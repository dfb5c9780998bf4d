//! A URL that names several servers: `postgres://USER:PASSWORD@ONE,OTHER:5433/NAME`, as libpq reads it.

use std::{str::FromStr, time::Duration};

use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};

use crate::{
    ConnectError,
    database::{connect::invalid_url, engine::servers::each_server},
};

/// The driver's options for each server of a URL. Everything but host and port is the same for all of them.
///
/// # Errors
/// [`ConnectError::InvalidUrl`].
pub(in super::super) fn parse(url: &str) -> Result<Vec<PgConnectOptions>, ConnectError> {
    let one = |url: &str| {
        Ok(PgConnectOptions::from_str(url)
            .map_err(invalid_url)?
            .log_statements(log::LevelFilter::Trace)
            .log_slow_statements(log::LevelFilter::Warn, Duration::from_secs(1)))
    };
    each_server(url)?.iter().map(|url| one(url)).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::name, *};

    fn servers(url: &str) -> Vec<String> {
        let servers = parse(url).expect("is valid");
        let told = servers.iter().map(|server| {
            let (user, database) = (server.get_username(), server.get_database());
            format!("{user}@{}/{}", name(server), database.unwrap_or("-"))
        });
        told.collect()
    }

    #[test]
    fn each_server_has_what_the_url_says_of_all() {
        for (url, expected) in [
            ("postgres://ann@db/ledger", &["ann@db:5432/ledger"][..]),
            (
                "postgres://ann:p,w@one,two:5433,[::1]:5434/ledger?sslmode=disable",
                &[
                    "ann@one:5432/ledger",
                    "ann@two:5433/ledger",
                    "ann@[::1]:5434/ledger",
                ],
            ),
            (
                "postgresql://one:1,two:2?user=ann",
                &["ann@one:1/-", "ann@two:2/-"],
            ),
            (
                "postgres://ann@%2Frun%2Fpostgresql,two/ledger",
                &["ann@/run/postgresql:5432/ledger", "ann@two:5432/ledger"],
            ),
        ] {
            assert_eq!(servers(url), expected, "{url}");
        }
    }

    #[test]
    fn a_list_that_is_not_understood_is_refused() {
        for url in [
            "postgres://ann@one,/ledger",
            "postgres://ann@,two/ledger",
            "postgres://ann@one,,two/ledger",
            "postgres://ann@one,two:notaport/ledger",
        ] {
            assert!(
                matches!(parse(url), Err(ConnectError::InvalidUrl { .. })),
                "{url}"
            );
        }
    }
}
