//! The query root.

use async_graphql::{Context, ID, MaybeUndefined, Object, Result};

use crate::{
    inputs::{Any, Even, Filter, Point, Spot, Style},
    objects::{Book, Goods, Lamp, Named, Node, Pen, Priced, Shop, Thing},
    table::{answer, arguments},
};

type Grid = Vec<Option<Result<Vec<Option<Result<i32>>>>>>;

/// The query root.
pub struct Query;

#[Object]
#[expect(clippy::too_many_arguments, reason = "arguments of every type")]
impl Query {
    async fn book(&self, ctx: &Context<'_>, id: ID) -> Option<Result<Book>> {
        answer(ctx, 0, "Query.book", &arguments!(id))
    }

    async fn pen(&self, ctx: &Context<'_>) -> Result<Option<Pen>> {
        answer(ctx, 0, "Query.pen", &arguments!())
    }

    async fn shop(&self, ctx: &Context<'_>) -> Result<Shop> {
        answer(ctx, 0, "Query.shop", &arguments!())
    }

    async fn lamps(&self, ctx: &Context<'_>) -> Option<Result<Vec<Result<Lamp>>>> {
        answer(ctx, 0, "Query.lamps", &arguments!())
    }

    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(default_with = "ID::from(\"n\")")] id: ID,
    ) -> Option<Result<Node>> {
        answer(ctx, 0, "Query.node", &arguments!(id))
    }

    async fn nodes(&self, ctx: &Context<'_>, ids: Vec<ID>) -> Result<Vec<Option<Result<Node>>>> {
        answer(ctx, 0, "Query.nodes", &arguments!(ids))
    }

    async fn named(
        &self,
        ctx: &Context<'_>,
        style: MaybeUndefined<Style>,
    ) -> Option<Result<Named>> {
        answer(ctx, 0, "Query.named", &arguments!([style]))
    }

    async fn priced(&self, ctx: &Context<'_>) -> Option<Result<Vec<Result<Priced>>>> {
        answer(ctx, 0, "Query.priced", &arguments!())
    }

    async fn thing(&self, ctx: &Context<'_>) -> Option<Result<Thing>> {
        answer(ctx, 0, "Query.thing", &arguments!())
    }

    async fn things(
        &self,
        ctx: &Context<'_>,
        #[graphql(default_with = "Some(10)")] most: Option<i32>,
        filter: MaybeUndefined<Filter>,
    ) -> Result<Vec<Option<Result<Thing>>>> {
        answer(ctx, 0, "Query.things", &arguments!(most, [filter]))
    }

    async fn goods(&self, ctx: &Context<'_>) -> Result<Goods> {
        answer(ctx, 0, "Query.goods", &arguments!())
    }

    async fn grid(
        &self,
        ctx: &Context<'_>,
        #[graphql(default_with = "vec![vec![1], vec![2, 3]]")] rows: Vec<Vec<i32>>,
        holes: MaybeUndefined<Vec<Option<Vec<Option<i32>>>>>,
    ) -> Option<Result<Grid>> {
        answer(ctx, 0, "Query.grid", &arguments!(rows, [holes]))
    }

    async fn echo(
        &self,
        ctx: &Context<'_>,
        int: MaybeUndefined<i32>,
        #[graphql(default_with = "Some(1.5)")] float: Option<f64>,
        string: MaybeUndefined<String>,
        id: MaybeUndefined<ID>,
        #[graphql(default = true)] flag: bool,
        #[graphql(default_with = "Style::Bold")] style: Style,
        styles: MaybeUndefined<Vec<Style>>,
        even: MaybeUndefined<Even>,
        any: MaybeUndefined<Any>,
    ) -> Option<Result<String>> {
        let arguments = arguments!(
            [int],
            float,
            [string],
            [id],
            flag,
            style,
            [styles],
            [even],
            [any]
        );
        answer(ctx, 0, "Query.echo", &arguments)
    }

    async fn need(
        &self,
        ctx: &Context<'_>,
        int: i32,
        float: f64,
        string: String,
        style: Style,
        list: Vec<i32>,
        point: Point,
    ) -> Result<String> {
        let arguments = arguments!(int, float, string, style, list, point);
        answer(ctx, 0, "Query.need", &arguments)
    }

    async fn find(
        &self,
        ctx: &Context<'_>,
        #[graphql(default_with = "Some(Point::at(3))")] near: Option<Point>,
        spot: MaybeUndefined<Spot>,
        filter: MaybeUndefined<Filter>,
        filters: MaybeUndefined<Vec<Filter>>,
    ) -> Option<Result<Vec<Result<Named>>>> {
        answer(
            ctx,
            0,
            "Query.find",
            &arguments!(near, [spot], [filter], [filters]),
        )
    }

    async fn spot(&self, ctx: &Context<'_>, spot: Spot) -> Option<Result<i32>> {
        answer(ctx, 0, "Query.spot", &arguments!(spot))
    }

    async fn evens(&self, ctx: &Context<'_>, evens: Vec<Option<Even>>) -> Option<Result<Even>> {
        answer(ctx, 0, "Query.evens", &arguments!(evens))
    }

    #[graphql(deprecation = "for tests of that")]
    async fn old(
        &self,
        ctx: &Context<'_>,
        #[graphql(deprecation = "unused")] x: MaybeUndefined<i32>,
        #[graphql(default = 1, deprecation = "unused")] y: i32,
    ) -> Option<Result<i32>> {
        answer(ctx, 0, "Query.old", &arguments!([x], y))
    }

    async fn count(&self, ctx: &Context<'_>) -> Result<i32> {
        answer(ctx, 0, "Query.count", &arguments!())
    }

    async fn ratio(&self, ctx: &Context<'_>) -> Option<Result<f64>> {
        answer(ctx, 0, "Query.ratio", &arguments!())
    }
}
