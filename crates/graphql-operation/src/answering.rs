//! The rules of an answer while its fields are resolved.
//!
//! Two rules can only be kept field by field:
//!
//! - An error in a nullable field makes that field null, and nothing else (specification, "Handling Execution Errors"). The engine
//!   also nulls the parent, unless the resolver returns `Option<Result<T>>`, since it does not know the types of resolvers when an error
//!   passes. It also gives an error behind an interface no path, and an error from an item of a list the path of that item.
//! - An answer has a bound. It is counted as it will be written in JSON, so that never more than the bound is in memory.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use async_graphql::{
    ErrorExtensionValues, PathSegment, QueryPathNode, QueryPathSegment, Response, ServerError,
    ServerResult, Value,
    parser::types::{Field, OperationType},
};

use crate::{
    PreparedOperation,
    json_size::{list_or_object, of_error, of_field, of_type_names, of_value},
};

/// The `extensions.code` of the one error of an answer that is larger than its bound. There is an example at [`AnswerPart`].
pub const ANSWER_TOO_LARGE: &str = "ANSWER_TOO_LARGE";

/// Keeps the rules of an answer while its fields are resolved: what an error nulls, and how many bytes the answer may have.
///
/// It is for extensions that execute prepared operations and need to see the errors, such as one that rolls back an operation with errors.
/// [`PreparedOperations`](crate::PreparedOperations) has it built in.
///
/// Call [`begin`](Self::begin) before the operation, or each event of a subscription, is executed; in `Extension::resolve`
/// [`before`](Self::before), and [`resolved`](Self::resolved) with the outcome; and [`finish`](Self::finish) with the response.
///
/// ```
/// use async_graphql::{
///     Response, ServerResult, Value,
///     async_trait::async_trait,
///     extensions::{Extension, ExtensionContext, NextExecute, NextResolve, ResolveInfo},
/// };
/// use graphql_operation::{Answering, Resolved};
///
/// /// Made for each request, with `Answering::new(prepared, most_bytes)`.
/// struct PerRequest(Answering);
///
/// #[async_trait]
/// impl Extension for PerRequest {
///     async fn execute(&self, ctx: &ExtensionContext<'_>, name: Option<&str>, next: NextExecute<'_>) -> Response {
///         self.0.begin();
///         let mut response = next.run(ctx, name).await;
///         self.0.finish(&mut response);
///         response
///     }
///
///     async fn resolve(
///         &self,
///         ctx: &ExtensionContext<'_>,
///         info: ResolveInfo<'_>,
///         next: NextResolve<'_>,
///     ) -> ServerResult<Option<Value>> {
///         let field = Resolved { path: info.path_node, return_type: info.return_type, field: info.field };
///         self.0.before()?;
///         let result = next.run(ctx, info).await;
///         // Here the extension sees the error, before the field becomes null.
///         self.0.resolved(field, result)
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Answering {
    prepared: Arc<PreparedOperation>,
    /// The most bytes of the answer; in a batch, together with the answers before it.
    most: usize,
    /// The bytes that are left for this answer.
    room: AtomicUsize,
    /// The bytes counted so far. One task resolves all fields of an operation, so load and store need not be one step.
    bytes: AtomicUsize,
    /// The errors of fields that became null, until the response has them.
    errors: Mutex<Vec<ServerError>>,
    /// The path of the error that is rising to a nullable field.
    rising: Mutex<Vec<PathSegment>>,
    part: Option<AnswerPart>,
}

/// A field, or an item of a list, that was resolved. There is an example at [`Answering`].
#[derive(Clone, Copy, Debug)]
pub struct Resolved<'a> {
    /// The path of the field or item.
    pub path: &'a QueryPathNode<'a>,
    /// The type of the value, as the schema writes it.
    pub return_type: &'a str,
    /// The field in the document.
    pub field: &'a Field,
}

/// The place of one operation in a batch whose answers share one bound. Operations run in the order of the batch. If the batch is run
/// again, its answers are counted anew.
///
/// Put it into each request's data. [`PreparedOperations`](crate::PreparedOperations) reads it there.
///
/// ```
/// # use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};
/// # struct Query;
/// # #[Object] impl Query { async fn one(&self) -> i32 { 1 } }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use async_graphql::Request;
/// use graphql_operation::{ANSWER_TOO_LARGE, AnswerPart, Options, PreparedOperations};
///
/// let schema = Schema::build(Query, EmptyMutation, EmptySubscription)
///     .extension(PreparedOperations::new(Options::default()).answer_bytes(15))
///     .finish();
///
/// // `{"one":1}` has 9 bytes: one answer fits into 15 bytes, two do not.
/// let mut parts = AnswerPart::of_batch(2).map(|part| Request::new("{ one }").data(part));
/// let (first, second) = (parts.next().unwrap(), parts.next().unwrap());
/// assert!(schema.execute(first).await.is_ok());
/// let refused = schema.execute(second).await;
/// let code = refused.errors[0].extensions.as_ref().and_then(|extensions| extensions.get("code"));
/// assert_eq!(code, Some(&ANSWER_TOO_LARGE.into()));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AnswerPart {
    taken: Arc<[AtomicUsize]>,
    index: usize,
}

impl AnswerPart {
    /// The places of a batch of this many operations.
    pub fn of_batch(operations: usize) -> impl Iterator<Item = Self> {
        let taken: Arc<[AtomicUsize]> = (0..operations).map(|_| AtomicUsize::new(0)).collect();
        (0..operations).map(move |index| Self {
            taken: Arc::clone(&taken),
            index,
        })
    }

    /// The bytes of the answers before this one.
    fn before(&self) -> usize {
        let before = self.taken.iter().take(self.index);
        before.map(|taken| taken.load(Relaxed)).sum()
    }

    fn take(&self, bytes: usize) {
        if let Some(taken) = self.taken.get(self.index) {
            taken.store(bytes, Relaxed);
        }
    }
}

impl Answering {
    /// The rules for the answer to this operation, which may have `most` bytes of JSON.
    #[must_use]
    pub fn new(prepared: Arc<PreparedOperation>, most: usize) -> Self {
        Self {
            prepared,
            most,
            room: AtomicUsize::new(most),
            bytes: AtomicUsize::new(0),
            errors: Mutex::default(),
            rising: Mutex::default(),
            part: None,
        }
    }

    /// Makes the answer part of a batch, whose answers together may have `most` bytes.
    #[must_use]
    pub fn part(mut self, part: Option<AnswerPart>) -> Self {
        self.part = part;
        self
    }

    /// Call it before each execution: of an operation, of another attempt at it, or of the next event.
    pub fn begin(&self) {
        let before = self.part.as_ref().map_or(0, |part| {
            part.take(0);
            part.before()
        });
        self.room.store(self.most.saturating_sub(before), Relaxed);
        self.bytes.store(0, Relaxed);
        self.errors().clear();
        self.rising().clear();
    }

    /// Call it before a field is resolved.
    ///
    /// # Errors
    /// If the answer is already too large. One error does not stop the engine from resolving other fields, so each of them must fail.
    pub fn before(&self) -> ServerResult<()> {
        if self.bytes.load(Relaxed) > self.room.load(Relaxed) {
            return Err(self.too_large());
        }
        Ok(())
    }

    /// Call it with the outcome of a field or an item. Returns the outcome that the engine should use.
    ///
    /// # Errors
    /// The error of a field that cannot be null, or of a root field of a mutation: whoever rolls back the mutation looks for that error.
    /// Once the answer is too large, every field fails.
    pub fn resolved(
        &self,
        field: Resolved<'_>,
        result: ServerResult<Option<Value>>,
    ) -> ServerResult<Option<Value>> {
        let error = match result {
            Ok(value) => {
                let value = value.unwrap_or_default();
                return if self.take(of_resolved(field, &value)) {
                    Ok(Some(value))
                } else {
                    Err(self.too_large())
                };
            }
            Err(error) => error,
        };
        self.failed(field, error)
    }

    #[cold]
    fn failed(&self, field: Resolved<'_>, mut error: ServerError) -> ServerResult<Option<Value>> {
        let path = path_of(field.path);
        // An error that rises passes here once for each level. If it comes from an item of a list, the engine has replaced its path by that
        // of the item: put the first path back.
        let left_with = std::mem::take(&mut *self.rising());
        if error.path == path && left_with.starts_with(&path) {
            error.path = left_with;
        } else if error.path.len() < path.len() {
            // An error behind an interface has no path, or that of the object.
            error.path.clone_from(&path);
        }
        // At a higher level, the error has already been counted.
        let is_new = error.path == path;
        if !self.take(if is_new { of_error(&error) } else { 0 }) {
            return Err(self.too_large());
        }
        let is_watched =
            self.prepared.kind() == OperationType::Mutation && field.path.parent.is_none();
        if field.return_type.ends_with('!') || is_watched {
            self.rising().clone_from(&error.path);
            return Err(error);
        }
        // The field is now null, and counts as that.
        self.take(of_resolved(field, &Value::Null));
        self.errors().push(error);
        Ok(Some(Value::Null))
    }

    /// Completes the response: adds the errors of fields that became null. If the answer is too large, the response becomes that error
    /// alone.
    pub fn finish(&self, response: &mut Response) {
        let mut errors = std::mem::take(&mut *self.errors());
        if let Value::Object(root) = &response.data {
            let root_fields = self.prepared.root_fields();
            let type_names = root_fields.filter(|(_, name)| *name == "__typename");
            let bytes = type_names
                .filter_map(|(key, _)| Some(of_field(key) + of_value(root.get(key)?)))
                .sum::<usize>();
            self.take(bytes + list_or_object(root.is_empty()));
        }
        if self.bytes.load(Relaxed) > self.room.load(Relaxed) {
            *response = Response::from_errors(vec![self.too_large()]);
            self.bytes.store(0, Relaxed);
        } else {
            response.errors.append(&mut errors);
        }
        if let Some(part) = &self.part {
            part.take(self.bytes.load(Relaxed));
        }
    }

    /// Counts bytes, and returns whether there is room for them.
    fn take(&self, bytes: usize) -> bool {
        let bytes = self.bytes.load(Relaxed).saturating_add(bytes);
        self.bytes.store(bytes, Relaxed);
        bytes <= self.room.load(Relaxed)
    }

    #[cold]
    fn too_large(&self) -> ServerError {
        let message = format!(
            "The answer is too large: it has at most {} bytes, and so have those of a batch together. Ask for less, or for smaller pages.",
            self.most
        );
        let mut error = ServerError::new(message, None);
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", ANSWER_TOO_LARGE);
        extensions.set("limit", "answer");
        extensions.set("max", self.most);
        error.extensions = Some(extensions);
        error
    }

    fn errors(&self) -> MutexGuard<'_, Vec<ServerError>> {
        // Nothing can panic while the lock is held.
        self.errors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rising(&self) -> MutexGuard<'_, Vec<PathSegment>> {
        self.rising.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes that a field or an item adds. Those of the fields and items inside it have already been counted.
fn of_resolved(resolved: Resolved<'_>, value: &Value) -> usize {
    let place = match resolved.path.segment {
        QueryPathSegment::Name(key) => of_field(key),
        QueryPathSegment::Index(_) => 1,
    };
    let selected = &resolved.field.selection_set.node;
    let own = match value {
        Value::Object(fields) if !selected.items.is_empty() => {
            list_or_object(fields.is_empty()) + of_type_names(selected, fields)
        }
        Value::List(items)
            if !selected.items.is_empty() || resolved.return_type.starts_with('[') =>
        {
            list_or_object(items.is_empty())
        }
        whole => of_value(whole),
    };
    place + own
}

fn path_of(node: &QueryPathNode<'_>) -> Vec<PathSegment> {
    let mut path = Vec::new();
    let mut next = Some(node);
    while let Some(node) = next {
        path.push(match node.segment {
            QueryPathSegment::Index(index) => PathSegment::Index(index),
            QueryPathSegment::Name(name) => PathSegment::Field(name.to_owned()),
        });
        next = node.parent;
    }
    path.reverse();
    path
}
