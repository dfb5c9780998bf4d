//! How many files the process may open: each connection is one, and so is each one of the database.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Below so many, each of them is precious, and connections get the smaller part.
const FEW: usize = 512;

/// How many file descriptors the process may have. Raises the limit as far as the system lets the process.
///
/// For an application that shares them out: [`most_connections`] are for clients.
#[must_use]
pub fn most_descriptors() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    })
}

/// As many connections of clients as leave the database and the logs their files: [`serve`](crate::serve) takes no more.
///
/// Without this, clients that connect and say nothing would take all of them, and nobody could connect any more.
#[must_use]
pub fn most_connections() -> usize {
    let most = most_descriptors();
    if most < FEW { most / 4 } else { most / 2 }.max(1)
}
