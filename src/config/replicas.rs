//! Standbys that the server reads from.

use std::time::Duration;

use super::{args::ReplicaArgs, database_url::DatabaseUrl, value, wrong::Reader};

/// What is set of replicas.
pub(super) struct Replicas {
    pub(super) urls: Vec<DatabaseUrl>,
    pub(super) wait: Duration,
    pub(super) max_staleness: Option<Duration>,
}

/// Reads what is set of replicas.
pub(super) fn replicas(args: &ReplicaArgs, values: &mut Reader<'_>) -> Option<Replicas> {
    let mut replicas = Vec::new();
    let mut is_right = true;
    for text in &args.replica {
        match values.read_secret("replica", text, replica) {
            Some(replica) => replicas.push(replica),
            None => is_right = false,
        }
    }
    let wait = values.read("replica_wait", &args.replica_wait, value::time);
    let max_staleness = match &args.max_staleness {
        None => Some(None),
        Some(text) => values.read("max_staleness", text, value::time).map(Some),
    };
    let (true, Some(wait), Some(max_staleness)) = (is_right, wait, max_staleness) else {
        return None;
    };
    Some(Replicas {
        urls: replicas,
        wait,
        max_staleness,
    })
}

fn replica(text: &str) -> Result<DatabaseUrl, String> {
    // First, so that nobody is told of the URLs of other engines.
    if !text.starts_with("postgres") {
        return Err("a URL that begins with postgres://: only its standbys are used".to_owned());
    }
    DatabaseUrl::parse(text)
}
