//! The limits of one operation.

use crate::{
    error::{Refused, Stage},
    measure::Measure,
    setters::setters,
    tokens::{NESTING, Tokens},
};

/// The limits of one operation. They are checked before anything runs. The error of an operation over a limit names it in
/// `extensions.limit`, `max` and `value`.
///
/// ```
/// use graphql_operation::Limits;
///
/// let limits = Limits::default().depth(10).introspection(false);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Tokens of a document. Default: 5,000.
    pub tokens: usize,
    /// Fields inside fields. Default: 20.
    pub depth: usize,
    /// Fields that the answer can have. Default: 50,000.
    pub complexity: usize,
    /// Fields with an alias. Default: 200.
    pub aliases: usize,
    /// Fields at the top of an operation. Default: 100.
    pub root_fields: usize,
    /// Directives. Default: 100.
    pub directives: usize,
    /// Whether introspection is allowed. Default: yes.
    pub introspection: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tokens: 5_000,
            depth: 20,
            complexity: 50_000,
            aliases: 200,
            root_fields: 100,
            directives: 100,
            introspection: true,
        }
    }
}

setters!(Limits {
    tokens: usize,
    depth: usize,
    complexity: usize,
    aliases: usize,
    root_fields: usize,
    directives: usize,
    introspection: bool,
});

impl Limits {
    /// No limits, except that on nesting, which protects the parser.
    #[must_use]
    pub fn none() -> Self {
        Self {
            tokens: usize::MAX,
            depth: usize::MAX,
            complexity: usize::MAX,
            aliases: usize::MAX,
            root_fields: usize::MAX,
            directives: usize::MAX,
            introspection: true,
        }
    }

    /// Refuses a text that must not be parsed. Returns its number of tokens.
    pub(crate) fn check_text(&self, text: &str) -> Result<usize, Refused> {
        let tokens = Tokens::of(text);
        refuse_over("tokens", tokens.count, self.tokens)?;
        // The parser is recursive, so the nesting must be bounded before.
        refuse_over("nesting", tokens.nesting, NESTING)?;
        Ok(tokens.count)
    }

    pub(crate) fn check(&self, measure: &Measure) -> Result<(), Refused> {
        if measure.introspects && !self.introspection {
            let message = "Introspection is turned off here.";
            return Err(Refused::one(Stage::Validation, message, None));
        }
        refuse_over("depth", measure.depth, self.depth)?;
        refuse_over("rootFields", measure.root_fields, self.root_fields)?;
        refuse_over("aliases", measure.aliases, self.aliases)?;
        refuse_over("directives", measure.directives, self.directives)?;
        refuse_over("complexity", measure.complexity, self.complexity)
    }
}

fn refuse_over(name: &'static str, value: usize, limit: usize) -> Result<(), Refused> {
    if value <= limit {
        return Ok(());
    }
    // Sums saturate at the largest number.
    let shown = match value {
        usize::MAX => "more than can be counted".to_owned(),
        value => value.to_string(),
    };
    let what = match name {
        "rootFields" => "root fields",
        name => name,
    };
    let message = format!("the limit of {what} is {limit}, and this document has {shown}");
    Err(Refused::one(Stage::Validation, message, None)
        .detail("limit", name)
        .detail("max", limit)
        .detail("value", value.min(i64::MAX as usize)))
}
