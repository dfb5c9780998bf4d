//! Jobs: what the server does in the background, from start to stop.
//!
//! Read `supervisor.rs` first: it runs a job again after an error or a panic, and counts both. A job is a type in a file of its own. It has
//! a name, a `due` that waits until there is something to do, and an `activate` that does it. `activate` may run at any time, on several
//! servers at once, and again after it was dropped half way.
//!
//! To add a job: write it in a new file here, implement `Job`, and start it in `src/command/serve.rs`.
//!
//! Work that belongs to one operation is not a job but an effect (`UnitOfWork::after_commit`).
//!
//! | job | what it does | period |
//! |---|---|---|
//! | `certificate` | reads the TLS certificate again | a minute, SIGHUP |
//! | `expiry` | releases holds that have expired | a second |
//! | `keys` | gets the keys that verify tokens again | five minutes, SIGHUP |
//! | `listen` | receives notifications of commits of other servers | as they come |
//! | `log` | empties SQLite's write-ahead log, and checks that the database's files are still there | a second |
//! | `notify` | notifies other servers of commits | as they come |
//! | `seal` | seals what is settled, with `--seal` | a second |
//! | `sweep` | deletes expired idempotency keys and old markers | five minutes |
//! | `watch` | finds out how far the outbox is settled | when woken, a second |
//! | `webhooks` | sends events to webhooks | a quarter of a second |

pub(crate) mod certificate;
pub mod expiry;
pub(crate) mod keys;
pub(crate) mod listen;
pub(crate) mod log;
pub(crate) mod notify;
pub(crate) mod seal;
mod supervisor;
pub(crate) mod sweep;
pub(crate) mod watch;
pub(crate) mod webhooks;

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
