//! What all requests to `/graphql` share.

use std::sync::Arc;

use axum::http::HeaderValue;
use graphql_operation::Preparer;

use crate::{
    admission::{limits::Limits, slots},
    graphql::socket_options::SocketOptions,
    lifecycle::Lifecycle,
    request::{persisted, switches::Switches},
};

/// What all requests to `/graphql` share.
pub(crate) struct GraphqlState<E, A> {
    pub(crate) executor: E,
    pub(crate) limits: Limits,
    pub(crate) slots: slots::Slots,
    pub(crate) documents: persisted::Documents,
    pub(crate) preparer: Preparer,
    pub(crate) authentication: A,
    pub(crate) origins: Arc<[HeaderValue]>,
    pub(crate) socket: SocketOptions,
    pub(crate) switches: Switches,
    pub(crate) lifecycle: Lifecycle,
}
