//! What somebody sends to PostgreSQL for one operation: seen on the wire, flight by flight.

use std::time::Duration;

use anyhow::Result;
use daybook_test_harness::WireProxy;

/// The flights of one operation, oldest first, until the wire has been silent for a moment.
pub async fn flights(
    proxy: &WireProxy,
    operation: impl AsyncFnOnce() -> Result<()>,
) -> Result<Vec<String>> {
    proxy.clear_log();
    operation().await?;
    let mut seen = usize::MAX;
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let log = proxy.log();
        if log.len() == seen {
            return Ok(log);
        }
        seen = log.len();
    }
}

/// The statements among the flights: what is executed, in order, without what only keeps a connection.
pub fn statements(flights: &[String]) -> Vec<String> {
    flights
        .iter()
        .filter(|flight| {
            !["PING", "CONNECT", "TERMINATE", "CANCEL"].contains(&flight.as_str())
                && !flight.starts_with("PREPARE ")
                && !flight.starts_with("CLOSE ")
        })
        .map(|flight| flight.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}
