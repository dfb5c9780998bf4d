//! Stops statements of SQLite: its thread checks from time to time whether it should stop.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sqlx::SqliteConnection;

/// How many instructions SQLite runs between two checks: a few dozen microseconds.
const INSTRUCTIONS: i32 = 4000;

/// Stops statements of one connection to SQLite.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Makes long statements of the connection fail with SQLITE_INTERRUPT, until [`Interrupt::lower`].
    pub(crate) fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn lower(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Installs the check on a new connection.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(super) async fn introduce(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let interrupt = Self::default();
        let asked = interrupt.clone();
        let mut handle = connection.lock_handle().await?;
        handle.set_progress_handler(INSTRUCTIONS, move || !asked.0.load(Ordering::Relaxed));
        Ok(interrupt)
    }
}
