//! The URL of the database, which may hold a password.

use std::{
    fmt::{self, Debug, Display, Formatter},
    path::{Path, PathBuf},
    str::FromStr,
};

use sqlx::{mysql::MySqlConnectOptions, postgres::PgConnectOptions, sqlite::SqliteConnectOptions};
use unit_of_work::DriverOptions;

/// The URL of a database that Daybook can use. Neither `Display` nor `Debug` shows its password.
#[derive(Clone)]
pub struct DatabaseUrl {
    url: String,
    target: Target,
}

#[derive(Clone)]
enum Target {
    Sqlite(PathBuf),
    Postgres(DriverOptions),
    MariaDb(DriverOptions),
}

impl DatabaseUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// A message that says what is allowed. It does not show the URL.
    pub fn parse(text: &str) -> Result<Self, String> {
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        let target = match scheme {
            "sqlite" => {
                if text.contains(":memory:") || text.contains("mode=memory") {
                    return Err("a file, such as sqlite://daybook.db?mode=rwc: a database in memory has no snapshots".to_owned());
                }
                SqliteConnectOptions::from_str(text)
                    .map(|options| Target::Sqlite(options.get_filename().to_owned()))
                    .map_err(|_| "sqlite://FILE?mode=rwc".to_owned())?
            }
            "postgres" | "postgresql" => Target::Postgres(postgres(text)?),
            "mariadb" => Target::MariaDb(mariadb(text)?),
            "mysql" => {
                return Err(
                    "a URL that begins with mariadb://, if the server is MariaDB: MySQL is not supported".to_owned(),
                );
            }
            _ => {
                return Err(
                    "a URL that begins with sqlite://, postgres:// or mariadb://".to_owned(),
                );
            }
        };
        Ok(Self {
            url: text.to_owned(),
            target,
        })
    }

    /// The URL with its password: for the driver, never for a message.
    pub fn expose(&self) -> &str {
        &self.url
    }

    /// The file of an SQLite database.
    pub fn file(&self) -> Option<&Path> {
        match &self.target {
            Target::Sqlite(path) => Some(path),
            Target::Postgres(_) | Target::MariaDb(_) => None,
        }
    }

    /// The driver's options for each server of a PostgreSQL database.
    pub fn servers(&self) -> &[PgConnectOptions] {
        match &self.target {
            Target::Sqlite(_) | Target::MariaDb(_) => &[],
            Target::Postgres(options) => options.postgres(),
        }
    }

    /// The driver's options of a PostgreSQL database; `None` for another engine.
    pub fn postgres(&self) -> Option<&DriverOptions> {
        match &self.target {
            Target::Sqlite(_) | Target::MariaDb(_) => None,
            Target::Postgres(options) => Some(options),
        }
    }

    /// Whether it is a database of MariaDB.
    pub fn is_mariadb(&self) -> bool {
        matches!(self.target, Target::MariaDb(_))
    }

    /// Whether the URL allows to create the file of an SQLite database.
    pub fn creates(&self) -> bool {
        self.file().is_some() && self.url.contains("mode=rwc")
    }
}

/// The parameters that the driver understands in a URL's query.
///
/// Any other is refused here. The driver would ignore it, so that a misspelt time-out or `ssl_mode` has no effect, and would log its value,
/// which may be a password.
const PARAMETERS: [&str; 18] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// Checks a URL of PostgreSQL.
fn postgres(text: &str) -> Result<DriverOptions, String> {
    const EXPECTED: &str =
        "postgres://USER:PASSWORD@HOST:PORT/NAME, or with several servers HOST:PORT,HOST:PORT";
    // The driver misreads a URL that is written slightly wrong. After a single slash, it takes the rest for the name of a database on this
    // machine; after a slash inside a password, the rest of the password.
    let (_, rest) = text.split_once("://").ok_or(EXPECTED)?;
    if rest.contains('#') {
        return Err(format!("{EXPECTED}, where a `#` is written `%23`"));
    }
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        let is_option = name.starts_with("options[") && name.ends_with(']');
        if !is_option && !PARAMETERS.contains(&name) {
            let known = PARAMETERS.join(", ");
            return Err(format!("{EXPECTED}, with no parameters but {known}"));
        }
    }
    let options: DriverOptions = text.parse().map_err(|_| EXPECTED)?;
    for server in options.postgres() {
        if server.get_database().is_some_and(|name| name.contains('@')) {
            return Err(format!(
                "{EXPECTED}, where a `/` in a password is written `%2F`, and no name of a database has an `@`"
            ));
        }
    }
    Ok(options)
}

/// The parameters of a MariaDB URL that unit-of-work lets the driver see.
const MARIADB_PARAMETERS: [&str; 9] = [
    "socket", "ssl-ca", "ssl-cert", "ssl-key", "ssl-mode", "sslca", "sslcert", "sslkey", "sslmode",
];

/// The values of `ssl-mode`. They are not those of PostgreSQL's `sslmode`.
const SSL_MODES: [&str; 5] = [
    "disabled",
    "preferred",
    "required",
    "verify_ca",
    "verify_identity",
];

/// Checks a URL of MariaDB.
fn mariadb(text: &str) -> Result<DriverOptions, String> {
    const EXPECTED: &str = "mariadb://USER:PASSWORD@HOST:PORT/NAME, or with the nodes of a Galera cluster HOST:PORT,HOST:PORT";
    let (_, rest) = text.split_once("://").ok_or(EXPECTED)?;
    if rest.contains('#') {
        return Err(format!("{EXPECTED}, where a `#` is written `%23`"));
    }
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let hosts = place.split_once('/').map_or(place, |(hosts, _)| hosts);
    let hosts = hosts.rsplit_once('@').map_or(hosts, |(_, hosts)| hosts);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !MARIADB_PARAMETERS.contains(&name) {
            let known = MARIADB_PARAMETERS.join(", ");
            return Err(format!("{EXPECTED}, with no parameters but {known}"));
        }
        // All servers of the list would be the one behind the socket.
        if name == "socket" && hosts.contains(',') {
            return Err(format!(
                "{EXPECTED}, where `socket` and a list of servers do not go together"
            ));
        }
        let value = value.to_ascii_lowercase();
        if ["ssl-mode", "sslmode"].contains(&name) && !SSL_MODES.contains(&value.as_str()) {
            return Err(format!(
                "{EXPECTED}, where `{name}` is one of {}",
                SSL_MODES.join(", ")
            ));
        }
    }
    let name = place.split_once('/').map_or("", |(_, name)| name);
    if name.is_empty() {
        return Err(format!("{EXPECTED}: the name of the database is missing"));
    }
    if name.contains(['@', '/']) {
        return Err(format!(
            "{EXPECTED}, where a `/` in a password is written `%2F`, and no name of a database has an `@` or a `/`"
        ));
    }
    text.parse().map_err(|_| EXPECTED.to_owned())
}

/// The URL of MariaDB without its password.
fn shown_mariadb(servers: &[MySqlConnectOptions]) -> String {
    let places: Vec<_> = servers
        .iter()
        .map(|server| match server.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", server.get_host(), server.get_port()),
        })
        .collect();
    let first = servers.first();
    let user = first.map_or("", MySqlConnectOptions::get_username);
    let name = first.and_then(MySqlConnectOptions::get_database);
    format!(
        "mariadb://{user}@{}/{}",
        places.join(","),
        name.unwrap_or_default()
    )
}

/// The URL without its password.
fn shown(servers: &[PgConnectOptions]) -> String {
    let hosts: Vec<_> = servers
        .iter()
        .map(|server| match server.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", server.get_host(), server.get_port()),
        })
        .collect();
    let user = servers.first().map_or("", PgConnectOptions::get_username);
    let name = servers.first().and_then(PgConnectOptions::get_database);
    format!(
        "postgres://{user}@{}/{}",
        hosts.join(","),
        name.unwrap_or(user)
    )
}

impl Display for DatabaseUrl {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Sqlite(path) => Display::fmt(&path.display(), f),
            Target::Postgres(options) => f.write_str(&shown(options.postgres())),
            Target::MariaDb(options) => f.write_str(&shown_mariadb(options.mariadb())),
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
        let list = "postgres://ann:hunter2@one.example,two.example:5433/ledger";
        let url = DatabaseUrl::parse(list).unwrap();
        let shown = "postgres://ann@one.example:5432,two.example:5433/ledger";
        assert_eq!(url.to_string(), shown);
        assert_eq!(url.servers().len(), 2);
        let url = "mariadb://ann:hunter2@db.example:3307/ledger?ssl-mode=required";
        let url = DatabaseUrl::parse(url).unwrap();
        assert_eq!(url.to_string(), "mariadb://ann@db.example:3307/ledger");
        assert!(url.expose().contains("hunter2"));
        let list = "mariadb://ann:hunter2@one.example,two.example:3307/ledger";
        let shown = "mariadb://ann@one.example:3306,two.example:3307/ledger";
        assert_eq!(DatabaseUrl::parse(list).unwrap().to_string(), shown);
        let error = DatabaseUrl::parse("postgres://ann:hunter2@db:notaport/x").unwrap_err();
        assert!(!error.contains("hunter2"));
    }

    /// A slip of the pen connects to no other database, and shows no password.
    #[test]
    fn a_url_is_understood_wholly_or_refused() {
        for url in [
            "postgres:/ann:hunter2@db.example/ledger",
            "postgres:ann:hunter2@db.example/ledger",
            "postgres:///ann:hunter2@db.example/ledger",
            "postgres://ann:1/hunter2@db.example/ledger",
            "postgres://ann:1#hunter2@db.example/ledger",
            "postgres://ann:1?hunter2@db.example/ledger",
            "postgres://ann@db.example/ledger?pasword=hunter2",
            "postgres://ann:hunter2@db.example/ledger?ssl_mode=verify-full",
            "postgres://ann:hunter2@db.example/ledger?sslmode=disable&target_session_attrs=read-write",
            "postgres://ann:hunter2@db.example/ledger?options[statement_timeout=1",
            "postgres://ann:hunter2@one.example,,two.example/ledger",
            "postgres://ann:hunter2@one.example,two.example:notaport/ledger",
            "postgres://ann:1/hunter2@one.example,two.example/ledger",
        ] {
            let error = DatabaseUrl::parse(url).unwrap_err();
            assert!(!error.contains("hunter2"), "{url}: {error}");
        }
        for url in [
            "postgres:///ledger",
            "postgres://localhost",
            "postgresql://ann:p%2Fw%23%40@[::1]:5432/ledger?sslmode=require&options[search_path]=x&options=-c%20jit=off",
        ] {
            assert!(DatabaseUrl::parse(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_parameter_of_mariadb_that_cannot_be_had_is_explained() {
        for (url, expected) in [
            (
                "mariadb://ann@one,two/ledger?socket=/run/mysqld.sock",
                "`socket` and a list of servers do not go together",
            ),
            (
                "mariadb://ann@one/ledger?ssl-mode=require",
                "`ssl-mode` is one of disabled, preferred, required, verify_ca, verify_identity",
            ),
        ] {
            let error = DatabaseUrl::parse(url).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        for url in [
            "mariadb://ann:a,b@one/ledger?socket=/run/mysqld.sock",
            "mariadb://ann@one,two/ledger?ssl-mode=VERIFY_CA&ssl-ca=/ca.pem",
        ] {
            assert!(DatabaseUrl::parse(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn an_engine_that_is_not_supported_is_refused() {
        for url in [
            "mysql://localhost/x",
            "mariadb://localhost",
            "mariadb://localhost/",
            "mariadb://one,,two/ledger",
            "mariadb://one,two:notaport/ledger",
            "mariadb://ann:1/hunter2@db.example/ledger",
            "mariadb://ann:1#hunter2@db.example/ledger",
            "mariadb://ann@db.example/ledger?charset=latin1",
            "mariadb:/ann@db.example/ledger",
            "nonsense",
            "",
            "sqlite::memory:",
            "sqlite://x?mode=wild",
        ] {
            assert!(DatabaseUrl::parse(url).is_err(), "{url}");
        }
    }
}
