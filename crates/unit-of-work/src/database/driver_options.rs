//! The driver's own connect options, made by an application.

use std::{fmt, str::FromStr};

#[cfg(feature = "mariadb")]
use sqlx::mysql::MySqlConnectOptions;
#[cfg(feature = "postgres")]
use sqlx::postgres::PgConnectOptions;
#[cfg(feature = "sqlite")]
use sqlx::sqlite::SqliteConnectOptions;

use super::engine;
use crate::ConnectError;

/// Connect options of sqlx, for [`Database::connect_with`](crate::Database::connect_with): what a URL cannot say, such as certificates
/// in memory, or what it should not, such as a password from a vault.
///
/// ```
/// use sea_orm::sqlx::postgres::{PgConnectOptions, PgSslMode};
/// use unit_of_work::DriverOptions;
///
/// let certificate = b"-----BEGIN CERTIFICATE-----".to_vec();
/// let options = PgConnectOptions::new_without_pgpass()
///     .host("db.internal")
///     .username("app")
///     .password("from a vault")
///     .ssl_mode(PgSslMode::VerifyFull)
///     .ssl_root_cert_from_pem(certificate);
/// let options = DriverOptions::from(options);
/// # let _ = options;
/// ```
#[derive(Clone)]
pub struct DriverOptions(pub(super) Given);

/// The options of one of the drivers.
#[derive(Clone)]
pub(super) enum Given {
    #[cfg(feature = "postgres")]
    Postgres(Vec<PgConnectOptions>),
    #[cfg(feature = "sqlite")]
    Sqlite(Box<SqliteConnectOptions>),
    #[cfg(feature = "mariadb")]
    MariaDb(Vec<MySqlConnectOptions>),
}

#[cfg(feature = "postgres")]
impl From<PgConnectOptions> for DriverOptions {
    fn from(options: PgConnectOptions) -> Self {
        Self(Given::Postgres(vec![options]))
    }
}

/// The servers of one cluster, of which one takes writes. Mutations and queries run on that one, and it is found again after a failover; see
/// [`Database::connect`](crate::Database::connect).
#[cfg(feature = "postgres")]
impl From<Vec<PgConnectOptions>> for DriverOptions {
    fn from(servers: Vec<PgConnectOptions>) -> Self {
        Self(Given::Postgres(servers))
    }
}

impl FromStr for DriverOptions {
    type Err = ConnectError;

    /// The options in a URL, as [`Database::connect`](crate::Database::connect) reads it.
    fn from_str(url: &str) -> Result<Self, ConnectError> {
        engine::parse(url)
    }
}

#[cfg(feature = "postgres")]
impl DriverOptions {
    /// The options for each server of a PostgreSQL cluster; empty for another engine.
    ///
    /// ```
    /// use unit_of_work::DriverOptions;
    ///
    /// # fn main() -> Result<(), unit_of_work::ConnectError> {
    /// let options: DriverOptions = "postgres://app@one,two:5433/app".parse()?;
    /// let ports: Vec<_> = options.postgres().iter().map(|server| server.get_port()).collect();
    /// assert_eq!(ports, [5432, 5433]);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn postgres(&self) -> &[PgConnectOptions] {
        match &self.0 {
            Given::Postgres(servers) => servers,
            #[cfg(feature = "sqlite")]
            Given::Sqlite(_) => &[],
            #[cfg(feature = "mariadb")]
            Given::MariaDb(_) => &[],
        }
    }
}

#[cfg(feature = "sqlite")]
impl From<SqliteConnectOptions> for DriverOptions {
    fn from(options: SqliteConnectOptions) -> Self {
        Self(Given::Sqlite(Box::new(options)))
    }
}

#[cfg(feature = "mariadb")]
impl DriverOptions {
    /// The options for MariaDB, or for each node of its Galera cluster; empty for another engine.
    ///
    /// ```
    /// use unit_of_work::DriverOptions;
    ///
    /// # fn main() -> Result<(), unit_of_work::ConnectError> {
    /// let options: DriverOptions = "mariadb://app@one,two:3307/app".parse()?;
    /// let ports: Vec<_> = options.mariadb().iter().map(|server| server.get_port()).collect();
    /// assert_eq!(ports, [3306, 3307]);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn mariadb(&self) -> &[MySqlConnectOptions] {
        match &self.0 {
            Given::MariaDb(servers) => servers,
            #[cfg(feature = "sqlite")]
            Given::Sqlite(_) => &[],
            #[cfg(feature = "postgres")]
            Given::Postgres(_) => &[],
        }
    }
}

#[cfg(feature = "mariadb")]
impl From<MySqlConnectOptions> for DriverOptions {
    fn from(options: MySqlConnectOptions) -> Self {
        Self(Given::MariaDb(vec![options]))
    }
}

/// The nodes of one Galera cluster, of which one writes; see [`Database::connect`](crate::Database::connect).
#[cfg(feature = "mariadb")]
impl From<Vec<MySqlConnectOptions>> for DriverOptions {
    fn from(servers: Vec<MySqlConnectOptions>) -> Self {
        Self(Given::MariaDb(servers))
    }
}

/// Without the options, which may have a password in them.
impl fmt::Debug for DriverOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match &self.0 {
            #[cfg(feature = "postgres")]
            Given::Postgres(_) => "DriverOptions(PostgreSQL)",
            #[cfg(feature = "sqlite")]
            Given::Sqlite(_) => "DriverOptions(SQLite)",
            #[cfg(feature = "mariadb")]
            Given::MariaDb(_) => "DriverOptions(MariaDB)",
        })
    }
}
