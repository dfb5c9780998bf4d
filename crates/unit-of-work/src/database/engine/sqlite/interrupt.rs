//! How a statement of SQLite is stopped: its thread looks now and then whether the statement is still wanted.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sqlx::SqliteConnection;

/// How many of its instructions SQLite runs between two looks at whether the statement is still wanted. A few dozen
/// microseconds.
const INSTRUCTIONS: i32 = 4000;

/// Asks SQLite to give up the statement that it runs on one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Until [`Interrupt::lower`], statements of the connection that take long fail with SQLITE_INTERRUPT.
    pub(crate) fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn lower(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Has a new connection look at it.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(super) async fn introduce(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let interrupt = Self::default();
        let asked = interrupt.clone();
        let mut handle = connection.lock_handle().await?;
        handle.set_progress_handler(INSTRUCTIONS, move || !asked.0.load(Ordering::Relaxed));
        Ok(interrupt)
    }
}
