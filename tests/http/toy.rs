//! A schema that tells what happens to it, and can be held.

use std::sync::{
    Arc,
    atomic::{AtomicI32, Ordering},
};

use async_graphql::{
    Context, Error, Executor, Object, Result, Schema, ServerError, SimpleObject, Subscription,
    ValidationResult,
    async_trait::async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation},
    futures_util::{Stream, StreamExt, stream},
};
use daybook::http::{Readiness, RequestErrors};
use tokio::sync::Semaphore;
use unit_of_work::{DryRun, Report, Viewer};

/// What a schema and its test share.
#[derive(Clone, Default)]
pub(super) struct Toy(Arc<Inner>);

pub(super) struct Inner {
    /// The sum of all `add`.
    pub(super) sum: AtomicI32,
    /// A permit for each `hold` that has begun.
    pub(super) holding: Semaphore,
    /// A `hold` ends when it finds a permit here.
    pub(super) release: Semaphore,
    /// A permit for each `hold` that was dropped before its end.
    pub(super) dropped: Semaphore,
    /// A `block` keeps its thread until a lock of this is to be had.
    pub(super) thread: std::sync::Mutex<()>,
    /// A permit for each `forever` that was dropped.
    pub(super) closed: Semaphore,
    /// The events of `big` that were made.
    pub(super) made: AtomicI32,
    /// Whether the server says it is ready.
    pub(super) not_ready: std::sync::Mutex<Option<String>>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            sum: AtomicI32::new(0),
            holding: Semaphore::new(0),
            release: Semaphore::new(0),
            dropped: Semaphore::new(0),
            thread: std::sync::Mutex::new(()),
            closed: Semaphore::new(0),
            made: AtomicI32::new(0),
            not_ready: std::sync::Mutex::new(None),
        }
    }
}

impl std::ops::Deref for Toy {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// Takes one permit for good.
pub(super) async fn take(semaphore: &Semaphore) {
    let permit = tokio::time::timeout(super::PATIENCE, semaphore.acquire());
    permit
        .await
        .expect("nobody gave a permit")
        .unwrap()
        .forget();
}

/// An extension that takes what is known of a request, as the unit of work's does.
struct Nothing;

impl ExtensionFactory for Nothing {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Extension for Nothing {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        match ctx.data_opt::<ValidationResult>() {
            Some(result) => Ok(*result),
            None => next.run(ctx).await,
        }
    }
}

/// What the toy's operations are held against.
pub(super) fn definition() -> graphql_operation::Schema {
    let schema = Schema::new(Query, Mutation, Events);
    graphql_operation::Schema::parse(&schema.sdl()).unwrap()
}

impl Toy {
    pub(super) fn schema(&self) -> impl Executor + use<> {
        Schema::build(Query, Mutation, Events)
            .extension(RequestErrors::around(Nothing))
            .data(self.clone())
            .finish()
    }

    pub(super) fn readiness(&self) -> Readiness {
        let toy = self.clone();
        Arc::new(move || {
            let outcome = match toy.not_ready.lock().unwrap().clone() {
                Some(reason) => Err(reason),
                None => Ok(()),
            };
            Box::pin(async move { outcome })
        })
    }

    pub(super) fn sum(&self) -> i32 {
        self.sum.load(Ordering::SeqCst)
    }

    async fn hold(&self) -> bool {
        let mut guard = GiveOnDrop(Some((self.clone(), |toy| &toy.dropped)));
        self.holding.add_permits(1);
        take(&self.release).await;
        guard.0 = None;
        true
    }
}

/// Gives a permit when it is dropped.
struct GiveOnDrop(Option<(Toy, Which)>);

type Which = fn(&Inner) -> &Semaphore;

impl Drop for GiveOnDrop {
    fn drop(&mut self) {
        if let Some((toy, which)) = &self.0 {
            which(toy).add_permits(1);
        }
    }
}

fn toy<'a>(ctx: &Context<'a>) -> &'a Toy {
    ctx.data_unchecked()
}

struct Query;

#[Object]
impl Query {
    async fn hello(&self, name: String) -> String {
        format!("hello {name}")
    }

    async fn sum(&self, ctx: &Context<'_>) -> i32 {
        toy(ctx).sum()
    }

    /// As many numbers as are asked for.
    async fn numbers(&self, first: Option<i32>) -> Vec<Number> {
        (0..first.unwrap_or(20))
            .map(|number| Number { number })
            .collect()
    }

    async fn fails(&self) -> Result<i32> {
        Err(Error::new("it fails"))
    }

    async fn fails_nullably(&self) -> Option<Result<i32>> {
        Some(Err(Error::new("it fails")))
    }

    async fn panics(&self, ctx: &Context<'_>) -> i32 {
        let sum = toy(ctx).sum();
        assert!(sum < 0, "a secret cause");
        sum
    }

    async fn header(&self, ctx: &Context<'_>) -> i32 {
        ctx.insert_http_header("x-toy", "1");
        ctx.append_http_header("set-cookie", "a=1");
        ctx.append_http_header("set-cookie", "b=2");
        ctx.insert_http_header("content-length", "1");
        ctx.insert_http_header("content-type", "text/html");
        1
    }

    /// What the response is to tell of its unit.
    async fn told(&self, ctx: &Context<'_>) -> String {
        format!(
            "{:?}",
            ctx.data_opt::<Report>().copied().unwrap_or_default()
        )
    }

    /// Whether the operation is to be a dry run.
    async fn is_dry_run(&self, ctx: &Context<'_>) -> bool {
        ctx.data_opt::<DryRun>().is_some()
    }

    async fn hold(&self, ctx: &Context<'_>) -> bool {
        toy(ctx).hold().await
    }

    /// Keeps its thread, as what computes for long without a pause does.
    async fn block(&self, ctx: &Context<'_>) -> bool {
        toy(ctx).holding.add_permits(1);
        drop(toy(ctx).thread.lock().unwrap());
        true
    }

    /// Whom the unit of work would take the request for.
    async fn viewer(&self, ctx: &Context<'_>) -> Option<String> {
        ctx.data_opt::<Viewer>().map(|viewer| viewer.0.clone())
    }
}

#[derive(SimpleObject)]
struct Number {
    number: i32,
}

struct Mutation;

#[Object]
impl Mutation {
    /// Reads, waits and writes: two at once would lose one.
    async fn add(&self, ctx: &Context<'_>, by: i32) -> i32 {
        let toy = toy(ctx);
        let sum = toy.sum();
        tokio::task::yield_now().await;
        toy.sum.store(sum + by, Ordering::SeqCst);
        sum + by
    }

    async fn fails(&self) -> Result<i32> {
        Err(Error::new("it fails"))
    }

    async fn hold(&self, ctx: &Context<'_>) -> bool {
        toy(ctx).hold().await
    }
}

struct Events;

#[Subscription]
impl Events {
    async fn count(&self, to: i32) -> impl Stream<Item = i32> {
        stream::iter(1..=to)
    }

    async fn forever(&self, ctx: &Context<'_>) -> impl Stream<Item = i32> {
        let guard = GiveOnDrop(Some((toy(ctx).clone(), |toy| &toy.closed)));
        stream::iter([1]).chain(stream::pending()).map(move |item| {
            let _ = &guard;
            item
        })
    }

    /// One event, and then a panic.
    async fn panics(&self) -> impl Stream<Item = i32> {
        stream::iter(1..).map(|item| {
            assert!(item < 2, "a secret cause");
            item
        })
    }

    /// Events of 64 KiB, without end, as fast as they are taken.
    async fn big(&self, ctx: &Context<'_>) -> impl Stream<Item = String> {
        let guard = GiveOnDrop(Some((toy(ctx).clone(), |toy| &toy.closed)));
        let toy = toy(ctx).clone();
        stream::repeat_with(move || {
            let _ = &guard;
            toy.made.fetch_add(1, Ordering::SeqCst);
            "x".repeat(64 * 1024)
        })
    }

    async fn cannot_start(&self) -> Result<impl Stream<Item = i32> + use<>> {
        Err::<stream::Empty<i32>, _>(Error::new("it cannot start"))
    }
}
