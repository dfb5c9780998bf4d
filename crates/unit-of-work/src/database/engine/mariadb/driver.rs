//! The driver's options for MariaDB: what a URL may say, and what the driver must not set.

use std::{str::FromStr as _, time::Duration};

use sqlx::{
    ConnectOptions as _,
    mysql::{MySqlConnectOptions, MySqlSslMode},
};

use super::statements::STATEMENTS;
use crate::{
    ConnectError,
    database::{connect::invalid_url, engine::servers::each_server},
};

/// The parameters of a URL that say where to connect, and how safely. The driver ignores those that it does not know.
const KNOWN: [&str; 9] = [
    "sslmode", "ssl-mode", "sslca", "ssl-ca", "sslcert", "ssl-cert", "sslkey", "ssl-key", "socket",
];

/// The options for each server of a URL.
///
/// # Errors
/// [`ConnectError::InvalidUrl`], and [`ConnectError::Refused`] for a parameter that is not known.
pub(super) fn parse(url: &str) -> Result<Vec<MySqlConnectOptions>, ConnectError> {
    each_server(url)?.iter().map(|url| one(url)).collect()
}

fn one(url: &str) -> Result<MySqlConnectOptions, ConnectError> {
    let options = MySqlConnectOptions::from_str(url).map_err(invalid_url)?;
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
    let parameters = parameters.split('#').next().unwrap_or_default();
    for parameter in parameters
        .split('&')
        .filter(|parameter| !parameter.is_empty())
    {
        let name = parameter.split('=').next().unwrap_or_default();
        if !KNOWN.contains(&name) {
            return Err(ConnectError::Refused {
                problem: format!(
                    "the parameter `{name}` of the database URL cannot be had: known are {}",
                    KNOWN.join(", ")
                ),
            });
        }
    }
    Ok(options
        .log_statements(log::LevelFilter::Trace)
        .log_slow_statements(log::LevelFilter::Warn, Duration::from_secs(1)))
}

/// # Errors
/// [`ConnectError::TlsMissing`].
pub(super) fn refuse_contradictions(options: &MySqlConnectOptions) -> Result<(), ConnectError> {
    match options.get_ssl_mode() {
        MySqlSslMode::Required | MySqlSslMode::VerifyCa | MySqlSslMode::VerifyIdentity
            if !sqlx_core::net::tls::available() =>
        {
            Err(ConnectError::TlsMissing)
        }
        _ => Ok(()),
    }
}

/// The same, so that the driver sets nothing on a new connection: everything is set at once (`session`).
pub(super) fn without_settings(options: MySqlConnectOptions) -> MySqlConnectOptions {
    options
        .statement_cache_capacity(STATEMENTS)
        .charset("utf8mb4")
        .timezone(None)
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .set_names(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_that_nobody_keeps_to_are_refused() {
        for (url, is_known) in [
            ("mariadb://app:secret@db:3307/app", true),
            ("mysql://app@db/app?ssl-mode=VERIFY_CA&ssl-ca=/ca.pem", true),
            ("mariadb://app@db/app?timezone=%2B08:00", false),
            ("mariadb://app@db/app?charset=latin1", false),
            ("mariadb://app@db/app?ssl_mode=REQUIRED", false),
        ] {
            assert_eq!(parse(url).is_ok(), is_known, "{url}");
        }
    }

    #[test]
    fn a_url_names_several_servers() {
        let servers = parse("mariadb://app:secret@one,two:3307/app").expect("is understood");
        let names: Vec<_> = servers
            .iter()
            .map(|server| (server.get_host(), server.get_port()))
            .collect();
        assert_eq!(names, [("one", 3306), ("two", 3307)]);
        for url in [
            "mariadb://app@one,/app",
            "mariadb://app@one,two:notaport/app",
            "mariadb://app@one,two/app?charset=latin1",
        ] {
            assert!(parse(url).is_err(), "{url}");
        }
    }
}
