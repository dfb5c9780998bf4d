//! How many files the process may open: each connection is one, and so is each one of the database.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As many connections as leave the database and the logs their files. Raises the limit as far as the system lets the process.
///
/// Without this, clients that connect and say nothing would take all of them, and nobody could connect any more.
pub(super) fn for_connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let limit = limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    });
    // A quarter where there are few of them: a small database needs some dozens.
    if limit < 512 { limit / 4 } else { limit / 2 }.max(1)
}
