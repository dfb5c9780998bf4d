//! Who the caller is and what they may do. The application decides both; every transport asks it through these traits.

use std::time::Duration;

use async_graphql::{Request, parser::types::OperationType};
use axum::http::HeaderMap;
use serde_json::{Map, Value as Json};
use tokio::time::Instant;

use crate::answer::refusal::Refusal;

/// Identifies callers. Each method may ask another server, such as an issuer for its keys.
///
/// The service clones the value a few times when a server is built, and not for each request.
///
/// ```
/// use async_graphql::{Request, parser::types::OperationType};
/// use axum::http::{HeaderMap, header};
/// use graphql_service::{Authentication, Caller, Init, Refusal};
/// use serde_json::{Map, Value};
///
/// /// Callers who know one key may do everything.
/// #[derive(Clone)]
/// struct SharedKey(&'static str);
///
/// #[derive(Clone)]
/// struct KeyHolder;
///
/// impl Authentication for SharedKey {
///     type Caller = KeyHolder;
///
///     async fn of_request(&self, headers: &HeaderMap) -> Result<KeyHolder, Refusal> {
///         let refused = || Refusal::unauthenticated("Bearer", "the key is missing or wrong");
///         self.of_handshake(headers).await?.ok_or_else(refused)
///     }
///
///     async fn of_handshake(&self, headers: &HeaderMap) -> Result<Option<KeyHolder>, Refusal> {
///         match headers.get(header::AUTHORIZATION) {
///             None => Ok(None), // `connection_init` has to say it
///             Some(value) if *value == format!("Bearer {}", self.0) => Ok(Some(KeyHolder)),
///             Some(_) => Err(Refusal::unauthenticated("Bearer", "the key is wrong")),
///         }
///     }
///
///     async fn of_init(&self, payload: &Map<String, Value>) -> Init<KeyHolder> {
///         match payload.get("key").map(|key| key == self.0) {
///             None => Init::Silent,
///             Some(true) => Init::Caller(KeyHolder),
///             Some(false) => Init::Refused,
///         }
///     }
/// }
/// # impl Caller for KeyHolder {
/// #     fn may(&self, _: OperationType) -> Result<(), Refusal> { Ok(()) }
/// #     fn attach(&self, _: &mut Request, _: OperationType) {}
/// #     fn name(&self) -> Option<&str> { None }
/// #     fn expires(&self) -> Option<tokio::time::Instant> { None }
/// #     fn audience(&self) -> String { String::new() }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let keys = SharedKey("secret");
/// let mut headers = HeaderMap::new();
/// assert!(keys.of_request(&headers).await.is_err());
/// headers.insert(header::AUTHORIZATION, "Bearer secret".parse().unwrap());
/// assert!(keys.of_request(&headers).await.is_ok());
/// # }
/// ```
///
/// # Cancel safety
///
/// The service drops the futures when the client goes away, so they have to be cancel safe.
pub trait Authentication: Clone + Send + Sync + 'static {
    /// A caller who was identified.
    type Caller: Caller;

    /// Identifies the sender of an HTTP request by its headers.
    ///
    /// # Errors
    /// A [`Refusal`], such as [`Refusal::unauthenticated`], where the headers identify nobody. The request is answered with it.
    fn of_request(
        &self,
        headers: &HeaderMap,
    ) -> impl Future<Output = Result<Self::Caller, Refusal>> + Send;

    /// Identifies the client that opens a WebSocket by the headers of its handshake.
    ///
    /// `None` leaves it to `connection_init`, since browsers cannot give headers to a WebSocket. A socket whose caller is still
    /// unknown after `connection_init` is closed with 4403.
    ///
    /// # Errors
    /// A [`Refusal`] where the headers name a caller and the claim is false. The handshake is answered with it.
    fn of_handshake(
        &self,
        headers: &HeaderMap,
    ) -> impl Future<Output = Result<Option<Self::Caller>, Refusal>> + Send;

    /// Identifies the client of a WebSocket by the payload of its `connection_init`. Not called where there is no payload.
    fn of_init(
        &self,
        payload: &Map<String, Json>,
    ) -> impl Future<Output = Init<Self::Caller>> + Send;
}

/// What the payload of a `connection_init` says about its sender. [`Authentication::of_init`] answers it.
///
/// ```
/// use graphql_service::Init;
///
/// fn of_key(key: Option<&str>) -> Init<&'static str> {
///     match key {
///         None => Init::Silent,
///         Some("secret") => Init::Caller("ann"),
///         Some(_) => Init::Refused,
///     }
/// }
/// assert_eq!(of_key(None), Init::Silent);
/// assert_eq!(of_key(Some("guess")), Init::Refused);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Init<C> {
    /// It says nothing. The caller is the one whom the handshake identified; if there is none, the socket is closed with 4403.
    Silent,
    /// It identifies this caller, who replaces the one of the handshake.
    Caller(C),
    /// It makes a false claim. The socket is closed with 4403.
    Refused,
}

/// An identified sender of operations.
///
/// ```
/// use async_graphql::{Request, parser::types::OperationType};
/// use graphql_service::{Caller, Refusal};
/// use tokio::time::Instant;
///
/// #[derive(Clone)]
/// struct Reader {
///     name: String,
///     token_expires: Instant,
/// }
///
/// impl Caller for Reader {
///     fn may(&self, kind: OperationType) -> Result<(), Refusal> {
///         match kind {
///             OperationType::Query | OperationType::Subscription => Ok(()),
///             OperationType::Mutation => Err(Refusal::forbidden("readers may not change anything")),
///         }
///     }
///
///     fn attach(&self, request: &mut Request, _: OperationType) {
///         request.data.insert(self.name.clone()); // resolvers: `ctx.data::<String>()`
///     }
///
///     fn name(&self) -> Option<&str> {
///         Some(&self.name)
///     }
///
///     fn expires(&self) -> Option<Instant> {
///         Some(self.token_expires)
///     }
///
///     fn audience(&self) -> String {
///         self.name.clone() // what resolvers answer depends on nothing else
///     }
/// }
/// # let reader = Reader { name: "ann".to_owned(), token_expires: Instant::now() };
/// assert!(reader.may(OperationType::Query).is_ok());
/// assert!(reader.may(OperationType::Mutation).is_err());
/// ```
pub trait Caller: Clone + Send + Sync + 'static {
    /// Whether the caller may run operations of this kind. Called for each operation.
    ///
    /// # Errors
    /// A [`Refusal`], such as [`Refusal::forbidden`], where they may not. Nothing of the operation runs.
    fn may(&self, kind: OperationType) -> Result<(), Refusal>;

    /// Whether the caller may read `/metrics`, which is about everybody's operations. By default, whoever may run queries may.
    ///
    /// # Errors
    /// A [`Refusal`] where they may not.
    fn may_read_metrics(&self) -> Result<(), Refusal> {
        self.may(OperationType::Query)
    }

    /// Adds to the data of a request, whose operation is of this kind, what resolvers have to know about the caller.
    ///
    /// With the crate unit-of-work, that is at least a [`Viewer`](unit_of_work::Viewer), since each idempotency key belongs to a viewer.
    fn attach(&self, request: &mut Request, kind: OperationType);

    /// The name under which this caller's use of the server is counted. Limits for one client apply to each name, and heavy operations
    /// of different names take turns. Without a name, the address of the connection is counted instead.
    fn name(&self) -> Option<&str>;

    /// When the caller's identification expires; `None` if it never does. The caller's open streams and sockets then end.
    ///
    /// While they are open, this is called again every ten seconds, so that an expiry by the machine's clock (such as the `exp` of a
    /// token) is kept even if that clock is set meanwhile.
    fn expires(&self) -> Option<Instant>;

    /// A text that covers everything about the caller on which a response can depend, including all that
    /// [`attach`](Self::attach) adds. Subscribers with equal texts may share one response, which is executed once.
    fn audience(&self) -> String;
}

/// How often an open stream or socket calls [`Caller::expires`] again.
const EXPIRY_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// Resolves when a caller has expired; never, where there is no caller or no expiry.
pub(crate) async fn expired(caller: Option<impl Caller>) {
    loop {
        let Some(expires) = caller.as_ref().and_then(Caller::expires) else {
            return std::future::pending().await;
        };
        let now = Instant::now();
        if expires <= now {
            return;
        }
        tokio::time::sleep_until(expires.min(now + EXPIRY_CHECK_INTERVAL)).await;
    }
}

/// No authentication: every client may do everything. For servers that only trusted clients can reach.
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

    fn attach(&self, _: &mut Request, _: OperationType) {}

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
