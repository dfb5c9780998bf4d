//! Prepares requests.

use std::{any::TypeId, sync::Arc};

use async_graphql::{
    CacheControl, Data, Name, Request, Response, ValidationResult, Value, Variables,
    extensions::ExtensionContext,
    parser::types::{ExecutableDocument, OperationType, SelectionSet},
};

use crate::{
    coerce::{Segment, path_value},
    error::{Refused, Stage, server_error},
    known::{Documents, KnownOperation},
    limits::Limits,
    measure::{Measure, Measured, Sizes},
    normalise::{self, Template},
    print::Printed,
    scalars::Scalars,
    schema::{Schema, TypeId as TypeOf},
    setters::setters,
};

/// The options of a [`Preparer`].
///
/// ```
/// use graphql_operation::{Limits, Options};
///
/// let options = Options::default()
///     .limits(Limits::default().complexity(1_000))
///     .cache_bytes(8 * 1024 * 1024);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The limits of one operation.
    pub limits: Limits,
    /// The sizes of lists.
    pub sizes: Sizes,
    /// The checks of the schema's own scalars.
    pub scalars: Scalars,
    /// The most bytes of the cache of documents. Default: 32 MiB.
    pub cache_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            sizes: Sizes::default(),
            scalars: Scalars::default(),
            cache_bytes: 32 * 1024 * 1024,
        }
    }
}

setters!(Options {
    limits: Limits,
    sizes: Sizes,
    scalars: Scalars,
    cache_bytes: u64,
});

/// Prepares the operations of one schema. Clones share the cache.
///
/// ```
/// use async_graphql::{Request, parser::types::OperationType};
/// use graphql_operation::{Options, Preparer, Schema};
///
/// let schema = Schema::parse("type Query { one: Int! }")?;
/// let preparer = Preparer::new(schema, Options::default());
///
/// let mut request = Request::new("{ one ...More } fragment More on Query { one }");
/// let prepared = preparer.prepare(&mut request)?;
/// assert_eq!(prepared.kind(), OperationType::Query);
/// assert_eq!(prepared.to_string(), "query { one }");
///
/// let refused = preparer.prepare(&mut Request::new("{ two }")).unwrap_err();
/// assert_eq!(refused.stage().code(), "GRAPHQL_VALIDATION_FAILED");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Preparer(Arc<Inner>);

struct Inner {
    schema: Schema,
    options: Options,
    documents: Documents,
}

impl std::fmt::Debug for Preparer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preparer")
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

impl Preparer {
    /// A preparer for requests to this schema.
    #[must_use]
    pub fn new(schema: Schema, options: Options) -> Self {
        let documents = Documents::new(options.cache_bytes);
        Self(Arc::new(Inner {
            schema,
            options,
            documents,
        }))
    }

    /// Prepares the operation of a request, and coerces the request's variables to their types, with defaults.
    ///
    /// Nothing else in the request changes. [`Preparer::admit`] also makes an engine execute the prepared form.
    ///
    /// # Errors
    /// If the document is not GraphQL or not valid for the schema, if it is not clear which operation is meant, if a variable is not of its
    /// type, or if a limit is exceeded. The request must then not be executed.
    pub fn prepare(&self, request: &mut Request) -> Result<PreparedOperation, Refused> {
        let Inner {
            schema,
            options,
            documents,
        } = &*self.0;
        let text = request.query.as_str();
        let name = request.operation_name.as_deref();
        let limits = &options.limits;
        let known = match documents.find(text) {
            Some(known) => known,
            None => {
                limits.check_text(text)?;
                let fits = |measured: &Measured| limits.check(&measured.least()).is_ok();
                documents.read(text, name, schema, &options.scalars, &options.sizes, fits)?
            }
        };
        let operation = known.operation(name)?;
        let given = std::mem::take(&mut request.variables);
        let variables = operation.coerce(schema, &options.scalars, given)?;
        let measure = operation.measured.with(&variables);
        limits.check(&measure)?;
        let template = documents.template(&known, operation, schema, &variables)?;
        refuse_nulls(&template, &variables)?;
        let chosen = operation.chosen(&variables).collect();
        request.variables = variables;
        Ok(PreparedOperation {
            preparer: self.clone(),
            operation: Arc::clone(operation),
            template,
            chosen,
            measure,
        })
    }

    /// Prepares a request for an engine. The request's data then has
    ///
    /// - an `Arc<PreparedOperation>`, which the schema executes ([`PreparedOperation::carried`]);
    /// - its [`OperationType`], for executors that need to know it;
    /// - the engine's [`ValidationResult`], for extensions that would otherwise validate it.
    ///
    /// # Errors
    /// As [`Preparer::prepare`].
    pub fn admit(&self, request: &mut Request) -> Result<Arc<PreparedOperation>, Refused> {
        let prepared = Arc::new(self.prepare(request)?);
        request.operation_name = prepared.name().map(str::to_owned);
        request.data.insert(Arc::clone(&prepared));
        request.data.insert(prepared.kind());
        request.data.insert(prepared.validation());
        Ok(prepared)
    }

    #[cfg(test)]
    pub(crate) fn weight(&self) -> u64 {
        self.0.documents.weight()
    }
}

/// Refuses a null variable that is used where null is not allowed (specification, "CoerceArgumentValues").
///
/// By the specification, this is an error of the field, during execution. Here the whole operation is refused. So fields before it do not
/// run, and the engine never sees the null, which it would read as `[null]` where a list is expected.
fn refuse_nulls(template: &Template, variables: &Variables) -> Result<(), Refused> {
    let is_null = |name: &Name| variables.get(name) == Some(&Value::Null);
    let nulls = template.not_null.iter().filter(|(name, _)| is_null(name));
    let errors: Vec<_> = nulls
        .map(|(name, pos)| {
            let message = format!(
                "Variable \"${name}\" must not be null: it is used where null cannot stand."
            );
            let path = path_value(&[Segment::Name(name.to_string())]);
            let mut error = server_error(Stage::UserInput, message, Some(*pos));
            if let Some(extensions) = &mut error.extensions {
                extensions.set("path", path);
            }
            error
        })
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    Err(Refused::new(errors, Stage::UserInput))
}

/// A prepared operation. It travels in the request's data, so that all layers of a server agree on what it is.
///
/// `Display` writes the normalised operation.
///
/// ```
/// use async_graphql::Request;
/// use graphql_operation::{Options, Preparer, Schema};
///
/// let schema = Schema::parse("type Query { one: Int! two: Int! }")?;
/// let preparer = Preparer::new(schema, Options::default());
/// let prepared = preparer.prepare(&mut Request::new("query Both { one again: two }"))?;
/// assert_eq!(prepared.name(), Some("Both"));
/// let fields: Vec<_> = prepared.root_fields().collect();
/// assert_eq!(fields, [("one", "one"), ("again", "two")]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PreparedOperation {
    preparer: Preparer,
    operation: Arc<KnownOperation>,
    template: Arc<Template>,
    /// The values of its conditions, for which the template was chosen.
    chosen: Vec<bool>,
    measure: Measure,
}

impl PreparedOperation {
    /// Whether it is a query, a mutation or a subscription.
    #[must_use]
    pub fn kind(&self) -> OperationType {
        self.operation.kind
    }

    /// Its name in the document.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.operation.name.as_deref()
    }

    /// The response key and the name of each root field, in order, with those in fragments.
    pub fn root_fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.template.root_fields.iter();
        fields.map(|(key, name)| (key.as_str(), name.as_str()))
    }

    /// How much it asks for.
    #[must_use]
    pub fn measure(&self) -> Measure {
        self.measure
    }

    /// The normalised document, which has only this operation. `variables` are those of the request after it was prepared.
    #[must_use]
    pub fn document(&self, variables: &Variables) -> ExecutableDocument {
        self.template.document(variables)
    }

    /// The prepared operation of a request: from the request's data, or from the session's, where a retried operation has it. The session's
    /// data may hold that of another operation, which is not returned.
    #[must_use]
    pub fn carried(ctx: &ExtensionContext<'_>, request: &Request) -> Option<Arc<Self>> {
        let of = |data: &Data| {
            let carried = data.get(&TypeId::of::<Arc<Self>>())?;
            carried.downcast_ref::<Arc<Self>>().cloned()
        };
        let carried = of(&request.data).or_else(|| of(ctx.session_data))?;
        carried.is_of(request).then_some(carried)
    }

    /// The result that the engine's own validation would give.
    #[must_use]
    pub fn validation(&self) -> ValidationResult {
        ValidationResult {
            cache_control: CacheControl::default(),
            complexity: self.measure.complexity,
            depth: self.measure.depth,
        }
    }

    /// Whether the engine's response must be corrected by [`PreparedOperation::put_right`].
    #[must_use]
    pub fn is_put_right(&self) -> bool {
        !self.template.interfaces.is_empty()
    }

    /// Corrects what the engine answers to introspection. Call it for every response of an operation that is executed without
    /// [`PreparedOperations`](crate::PreparedOperations).
    pub fn put_right(&self, response: &mut Response) {
        if self.is_put_right() {
            normalise::complete(response, self.schema(), &self.template.interfaces);
        }
    }

    /// Whether it was prepared for this request.
    pub(crate) fn is_of(&self, request: &Request) -> bool {
        *self.operation.text == *request.query
            && self.operation.name == request.operation_name
            && self
                .operation
                .chosen(&request.variables)
                .eq(self.chosen.iter().copied())
    }

    pub(crate) fn options(&self) -> &Options {
        &self.preparer.0.options
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.preparer.0.schema
    }

    /// The type of the root, and the selections on it.
    pub(crate) fn root(&self) -> Option<(TypeOf, &SelectionSet)> {
        let root = self.schema().root(self.kind())?;
        let mut operations = self.template.document.operations.iter();
        let (_, operation) = operations.next()?;
        Some((root, &operation.node.selection_set.node))
    }

    /// Whether both are the same normalised operation, whatever their variables.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.template, &other.template)
    }
}

impl std::fmt::Display for PreparedOperation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Printed(&self.template.document).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Barrier, Mutex, Weak},
        thread,
    };

    use super::*;

    fn preparer(bytes: u64) -> Preparer {
        let schema = Schema::parse("type Query { a(s: String): Query b: Int }");
        Preparer::new(schema.unwrap(), Options::default().cache_bytes(bytes))
    }

    /// White space weighs as much as anything else.
    #[test]
    fn what_is_kept_is_bounded_by_its_bytes() {
        const BYTES: u64 = 1_000_000;
        let preparer = preparer(BYTES);
        let space = " ".repeat(90_000);
        for n in 0..100 {
            for document in [
                format!("{{ b{space} }} # {n}"),
                format!("{{ a(s: \"{n}{}\") {{ b }} }}", "x".repeat(30_000)),
                format!("query ($c: Boolean!) {{ a(s: \"{n}\") @skip(if: $c) {{ b }} }}"),
            ] {
                let mut request = Request::new(document);
                request.variables = Variables::from_json(serde_json::json!({ "c": n % 2 == 0 }));
                preparer.prepare(&mut request).unwrap();
                assert!(preparer.weight() <= BYTES, "{}", preparer.weight());
            }
        }
        assert!(preparer.weight() > BYTES / 2, "{}", preparer.weight());
    }

    /// However many threads have used the cache, and while they live.
    #[test]
    fn what_is_evicted_is_freed_at_once() {
        const BYTES: usize = 1_000_000;
        const THREADS: usize = 4;
        let preparer = preparer(BYTES as u64);
        let all = Barrier::new(THREADS + 1);
        let texts = Mutex::new(Vec::new());
        let prepare = |thread| {
            for n in 0..100 {
                let text = format!("{{ b }} # {thread} {n} {}", "x".repeat(20_000));
                let prepared = preparer.prepare(&mut Request::new(text)).unwrap();
                let text = Arc::downgrade(&prepared.operation.text);
                texts.lock().unwrap().push(text);
            }
            all.wait();
            // Until they were counted.
            all.wait();
        };
        thread::scope(|scope| {
            for number in 0..THREADS {
                let prepare = &prepare;
                scope.spawn(move || prepare(number));
            }
            all.wait();
            let texts = texts.lock().unwrap();
            let alive = texts.iter().filter_map(Weak::upgrade);
            let bytes: usize = alive.map(|text| text.len()).sum();
            all.wait();
            assert!(bytes <= BYTES, "{bytes}");
            assert!(bytes > BYTES / 2, "{bytes}");
        });
    }

    #[test]
    fn what_is_refused_is_not_kept() {
        let preparer = preparer(1_000_000);
        for document in ["{ c }", "{", "{ b", "query A { b } query A { b }"] {
            assert!(preparer.prepare(&mut Request::new(document)).is_err());
        }
        assert_eq!(preparer.weight(), 0);
    }
}
