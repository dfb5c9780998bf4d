//! Finds out whether async-graphql is built with its feature `boxed-trait`, which changes the signatures of its traits. Anybody's dependency
//! may have switched it on, and a crate cannot ask for the features of another.
//!
//! But the feature reaches async-graphql's macros, which add `#[async_trait]` to what they make. Cargo builds macros once, for all who use
//! them. So a macro is used here, on stand-ins for the types that it names, with an attribute in the place of `async_trait` that takes away
//! what it stands on: where an implementation is missing, the attribute was there.

/// What the macro `NewType` names.
#[allow(dead_code, reason = "it is only to compile")]
mod stand_in {
    #[allow(unused_imports, reason = "it is not used where the feature is off")]
    pub mod async_trait {
        /// It takes away what it stands on, unless the compiler is a beta. On a beta, the other one does.
        #[rustversion::not(beta)]
        pub use rustversion::beta as async_trait;
        #[rustversion::beta]
        pub use rustversion::stable as async_trait;
    }
    pub mod parser {
        pub mod types {
            pub struct Field;
        }
    }
    pub mod registry {
        pub struct Registry;
    }

    pub struct ContextSelectionSet<'a>(pub std::marker::PhantomData<&'a ()>);
    pub struct Positioned<T>(pub T);
    #[derive(Default)]
    pub struct Value;
    pub type InputValueResult<T> = Result<T, InputValueError>;
    pub type ServerResult<T> = Result<T, ()>;

    pub struct InputValueError;

    impl InputValueError {
        pub fn propagate(self) -> Self {
            self
        }
    }

    pub trait ScalarType: Sized {
        fn parse(value: Value) -> InputValueResult<Self>;
        fn to_value(&self) -> Value;
    }

    pub trait InputType: Sized {
        type RawValueType;
        fn type_name() -> std::borrow::Cow<'static, str>;
        fn create_type_info(registry: &mut registry::Registry) -> String;
        fn parse(value: Option<Value>) -> InputValueResult<Self>;
        fn to_value(&self) -> Value;
        fn as_raw_value(&self) -> Option<&Self::RawValueType>;
    }

    pub trait OutputType {
        fn type_name() -> std::borrow::Cow<'static, str>;
        fn create_type_info(registry: &mut registry::Registry) -> String;
        fn resolve(
            &self,
            context: &ContextSelectionSet<'_>,
            field: &Positioned<parser::types::Field>,
        ) -> impl Future<Output = ServerResult<Value>>;
    }

    pub struct Inner;

    impl ScalarType for Inner {
        fn parse(_: Value) -> InputValueResult<Self> {
            Ok(Self)
        }

        fn to_value(&self) -> Value {
            Value
        }
    }

    impl InputType for Inner {
        type RawValueType = Self;

        fn type_name() -> std::borrow::Cow<'static, str> {
            "Inner".into()
        }

        fn create_type_info(_: &mut registry::Registry) -> String {
            String::new()
        }

        fn parse(_: Option<Value>) -> InputValueResult<Self> {
            Ok(Self)
        }

        fn to_value(&self) -> Value {
            Value
        }

        fn as_raw_value(&self) -> Option<&Self> {
            Some(self)
        }
    }
}

macro_rules! probe {
    ($macros:ident) => {{
        #[derive($macros::NewType)]
        #[graphql(crate = "crate::stand_in")]
        struct Probe(crate::stand_in::Inner);

        struct Answer<T>(std::marker::PhantomData<T>);

        // A method of the type itself goes before one of a trait.
        #[allow(dead_code)]
        impl<T: crate::stand_in::OutputType> Answer<T> {
            fn is_boxed(&self) -> bool {
                false
            }
        }

        #[allow(dead_code)]
        trait Otherwise {
            fn is_boxed(&self) -> bool {
                true
            }
        }

        impl<T> Otherwise for Answer<T> {}

        Answer::<Probe>(std::marker::PhantomData).is_boxed()
    }};
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(boxed_trait)");
    #[cfg(feature = "async-graphql-8")]
    let is_boxed = probe!(async_graphql_derive);
    #[cfg(all(feature = "async-graphql-7", not(feature = "async-graphql-8")))]
    let is_boxed = probe!(async_graphql_derive_7);
    // The crate itself says what is missing.
    #[cfg(not(any(feature = "async-graphql-7", feature = "async-graphql-8")))]
    let is_boxed = false;
    if is_boxed {
        println!("cargo::rustc-cfg=boxed_trait");
    }
}
