//! What is asked for a statement, page by page.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value as Json, json};

use crate::{
    command::terminal::{
        client::{Ask, Client, Page},
        failure::Failure,
        money::Money,
    },
    config::{AccountName, StatementTask, When},
};

/// Lines of a page. With more, the operation would count as a heavy one, of which a server runs few at once.
pub(in crate::command::terminal) const PAGE: u64 = 70;

/// The lines of a page, as both documents ask for them.
macro_rules! lines {
    () => {
        "statement(first: $first, after: $after, orderBy: $order, direction: $direction, filter: $filter) {
      pageInfo { hasNextPage endCursor }
      edges {
        node {
          version side
          change { amount decimal }
          counterparty { code name }
          line { id effect amount { amount decimal } }
          entry { id kind reference description effectiveAt recordedAt }
        }
      }
    }"
    };
}

/// The first page, and the balances of the same snapshot.
pub(in crate::command::terminal) const FIRST: &str = concat!(
    "query Statement($account: AccountRef!, $first: Int!, $after: String, $order: StatementOrderField!, $direction: OrderDirection!, $filter: StatementFilter, \
     $hasOpening: Boolean!, $openingAt: PointInTime, $openingZone: String, $closingAt: PointInTime, $closingZone: String) {
  account(by: $account) {
    id code name currency normalSide
    balances { version pending { amount decimal } available { amount decimal } }
    opening: balances(at: $openingAt, timeZone: $openingZone) @include(if: $hasOpening) { posted { amount decimal } }
    closing: balances(at: $closingAt, timeZone: $closingZone) { posted { amount decimal } }
    ",
    lines!(),
    "
  }
}"
);

/// The pages after it.
pub(in crate::command::terminal) const NEXT: &str = concat!(
    "query StatementPage($account: AccountRef!, $first: Int!, $after: String, $order: StatementOrderField!, $direction: OrderDirection!, $filter: StatementFilter) {
  account(by: $account) {
    ",
    lines!(),
    "
  }
}"
);

#[derive(Deserialize)]
struct Answer<T> {
    account: Option<T>,
}

#[derive(Deserialize)]
struct FirstPage {
    #[serde(flatten)]
    about: About,
    statement: Page<Line>,
}

#[derive(Deserialize)]
struct NextPage {
    statement: Page<Line>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct About {
    id: String,
    code: String,
    name: String,
    currency: String,
    normal_side: String,
    balances: Balances,
    opening: Option<Posted>,
    closing: Posted,
}

#[derive(Deserialize)]
struct Balances {
    version: String,
    pending: Money,
    available: Money,
}

#[derive(Deserialize)]
struct Posted {
    posted: Money,
}

/// The account, as the first page's snapshot has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) code: String,
    pub(super) name: String,
    pub(super) currency: String,
    pub(super) normal_side: String,
    /// How many lines it has.
    pub(super) version: String,
    pub(super) pending: Money,
    pub(super) available: Money,
    /// The balance before the period; `None` if it begins with the first line.
    #[serde(skip)]
    pub(super) opening: Option<Money>,
    /// The balance at the end of the period.
    #[serde(skip)]
    pub(super) closing: Money,
}

/// A line as the account sees it.
#[derive(Deserialize, Serialize)]
pub(super) struct Line {
    pub(super) version: String,
    pub(super) side: String,
    pub(super) change: Money,
    pub(super) counterparty: Counterparty,
    pub(super) line: EntryLine,
    pub(super) entry: Entry,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Counterparty {
    pub(super) code: String,
    pub(super) name: String,
}

#[derive(Deserialize, Serialize)]
pub(super) struct EntryLine {
    pub(super) id: String,
    pub(super) effect: String,
    pub(super) amount: Money,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) reference: Option<String>,
    pub(super) description: Option<String>,
    #[serde(serialize_with = "micros")]
    pub(super) effective_at: DateTime<Utc>,
    #[serde(serialize_with = "micros")]
    pub(super) recorded_at: DateTime<Utc>,
}

/// Writes an instant as the API does.
fn micros<S: Serializer>(instant: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&instant.to_rfc3339_opts(SecondsFormat::Micros, true))
}

/// Asks page by page.
pub(super) struct Question<'a> {
    client: &'a Client,
    task: &'a StatementTask,
    /// How many lines the account had at first.
    version: i64,
    /// The cursor of the next page.
    after: Option<String>,
    /// How many more lines are wanted.
    wanted: u64,
}

impl<'a> Question<'a> {
    pub(super) fn new(client: &'a Client, task: &'a StatementTask) -> Self {
        Self {
            client,
            task,
            version: i64::MAX,
            after: None,
            wanted: task.last.map_or(u64::MAX, u64::from),
        }
    }

    /// The account, and the first page.
    pub(super) async fn first(&mut self) -> Result<(Account, Vec<Line>), Failure> {
        let opening = self.task.from.and_then(When::before);
        // A range does not have its end if that is an instant, and a point does.
        let closing = self.task.until.and_then(|until| match until {
            When::Day(_) => Some(until),
            When::Instant(_) => until.before(),
        });
        let at = |when: Option<When>| when.map(|when| json!({ "effectiveAt": when.to_api() }));
        let mut variables = self.variables();
        variables.extend([
            ("hasOpening".to_owned(), opening.is_some().into()),
            ("openingAt".to_owned(), json!(at(opening))),
            ("openingZone".to_owned(), json!(self.zone([opening]))),
            ("closingAt".to_owned(), json!(at(closing))),
            ("closingZone".to_owned(), json!(self.zone([closing]))),
        ]);
        let ask = Ask {
            document: FIRST,
            variables: variables.into(),
            writes: None,
        };
        let answer = self.client.ask::<Answer<FirstPage>>(ask).await?.data;
        let FirstPage { about, statement } = answer.account.ok_or_else(|| self.no_account())?;
        // If it were no number, lines that came later would be let through, and the balance would not add up.
        self.version = about.balances.version.parse().unwrap_or(i64::MAX);
        let account = Account {
            id: about.id,
            code: about.code,
            name: about.name,
            currency: about.currency,
            normal_side: about.normal_side,
            version: about.balances.version,
            pending: about.balances.pending,
            available: about.balances.available,
            opening: about.opening.map(|it| it.posted),
            closing: about.closing.posted,
        };
        Ok((account, self.take(statement)))
    }

    /// The next page; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Line>>, Failure> {
        if self.after.is_none() || self.wanted == 0 {
            return Ok(None);
        }
        let ask = Ask {
            document: NEXT,
            variables: self.variables().into(),
            writes: None,
        };
        let answer = self.client.ask::<Answer<NextPage>>(ask).await?.data;
        let page = answer.account.ok_or_else(|| self.no_account())?.statement;
        Ok(Some(self.take(page)))
    }

    /// The lines of a page that belong to the statement.
    fn take(&mut self, page: Page<Line>) -> Vec<Line> {
        self.after = page.next();
        let mut lines: Vec<Line> = page.into_nodes().collect();
        let read = lines.len();
        let version = self.version;
        lines.retain(|line| line.version.parse::<i64>().is_ok_and(|it| it <= version));
        if self.task.posted_order && lines.len() < read {
            // Oldest first, what follows was posted later still. Newest first, the first page had nothing newer, and so no page has.
            self.after = None;
        }
        self.wanted = self.wanted.saturating_sub(lines.len() as u64);
        lines
    }

    fn variables(&self) -> Map<String, Json> {
        let StatementTask {
            account,
            from,
            until,
            holds,
            last,
            posted_order,
            ..
        } = self.task;
        let account = match account {
            AccountName::Code(code) => json!({ "code": code }),
            AccountName::Id(id) => json!({ "id": id }),
        };
        let mut filter = Map::new();
        for (name, when) in [("effectiveFrom", from), ("effectiveUntil", until)] {
            filter.extend(when.map(|when| (name.to_owned(), when.to_api().into())));
        }
        let zone = self.zone([*from, *until]);
        filter.extend(zone.map(|zone| ("timeZone".to_owned(), zone.into())));
        if !holds {
            filter.insert("effects".to_owned(), json!(["POST", "CAPTURE"]));
        }
        let order = if *posted_order {
            "RECORDED_AT"
        } else {
            "EFFECTIVE_AT"
        };
        let direction = if last.is_some() { "DESC" } else { "ASC" };
        let variables = [
            ("account", account),
            ("first", self.wanted.min(PAGE).into()),
            ("after", json!(self.after)),
            ("order", order.into()),
            ("direction", direction.into()),
            ("filter", filter.into()),
        ];
        variables
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect()
    }

    /// The time zone, if one of these is a day there. The API refuses a time zone that says nothing.
    fn zone<const N: usize>(&self, whens: [Option<When>; N]) -> Option<&'static str> {
        let is_any = whens.into_iter().flatten().any(When::is_day);
        is_any.then(|| self.task.time_zone.name())
    }

    fn no_account(&self) -> Failure {
        super::super::no_account(&self.task.account)
    }
}
