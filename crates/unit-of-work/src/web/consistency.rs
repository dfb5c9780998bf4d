//! What a request has seen before, and what its response shows it: the headers `x-consistency` and `x-max-staleness`.
//!
//! The rules are those of GraphQL operations: see [`consistency`](crate::consistency).

use std::time::Duration;

use axum_core::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sea_orm::IsolationLevel;

use super::Problem;
use crate::{
    Access, ConsistencyToken, Database, UnitOfWork, Viewer,
    consistency::reading::{self, Reading},
    unit::terms::Terms,
};

/// How old what a request reads may be.
const MAX_STALENESS: HeaderName = HeaderName::from_static("x-max-staleness");

/// The longest time that is understood.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The headers of a request that decide how old the data of its answer may be.
const VARY: HeaderValue = HeaderValue::from_static("x-consistency, x-max-staleness");

/// What a request shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    token: Option<ConsistencyToken>,
    staleness: Option<Duration>,
}

impl Shown {
    /// # Errors
    /// If a header is not understood, or is there twice. The client relies on it.
    pub(super) fn in_headers(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self {
            token: read(headers, &reading::HEADER, |text| text.parse().ok())
                .map_err(|NotUnderstood| Problem::told(&reading::invalid()))?,
            staleness: read(headers, &MAX_STALENESS, staleness).map_err(|NotUnderstood| {
                Problem::new(
                    StatusCode::BAD_REQUEST,
                    "`x-max-staleness` is one time of at most a day, such as \"500ms\" or \"2s\".",
                    "BAD_REQUEST",
                )
            })?,
        })
    }
}

struct NotUnderstood;

fn read<T>(
    headers: &HeaderMap,
    name: &HeaderName,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, NotUnderstood> {
    let mut values = headers.get_all(name).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value.to_str().ok().and_then(parse),
        (Some(_), Some(_)) => None,
    };
    value.map(Some).ok_or(NotUnderstood)
}

fn staleness(text: &str) -> Option<Duration> {
    let time = humantime::parse_duration(text).ok();
    time.filter(|time| *time <= LONGEST)
}

/// What a request asks of the server that it reads from, on a database with replicas.
#[derive(Debug)]
pub(super) struct Asks {
    reading: Reading,
    viewer: Viewer,
}

impl Asks {
    /// `None` on a database without replicas.
    pub(super) fn of(
        database: &Database,
        Shown { token, staleness }: Shown,
        viewer: &Viewer,
        (access, isolation): (Access, Option<IsolationLevel>),
    ) -> Option<Self> {
        if !database.has_replicas() {
            return None;
        }
        // A standby cannot be read at SERIALIZABLE.
        let can_be_read_there =
            access == Access::ReadOnly && isolation != Some(IsolationLevel::Serializable);
        let whose = || viewer.clone();
        Some(Self {
            reading: Reading::new(
                database,
                token,
                staleness,
                whose,
                (access, can_be_read_there),
            ),
            viewer: viewer.clone(),
        })
    }

    /// Adds it to the terms of an attempt.
    pub(super) fn of_attempt(&self, number: u32, terms: Terms) -> Terms {
        // What is wrong with a replica costs one attempt at most.
        let reading = match number {
            1 => self.reading,
            _ => self.reading.on_the_primary(),
        };
        Terms {
            reading: Some(reading),
            viewer: Some(Box::new(self.viewer.clone())),
            ..terms
        }
    }
}

/// Adds the token of what the unit has written and seen, if the client is told one.
pub(super) fn tell_token(response: &mut Response, unit: &UnitOfWork) {
    let headers = response.headers_mut();
    if let Some(token) = unit.seen() {
        reading::put_header(headers, &token.to_string());
    }
    let has_read = unit.stats().server().is_some() && unit.access() == Access::ReadOnly;
    if unit.reading().is_some() && has_read {
        // Where a cache keeps the response, it must not answer a request with a newer token by it.
        headers.append(header::VARY, VARY);
    }
}
