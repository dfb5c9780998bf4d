//! Who may do what. The application decides it; every transport asks it here.

use std::time::Duration;

use async_graphql::{Request, parser::types::OperationType};
use axum::http::HeaderMap;
use serde_json::{Map, Value as Json};
use tokio::time::Instant;

use crate::answer::refusal::Refusal;

/// Finds out who sends a request. Each method may ask elsewhere, such as for the keys of an issuer.
///
/// The service clones it for each server, not for each request.
///
/// # Cancel safety
///
/// The futures are dropped where the client goes away.
pub trait Authentication: Clone + Send + Sync + 'static {
    /// Somebody who was found out.
    type Caller: Caller;

    /// Who sends an HTTP request with these headers.
    ///
    /// # Errors
    /// A [`Refusal`] where nobody is known by them: [`Refusal::unauthenticated`].
    fn of_request(
        &self,
        headers: &HeaderMap,
    ) -> impl Future<Output = Result<Self::Caller, Refusal>> + Send;

    /// Who opens a WebSocket with these headers; `None` where `connection_init` has to say it, since browsers cannot give headers to
    /// a WebSocket. A socket that nobody is known by is closed with 4403 when `connection_init` has come.
    ///
    /// # Errors
    /// A [`Refusal`] where the headers say who it is, and are not believed.
    fn of_handshake(
        &self,
        headers: &HeaderMap,
    ) -> impl Future<Output = Result<Option<Self::Caller>, Refusal>> + Send;

    /// Who sends this payload of `connection_init`.
    fn of_init(
        &self,
        payload: &Map<String, Json>,
    ) -> impl Future<Output = Init<Self::Caller>> + Send;
}

/// What the payload of a `connection_init` says of its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Init<C> {
    /// Nothing: the caller is the one whom the handshake named, if it named one.
    Silent,
    /// This is the caller.
    Caller(C),
    /// It names somebody, and is not believed. The socket is closed with 4403.
    Refused,
}

/// Somebody who sends operations.
pub trait Caller: Clone + Send + Sync + 'static {
    /// Whether the caller may run operations of this kind. Asked for each operation; reading `/metrics` is a query.
    ///
    /// # Errors
    /// A [`Refusal`] where they may not: [`Refusal::forbidden`].
    fn may(&self, kind: OperationType) -> Result<(), Refusal>;

    /// Puts into a request's data what resolvers have to know of the caller.
    ///
    /// With the crate unit-of-work that is a [`Viewer`](unit_of_work::Viewer) at least: idempotency keys belong to one.
    fn mark(&self, request: &mut Request);

    /// Who this is, among those who share the server: heavy operations of one name take turns with those of others. Without a
    /// name, the address of the connection stands for the caller.
    fn name(&self) -> Option<&str>;

    /// When this caller is no longer known. Streams and sockets then end. Asked again every ten seconds while they are open: where that
    /// is told by the machine's clock, such as by the `exp` of a token, it may be sooner after the clock was set.
    fn expires(&self) -> Option<Instant>;

    /// All of the caller that responses can depend on: what [`mark`](Self::mark) puts into a request has to follow from it. Subscribers
    /// for whom it is equal may get one response that is executed once.
    fn audience(&self) -> String;
}

/// How often a caller with an open stream or socket is asked when its time is over.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// Comes back when a caller's time is over.
pub(crate) async fn expired(caller: Option<impl Caller>) {
    loop {
        let Some(expires) = caller.as_ref().and_then(Caller::expires) else {
            return std::future::pending().await;
        };
        let now = Instant::now();
        if expires <= now {
            return;
        }
        tokio::time::sleep_until(expires.min(now + ASK_AGAIN)).await;
    }
}

/// No authentication: everyone may do everything. For a server that only trusted clients can reach.
///
/// ```
/// use graphql_service::{Anyone, Options};
///
/// let schema = graphql_operation::Schema::parse("type Query { one: Int! }")?;
/// let options = Options::new(schema, Anyone);
/// # let _ = options;
/// # Ok::<(), graphql_operation::SchemaError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Anyone;

impl Authentication for Anyone {
    type Caller = Self;

    async fn of_request(&self, _: &HeaderMap) -> Result<Self, Refusal> {
        Ok(Self)
    }

    async fn of_handshake(&self, _: &HeaderMap) -> Result<Option<Self>, Refusal> {
        Ok(Some(Self))
    }

    async fn of_init(&self, _: &Map<String, Json>) -> Init<Self> {
        Init::Silent
    }
}

impl Caller for Anyone {
    fn may(&self, _: OperationType) -> Result<(), Refusal> {
        Ok(())
    }

    fn mark(&self, _: &mut Request) {}

    fn name(&self) -> Option<&str> {
        None
    }

    fn expires(&self) -> Option<Instant> {
        None
    }

    fn audience(&self) -> String {
        String::new()
    }
}
