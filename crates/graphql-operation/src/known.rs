//! The cache of valid documents and their normalised operations.
//!
//! Clients send the same few documents again and again. The normalised operation depends on the request only by the variables of `@skip`
//! and `@include`: an operation with such variables has a template for each combination that was requested. Documents and templates are
//! cached up to a number of bytes, texts included. Refused documents are not cached.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_graphql::{Name, Value, Variables, parser::types::OperationType};

use crate::{
    ast::{Document, Operation},
    cache::{WeighedCache, weighed},
    coerce::{Coercing, Segment, path_value, show_path},
    error::{Pos, Refused, Stage, server_error},
    measure::{Measured, Measuring, Sizes},
    normalise::{NotNormalised, Template, conditions, normalise},
    parser,
    scalars::Scalars,
    schema::{Schema, Ty},
    typed_literal, validate,
};

/// A valid document.
#[derive(Debug)]
pub(crate) struct Known {
    /// Distinguishes it from other documents.
    id: u64,
    pub(crate) operations: Vec<Arc<KnownOperation>>,
    bytes: usize,
}

#[derive(Debug)]
pub(crate) struct KnownOperation {
    /// The text of its document.
    pub(crate) text: Arc<str>,
    pub(crate) kind: OperationType,
    pub(crate) name: Option<String>,
    pub(crate) measured: Measured,
    number: usize,
    variables: Vec<KnownVariable>,
    /// The variables of `@skip` and `@include`.
    conditions: Vec<Name>,
    /// The template, if there is only one, and the document was sent for this operation.
    template: Option<Arc<Template>>,
}

#[derive(Debug)]
struct KnownVariable {
    name: Name,
    pos: Pos,
    ty: Ty,
    default: Option<Value>,
}

/// The key of a template: an operation, and the values of its conditions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Choice {
    document: u64,
    operation: usize,
    conditions: Vec<bool>,
}

pub(crate) struct Documents {
    documents: WeighedCache<Arc<str>, Arc<Known>>,
    templates: WeighedCache<Choice, Arc<Template>>,
    next: AtomicU64,
}

impl Documents {
    pub(crate) fn new(bytes: u64) -> Self {
        // Most documents have no conditions, and keep their only template themselves.
        let templates = bytes / 4;
        Self {
            documents: weighed(bytes - templates, |text: &Arc<str>, known: &Arc<Known>| {
                text.len() + known.bytes
            }),
            templates: weighed(templates, |_, template: &Arc<Template>| {
                100 + template.bytes()
            }),
            next: AtomicU64::new(0),
        }
    }

    pub(crate) fn find(&self, text: &str) -> Option<Arc<Known>> {
        self.documents.get(text)
    }

    /// The text of a document that is kept, without a copy.
    pub(crate) fn text(&self, text: &str) -> Option<Arc<str>> {
        let known = self.documents.get(text)?;
        known
            .operations
            .first()
            .map(|operation| Arc::clone(&operation.text))
    }

    /// Reads and validates a document. `wanted` is the operation that the request names, if it names one.
    pub(crate) fn read(
        &self,
        text: &str,
        wanted: Option<&str>,
        schema: &Schema,
        scalars: &Scalars,
        sizes: &Sizes,
        fits: impl Fn(&Measured) -> bool,
    ) -> Result<Arc<Known>, Refused> {
        let document = parser::parse(text)?;
        let errors = validate::validate(schema, scalars, &document);
        if !errors.is_empty() {
            // It is an error of the input if only values of custom scalars are wrong.
            let is_input = |error: &async_graphql::ServerError| {
                error.source::<Stage>() == Some(&Stage::UserInput)
            };
            let stage = if errors.iter().all(is_input) {
                Stage::UserInput
            } else {
                Stage::Validation
            };
            return Err(Refused::new(errors, stage));
        }
        let shared: Arc<str> = text.into();
        let mut operations = Vec::with_capacity(document.operations.len());
        let only = document.operations.len() == 1;
        let mut is_kept = true;
        for (number, operation) in document.operations.iter().enumerate() {
            let measured = Measuring::new(schema, sizes, &document).operation(operation);
            let mut known =
                KnownOperation::new(schema, &shared, &document, operation, number, measured);
            let name = operation.name.map(|name| name.text);
            let is_wanted = if wanted.is_some() {
                name == wanted
            } else {
                only
            };
            if is_wanted && known.conditions.is_empty() {
                // An operation that is over a limit whatever its variables are is neither normalised nor cached. It is refused once they
                // are known, so that the error says how much this request asks for.
                if fits(&known.measured) {
                    let template = normalise(schema, &document, operation, &HashMap::new());
                    known.template = Some(Arc::new(template.map_err(unwritten)?));
                } else {
                    is_kept = false;
                }
            }
            operations.push(Arc::new(known));
        }
        let bytes = operations
            .iter()
            .map(|operation| operation.bytes())
            .sum::<usize>()
            + 500;
        let known = Arc::new(Known {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            operations,
            bytes,
        });
        if is_kept {
            self.documents.insert(shared, Arc::clone(&known));
        }
        Ok(known)
    }

    /// The template for these variables, which must be coerced.
    pub(crate) fn template(
        &self,
        known: &Known,
        operation: &KnownOperation,
        schema: &Schema,
        variables: &Variables,
    ) -> Result<Arc<Template>, Refused> {
        if let Some(template) = &operation.template {
            return Ok(Arc::clone(template));
        }
        let choice = Choice {
            document: known.id,
            operation: operation.number,
            conditions: operation.chosen(variables).collect(),
        };
        if let Some(template) = self.templates.get(&choice) {
            return Ok(template);
        }
        // The document is valid, so it only has to be parsed.
        let document = parser::parse(&operation.text)?;
        let Some(syntax) = document.operations.get(operation.number) else {
            return Err(Refused::one(
                Stage::OperationResolution,
                "Unknown operation",
                None,
            ));
        };
        let conditions: HashMap<_, _> = operation
            .conditions
            .iter()
            .cloned()
            .zip(choice.conditions.iter().copied())
            .collect();
        let template = normalise(schema, &document, syntax, &conditions).map_err(unwritten)?;
        let template = Arc::new(template);
        self.templates.insert(choice, Arc::clone(&template));
        Ok(template)
    }

    #[cfg(test)]
    pub(crate) fn weight(&self) -> u64 {
        self.documents.weight() + self.templates.weight()
    }
}

fn unwritten(reason: NotNormalised) -> Refused {
    let (message, pos) = match reason {
        NotNormalised::TooLarge => (
            "This operation selects more fields than can be written down.".to_owned(),
            None,
        ),
        NotNormalised::NotAtTop(field, pos) => (
            format!("\"{field}\" is answered at the top of a query alone."),
            Some(pos),
        ),
    };
    Refused::one(Stage::Validation, message, pos)
}

impl Known {
    /// The operation that a request means (specification, "GetOperation").
    pub(crate) fn operation(&self, name: Option<&str>) -> Result<&Arc<KnownOperation>, Refused> {
        let refused = |message: String| Refused::one(Stage::OperationResolution, message, None);
        match (name, self.operations.as_slice()) {
            (None, [operation]) => Ok(operation),
            (None, _) => Err(refused(
                "Must provide operation name if query contains multiple operations.".to_owned(),
            )),
            (Some(name), operations) => operations
                .iter()
                .find(|operation| operation.name.as_deref() == Some(name))
                .ok_or_else(|| refused(format!("Unknown operation named \"{name}\"."))),
        }
    }
}

impl KnownOperation {
    fn new<'d>(
        schema: &Schema,
        text: &Arc<str>,
        document: &'d Document<'d>,
        operation: &'d Operation<'d>,
        number: usize,
        measured: Measured,
    ) -> Self {
        let variables = operation.variables.iter().filter_map(|variable| {
            let ty = schema.resolve(&variable.ty)?;
            Some(KnownVariable {
                name: Name::new(variable.name.text),
                pos: variable.pos,
                default: variable
                    .default
                    .as_ref()
                    .map(|default| typed_literal::typed_constant(schema, default, &ty)),
                ty,
            })
        });
        Self {
            text: Arc::clone(text),
            kind: operation.kind,
            name: operation.name.map(|name| name.text.to_owned()),
            measured,
            number,
            variables: variables.collect(),
            conditions: conditions(document, operation),
            template: None,
        }
    }

    /// The value of each condition with these variables.
    pub(crate) fn chosen(&self, variables: &Variables) -> impl Iterator<Item = bool> {
        let is_true = |name: &Name| variables.get(name) == Some(&Value::Boolean(true));
        self.conditions.iter().map(is_true)
    }

    fn bytes(&self) -> usize {
        let template = self
            .template
            .as_ref()
            .map_or(0, |template| template.bytes());
        let variables = self.variables.iter();
        let defaults = variables.map(|variable| variable.default.as_ref().map_or(0, size_of_value));
        300 + template
            + self.measured.bytes()
            + 250 * (self.variables.len() + self.conditions.len())
            + defaults.sum::<usize>()
    }

    /// The variables, coerced to their types, with defaults (specification, "CoerceVariableValues"). Variables that the operation does not
    /// define are left out.
    pub(crate) fn coerce(
        &self,
        schema: &Schema,
        scalars: &Scalars,
        mut given: Variables,
    ) -> Result<Variables, Refused> {
        if self.variables.is_empty() {
            return Ok(Variables::default());
        }
        let mut coerced = Variables::default();
        let mut errors = Vec::new();
        for variable in &self.variables {
            let shown = || schema.show(&variable.ty);
            let Some(value) = given.remove(&variable.name) else {
                if let Some(default) = &variable.default {
                    coerced.insert(variable.name.clone(), default.clone());
                } else if variable.ty.is_non_null() {
                    let message = format!(
                        "Variable \"${}\" of required type \"{}\" was not provided.",
                        variable.name,
                        shown()
                    );
                    errors.push(server_error(Stage::UserInput, message, Some(variable.pos)));
                }
                continue;
            };
            if value == Value::Null && variable.ty.is_non_null() {
                let message = format!(
                    "Variable \"${}\" of non-null type \"{}\" must not be null.",
                    variable.name,
                    shown()
                );
                errors.push(server_error(Stage::UserInput, message, Some(variable.pos)));
                continue;
            }
            let mut coercing = Coercing {
                schema,
                scalars,
                path: vec![Segment::Name(variable.name.to_string())],
                errors: Vec::new(),
            };
            let value = coercing.value(value, &variable.ty);
            coerced.insert(variable.name.clone(), value);
            for wrong in coercing.errors {
                let message = format!(
                    "Variable \"${}\" got invalid value {} at `${}`; {}",
                    variable.name,
                    wrong.value,
                    show_path(&wrong.path),
                    wrong.message
                );
                let mut error = server_error(Stage::UserInput, message, Some(variable.pos));
                if let Some(extensions) = &mut error.extensions {
                    extensions.set("path", path_value(&wrong.path));
                }
                errors.push(error);
            }
        }
        // The type may be nullable if it has a default. Null itself is neither true nor false.
        for name in &self.conditions {
            if coerced.get(name) == Some(&Value::Null) {
                let message = format!("Variable \"${name}\" must not be null: it is a condition.");
                let variable = self
                    .variables
                    .iter()
                    .find(|variable| variable.name == *name);
                let pos = variable.map(|variable| variable.pos);
                errors.push(server_error(Stage::UserInput, message, pos));
            }
        }
        if errors.is_empty() {
            Ok(coerced)
        } else {
            Err(Refused::new(errors, Stage::UserInput))
        }
    }
}

fn size_of_value(value: &Value) -> usize {
    64 + match value {
        Value::String(text) => text.len(),
        Value::List(items) => items.iter().map(size_of_value).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| 64 + name.len() + size_of_value(value))
            .sum(),
        _ => 0,
    }
}
