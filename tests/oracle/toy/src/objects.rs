//! Objects, interfaces and unions. An object is its number in the table.

use async_graphql::{Context, ID, Interface, Object, Result, Union};

use crate::{
    inputs::{Any, Even, Style},
    table::{Answer, answer, arguments},
};

type Shelves = Vec<Option<Result<Vec<Result<Thing>>>>>;

macro_rules! numbered {
    ($($name:ident),*) => { $(
        /// An object of the table.
        pub struct $name(pub u32);

        impl Answer for $name {
            fn of(number: u32) -> Self {
                // Zero is the root.
                Self(number.max(1))
            }
        }
    )* };
}

numbered!(Book, Pen, Shop, Lamp);

/// Has interfaces, two of which have an interface.
#[Object]
impl Book {
    async fn id(&self, ctx: &Context<'_>) -> Result<ID> {
        answer(ctx, self.0, "Book.id", &arguments!())
    }

    async fn name(
        &self,
        ctx: &Context<'_>,
        #[graphql(default_with = "Some(Style::Plain)")] style: Option<Style>,
    ) -> Option<Result<String>> {
        answer(ctx, self.0, "Book.name", &arguments!(style))
    }

    async fn kin(&self, ctx: &Context<'_>) -> Option<Result<Node>> {
        answer(ctx, self.0, "Book.kin", &arguments!())
    }

    async fn price(&self, ctx: &Context<'_>, #[graphql(default = 1.5)] factor: f64) -> Result<f64> {
        answer(ctx, self.0, "Book.price", &arguments!(factor))
    }

    async fn size(&self, ctx: &Context<'_>) -> Result<i32> {
        answer(ctx, self.0, "Book.size", &arguments!())
    }

    async fn pages(&self, ctx: &Context<'_>) -> Result<Vec<Result<i32>>> {
        answer(ctx, self.0, "Book.pages", &arguments!())
    }

    async fn sequels(
        &self,
        ctx: &Context<'_>,
        #[graphql(default_with = "vec![1, 2]")] numbers: Vec<i32>,
    ) -> Option<Result<Vec<Option<Result<Book>>>>> {
        answer(ctx, self.0, "Book.sequels", &arguments!(numbers))
    }

    async fn shop(&self, ctx: &Context<'_>) -> Result<Shop> {
        answer(ctx, self.0, "Book.shop", &arguments!())
    }
}

/// Has the same fields with other types.
#[Object]
impl Pen {
    async fn id(&self, ctx: &Context<'_>) -> Result<ID> {
        answer(ctx, self.0, "Pen.id", &arguments!())
    }

    async fn name(
        &self,
        ctx: &Context<'_>,
        #[graphql(default_with = "Some(Style::Plain)")] style: Option<Style>,
    ) -> Option<Result<String>> {
        answer(ctx, self.0, "Pen.name", &arguments!(style))
    }

    async fn kin(&self, ctx: &Context<'_>) -> Option<Result<Node>> {
        answer(ctx, self.0, "Pen.kin", &arguments!())
    }

    async fn size(&self, ctx: &Context<'_>) -> Option<Result<i32>> {
        answer(ctx, self.0, "Pen.size", &arguments!())
    }

    async fn style(&self, ctx: &Context<'_>) -> Result<Style> {
        answer(ctx, self.0, "Pen.style", &arguments!())
    }

    async fn shop(&self, ctx: &Context<'_>) -> Option<Result<Shop>> {
        answer(ctx, self.0, "Pen.shop", &arguments!())
    }
}

/// Has an interface, and lists of lists.
#[Object]
impl Shop {
    async fn id(&self, ctx: &Context<'_>) -> Result<ID> {
        answer(ctx, self.0, "Shop.id", &arguments!())
    }

    async fn kin(&self, ctx: &Context<'_>) -> Option<Result<Node>> {
        answer(ctx, self.0, "Shop.kin", &arguments!())
    }

    async fn size(&self, ctx: &Context<'_>) -> Option<Result<String>> {
        answer(ctx, self.0, "Shop.size", &arguments!())
    }

    async fn shelves(&self, ctx: &Context<'_>) -> Option<Result<Shelves>> {
        answer(ctx, self.0, "Shop.shelves", &arguments!())
    }

    async fn grid(&self, ctx: &Context<'_>) -> Result<Vec<Result<Vec<Option<Result<i32>>>>>> {
        answer(ctx, self.0, "Shop.grid", &arguments!())
    }

    async fn any(&self, ctx: &Context<'_>) -> Option<Result<Any>> {
        answer(ctx, self.0, "Shop.any", &arguments!())
    }

    async fn open(&self, ctx: &Context<'_>) -> Result<bool> {
        answer(ctx, self.0, "Shop.open", &arguments!())
    }
}

/// Has only the interface that has none.
#[Object]
impl Lamp {
    async fn price(&self, ctx: &Context<'_>, #[graphql(default = 1.5)] factor: f64) -> Result<f64> {
        answer(ctx, self.0, "Lamp.price", &arguments!(factor))
    }

    async fn size(&self, ctx: &Context<'_>) -> Option<Result<Vec<Option<Result<i32>>>>> {
        answer(ctx, self.0, "Lamp.size", &arguments!())
    }

    async fn even(&self, ctx: &Context<'_>) -> Option<Result<Even>> {
        answer(ctx, self.0, "Lamp.even", &arguments!())
    }

    #[graphql(deprecation = "take the price")]
    async fn watts(&self, ctx: &Context<'_>) -> Option<Result<i32>> {
        answer(ctx, self.0, "Lamp.watts", &arguments!())
    }
}

/// Implemented by another interface.
#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "ID"),
    field(name = "kin", ty = "Option<Result<Node>>")
)]
pub enum Node {
    Book(Book),
    Pen(Pen),
    Shop(Shop),
}

/// Implements an interface (`directives.rs` says so: the derived code cannot).
#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "ID"),
    field(name = "kin", ty = "Option<Result<Node>>"),
    field(
        name = "name",
        ty = "Option<Result<String>>",
        arg(
            name = "style",
            ty = "Option<Style>",
            default_with = "Some(Style::Plain)"
        )
    )
)]
pub enum Named {
    Book(Book),
    Pen(Pen),
}

/// Shares one object with the others.
#[derive(Interface)]
#[graphql(field(
    name = "price",
    ty = "f64",
    arg(name = "factor", ty = "f64", default = 1.5)
))]
pub enum Priced {
    Book(Book),
    Lamp(Lamp),
}

/// What a shop has.
#[derive(Union)]
pub enum Thing {
    Book(Book),
    Pen(Pen),
    Shop(Shop),
}

/// Overlaps with the other in one.
#[derive(Union)]
pub enum Goods {
    Book(Book),
    Lamp(Lamp),
}

macro_rules! chosen {
    ($($name:ident: $($member:ident),*;)*) => { $(
        impl Answer for $name {
            fn of(number: u32) -> Self {
                let members: &[fn(u32) -> Self] = &[$(|number| $member::of(number).into()),*];
                members[crate::table::spread(number ^ 0x7) as usize % members.len()](number)
            }
        }
    )* };
}

chosen! {
    Node: Book, Pen, Shop;
    Named: Book, Pen;
    Priced: Book, Lamp;
    Thing: Book, Pen, Shop;
    Goods: Book, Lamp;
}
