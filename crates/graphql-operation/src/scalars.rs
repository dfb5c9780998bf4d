//! Checks of the values of custom scalars, before anything runs.

use std::{collections::HashMap, fmt, sync::Arc};

use async_graphql::{InputType, ScalarType, Value};

type Check = dyn Fn(&Value) -> Result<(), String> + Send + Sync;

/// The checks of a schema's own scalars. A scalar without a check accepts every value, and the resolver finds out whether it is right.
///
/// ```
/// use graphql_operation::Scalars;
///
/// let scalars = Scalars::new().check("Even", |value| match value {
///     async_graphql::Value::Number(number) if number.as_i64().is_some_and(|n| n % 2 == 0) => Ok(()),
///     other => Err(format!("{other} is not an even number")),
/// });
/// # let _ = scalars;
/// ```
#[derive(Clone, Default)]
pub struct Scalars(HashMap<String, Arc<Check>>);

impl Scalars {
    /// No checks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks values of the scalar `T` by parsing them, as a resolver's argument of this type does.
    #[must_use]
    pub fn scalar<T: ScalarType + InputType>(self) -> Self {
        self.check(T::type_name(), |value| {
            let read = <T as ScalarType>::parse(value.clone());
            read.map(drop).map_err(|error| {
                // The engine gives the message only by an error with a position.
                let message = error
                    .into_server_error(async_graphql::Pos::default())
                    .message;
                let own = format!("Failed to parse \"{}\": ", T::type_name());
                message
                    .strip_prefix(&own)
                    .map(str::to_owned)
                    .unwrap_or(message)
            })
        })
    }

    /// Checks values of the scalar of this name. The error is a message for clients.
    #[must_use]
    pub fn check(
        mut self,
        name: impl Into<String>,
        check: impl Fn(&Value) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.0.insert(name.into(), Arc::new(check));
        self
    }

    pub(crate) fn refusal(&self, name: &str, value: &Value) -> Option<String> {
        self.0.get(name)?(value).err()
    }

    pub(crate) fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

impl fmt::Debug for Scalars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
