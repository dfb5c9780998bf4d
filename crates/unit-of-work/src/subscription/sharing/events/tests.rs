use super::*;

fn asked(most_bytes: usize) -> Asked<i64> {
    Asked {
        events: SharedEvents::new(most_bytes, Duration::from_secs(5)),
        question: Question::test("q"),
    }
}

fn lead(joined: Joined) -> Box<dyn Lead> {
    match joined {
        Joined::Leads(lead) => lead,
        _ => panic!("it does not lead"),
    }
}

fn text(joined: Joined) -> Bytes {
    match joined {
        Joined::Text(text, _) => text,
        _ => panic!("it has no text"),
    }
}

fn some_text() -> Outcome {
    Outcome::Text(Bytes::from_static(b"text"))
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_it_is_executed_waits_and_who_comes_later_finds_it() {
    let asked = asked(10_000);
    let began = Instant::now();
    let leading = lead(asked.join(1, began).await);
    let (one, two, ()) = tokio::join!(asked.join(1, began), asked.join(1, began), async {
        tokio::task::yield_now().await;
        leading.end(some_text(), true);
    });
    assert_eq!((text(one), text(two)), ("text".into(), "text".into()));
    assert_eq!(text(asked.join(1, began).await), "text");
    // Another event, and another question, are their own.
    drop(lead(asked.join(2, began).await));
    let other = Asked {
        events: asked.events.clone(),
        question: Question::test("other"),
    };
    drop(lead(other.join(1, began).await));
}

#[tokio::test(start_paused = true)]
async fn what_began_too_early_is_executed_again() {
    let asked = asked(10_000);
    let first = lead(asked.join(1, Instant::now()).await);
    tokio::time::advance(Duration::from_millis(1)).await;
    let later = Instant::now();
    // It waits for the one that is under way, and then leads one of its own.
    let (second, ()) = tokio::join!(asked.join(1, later), async {
        tokio::task::yield_now().await;
        first.end(some_text(), true);
    });
    lead(second).end(Outcome::Text(Bytes::from_static(b"newer")), true);
    assert_eq!(text(asked.join(1, later).await), "newer");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_for_those_who_wait_alone() {
    let asked = asked(10_000);
    let began = Instant::now();
    let leading = lead(asked.join(1, began).await);
    let (waited, ()) = tokio::join!(asked.join(1, began), async {
        tokio::task::yield_now().await;
        leading.end(Outcome::Undelivered(Undelivered::default()), false);
    });
    assert!(matches!(waited, Joined::Undelivered(_)));
    drop(lead(asked.join(1, began).await));
}

#[tokio::test(start_paused = true)]
async fn who_goes_leaves_the_execution_to_one_who_waits() {
    let asked = asked(10_000);
    let began = Instant::now();
    let leading = lead(asked.join(1, began).await);
    let (next, ()) = tokio::join!(asked.join(1, began), async {
        tokio::task::yield_now().await;
        drop(leading);
    });
    drop(lead(next));
    assert!(asked.events.0.kept().flights.is_empty());
}

/// A client that does not read keeps its execution from going on.
#[tokio::test(start_paused = true)]
async fn who_is_stuck_is_overtaken_and_nobody_waits_for_ever() {
    let asked = asked(10_000);
    let began = Instant::now();
    let stuck = lead(asked.join(1, began).await);
    let second = lead(asked.join(1, began).await);
    assert!(began.elapsed() >= PATIENCE);
    second.end(some_text(), true);
    // What the first one has to say comes too late to be kept.
    stuck.end(Outcome::Text(Bytes::from_static(b"late")), true);
    assert_eq!(text(asked.join(1, began).await), "text");
    // While others overtake each other, this one waits no longer than it should.
    let all_stuck = async {
        let mut stuck = vec![lead(asked.join(2, began).await)];
        for _ in 0..4 {
            stuck.push(lead(asked.join(2, began).await));
        }
        std::future::pending::<()>().await;
    };
    let patient = async {
        tokio::task::yield_now().await;
        let since = Instant::now();
        let joined = asked.join(2, began).await;
        (joined, since.elapsed())
    };
    let (joined, waited) = tokio::select! {
        biased;
        () = all_stuck => unreachable!(),
        patient = patient => patient,
    };
    assert!(matches!(joined, Joined::Alone | Joined::Leads(_)));
    assert!(waited <= LONGEST_WAIT + PATIENCE, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_bounded_in_bytes_and_in_time() {
    let asked = asked(3 * (OVERHEAD + 8));
    let began = Instant::now();
    for event in 0..100 {
        lead(asked.join(event, began).await).end(some_text(), true);
        let kept = asked.events.0.kept();
        assert!(kept.bytes <= 3 * (OVERHEAD + 8));
        assert_eq!(kept.flights.len(), kept.ended.len());
    }
    assert_eq!(asked.events.0.kept().flights.len(), 3);
    assert_eq!(text(asked.join(99, began).await), "text");
    drop(lead(asked.join(0, began).await));
    tokio::time::advance(Duration::from_secs(6)).await;
    drop(lead(asked.join(99, began).await));
    asked.events.forget_old();
    let kept = asked.events.0.kept();
    assert_eq!(
        (kept.bytes, kept.flights.len(), kept.ended.len()),
        (0, 0, 0)
    );
}
