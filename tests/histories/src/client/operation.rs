//! A GraphQL operation that is to be sent: its document, and how its answer is read.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};

use super::answer::{self, Heard, OUTCOME_UNKNOWN};
use crate::history::{self, Action, Answer, Asked, Attempt, Found, Read};

/// What of an account a query asks for.
const ACCOUNT: &str = "code balances { posted { amount } version } \
    statement(last: 8) { edges { node { version change { amount } balanceAfter { amount } entry { description } } } }";

/// What of an account is asked for where there is to be one statement of SQL, or there are many accounts.
const BALANCE: &str = "code balances { posted { amount } version }";

/// An operation.
#[derive(Clone, Debug)]
pub struct Operation {
    pub action: Action,
    document: String,
    variables: Map<String, Value>,
    /// One document for each of its fields, to be sent as a JSON batch that is all or nothing.
    documents: Vec<String>,
    /// Whether it is sent as such a batch, where its transport has them.
    pub is_batch: bool,
    /// Its idempotency key.
    pub key: Option<String>,
    /// Whether it is sent two times at once, which is for operations with a key.
    pub is_sent_twice: bool,
    /// After how long its client goes away, where that is early.
    pub patience: Option<Duration>,
    /// The entries that it asks for: the field `f0`, `f1` and so on.
    pub entries: Vec<Asked>,
    /// The account that each field `a0`, `a1` and so on asks for.
    accounts: Vec<String>,
    /// The entry that the field `e` asks for.
    looks_up: Option<String>,
    reads_everything: bool,
}

impl Operation {
    /// A mutation of these root fields, each with its input; those before the first entry open accounts.
    pub fn mutation(opened: &[Value], fields: Vec<(&str, &str, Value, Asked)>) -> Self {
        let mut variables = Map::new();
        let mut selected = Vec::new();
        let mut entries = Vec::new();
        for (number, input) in opened.iter().enumerate() {
            selected.push((
                format!("$o{number}: OpenAccountInput!"),
                format!("o{number}: openAccount(input: $o{number}) {{ account {{ id }} }}"),
            ));
            variables.insert(format!("o{number}"), input.clone());
        }
        for (number, (field, input_type, input, asked)) in fields.into_iter().enumerate() {
            selected.push((
                format!("$f{number}: {input_type}!"),
                format!(
                    "f{number}: {field}(input: $f{number}) {{ entry {{ id description }} accounts {{ {BALANCE} }} }}"
                ),
            ));
            variables.insert(format!("f{number}"), input);
            entries.push(asked);
        }
        let document = |fields: &[(String, String)]| {
            let declared: Vec<&str> = fields.iter().map(|(one, _)| one.as_str()).collect();
            let selected: Vec<&str> = fields.iter().map(|(_, one)| one.as_str()).collect();
            let (declared, selected) = (declared.join(", "), selected.join(" "));
            format!("mutation ({declared}) {{ {selected} }}")
        };
        Self {
            action: Action::Mutation,
            documents: selected.chunks(1).map(document).collect(),
            variables,
            entries,
            ..Self::query(document(&selected))
        }
    }

    /// A query of every account in one page.
    pub fn query_all() -> Self {
        let document =
            format!("{{ all: accounts(first: 100) {{ edges {{ node {{ {BALANCE} }} }} }} }}");
        Self {
            reads_everything: true,
            ..Self::query(document)
        }
    }

    /// A query of some accounts, each by its code, and of an entry by its id and its tag.
    pub fn query_some(accounts: Vec<String>, entry: Option<(&str, String)>) -> Self {
        let of_account = if accounts.len() == 1 && entry.is_none() {
            BALANCE
        } else {
            ACCOUNT
        };
        let mut selected: Vec<String> = accounts
            .iter()
            .enumerate()
            .map(|(number, code)| {
                format!("a{number}: account(by: {{ code: \"{code}\" }}) {{ {of_account} }}")
            })
            .collect();
        if let Some((id, _)) = &entry {
            // In front, in the middle or behind, the snapshot is the same.
            let place = id.len() % (selected.len() + 1);
            let field = format!("e: entry(id: \"{id}\") {{ description lines {{ id }} }}");
            selected.insert(place, field);
        }
        Self {
            accounts,
            looks_up: entry.map(|(_, tag)| tag),
            ..Self::query(format!("{{ {} }}", selected.join(" ")))
        }
    }

    fn query(document: String) -> Self {
        Self {
            action: Action::Query,
            document,
            variables: Map::new(),
            documents: Vec::new(),
            is_batch: false,
            key: None,
            is_sent_twice: false,
            patience: None,
            entries: Vec::new(),
            accounts: Vec::new(),
            looks_up: None,
            reads_everything: false,
        }
    }

    /// Whether one of its entries is a hold.
    pub fn is_hold(&self, entry: usize) -> bool {
        self.document.contains(&format!("f{entry}: placeHold("))
    }

    pub fn is_dry_run(&self) -> bool {
        self.action == Action::DryRun
    }

    /// What is sent over HTTP, beside headers.
    pub fn body(&self) -> Value {
        json!({ "query": self.document, "variables": self.variables })
    }

    /// The same as a batch: each field by itself, with its variable.
    pub fn batch_body(&self) -> Value {
        let bodies = self.documents.iter().map(|document| {
            let of_document = |name: &str| document.contains(&format!("${name}:"));
            let variables = self.variables.iter().filter(|(name, _)| of_document(name));
            let variables = variables.map(|(name, input)| (name.clone(), input.clone()));
            json!({ "query": document, "variables": variables.collect::<Map<_, _>>() })
        });
        bodies.collect()
    }

    /// What is sent where there are no headers.
    pub fn body_with_extensions(&self) -> Value {
        let mut body = self.body();
        if let Some(key) = &self.key {
            body["extensions"]["idempotencyKey"] = json!(key);
        }
        if self.is_dry_run() {
            body["extensions"]["dryRun"] = json!(true);
        }
        body
    }

    /// Reads an answer.
    pub fn hear(&self, response: &Value) -> Heard {
        if let Some(errors) = response["errors"].as_array() {
            return self.hear_errors(errors, response);
        }
        let data = &response["data"];
        let shown = if self.action == Action::Query {
            self.hear_query(data)
        } else {
            self.hear_mutation(data)
        };
        shown.unwrap_or_else(|| Heard::broken("the answer is not what was asked for", response))
    }

    fn hear_errors(&self, errors: &[Value], response: &Value) -> Heard {
        let codes = errors
            .iter()
            .map(|error| error["extensions"]["code"].as_str());
        let Some(codes) = codes.collect::<Option<Vec<_>>>() else {
            return Heard::broken("an error without a code", response);
        };
        let Some(first) = codes.first() else {
            return Heard::broken("no errors in `errors`", response);
        };
        if codes.contains(&OUTCOME_UNKNOWN) {
            return Heard::of(Answer::Unknown(OUTCOME_UNKNOWN.to_owned()));
        }
        let is_half = self.action != Action::Query && !response["data"].is_null();
        let mut heard = Heard::of(Answer::Refused((*first).to_owned()));
        if is_half {
            heard.broken = Some(format!("a mutation with data and errors: {response}"));
        }
        heard
    }

    fn hear_mutation(&self, data: &Value) -> Option<Heard> {
        let mut heard = Heard::of(Answer::Acknowledged);
        for (number, asked) in self.entries.iter().enumerate() {
            let payload = &data[format!("f{number}")];
            let entry = &payload["entry"];
            heard.ids.push(answer::id(&entry["id"])?);
            if entry["description"] != json!(asked.tag) {
                return None;
            }
            for account in payload["accounts"].as_array()? {
                heard.reads.push(answer::account(account, Some(number))?);
            }
        }
        Some(heard)
    }

    fn hear_query(&self, data: &Value) -> Option<Heard> {
        let mut heard = Heard::of(Answer::Acknowledged);
        if self.reads_everything {
            for edge in data["all"]["edges"].as_array()? {
                heard.reads.push(answer::account(&edge["node"], None)?);
            }
        }
        for (number, code) in self.accounts.iter().enumerate() {
            let account = data.get(format!("a{number}"))?;
            heard.reads.push(if account.is_null() {
                // An account that is not there yet has no lines.
                Read {
                    account: code.clone(),
                    ..Read::default()
                }
            } else {
                answer::account(account, None)?
            });
        }
        if let Some(tag) = &self.looks_up {
            let entry = data.get("e")?;
            let lines = match entry.is_null() {
                true => None,
                false if entry["description"] != json!(tag) => return None,
                false => Some(entry["lines"].as_array()?.len()),
            };
            let tag = tag.clone();
            heard.found.push(Found { tag, lines });
        }
        Some(heard)
    }

    /// The operation as it is written down, after all of its attempts.
    pub fn written(
        &self,
        client: usize,
        attempts: Vec<Attempt>,
        heards: Vec<Heard>,
    ) -> history::Operation {
        let answers: Vec<Answer> = heards.iter().map(|heard| heard.answer.clone()).collect();
        let mut entries = self.entries.clone();
        let (mut reads, mut found) = (Vec::new(), Vec::new());
        for heard in heards {
            if heard.answer == Answer::Acknowledged {
                for (entry, id) in entries.iter_mut().zip(heard.ids) {
                    entry.ids.push(id);
                }
                reads = heard.reads;
                found = heard.found;
            }
        }
        // An earlier attempt may still be on its way when a later one is refused, so only what was refused each time is refused.
        let answer = answers
            .iter()
            .find(|answer| **answer == Answer::Acknowledged)
            .or_else(|| answers.iter().find(|answer| answer.is_unknown()))
            .or_else(|| answers.last())
            .cloned();
        history::Operation {
            client,
            action: self.action,
            attempts,
            answer: answer.unwrap_or_else(|| Answer::Unknown("not sent".to_owned())),
            entries,
            reads,
            found,
            reads_everything: self.reads_everything,
        }
    }
}

/// One response for those of a batch: the data of all, and the errors of all.
pub fn together(responses: Value) -> Value {
    let Value::Array(responses) = responses else {
        return responses;
    };
    let (mut data, mut errors) = (Map::new(), Vec::new());
    let mut is_null = false;
    for mut response in responses {
        match response["data"].take() {
            Value::Object(of_one) => data.extend(of_one),
            _ => is_null = true,
        }
        if let Value::Array(of_one) = response["errors"].take() {
            errors.extend(of_one);
        }
    }
    // Where one has failed and others show data, the batch was not one unit.
    let data = if is_null && data.is_empty() {
        Value::Null
    } else {
        Value::Object(data)
    };
    if errors.is_empty() {
        json!({ "data": data })
    } else {
        json!({ "data": data, "errors": errors })
    }
}

/// An account to open, in euros.
pub fn account_input(code: &str, side: &str, policy: &str) -> Value {
    json!({ "code": code, "name": code, "currency": "EUR", "normalSide": side, "limitPolicy": policy })
}

/// An account that clients open as they go.
pub fn new_account(code: &str) -> Value {
    account_input(code, "CREDIT", "NONE")
}

/// Opens the accounts that clients begin with.
///
/// # Errors
/// When the server refuses.
pub async fn setup(address: SocketAddr) -> Result<()> {
    let accounts = super::random::accounts();
    let inputs = accounts.map(|(code, side, policy)| account_input(&code, side, policy));
    let inputs: Vec<Value> = inputs.collect();
    let response = open(address, &inputs).await?;
    ensure!(
        response["errors"].is_null(),
        "the accounts cannot be opened: {response}"
    );
    Ok(())
}

/// Opens an account as clients open theirs, where none of them has: an opening is refused with the entry that comes with it.
///
/// # Errors
/// When the server refuses for another reason than that the account is there.
pub async fn open_where_missing(address: SocketAddr, code: &str) -> Result<()> {
    let response = open(address, &[new_account(code)]).await?;
    let refusal = &response["errors"][0]["extensions"]["code"];
    ensure!(
        response["errors"].is_null() || refusal == "ACCOUNT_CODE_TAKEN",
        "the account {code} cannot be opened: {response}"
    );
    Ok(())
}

async fn open(address: SocketAddr, inputs: &[Value]) -> Result<Value> {
    let operation = Operation::mutation(inputs, Vec::new());
    let response = reqwest::Client::new()
        .post(format!("http://{address}/graphql"))
        .timeout(Duration::from_secs(30))
        .json(&operation.body())
        .send()
        .await
        .context("the accounts cannot be opened")?;
    Ok(response.json().await?)
}
