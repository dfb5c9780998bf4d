//! One run: clients, subscribers and nemesis at work, then quiet, then a look at everything.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use fastrand::Rng;
use tokio::{sync::Mutex, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    arguments::Arguments,
    client::{self, Client, Habit, Shared, Subscribing},
    history::{Action, Finding, FindingKind, History, Ledger},
    look,
    nemesis::Nemesis,
    stand::{Database, Daybook, Kind, Plan, Servers, Stand},
};

/// How long clients go on when the nemesis has ended.
const RECOVERY: Duration = Duration::from_secs(2);

/// How long subscribers may take to hear of everything when no entry comes any more.
const CATCHING_UP: Duration = Duration::from_secs(30);

/// The account that a subscriber asks for before it is there: it is refused until a client has opened it.
const OPENED_LATER: &str = "n3";

/// Runs, and answers the history.
///
/// # Errors
/// When something does not start or does not come back.
pub async fn run(arguments: &Arguments, seed: u64) -> Result<History> {
    let program = arguments.program()?;
    let plan = Plan {
        kind: arguments.kind,
        program: &program,
        servers: arguments.servers(),
        is_synchronous: !arguments.asynchronous,
        replicas: arguments.replicas,
        max_staleness: arguments.max_staleness.as_deref(),
        deadline: Duration::from_millis(arguments.deadline),
        commit_delay: Duration::from_millis(arguments.commit_delay),
        logs: arguments.keep.as_deref(),
    };
    let stand = Arc::new(Stand::build(plan).await?);
    let addresses = stand.addresses();
    client::setup(addresses[0]).await?;
    let shared = Arc::new(Shared::new(
        addresses,
        arguments.answered_within(),
        !arguments.no_tokens,
    ));
    let mut rng = Rng::with_seed(seed);
    let subscribers = subscribers(arguments, &mut rng, &shared);
    let clients = CancellationToken::new();
    let nemeses = CancellationToken::new();

    let mut sending = JoinSet::new();
    for number in 0..arguments.clients {
        let client = Client::new(number, rng.u64(..), Arc::clone(&shared));
        let pause = Duration::from_millis(arguments.pause);
        sending.spawn(client.run(clients.clone(), pause));
    }
    let mut disturbing = JoinSet::new();
    let restarting = Arc::new(Mutex::new(()));
    // Two, so that faults meet. The second is slower.
    for pace in [1, 3] {
        let nemesis = Nemesis::new(
            Arc::clone(&stand),
            arguments.faults()?,
            rng.u64(..),
            shared.started,
            Arc::clone(&restarting),
        );
        let calm = Duration::from_millis(arguments.calm) * pace;
        disturbing.spawn(nemesis.run(nemeses.clone(), calm));
    }

    sleep(Duration::from_secs(arguments.seconds)).await;
    let mut history = History {
        answered_within: arguments.answered_within(),
        has_tokens: arguments.replicas,
        shows_tokens: !arguments.no_tokens,
        ..History::default()
    };
    nemeses.cancel();
    while let Some(nemesis) = disturbing.join_next().await {
        let made = nemesis?.context("the nemesis")?.disturbances;
        history.disturbances.extend(made);
    }
    sleep(RECOVERY).await;
    clients.cancel();
    while let Some(client) = sending.join_next().await {
        let client = client?;
        history.operations.extend(client.operations);
        history.findings.extend(client.findings);
    }
    // Every server answers, and reads the same as everybody.
    for server in 0..stand.servers.len() {
        let mut last = Client::last(server, Arc::clone(&shared));
        last.read_everything().await;
        if !last.has_succeeded() {
            history.findings.push(Finding {
                kind: FindingKind::NotRecovered,
                text: format!(
                    "server {server} does not answer when all is well: {:?}",
                    last.operations
                ),
            });
        }
        history.operations.extend(last.operations);
    }
    if let Database::Servers(servers) = &stand.database
        && arguments.kind == Kind::Cluster
    {
        cluster(servers, &shared, &mut history).await?;
    }
    client::open_where_missing(shared.addresses[0], OPENED_LATER).await?;
    quiet(&stand, arguments, &mut history).await?;
    history.ledger = settled(&stand, &subscribers).await?;
    agree(&stand, &mut history).await?;
    let heard = subscribers.into_iter().map(Subscribing::end);
    history.subscribers = heard.collect();
    verify(&program, &stand, &mut history).await?;
    if let Ok(stand) = Arc::try_unwrap(stand) {
        stand.stop().await;
    }
    Ok(history)
}

/// Whether all standbys follow, how often one took over, and where queries were read.
async fn cluster(servers: &Servers, shared: &Shared, history: &mut History) -> Result<()> {
    if let Err(error) = servers.all_follow().await {
        history.findings.push(Finding {
            kind: FindingKind::NotRecovered,
            text: format!("{error:#}"),
        });
    }
    history.switches = servers.switches().await?;
    for address in &shared.addresses {
        for (at, count) in look::read_at(*address).await? {
            *history.read_at.entry(at).or_default() += count;
        }
    }
    Ok(())
}

fn subscribers(arguments: &Arguments, rng: &mut Rng, shared: &Arc<Shared>) -> Vec<Subscribing> {
    let habit = |name: &str, from_now, stays| Habit {
        name: name.to_owned(),
        accounts: None,
        from_now,
        forgets: false,
        stays: Duration::from_secs(stays),
    };
    let habits = [
        habit("steady", false, 3600),
        habit("restless", false, 3),
        habit("from now on", true, 20),
        Habit {
            accounts: Some(vec!["h1".to_owned(), OPENED_LATER.to_owned()]),
            ..habit("of two accounts", false, 8)
        },
        Habit {
            forgets: true,
            ..habit("passing by", true, 6)
        },
    ];
    // Until then a subscription has begun, or its server has given it up.
    let settling = Duration::from_millis(arguments.deadline) + Duration::from_secs(2);
    let subscribing = habits
        .into_iter()
        .map(|habit| client::subscribe(habit, rng.u64(..), settling, Arc::clone(shared)));
    subscribing.collect()
}

/// Waits until no session is in a transaction: at the latest when every operation has passed its deadline and its bound.
async fn quiet(stand: &Stand, arguments: &Arguments, history: &mut History) -> Result<()> {
    let limit = Instant::now() + arguments.answered_within();
    loop {
        let open = look::open_sessions(&stand.database).await?;
        if open.is_empty() {
            return Ok(());
        }
        if Instant::now() > limit {
            history
                .findings
                .extend(open.into_iter().map(|text| Finding {
                    kind: FindingKind::SessionLeft,
                    text,
                }));
            return Ok(());
        }
        // MariaDB's answer is a new one only where nobody has asked for a tenth of a second.
        sleep(Duration::from_millis(150)).await;
    }
}

/// The final state, when all subscribers have heard of all of it, or should have. An operation that nobody waits for any more
/// may still have committed meanwhile, so it is looked at again.
async fn settled(stand: &Stand, subscribers: &[Subscribing]) -> Result<Ledger> {
    let limit = Instant::now() + CATCHING_UP;
    let mut ledger = look::ledger(&stand.database).await?;
    loop {
        let is_late = Instant::now() > limit;
        if is_late
            || subscribers
                .iter()
                .all(|subscriber| subscriber.is_done(&ledger))
        {
            let again = look::ledger(&stand.database).await?;
            if is_late || again.entries.len() == ledger.entries.len() {
                return Ok(again);
            }
            ledger = again;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Whether all nodes of a cluster have the same ledger.
async fn agree(stand: &Stand, history: &mut History) -> Result<()> {
    if !matches!(stand.database, Database::Nodes(_)) {
        return Ok(());
    }
    let ledgers = look::ledgers(&stand.database).await?;
    let disagree = ledgers.iter().enumerate();
    let disagree = disagree.filter(|(_, ledger)| **ledger != history.ledger);
    history
        .findings
        .extend(disagree.map(|(number, ledger)| Finding {
            kind: FindingKind::NodesDisagree,
            text: format!(
                "node {number} has {} entries where {} were read before, or other ones",
                ledger.entries.len(),
                history.ledger.entries.len()
            ),
        }));
    Ok(())
}

async fn verify(program: &Path, stand: &Stand, history: &mut History) -> Result<()> {
    let said = Daybook::run(program, "verify", &stand.database.url()).await?;
    history.findings.extend(said.map(|text| Finding {
        kind: FindingKind::NotVerified,
        text,
    }));
    let mutations = history.operations.iter();
    let mutations = mutations.filter(|operation| operation.action != Action::Query);
    anyhow::ensure!(mutations.count() > 0, "no client has sent anything");
    Ok(())
}
