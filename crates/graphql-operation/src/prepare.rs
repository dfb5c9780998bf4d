//! From a request to an operation that may run.

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

/// What a [`Preparer`] needs beside a schema.
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
    /// What one operation may ask for.
    pub limits: Limits,
    /// How many items lists have.
    pub sizes: Sizes,
    /// How the values of the schema's own scalars are read.
    pub scalars: Scalars,
    /// How many bytes known documents may take, with all that is kept of them. Default: 32 MiB.
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

/// Prepares the operations of one schema. Clones share what they know.
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

    /// Prepares the operation that a request means, and makes the request's variables values of their types, with defaults.
    ///
    /// Nothing else of the request changes: [`Preparer::admit`] makes it one that an engine executes as prepared.
    ///
    /// # Errors
    /// Where the document is not GraphQL or does not fit the schema, where it does not say which operation is meant, where variables
    /// do not fit, and where a limit is exceeded. The request is then of no use.
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

    /// Prepares a request for an engine. Its data then has
    ///
    /// - an `Arc<PreparedOperation>`, which the schema executes ([`PreparedOperation::carried`]);
    /// - its [`OperationType`], for executors that have to know what it is;
    /// - the engine's [`ValidationResult`], for extensions that would have it validated.
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

/// Refuses a variable that is null where a field of the operation takes no null (specification, "CoerceArgumentValues").
///
/// The specification has this error at the field, once execution comes to it. Here nothing runs: whether a mutation moves money does
/// then not depend on what stands before that field, and no engine behind this sees the null, which this one reads as `[null]` where a
/// list is wanted.
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

/// An operation that may run: what is known of it is decided once, and carried in the request's data.
///
/// Its text, by `Display`, is the normalised operation.
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
    /// What its conditions were when the template was chosen.
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

    /// The response key and the name of each field at the top, in order, those in fragments too.
    pub fn root_fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.template.root_fields.iter();
        fields.map(|(key, name)| (key.as_str(), name.as_str()))
    }

    /// How much it asks for.
    #[must_use]
    pub fn measure(&self) -> Measure {
        self.measure
    }

    /// The normalised document, with nothing but this operation. `variables` are those of the request after it was prepared.
    #[must_use]
    pub fn document(&self, variables: &Variables) -> ExecutableDocument {
        self.template.document(variables)
    }

    /// What was prepared for a request, where it travels with it: in its data, or beside it in that of a session, as where an
    /// operation is run again. A session of many operations may carry another one's, which is not taken.
    #[must_use]
    pub fn carried(ctx: &ExtensionContext<'_>, request: &Request) -> Option<Arc<Self>> {
        let of = |data: &Data| {
            let carried = data.get(&TypeId::of::<Arc<Self>>())?;
            carried.downcast_ref::<Arc<Self>>().cloned()
        };
        let carried = of(&request.data).or_else(|| of(ctx.session_data))?;
        carried.is_of(request).then_some(carried)
    }

    /// What the engine's validation would have found.
    #[must_use]
    pub fn validation(&self) -> ValidationResult {
        ValidationResult {
            cache_control: CacheControl::default(),
            complexity: self.measure.complexity,
            depth: self.measure.depth,
        }
    }

    /// Whether the engine's answer has to be put right by [`PreparedOperation::put_right`].
    #[must_use]
    pub fn is_put_right(&self) -> bool {
        !self.template.interfaces.is_empty()
    }

    /// Puts right what the engine answers about the schema. Whoever executes an operation without
    /// [`PreparedOperations`](crate::PreparedOperations) has to.
    pub fn put_right(&self, response: &mut Response) {
        if self.is_put_right() {
            normalise::complete(response, self.schema(), &self.template.interfaces);
        }
    }

    /// Whether it was prepared for a request like this one.
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

    /// The type of the root, and what is selected on it.
    pub(crate) fn root(&self) -> Option<(TypeOf, &SelectionSet)> {
        let root = self.schema().root(self.kind())?;
        let mut operations = self.template.document.operations.iter();
        let (_, operation) = operations.next()?;
        Some((root, &operation.node.selection_set.node))
    }

    /// Whether two requests run the same normalised operation, whatever their variables.
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

    #[test]
    fn what_is_refused_is_not_kept() {
        let preparer = preparer(1_000_000);
        for document in ["{ c }", "{", "{ b", "query A { b } query A { b }"] {
            assert!(preparer.prepare(&mut Request::new(document)).is_err());
        }
        assert_eq!(preparer.weight(), 0);
    }
}
