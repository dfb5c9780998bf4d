//! Prepares requests.

use std::sync::Arc;

use async_graphql::{Name, Request, Value, Variables};

use crate::{
    coerce::{Segment, path_value},
    error::{Refused, Stage, server_error},
    known::Documents,
    measure::Measured,
    normalise::Template,
    options::{Options, Rules},
    persisted::{Hash, Persisted},
    prepared_operation::PreparedOperation,
    schema::Schema,
};

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
pub struct Preparer {
    rules: Arc<Rules>,
    documents: Arc<Documents>,
    persisted: Arc<Persisted>,
}

impl std::fmt::Debug for Preparer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preparer")
            .field("options", &self.rules.options)
            .finish_non_exhaustive()
    }
}

impl Preparer {
    /// A preparer for requests to this schema.
    #[must_use]
    pub fn new(schema: Schema, options: Options) -> Self {
        let persisted = options.cache_bytes / 8;
        Self {
            documents: Arc::new(Documents::new(options.cache_bytes - persisted)),
            persisted: Arc::new(Persisted::new(persisted)),
            rules: Arc::new(Rules { schema, options }),
        }
    }

    /// Prepares the operation of a request, and coerces the request's variables to their types, with defaults.
    ///
    /// Nothing else in the request changes. [`Preparer::admit`] also makes an engine execute the prepared form.
    ///
    /// # Errors
    /// If the document is not GraphQL or not valid for the schema, if it is not clear which operation is meant, if a variable is not of its
    /// type, or if a limit is exceeded. The request must then not be executed.
    pub fn prepare(&self, request: &mut Request) -> Result<PreparedOperation, Refused> {
        let Self {
            rules, documents, ..
        } = self;
        let Rules { schema, options } = &**rules;
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
            rules: Arc::clone(rules),
            operation: Arc::clone(operation),
            template,
            chosen,
            measure,
        })
    }

    /// Prepares a request for an engine. The request's data then has
    ///
    /// - an `Arc<PreparedOperation>`, which the schema executes ([`PreparedOperation::carried`]);
    /// - its [`OperationType`](async_graphql::parser::types::OperationType), for executors that need to know it;
    /// - the engine's [`ValidationResult`](async_graphql::ValidationResult), for extensions that would otherwise validate it.
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

    /// Puts the text in the place of its hash, if a request has only that. Returns the hash if the request has both.
    ///
    /// # Errors
    /// If the text is not known, or is not the one whose hash was sent.
    pub(crate) fn put_text(&self, request: &mut Request) -> Result<Option<Hash>, Refused> {
        self.persisted.put_text(request)
    }

    /// Keeps a text that came with its hash, if its document has turned out to be valid.
    pub(crate) fn keep_text(&self, hash: Option<Hash>, request: &Request) {
        if let Some(hash) = hash
            && let Some(text) = self.documents.text(&request.query)
        {
            self.persisted.keep(hash, text);
        }
    }

    #[cfg(test)]
    pub(crate) fn weight(&self) -> u64 {
        self.documents.weight() + self.persisted.weight()
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
