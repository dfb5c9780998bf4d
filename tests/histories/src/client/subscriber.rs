//! Subscribers: each hears events over a WebSocket, goes away, and goes on with its last cursor, at any server.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::{
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::{Shared, answer, socket::Stream};
use crate::history::{Event, From, Ledger, Listening, Subscriber};

const DOCUMENT: &str = "subscription ($accounts: [AccountRef!], $after: String) {
    entryPosted(accounts: $accounts, after: $after) { cursor entry { id description lines { id } } }
}";

/// A subscriber at work.
#[derive(Debug)]
pub struct Subscribing {
    heard: Arc<Mutex<Subscriber>>,
    /// Whether it goes on where it was, and so hears everything in the end.
    goes_on: bool,
    is_from_now: bool,
    task: AbortHandle,
}

/// How a subscriber is.
#[derive(Clone, Debug)]
pub struct Habit {
    pub name: String,
    /// The accounts that it asks for.
    pub accounts: Option<Vec<String>>,
    /// From now on, or from the beginning.
    pub from_now: bool,
    /// Whether it begins anew each time, from now on, instead of going on.
    pub forgets: bool,
    /// How long it stays at most.
    pub stays: Duration,
}

impl Subscribing {
    fn heard(&self) -> MutexGuard<'_, Subscriber> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it has heard of the last entry that it asks for.
    pub fn is_done(&self, ledger: &Ledger) -> bool {
        let heard = self.heard();
        let wanted = ledger.entries.iter().filter(|entry| heard.wants(entry));
        let Some(wanted) = wanted.max_by_key(|entry| entry.numbers.first()) else {
            return true;
        };
        let last = heard.listenings.last();
        let last = last.and_then(|listening| listening.events.last());
        // Who hears from now on may have begun when all was over.
        let has_begun_late = self.is_from_now && last.is_none();
        !self.goes_on || has_begun_late || last.is_some_and(|last| last.id == wanted.id)
    }

    /// What it heard. It listens no longer. What it was waited for has come, or should have.
    pub fn end(self) -> Subscriber {
        self.task.abort();
        let mut heard = self.heard().clone();
        if let Some(last) = heard.listenings.last_mut() {
            last.is_to_the_end = self.goes_on;
        }
        heard
    }
}

impl Drop for Subscribing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Begins to listen. `settling` is how long it may take until a subscription that was sent has begun.
pub fn subscribe(habit: Habit, seed: u64, settling: Duration, shared: Arc<Shared>) -> Subscribing {
    let heard = Arc::new(Mutex::new(Subscriber {
        name: habit.name.clone(),
        accounts: habit.accounts.clone(),
        listenings: Vec::new(),
    }));
    let (goes_on, is_from_now) = (!habit.forgets, habit.from_now);
    let listener = Listener {
        habit,
        rng: Rng::with_seed(seed),
        settling,
        shared,
        heard: Arc::clone(&heard),
        cursor: None,
    };
    let task = tokio::spawn(listener.run()).abort_handle();
    Subscribing {
        heard,
        goes_on,
        is_from_now,
        task,
    }
}

struct Listener {
    habit: Habit,
    rng: Rng,
    settling: Duration,
    shared: Arc<Shared>,
    heard: Arc<Mutex<Subscriber>>,
    /// Where to go on.
    cursor: Option<String>,
}

impl Listener {
    async fn run(mut self) {
        loop {
            let stays = self.habit.stays.mul_f64(0.1 + self.rng.f64());
            // Where it ends by itself the server is gone, or says no.
            let _ = timeout(stays, self.listen()).await;
            if self.habit.forgets {
                self.cursor = None;
            }
            sleep(Duration::from_millis(self.rng.u64(10..200))).await;
        }
    }

    /// Listens until the stream ends.
    async fn listen(&mut self) -> Option<()> {
        let addresses = &self.shared.addresses;
        let address = addresses[self.rng.usize(..addresses.len())];
        let mut stream = Stream::open(address).await?;
        let beginning = (!self.habit.from_now).then(|| "0".to_owned());
        let after = self.cursor.clone().or(beginning);
        let accounts = self.habit.accounts.as_ref().map(|accounts| {
            let accounts = accounts.iter().map(|code| json!({ "code": code }));
            accounts.collect::<Vec<_>>()
        });
        let payload = json!({
            "query": DOCUMENT,
            "variables": { "accounts": accounts, "after": after },
        });
        stream
            .send(&json!({ "type": "subscribe", "id": "events", "payload": payload }))
            .await?;
        let mut is_new = self.cursor.is_none();
        if is_new && after.is_none() {
            // Answered by whoever has taken up the subscription before it.
            let payload = json!({ "query": "{ __typename }" });
            stream
                .send(&json!({ "type": "subscribe", "id": "settled", "payload": payload }))
                .await?;
        } else if is_new {
            self.begin(From::Beginning);
            is_new = false;
        } else if let Some(listening) = self.subscriber().listenings.last_mut() {
            listening.reconnects += 1;
        }
        loop {
            let message = stream.message().await?;
            match (message["id"].as_str(), message["type"].as_str()) {
                (Some("settled"), Some("next")) if is_new => {
                    self.begin(From::Now(self.shared.now() + self.settling));
                    is_new = false;
                }
                (Some("events"), Some("next")) => {
                    if is_new {
                        self.begin(From::Now(self.shared.now() + self.settling));
                        is_new = false;
                    }
                    let payload = &message["payload"];
                    match self.event(&payload["data"]["entryPosted"]) {
                        Some(event) => {
                            self.cursor = Some(event.cursor.clone());
                            let mut heard = self.subscriber();
                            if let Some(listening) = heard.listenings.last_mut() {
                                listening.events.push(event);
                            }
                        }
                        // An error in the place of an event. What comes after it is listened to: where that is another event, this
                        // one is missed, as the check will say.
                        None => self.fails(&payload["errors"]),
                    }
                }
                (Some("events"), Some("error")) => {
                    self.fails(&message["payload"]);
                    return None;
                }
                (Some("events"), Some("complete")) => return None,
                _ => {}
            }
        }
    }

    fn subscriber(&self) -> MutexGuard<'_, Subscriber> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fails(&self, errors: &Value) {
        let code = errors[0]["extensions"]["code"].as_str();
        let mut heard = self.subscriber();
        if let Some(listening) = heard.listenings.last_mut() {
            listening.errors.push(code.unwrap_or("no code").to_owned());
        }
    }

    fn begin(&self, from: From) {
        let mut heard = self.subscriber();
        // From the beginning again, where nothing was heard: the same listening.
        let is_same = heard.listenings.last().is_some_and(|last| {
            last.events.is_empty() && last.from == From::Beginning && from == From::Beginning
        });
        if !is_same {
            heard.listenings.push(Listening {
                from,
                ..Listening::default()
            });
        }
    }

    fn event(&self, value: &Value) -> Option<Event> {
        let entry = &value["entry"];
        Some(Event {
            at: self.shared.now(),
            cursor: value["cursor"].as_str()?.to_owned(),
            id: answer::id(&entry["id"])?,
            tag: entry["description"].as_str()?.to_owned(),
            lines: entry["lines"].as_array()?.len(),
        })
    }
}
