//! A dynamic schema, as a server has that makes it when it starts.

use std::sync::{Arc, atomic::Ordering};

use async_graphql::{
    Error, Result, Value,
    dynamic::{
        Field, FieldFuture, FieldValue, InputValue, Object, ResolverContext, Schema, SchemaBuilder,
        Subscription, SubscriptionField, SubscriptionFieldFuture, TypeRef,
    },
};
use futures_util::{StreamExt, stream};
use sea_orm::ConnectionTrait;
use unit_of_work::{ContextExt, Undelivered, Viewer, redeliver};

use crate::stage::{Cue, MarkCounts, count_marks, insert_mark, lock, statement};

/// A type of the test's own in the data of requests and sessions.
#[derive(Clone)]
pub struct Locale(pub &'static str);

fn cue<'a>(ctx: &ResolverContext<'a>) -> &'a Arc<Cue> {
    ctx.ctx.data_unchecked()
}

fn name(ctx: &ResolverContext<'_>) -> Result<String> {
    Ok(ctx.args.try_get("name")?.string()?.to_owned())
}

fn int(
    name: &str,
    resolver: impl for<'a> Fn(ResolverContext<'a>) -> FieldFuture<'a> + Send + Sync + 'static,
) -> Field {
    Field::new(name, TypeRef::named_nn(TypeRef::INT), resolver)
}

fn with_name(field: Field) -> Field {
    field.argument(InputValue::new("name", TypeRef::named_nn(TypeRef::STRING)))
}

fn query() -> Object {
    Object::new("Query")
        .field(int("marks", |ctx| {
            FieldFuture::new(async move { Ok(Some(Value::from(count_marks(ctx.unit()).await?))) })
        }))
        .field(Field::new(
            "locale",
            TypeRef::named(TypeRef::STRING),
            |ctx| {
                let locale = ctx.data_opt::<Locale>().map(|locale| Value::from(locale.0));
                FieldFuture::from_value(locale)
            },
        ))
        .field(Field::new(
            "viewer",
            TypeRef::named(TypeRef::STRING),
            |ctx| {
                let viewer = ctx
                    .data_opt::<Viewer>()
                    .map(|viewer| Value::from(&*viewer.0));
                FieldFuture::from_value(viewer)
            },
        ))
        .field(
            Field::new("items", TypeRef::named_nn_list_nn("Item"), |ctx| {
                FieldFuture::new(async move {
                    let count = i32::try_from(ctx.args.try_get("n")?.i64()?)?;
                    Ok(Some(FieldValue::list(
                        (0..count).map(FieldValue::owned_any),
                    )))
                })
            })
            .argument(InputValue::new("n", TypeRef::named_nn(TypeRef::INT))),
        )
}

fn item() -> Object {
    Object::new("Item").field(int("marks", |ctx| {
        FieldFuture::new(async move {
            let id = *ctx.parent_value.try_downcast_ref::<i32>()?;
            let count = ctx.loader::<MarkCounts>().load_one(id).await?;
            Ok(count.map(Value::from))
        })
    }))
}

fn mutation() -> Object {
    Object::new("Mutation")
        .field(with_name(Field::new(
            "mark",
            TypeRef::named_nn(TypeRef::STRING),
            |ctx| {
                FieldFuture::new(async move {
                    let name = name(&ctx)?;
                    insert_mark(ctx.unit(), &name).await?;
                    Ok(Some(Value::from(name)))
                })
            },
        )))
        .field(with_name(Field::new(
            "markAndFail",
            TypeRef::named(TypeRef::STRING),
            |ctx| {
                FieldFuture::new(async move {
                    insert_mark(ctx.unit(), &name(&ctx)?).await?;
                    Err::<Option<Value>, _>(Error::new("refused"))
                })
            },
        )))
        .field(int("refuse", |_| {
            FieldFuture::new(async { Err::<Option<Value>, _>(Error::new("refused")) })
        }))
        .field(int("panics", |ctx| {
            FieldFuture::new(async move {
                insert_mark(ctx.unit(), "panics").await?;
                if count_marks(ctx.unit()).await? > 0 {
                    panic!("the resolver's own words");
                }
                Ok(None::<Value>)
            })
        }))
        .field(Field::new(
            "locale",
            TypeRef::named(TypeRef::STRING),
            |ctx| {
                let locale = ctx.data_opt::<Locale>().map(|locale| Value::from(locale.0));
                FieldFuture::from_value(locale)
            },
        ))
        .field(
            int("increment", |ctx| {
                FieldFuture::new(async move {
                    let unit = ctx.unit();
                    let earlier = cue(&ctx).increments.fetch_add(1, Ordering::SeqCst);
                    let row = unit
                        .query_one_raw(statement(unit, "SELECT value FROM counter"))
                        .await?;
                    let value: i64 = row.ok_or("no counter")?.try_get_by_index(0)?;
                    if ctx.args.try_get("meet")?.boolean()? && earlier == 0 {
                        cue(&ctx).meet().await;
                    }
                    let update = format!("UPDATE counter SET value = {}", value + 1);
                    unit.execute_raw(statement(unit, &update)).await?;
                    let cue = Arc::clone(cue(&ctx));
                    unit.after_commit(
                        async move { lock(&cue.effects).push("committed".to_owned()) },
                    );
                    Ok(Some(Value::from(value + 1)))
                })
            })
            .argument(InputValue::new("meet", TypeRef::named_nn(TypeRef::BOOLEAN))),
        )
}

/// An event that shows how many marks there are; the first execution of each loses its connection where the server can end it.
fn tick() -> Object {
    Object::new("Tick")
        .field(int("marks", |ctx| {
            FieldFuture::new(async move { Ok(Some(Value::from(count_marks(ctx.unit()).await?))) })
        }))
        .field(int("marksAfterALoss", |ctx| {
            FieldFuture::new(async move {
                if cue(&ctx)
                    .increments
                    .fetch_add(1, Ordering::SeqCst)
                    .is_multiple_of(2)
                {
                    let end = "SELECT pg_terminate_backend(pg_backend_pid())";
                    ctx.unit().query_one_raw(statement(ctx.unit(), end)).await?;
                }
                Ok(Some(Value::from(count_marks(ctx.unit()).await?)))
            })
        }))
}

fn subscription() -> Subscription {
    Subscription::new("Subscription")
        .field(SubscriptionField::new(
            "ticks",
            TypeRef::named_nn("Tick"),
            |ctx| {
                SubscriptionFieldFuture::new(async move {
                    let cue = Arc::clone(cue(&ctx));
                    let numbers = stream::iter([0, 1]).then(move |number: i32| {
                        let cue = Arc::clone(&cue);
                        async move {
                            if number > 0 {
                                cue.meet().await;
                            }
                            Ok(number)
                        }
                    });
                    Ok(numbers.map(|number: Result<i32>| number.map(FieldValue::owned_any)))
                })
            },
        ))
        .field(SubscriptionField::new(
            "redelivered",
            TypeRef::named_nn("Tick"),
            |ctx| {
                SubscriptionFieldFuture::new(async move {
                    let numbers = stream::iter([0, 1].map(Ok));
                    let numbers = redeliver(&ctx, numbers, |number: i32, _: Undelivered| {
                        Error::new(format!("resume at {number}"))
                    });
                    Ok(numbers.map(|number| number.map(FieldValue::owned_any)))
                })
            },
        ))
        .field(SubscriptionField::new(
            "needsAUnit",
            TypeRef::named_nn("Tick"),
            |ctx| {
                SubscriptionFieldFuture::new(async move {
                    let count = count_marks(ctx.try_unit()?).await?;
                    Ok(stream::iter([Ok(FieldValue::owned_any(count))]))
                })
            },
        ))
}

/// The schema, with subscriptions or without.
pub fn build(cue: &Arc<Cue>, has_subscriptions: bool) -> SchemaBuilder {
    let subscriptions = has_subscriptions.then_some("Subscription");
    let builder = Schema::build("Query", Some("Mutation"), subscriptions)
        .register(query())
        .register(item())
        .register(mutation())
        .register(tick())
        .data(Arc::clone(cue));
    if has_subscriptions {
        return builder.register(subscription());
    }
    builder
}
