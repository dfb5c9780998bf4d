//! What the server does beside answering: jobs, each on its own, from start to stop.
//!
//! Read `supervisor.rs` first: it runs a job again when it fails or panics, and counts both. A job is a type in a file of its own.
//! It has a name, says when it is due, and has one `activate`, which does everything that is due and may be run at any time: by
//! several servers at once, and again after it was cut off half way.
//!
//! To add a job: write it in a new file here, implement `Job`, and start it in `src/command/serve.rs`.
//!
//! What belongs to one operation is never here: that is an effect (`UnitOfWork::after_commit`).
//!
//! | job | what it does | period |
//! |---|---|---|
//! | `certificate` | reads the TLS certificate again | a minute, SIGHUP |
//! | `expiry` | releases holds that have expired | a second |
//! | `keys` | gets the keys of tokens again | five minutes, SIGHUP |
//! | `listen` | hears of the commits of other servers | as they come |
//! | `log` | empties SQLite's write-ahead log, and looks whether the database's files are still there | a second |
//! | `notify` | tells other servers of commits | as they come |
//! | `sweep` | deletes expired idempotency keys and old markers | five minutes |
//! | `watch` | looks how far the outbox is settled | as it is woken, a second |

pub(crate) mod certificate;
pub mod expiry;
pub(crate) mod keys;
pub(crate) mod listen;
pub(crate) mod log;
pub(crate) mod notify;
mod supervisor;
pub(crate) mod sweep;
pub(crate) mod watch;

pub(crate) use supervisor::{Job, Jobs, supervise};

use std::time::Duration;

use tokio::time::sleep;

use crate::signals::HangUp;

/// Waits for this time, or until SIGHUP.
async fn time_or_hang_up(time: Duration, hang_up: &mut HangUp) {
    tokio::select! {
        () = hang_up.next() => {}
        () = sleep(time) => {}
    }
}
