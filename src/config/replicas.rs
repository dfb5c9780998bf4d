//! Standbys that the server reads from.

use std::time::Duration;

use super::{args::ReplicaArgs, database_url::DatabaseUrl, value, wrong::Reader};

/// Reads the replicas, and how long a query waits for one.
pub(super) fn replicas(
    args: &ReplicaArgs,
    values: &mut Reader<'_>,
) -> Option<(Vec<DatabaseUrl>, Duration)> {
    let mut replicas = Vec::new();
    let mut is_right = true;
    for text in &args.replica {
        match values.read_secret("replica", text, replica) {
            Some(replica) => replicas.push(replica),
            None => is_right = false,
        }
    }
    let wait = values.read("replica_wait", &args.replica_wait, value::time)?;
    is_right.then_some((replicas, wait))
}

fn replica(text: &str) -> Result<DatabaseUrl, String> {
    let url = DatabaseUrl::parse(text)?;
    if url.servers().is_empty() {
        return Err("a URL that begins with postgres://: SQLite has no standbys".to_owned());
    }
    Ok(url)
}
