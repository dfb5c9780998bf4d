//! What a client wishes of its operations by headers of its own: `x-unit-of-work: report` to see what they did to the
//! database, `x-dry-run: true` to see what they would do, `x-timeout: 500ms` to have an answer by then, `x-batch:
//! all-or-nothing` to make a batch one unit of work.
//!
//! A cross-site page cannot send them: they need a preflight. Where there are no headers (a browser's WebSocket), an
//! operation has `extensions.dryRun` and `extensions.timeout`.

use std::time::Duration;

use async_graphql::{Request, Value};
use axum::http::HeaderMap;
use tokio::time::Instant;
use unit_of_work::{AllOrNothing, DryRun, OperationDeadline, Report};

use super::refusal::Refusal;

/// Keeps an instant and a time within what an instant can hold.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The wishes of one HTTP request, or of one socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    report: bool,
    dry_run: bool,
    all_or_nothing: bool,
    timeout: Option<Duration>,
}

impl Wishes {
    /// Reads them from the headers; other values of the first two wish nothing, while a time that cannot be read is
    /// refused: the client counts on it.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let is = |name: &str, value: &str| {
            let found = headers.get(name);
            found.is_some_and(|found| found.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
        };
        let timeout = headers
            .get("x-timeout")
            .map(|value| timeout(value.to_str().unwrap_or_default(), "x-timeout"))
            .transpose()?;
        Ok(Self {
            report: is("x-unit-of-work", "report"),
            dry_run: is("x-dry-run", "true"),
            all_or_nothing: is("x-batch", "all-or-nothing"),
            timeout,
        })
    }

    /// Puts them into a request, for the unit of work to find. The time counts from now.
    pub(super) fn mark(self, mut request: Request) -> Result<Request, Refusal> {
        let own = match request.extensions.get("timeout") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(timeout(text, "extensions.timeout")?),
            Some(_) => Some(timeout("", "extensions.timeout")?),
        };
        if let Some(timeout) = own.or(self.timeout) {
            request = request.data(OperationDeadline(Instant::now() + timeout));
        }
        if self.report {
            request = request.data(Report::InExtensions);
        }
        if self.dry_run {
            request = request.data(DryRun);
        }
        Ok(request)
    }

    /// Whether a batch is to be one unit of work.
    pub(super) fn all_or_nothing(self) -> bool {
        self.all_or_nothing
    }

    /// As [`Wishes::mark`], for a part of a batch that is one unit of work.
    pub(super) fn mark_part(self, request: Request) -> Result<Request, Refusal> {
        Ok(self.mark(request)?.data(AllOrNothing))
    }
}

fn timeout(text: &str, name: &str) -> Result<Duration, Refusal> {
    match humantime::parse_duration(text) {
        Ok(time) if time <= LONGEST => Ok(time),
        _ => Err(Refusal::bad_request(format!(
            "`{name}` is a time of at most a day, such as \"500ms\" or \"2s\""
        ))),
    }
}
