//! What one request may ask for, and how it is told when it asks for more.
//!
//! Checked before the engine looks at the document, on every transport alike. The engine walks a fragment again at each
//! place that spreads it, so that twenty fragments which each spread the next one twice are a million visits to it; here
//! each is measured once ([`Measure`]), and what is over a limit goes no further.

use async_graphql::{ErrorExtensionValues, Request};

use super::{
    document::Measure,
    refusal::Refusal,
    tokens::{NESTING, Tokens},
};

/// What the server takes at most.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one request body, or of one WebSocket message.
    pub body_bytes: usize,
    /// Operations in one batch.
    pub batch: usize,
    /// Operations at once, over all transports; beyond it `OVERLOADED`, at once. An open subscription is not one.
    pub operations: usize,
    /// Tokens of a document.
    pub tokens: usize,
    /// Fields inside fields.
    pub depth: usize,
    /// Fields that the response can have, as far as the document tells: what is below a connection counts once for each
    /// item of the page.
    pub complexity: usize,
    /// Fields with an alias.
    pub aliases: usize,
    /// Fields at the top of an operation.
    pub root_fields: usize,
    /// Directives.
    pub directives: usize,
    /// The items of a connection that is asked for without `first` or `last`.
    pub page: usize,
    /// Whether the schema may be asked for.
    pub introspection: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1024 * 1024,
            batch: 10,
            operations: 512,
            tokens: 5_000,
            depth: 20,
            complexity: 50_000,
            aliases: 200,
            root_fields: 100,
            directives: 100,
            page: 20,
            introspection: true,
        }
    }
}

impl Limits {
    /// Refuses a text that is not to be parsed, and counts its tokens.
    pub(super) fn check_text(&self, text: &str) -> Result<usize, Refusal> {
        let tokens = Tokens::of(text);
        refuse_over("tokens", tokens.count, self.tokens)?;
        // The parser is recursive: it must not see what is nested without end.
        refuse_over("nesting", tokens.nesting, NESTING)?;
        Ok(tokens.count)
    }

    /// Refuses a request whose document is over a limit. What does not parse is refused where its kind is asked.
    pub(super) fn check(&self, request: &mut Request) -> Result<(), Refusal> {
        // The document is borrowed from the request while its variables are read.
        let variables = std::mem::take(&mut request.variables);
        let measure = request
            .parsed_query()
            .ok()
            .map(|document| Measure::of(document, &variables, self.page));
        request.variables = variables;
        let Some(measure) = measure else {
            return Ok(());
        };
        if let Some(fragment) = &measure.cycle {
            return Err(Refusal::invalid(format!(
                "the fragment `{fragment}` spreads itself"
            )));
        }
        if measure.introspects && !self.introspection {
            return Err(Refusal::invalid("introspection is turned off here"));
        }
        refuse_over("depth", measure.depth, self.depth)?;
        refuse_over("rootFields", measure.root_fields, self.root_fields)?;
        refuse_over("aliases", measure.aliases, self.aliases)?;
        refuse_over("directives", measure.directives, self.directives)?;
        refuse_over("complexity", measure.complexity, self.complexity)
    }
}

fn refuse_over(name: &'static str, value: usize, limit: usize) -> Result<(), Refusal> {
    if value <= limit {
        return Ok(());
    }
    // A sum that left the range of a number was stopped at its end.
    let shown = match value {
        usize::MAX => "more than can be counted".to_owned(),
        value => value.to_string(),
    };
    let what = match name {
        "rootFields" => "root fields",
        name => name,
    };
    let mut details = ErrorExtensionValues::default();
    details.set("limit", name);
    details.set("max", limit);
    details.set("value", value.min(i64::MAX as usize));
    Err(Refusal::invalid(format!(
        "the limit of {what} is {limit}, and this document has {shown}"
    ))
    .details(details))
}
