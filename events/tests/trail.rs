//! The trail, on a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic with a line number is the report")]

use std::{sync::Arc, time::Duration};

use millgate_events::{
    EventMeta, EventNote, Record, RunEnd, RunStart, Story, TraceParent, Trail, TrailConfig, TrailStore, Wanted, migrate,
};
use millgate_testkit::{Database, wait_for};

const SOON: Duration = Duration::from_mins(2);

async fn opened(config: &TrailConfig) -> (Database, Trail, TrailStore) {
    let database = Database::fresh(None).await;
    migrate(database.pool()).await.unwrap();
    let trail = Trail::start(database.pool(), config, "host/1".into());
    let store = TrailStore::new(database.pool().clone());
    (database, trail, store)
}

fn event(id: &str, correlation: &str, key: &str) -> EventNote {
    let meta = EventMeta {
        id: id.into(),
        source: "shop".into(),
        event_type: "order.created".into(),
        version: 1,
        time: "2026-03-01T12:00:00Z".parse().unwrap(),
        subject: None,
        correlation_id: correlation.into(),
        causation_id: None,
        trace: TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        trace_state: None,
        baggage: None,
    };
    let record = Record {
        topic: "test.order.created".into(),
        partition: 0,
        offset: 7,
        timestamp: None,
        key: Some(key.to_owned().into()),
        value: Some("{}".into()),
        headers: meta.to_headers("application/json"),
    };
    EventNote::of(&record, "order.created", &Arc::from("group")).unwrap()
}

fn run(job: &str, attempt: u32, correlation: Option<&str>) -> RunStart {
    RunStart {
        queue: "email".into(),
        kind: "mail".into(),
        job_id: job.into(),
        job_key: format!("key-of-{job}"),
        attempt,
        event_id: correlation.map(|_| "e1".to_owned()),
        correlation_id: correlation.map(str::to_owned),
    }
}

const DONE: RunEnd<'static> = RunEnd { verdict: "done", failure: None, is_failure: false };
const FAILED: RunEnd<'static> =
    RunEnd { verdict: "retry", failure: Some(("smtp_450", "the mailbox\0is busy")), is_failure: true };

#[tokio::test]
async fn a_story_is_found_by_each_of_its_ids_and_is_no_other() {
    let (_database, trail, store) = opened(&TrailConfig::default()).await;
    trail.events(vec![event("e1", "c1", "order-1"), event("e2", "c1", "parcel-1"), event("e3", "c2", "order-2")]);
    let first = trail.begin(|| run("j1", 1, Some("c1"))).unwrap();
    first.log("sent\0");
    first.end(FAILED);
    trail.begin(|| run("j1", 2, Some("c1"))).unwrap().end(DONE);
    trail.begin(|| run("j9", 1, None)).unwrap().end(DONE);
    trail.close().await;

    let story = store.story(&Wanted::Event("e2".into())).await.unwrap();
    let ids: Vec<&str> = story.events.iter().map(|event| event.event_id.as_str()).collect();
    assert_eq!(ids, ["e1", "e2"]);
    let event = &story.events[0];
    assert_eq!((event.topic.as_str(), event.offset, event.key.as_deref()), ("test.order.created", 7, Some("order-1")));
    let runs: Vec<_> = story.runs.iter().map(|run| (run.attempt, run.verdict.as_deref().unwrap())).collect();
    assert_eq!(runs, [(1, "retry"), (2, "done")]);
    let failed = &story.runs[0];
    assert_eq!((failed.worker.as_str(), failed.code.as_deref()), ("host/1", Some("smtp_450")));
    assert_eq!(failed.message.as_deref(), Some("the mailbox\u{fffd}is busy"));
    assert_eq!(failed.log.as_ref().unwrap()[0].1, "sent\u{fffd}");

    let same = [
        Wanted::Event("e1".into()),
        Wanted::Correlation("c1".into()),
        Wanted::Key("order-1".into()),
        Wanted::Job("j1".into()),
        Wanted::Any("parcel-1".into()),
    ];
    for wanted in same {
        assert_eq!(store.story(&wanted).await.unwrap(), story, "{wanted}");
    }
    let traced = store.story(&Wanted::Trace("4bf92f3577b34da6a3ce929d0e0e4736".into())).await.unwrap();
    assert_eq!(traced.events.len(), 3, "both stories are of the trace");
    assert_eq!(store.story(&Wanted::Job("j9".into())).await.unwrap().runs.len(), 1, "a job of no event");
    assert_eq!(store.story(&Wanted::Key("e1".into())).await.unwrap(), Story::default());
}

#[tokio::test]
async fn a_run_that_takes_long_is_there_before_it_ends_and_once_after() {
    let (_database, trail, store) = opened(&TrailConfig::default()).await;
    let running = trail.begin(|| run("j1", 1, Some("c1"))).unwrap();
    let wanted = Wanted::Job("j1".into());
    let seen = wait_for("the run is noted", SOON, async || store.story(&wanted).await.unwrap().runs.pop()).await;
    assert_eq!((seen.verdict, seen.took_us), (None, None));
    running.end(DONE);
    trail.close().await;
    let runs = store.story(&wanted).await.unwrap().runs;
    assert_eq!((runs.len(), runs[0].verdict.as_deref(), runs[0].took_us.is_some()), (1, Some("done"), true));
}

#[tokio::test]
async fn what_fails_is_noted_though_its_story_is_not() {
    let (_database, trail, store) = opened(&TrailConfig { sample: 0.0, ..TrailConfig::default() }).await;
    assert!(trail.is_on() && !trail.takes("c1"));
    trail.begin(|| run("j1", 1, Some("c1"))).unwrap().end(FAILED);
    trail.begin(|| run("j1", 2, Some("c1"))).unwrap().end(DONE);
    trail.close().await;
    let runs = store.story(&Wanted::Job("j1".into())).await.unwrap().runs;
    assert_eq!(runs.iter().map(|run| run.attempt).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn what_finds_no_room_is_a_gap_that_is_told() {
    let (_database, trail, store) = opened(&TrailConfig { buffer: 3, ..TrailConfig::default() }).await;
    trail.events((0..10).map(|n| event(&format!("e{n}"), "c1", "order-1")).collect());
    trail.close().await;
    let story = store.story(&Wanted::Correlation("c1".into())).await.unwrap();
    assert_eq!(story.events.len(), 3);
    let at = story.events[0].handed_off_at;
    let gaps = store.gaps(at, at).await.unwrap();
    assert_eq!(gaps.iter().map(|gap| gap.notes).collect::<Vec<_>>(), [7]);
    let later = at + Duration::from_mins(1);
    assert_eq!(store.gaps(later, later).await.unwrap(), []);
}

#[tokio::test]
async fn nothing_is_kept_where_nothing_is_to_be() {
    let config = TrailConfig { keep: Duration::ZERO, ..TrailConfig::default() };
    let (_database, trail, _) = opened(&config).await;
    assert!(!trail.is_on() && trail.begin(|| run("j1", 1, None)).is_none());
    trail.close().await;
}
