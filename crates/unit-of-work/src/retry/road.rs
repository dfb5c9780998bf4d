//! How operations reach the schema, and how they bring the data of their caller along.
//!
//! A schema that is generated from Rust types (`Schema`) takes data that several attempts share only as session data, and so on its
//! road for streams. There a *dynamic* schema (`async_graphql::dynamic::Schema`) does not run the `execute` hook, in which units are
//! made. So its queries and mutations go by `Executor::execute`, each attempt with clones of the caller's data.
//!
//! Which of the two a schema is, nobody can ask an [`Executor`]. The extension knows it by the schema's registry, and refuses a query or
//! a mutation of a dynamic schema on the road for streams, before anything of it runs. That answer is told from others by its type, so
//! the first operation finds out for all that follow.

use std::{
    any::{Any, TypeId},
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use async_graphql::{
    Data, Executor, Request, Response, SchemaEnv, ServerError, ValidationResult,
    parser::types::OperationType, registry::MetaType,
};

use crate::{
    ConsistencyToken, DryRun, IdempotencyKey, Isolation, MaxStaleness, OperationDeadline, Report,
    SessionSettings, Viewer, codes,
    operation::respond::{coded, no_subscription},
    retry::{attempt::Attempt, batch::AllOrNothing, template::Template},
};

/// Copies one value of one type, where it is there and has no place yet.
type Copy = fn(&Data, &mut Data);

/// The types of a caller's data that attempts get clones of.
#[derive(Clone, Debug, Default)]
struct Carried(Vec<(TypeId, Copy)>);

/// The types that this crate, async-graphql and HTTP bring along.
const OWN: [(fn() -> TypeId, Copy); 14] = [
    carry::<AllOrNothing>(),
    carry::<ConsistencyToken>(),
    carry::<DryRun>(),
    carry::<IdempotencyKey>(),
    carry::<Isolation>(),
    carry::<MaxStaleness>(),
    carry::<OperationDeadline>(),
    carry::<Report>(),
    carry::<SessionSettings>(),
    carry::<Viewer>(),
    carry::<OperationType>(),
    carry::<ValidationResult>(),
    carry::<http::HeaderMap>(),
    carry::<SocketAddr>(),
];

const fn carry<T: Any + Clone + Send + Sync>() -> (fn() -> TypeId, Copy) {
    (TypeId::of::<T>, copy::<T>)
}

fn copy<T: Any + Clone + Send + Sync>(from: &Data, to: &mut Data) {
    let id = TypeId::of::<T>();
    let value = from.get(&id).and_then(|value| value.downcast_ref::<T>());
    if let Some(value) = value
        && !to.contains_key(&id)
    {
        to.insert(value.clone());
    }
}

impl Carried {
    fn knows(&self, data: &Data) -> bool {
        data.keys().all(|id| {
            OWN.iter().any(|(own, _)| own() == *id) || self.0.iter().any(|(own, _)| own == id)
        })
    }

    /// Adds clones of `from` to what is there in `to`.
    fn copy(&self, from: &Data, to: &mut Data) -> Result<(), NotCarried> {
        if !self.knows(from) {
            return Err(NotCarried);
        }
        for (_, copy) in OWN {
            copy(from, to);
        }
        for (_, copy) in &self.0 {
            copy(from, to);
        }
        Ok(())
    }
}

/// The caller's data has a type that nobody has named, and that therefore cannot be cloned for an attempt.
#[derive(Debug)]
pub(crate) struct NotCarried;

/// The road of one [`Retrying`](crate::Retrying), whose clones share what was found out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Road {
    is_dynamic: Arc<OnceLock<()>>,
    carried: Carried,
}

impl Road {
    pub(crate) fn carry<T: Any + Clone + Send + Sync>(&mut self) {
        self.carried.0.push((TypeId::of::<T>(), copy::<T>));
    }

    /// Whether the schema was found to be a dynamic one.
    pub(crate) fn is_dynamic(&self) -> bool {
        self.is_dynamic.get().is_some()
    }

    /// Adds clones of a session's data to those of a request.
    pub(crate) fn add_session(
        &self,
        session: &Data,
        request: &mut Request,
    ) -> Result<(), NotCarried> {
        self.carried.copy(session, &mut request.data)
    }

    /// Runs one attempt of a query or mutation.
    ///
    /// # Errors
    /// Where the schema is dynamic, and the attempt cannot have all of the caller's data. Nothing has run then.
    pub(crate) async fn run(
        &self,
        template: &Template,
        executor: &impl Executor,
        request: Request,
        attempt: &Arc<Attempt>,
    ) -> Result<Response, NotCarried> {
        let mut request = request;
        if !self.is_dynamic() {
            let response = template.run(executor, request, attempt).await;
            if !is_needed(&response) {
                return Ok(response);
            }
            self.is_dynamic.get_or_init(|| ());
            request = template.again();
        }
        self.carried.copy(template.data(), &mut request.data)?;
        let request = request.data(Arc::clone(attempt));
        // Boxed: the operations of other schemas have no room for it.
        Ok(Box::pin(executor.execute(request)).await)
    }

    /// What the client hears on the road for streams. It cannot help it that the schema has no subscriptions, or that this operation,
    /// which could be sent only once, was the one that found out that the schema is dynamic.
    pub(crate) fn told(&self, kind: Option<OperationType>, response: Response) -> Response {
        if !is_needed(&response) {
            return response;
        }
        let told = if kind == Some(OperationType::Subscription) {
            no_subscription()
        } else if self.is_dynamic.set(()).is_ok() {
            coded(
                "Nothing of the operation was run, because the server was just starting. Run it again.",
                codes::DYNAMIC_SCHEMA_REFUSED,
                true,
            )
        } else {
            return refused();
        };
        Response::from_errors(vec![told])
    }

    /// Runs a query or mutation once, with data that no second attempt could have.
    pub(crate) async fn once(&self, template: &mut Template, executor: &impl Executor) -> Response {
        let mut request = template.again();
        // A session's data belongs to others, too.
        let Some(data) = template.take_data() else {
            return refused();
        };
        request.data = data;
        tracing::warn!(
            "the operation cannot be run again, because the request's data has a type that the dynamic schema's `Retrying` was not told of: \
             name it with `Retrying::carries`"
        );
        Box::pin(executor.execute(request)).await
    }
}

/// Whether a schema was put together when the program ran, and has no Rust types.
pub(crate) fn is_dynamic(schema: &SchemaEnv) -> bool {
    let query = schema.registry.types.get(&schema.registry.query_type);
    matches!(
        query,
        Some(MetaType::Object {
            rust_typename: None,
            ..
        })
    )
}

/// Marks the answer of a dynamic schema to a query or mutation that arrived on the road for streams.
#[derive(Debug)]
struct ExecuteNeeded;

/// Nothing of the operation was run: there would have been no unit.
pub(crate) fn execute_needed() -> ServerError {
    let mut error = coded(
        "A dynamic schema makes no unit of work for what arrives as a stream, so nothing of the operation was run. \
         The server has to put `Retrying` around the schema, with `RetryPolicy::attempts(1)` where nothing is to be run again.",
        codes::DYNAMIC_SCHEMA_REFUSED,
        false,
    );
    error.source = Some(Arc::new(ExecuteNeeded));
    error
}

/// Whether a response is [`execute_needed`].
pub(crate) fn is_needed(response: &Response) -> bool {
    let error = response.errors.first();
    error.is_some_and(|error| error.source::<ExecuteNeeded>().is_some())
}

/// The answer where data would be missing.
pub(crate) fn refused() -> Response {
    Response::from_errors(vec![coded(
        "The data of this connection or batch has a type that the server's dynamic schema cannot hand on, so nothing of the operation \
         was run. The server has to name it with `Retrying::carries`.",
        codes::DYNAMIC_SCHEMA_REFUSED,
        false,
    )])
}
