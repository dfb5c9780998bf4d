//! Directives of the schema's own, which do nothing: only where they may stand is of interest.

use std::borrow::Cow;

use async_graphql::{
    ContextDirective, CustomDirective, CustomDirectiveFactory, InputType, ServerResult,
    indexmap::IndexMap,
    parser::types::Directive,
    registry::{__DirectiveLocation as At, MetaDirective, MetaInputValue, Registry},
};

use crate::inputs::Style;

const EVERYWHERE: [At; 8] = [
    At::QUERY,
    At::MUTATION,
    At::SUBSCRIPTION,
    At::FIELD,
    At::FRAGMENT_DEFINITION,
    At::FRAGMENT_SPREAD,
    At::INLINE_FRAGMENT,
    At::VARIABLE_DEFINITION,
];

struct Nothing;

impl CustomDirective for Nothing {}

fn argument(name: &str, ty: String, default: Option<&str>) -> (String, MetaInputValue) {
    let mut value = MetaInputValue::new(name.to_owned(), ty);
    value.default_value = default.map(str::to_owned);
    (name.to_owned(), value)
}

fn directive(
    registry: &mut Registry,
    name: &str,
    at: &[At],
    is_repeatable: bool,
    args: IndexMap<String, MetaInputValue>,
) {
    registry.add_directive(MetaDirective {
        name: name.to_owned(),
        description: None,
        locations: at.to_vec(),
        args,
        is_repeatable,
        visible: None,
        composable: None,
    });
}

macro_rules! does_nothing {
    ($type:ident, $name:literal, $register:expr) => {
        /// A directive that does nothing.
        pub struct $type;

        impl CustomDirectiveFactory for $type {
            fn name(&self) -> Cow<'static, str> {
                Cow::Borrowed($name)
            }

            fn register(&self, registry: &mut Registry) {
                let register: fn(&mut Registry) = $register;
                register(registry);
            }

            fn create(
                &self,
                _: &ContextDirective<'_>,
                _: &Directive,
            ) -> ServerResult<Box<dyn CustomDirective>> {
                Ok(Box::new(Nothing))
            }
        }
    };
}

does_nothing!(Everywhere, "note", |registry| {
    // What `#[derive(Interface)]` has no word for: an interface that has one.
    registry.add_implements("Named", "Node");
    let style = Style::create_type_info(registry);
    let style = style.trim_end_matches('!').to_owned();
    let args = [
        argument("text", "String!".into(), Some("\"n\"")),
        argument("style", style, None),
        argument("tags", "[String!]".into(), None),
    ];
    directive(registry, "note", &EVERYWHERE, true, args.into());
});

does_nothing!(Once, "once", |registry| {
    let args = [argument("n", "Int".into(), None)];
    directive(registry, "once", &EVERYWHERE, false, args.into());
});

does_nothing!(OnField, "onField", |registry| {
    let args = [argument("must", "Int!".into(), None)];
    directive(registry, "onField", &[At::FIELD], false, args.into());
});
