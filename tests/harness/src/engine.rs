//! The engines that every test of behaviour runs on.

/// A database engine that the tests run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    /// A file in a temporary folder of its own.
    Sqlite,
    /// A database of the test process's private server.
    Postgres,
    /// A database of the test process's other private server.
    MariaDb,
}

/// Makes each `async fn name(database: TestDatabase) { … }` two tests, `name::sqlite` and `name::postgres`, each with
/// a fresh database; and `name::mariadb` in a crate whose feature `mariadb` is on.
///
/// A test that cannot pass on MariaDB says why in front: `(not on MariaDB: "why") async fn …`. It is ignored there.
///
/// Each function becomes a module that imports everything of the module around it (`use super::*`). Its attributes and
/// doc comments go to all of them, so `#[ignore = "…"]` and `#[should_panic]` work. The using crate needs tokio's
/// `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! on_every_engine {
    ($(
        $(#[$attribute:meta])*
        $((not on MariaDB: $reason:literal))?
        async fn $name:ident($($database:ident)+ : $type:ty $(,)?) $body:block
    )+) => {$(
        mod $name {
            #[allow(unused_imports, reason = "a test may need nothing of the module around it")]
            use super::*;

            #[allow(clippy::unused_async, reason = "a test may have nothing to wait for")]
            async fn run($($database)+: $type) $body

            $(#[$attribute])*
            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                run($crate::TestDatabase::create($crate::Engine::Sqlite).await).await;
            }

            $(#[$attribute])*
            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                run($crate::TestDatabase::create($crate::Engine::Postgres).await).await;
            }

            #[cfg(feature = "mariadb")]
            $(#[$attribute])*
            $(#[ignore = $reason])?
            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn mariadb() {
                run($crate::TestDatabase::create($crate::Engine::MariaDb).await).await;
            }
        }
    )+};
}

/// Makes a test of each of these functions, which take an [`Engine`](crate::Engine), on each engine with a server: where two transactions can
/// run at once.
#[macro_export]
macro_rules! on_every_server {
    ($($name:ident)+) => {$(
        mod $name {
            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$name($crate::Engine::Postgres).await;
            }

            #[cfg(feature = "mariadb")]
            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn mariadb() {
                super::$name($crate::Engine::MariaDb).await;
            }
        }
    )+};
}
