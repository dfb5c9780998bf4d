//! The same operations on a bare server, for comparison: async-graphql's own axum handler, SeaORM's own pool with its
//! defaults, the ledger's own functions, and no unit of work.
//!
//! `daybook-bench-bare URL none` gives queries the pool: each statement commits by itself. `… URL transaction` begins
//! and commits one of SeaORM's transactions in each resolver, as an ordinary server would. `… URL memory` answers queries with an account
//! that it read at the start: what HTTP and GraphQL alone cost, and so the limit for everybody.
#![expect(
    clippy::disallowed_methods,
    reason = "it is what the unit of work is compared with"
)]

use std::io::Write as _;

use async_graphql::{
    Context, EmptySubscription, ID, InputObject, Object, OneofObject, Result, Schema, SimpleObject,
};
use async_graphql_axum::GraphQL;
use axum::{Router, routing::post_service, serve::ListenerExt as _};
use daybook::ledger::{self, AccountRef, Clock, EntryNotes, Id, NewLine, PostEntry};
use daybook_entity::{Side, account};
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, EntityTrait as _, TransactionTrait as _,
};

#[derive(Clone, Copy, PartialEq)]
enum Scope {
    None,
    Transaction,
    Memory,
}

#[derive(OneofObject)]
#[graphql(name = "AccountRef")]
enum By {
    Id(ID),
    Code(String),
}

impl By {
    fn parse(self) -> Result<AccountRef> {
        Ok(match self {
            Self::Code(code) => AccountRef::Code(code),
            Self::Id(id) => match id.parse()? {
                Id::Account(id) => AccountRef::Id(id),
                _ => return Err("not an account's id".into()),
            },
        })
    }
}

#[derive(SimpleObject)]
struct Money {
    amount: String,
    currency: String,
}

#[derive(SimpleObject)]
struct Balances {
    posted: Money,
    version: String,
}

struct Account(account::Model);

#[Object]
impl Account {
    async fn id(&self) -> ID {
        ID(Id::Account(self.0.id).to_string())
    }

    async fn code(&self) -> &str {
        &self.0.code
    }

    async fn name(&self) -> &str {
        &self.0.name
    }

    async fn balances(&self) -> Balances {
        let credits_over_debits = self.0.credits_posted - self.0.debits_posted;
        let amount = match self.0.normal_side {
            Side::Debit => -credits_over_debits,
            Side::Credit => credits_over_debits,
        };
        Balances {
            posted: Money {
                amount: amount.to_string(),
                currency: self.0.currency.clone(),
            },
            version: self.0.version.to_string(),
        }
    }
}

struct Query;

#[Object]
impl Query {
    async fn account(&self, ctx: &Context<'_>, by: By) -> Result<Option<Account>> {
        let (db, by) = (ctx.data::<DatabaseConnection>()?, by.parse()?);
        let account = match ctx.data::<Scope>()? {
            Scope::Memory => ctx.data::<Option<account::Model>>()?.clone(),
            Scope::None => ledger::account(db, &by).await?,
            Scope::Transaction => {
                let tx = db.begin().await?;
                let account = ledger::account(&tx, &by).await?;
                tx.commit().await?;
                account
            }
        };
        Ok(account.map(Account))
    }
}

#[derive(InputObject)]
struct LineInput {
    debit: By,
    credit: By,
    amount: String,
    currency: String,
}

#[derive(InputObject)]
struct PostEntryInput {
    lines: Vec<LineInput>,
}

#[derive(SimpleObject)]
struct Entry {
    id: ID,
}

#[derive(SimpleObject)]
struct EntryPayload {
    entry: Entry,
    accounts: Vec<Account>,
}

struct Mutation;

#[Object]
impl Mutation {
    async fn post_entry(&self, ctx: &Context<'_>, input: PostEntryInput) -> Result<EntryPayload> {
        let db = ctx.data::<DatabaseConnection>()?;
        let clock = Clock::system();
        let line = |line: LineInput| {
            Ok(NewLine {
                debit: line.debit.parse()?,
                credit: line.credit.parse()?,
                amount: line.amount.parse()?,
                currency: line.currency,
            })
        };
        let command = PostEntry {
            id: ledger::new_entry_id(clock.now(), ledger::random()),
            lines: input.lines.into_iter().map(line).collect::<Result<_>>()?,
            notes: EntryNotes::default(),
            expect: Vec::new(),
            conditions: Vec::new(),
        };
        // Without a transaction it could not lock what it is about to change.
        let tx = db.begin().await?;
        let posted = ledger::post_entry(&tx, command, &clock).await?;
        tx.commit().await?;
        Ok(EntryPayload {
            entry: Entry {
                id: ID(Id::Entry(posted.entry.id).to_string()),
            },
            accounts: posted.accounts.into_iter().map(Account).collect(),
        })
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(scope)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("usage: daybook-bench-bare URL none|transaction|memory");
    };
    let scope = match scope.as_str() {
        "none" => Scope::None,
        "transaction" => Scope::Transaction,
        "memory" => Scope::Memory,
        other => anyhow::bail!("{other} is neither none nor transaction nor memory"),
    };
    let mut options = ConnectOptions::new(url);
    options.max_connections(16).sqlx_logging(false);
    let database = Database::connect(options).await?;
    let remembered = match scope {
        Scope::Memory => account::Entity::find().one(&database).await?,
        Scope::None | Scope::Transaction => None,
    };
    let schema = Schema::build(Query, Mutation, EmptySubscription)
        .data(database)
        .data(remembered)
        .data(scope)
        .finish();
    let router = Router::new().route("/graphql", post_service(GraphQL::new(schema)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    writeln!(std::io::stdout(), "bare on http://{address}")?;
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await?;
    Ok(())
}
