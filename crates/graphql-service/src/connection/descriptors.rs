//! How many file descriptors the process may have. Each connection of a client takes one, and each connection to the database.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Below this number descriptors are scarce, and clients get a quarter of them instead of half.
const SCARCE: usize = 512;

/// The number of file descriptors that the process may have. It first raises the process's limit as far as the system allows.
///
/// For applications that divide them: [`most_connections`] of them are for clients.
///
/// ```
/// let for_the_database = graphql_service::most_descriptors() - graphql_service::most_connections();
/// assert!(for_the_database > 0);
/// ```
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

/// The most connections of clients that [`serve`](crate::serve) accepts: half of the process's file descriptors, or a quarter where there
/// are fewer than 512. The rest is for the database and for files.
///
/// Without this bound, clients that connect and send nothing could take all descriptors.
///
/// ```
/// assert!(graphql_service::most_connections() < graphql_service::most_descriptors());
/// ```
#[must_use]
pub fn most_connections() -> usize {
    let most = most_descriptors();
    if most < SCARCE { most / 4 } else { most / 2 }.max(1)
}
