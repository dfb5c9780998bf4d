//! What a client wishes of its operations by headers of its own: `x-unit-of-work: report` to see what they did to the
//! database, `x-dry-run: true` to see what they would do, `x-batch: all-or-nothing` to make a batch one unit of work.
//!
//! A cross-site page cannot send them: they need a preflight. Where there are no headers (a browser's WebSocket), an
//! operation has `extensions.dryRun`.

use async_graphql::Request;
use axum::http::HeaderMap;
use unit_of_work::{AllOrNothing, DryRun, Report};

/// The wishes of one HTTP request, or of one socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    report: bool,
    dry_run: bool,
    all_or_nothing: bool,
}

impl Wishes {
    /// Reads them from the headers; other values than the ones above wish nothing.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let is = |name: &str, value: &str| {
            let found = headers.get(name);
            found.is_some_and(|found| found.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
        };
        Self {
            report: is("x-unit-of-work", "report"),
            dry_run: is("x-dry-run", "true"),
            all_or_nothing: is("x-batch", "all-or-nothing"),
        }
    }

    /// Puts them into a request, for the unit of work to find.
    pub(super) fn mark(self, mut request: Request) -> Request {
        if self.report {
            request = request.data(Report::InExtensions);
        }
        if self.dry_run {
            request = request.data(DryRun);
        }
        request
    }

    /// Whether a batch is to be one unit of work.
    pub(super) fn all_or_nothing(self) -> bool {
        self.all_or_nothing
    }

    /// As [`Wishes::mark`], for a part of a batch that is one unit of work.
    pub(super) fn mark_part(self, request: Request) -> Request {
        self.mark(request).data(AllOrNothing)
    }
}
