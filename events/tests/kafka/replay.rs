//! Records once more: which of them, where to, and over what is cut off.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use millgate_events::{
    Chosen, Destination, IntoFile, IntoTopic, Logs, Progress, REPLAY_HEADERS, Record, Replay, ReplayError,
    ReplayStatus, ReplayStore, Selection, Taken, Tally, Values,
};
use millgate_testkit::{Database, Folder, KafkaServer, KafkaSpace, wait_for};
use tokio_util::sync::CancellationToken;

use crate::bench::SOON;

/// Topic `orders` of two partitions: each of `count` records has its number for id and value.
async fn filled(count: usize) -> KafkaSpace {
    let space = KafkaSpace::fresh("replay");
    space.create("orders", 2).await;
    for n in 0..count {
        put(&space, "orders", n).await;
    }
    space
}

/// Orders of two types, of five sessions, of three keys.
async fn put(space: &KafkaSpace, topic: &str, n: usize) {
    let (id, session, key) = (format!("e-{n}"), format!("s-{}", n % 5), format!("k-{}", n % 3));
    let event_type = if n.is_multiple_of(4) { "order.paid" } else { "order.created" };
    let headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", id.as_str()),
        ("ce_source", "shop"),
        ("ce_type", event_type),
        ("ce_correlationid", session.as_str()),
        ("x-own", "kept"),
    ];
    let (partition, value) = (i32::try_from(n % 2).unwrap(), format!("{{\"n\":{n}}}"));
    space.put(topic, partition, Some(key.as_bytes()), Some(value.as_bytes()), &headers).await;
}

fn all() -> Selection {
    Selection { topics: vec!["orders".into()], ..Selection::default() }
}

pub(crate) async fn begun(space: &KafkaSpace, selection: &Selection) -> Progress {
    let spans = Logs::new(&space.config(), SOON).spans(selection).await.unwrap();
    Progress { spans, note: String::new() }
}

/// Gets records and keeps them; fails, or stops the replay, when it has so many.
#[derive(Default)]
pub(crate) struct Pile {
    pub(crate) records: Vec<Record>,
    stop_at: Option<(usize, CancellationToken)>,
}

impl Destination for Pile {
    async fn begin(&mut self, _: &mut Progress) -> Result<(), ReplayError> {
        Ok(())
    }

    async fn take(&mut self, records: &[Chosen], _: &mut Progress, _: &mut Tally) -> Result<Taken, ReplayError> {
        self.records.extend(records.iter().map(|chosen| chosen.record.clone()));
        if let Some((count, stop)) = &self.stop_at
            && self.records.len() >= *count
        {
            stop.cancel();
        }
        Ok(Taken::All)
    }
}

/// Runs a replay, and gives what was counted and whether it came to its end.
async fn replayed(
    space: &KafkaSpace,
    selection: &Selection,
    progress: &mut Progress,
    into: &mut impl Destination,
    stop: &CancellationToken,
) -> (Tally, bool) {
    let (config, values, mut tally) = (space.config(), Values::default(), Tally::default());
    let replay = Replay {
        kafka: &config,
        values: &values,
        selection,
        // Small steps.
        rate: Some((200, Duration::from_secs(1))),
        strict: false,
        stop: stop.clone(),
        tell: &|_, _| {},
    };
    let ended = replay.run(progress, &mut tally, into, None).await.unwrap();
    (tally, ended)
}

async fn numbers(space: &KafkaSpace, selection: &Selection) -> Vec<usize> {
    let mut progress = begun(space, selection).await;
    let mut pile = Pile::default();
    let (tally, ended) = replayed(space, selection, &mut progress, &mut pile, &CancellationToken::new()).await;
    assert!(ended && progress.spans.iter().all(millgate_events::Span::is_done), "{progress:?}");
    assert_eq!(usize::try_from(tally.selected).unwrap(), pile.records.len());
    let counted: u64 = tally.topics.values().flat_map(|types| types.values()).map(|tally| tally.events).sum();
    assert_eq!(counted, tally.selected);
    let mut numbers: Vec<usize> = pile.records.iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

pub(crate) fn number(record: &Record) -> usize {
    let value: serde_json::Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
    value["n"].as_u64().unwrap().try_into().unwrap()
}

fn where_it_holds(count: usize, holds: impl Fn(usize) -> bool) -> Vec<usize> {
    (0..count).filter(|n| holds(*n)).collect()
}

#[tokio::test]
async fn each_selection_takes_what_it_names_and_nothing_else() {
    let space = filled(60).await;
    assert_eq!(numbers(&space, &all()).await, where_it_holds(60, |_| true));
    let session = Selection { correlation: Some("s-3".into()), ..all() };
    assert_eq!(numbers(&space, &session).await, where_it_holds(60, |n| n % 5 == 3));
    let one = Selection { correlation: Some("e-7".into()), ..all() };
    assert_eq!(numbers(&space, &one).await, [7], "an event without a correlation id of others' has its own");
    let keys = Selection { keys: vec!["k-0".into(), "k-2".into()], ..all() };
    assert_eq!(numbers(&space, &keys).await, where_it_holds(60, |n| n % 3 != 1));
    let paid = Selection { types: vec!["order.paid".into()], keys: vec!["k-1".into()], ..all() };
    assert_eq!(numbers(&space, &paid).await, where_it_holds(60, |n| n % 4 == 0 && n % 3 == 1));
    // Offset 5 of partition 0 is number 10.
    let ranges = ["orders:0:5-8", "orders:0:20-22", "orders:1:28-"].map(|range| range.parse().unwrap());
    let stretches = Selection { offsets: ranges.into(), ..all() };
    assert_eq!(numbers(&space, &stretches).await, [10, 12, 14, 40, 42, 57, 59]);
    let missing = Selection { topics: vec!["orders".into(), "order".into()], ..all() };
    let refused = Logs::new(&space.config(), SOON).spans(&missing).await.unwrap_err().to_string();
    assert!(refused.contains("does not exist"), "{refused}");
    let partition = Selection { offsets: vec!["orders:7:0-".parse().unwrap()], ..all() };
    let refused = Logs::new(&space.config(), SOON).spans(&partition).await.unwrap_err().to_string();
    assert!(refused.contains("there is no partition 7"), "{refused}");
}

#[tokio::test]
async fn times_are_those_that_kafka_has() {
    let space = filled(10).await;
    let last = space.records("orders", 10).await.iter().filter_map(|record| record.timestamp).max().unwrap();
    // The next ones are later by at least a millisecond.
    wait_for("the clock goes on", SOON, async || (now().timestamp_millis() > last).then_some(())).await;
    for n in 10..20 {
        put(&space, "orders", n).await;
    }
    let times = space.records("orders", 20).await;
    let first = times.iter().filter(|record| number(record) >= 10).filter_map(|record| record.timestamp).min().unwrap();
    let border = DateTime::from_timestamp_millis(first).unwrap();
    let since = Selection { from: Some(border), ..all() };
    assert_eq!(numbers(&space, &since).await, (10..20).collect::<Vec<_>>());
    let before = Selection { until: Some(border), ..all() };
    assert_eq!(numbers(&space, &before).await, (0..10).collect::<Vec<_>>());
    let never = Selection { from: Some(border + TimeDelta::days(1)), ..all() };
    assert_eq!(numbers(&space, &never).await, [0; 0]);
}

#[tokio::test]
async fn the_end_is_that_of_the_beginning() {
    let space = filled(20).await;
    let mut progress = begun(&space, &all()).await;
    for n in 20..30 {
        put(&space, "orders", n).await;
    }
    let mut pile = Pile::default();
    replayed(&space, &all(), &mut progress, &mut pile, &CancellationToken::new()).await;
    assert!(pile.records.len() == 20 && pile.records.iter().all(|record| number(record) < 20));
    assert_eq!(space.group().await, (String::new(), 0), "no group was joined");
    assert_eq!(space.committed("orders").await, [None, None], "and nothing committed");
}

#[tokio::test]
async fn what_kafka_has_deleted_is_counted_and_what_is_no_event_is_skipped() {
    let space = filled(40).await;
    let mut progress = begun(&space, &all()).await;
    space.truncate("orders", 0, 7).await;
    space.put("orders", 0, Some(b"k-0"), Some(b"{broken"), &[]).await;
    let mut pile = Pile::default();
    let (tally, _) = replayed(&space, &all(), &mut progress, &mut pile, &CancellationToken::new()).await;
    assert_eq!((tally.expired, tally.selected, tally.unreadable), (7, 33, 0));
    // The same asked for by offsets that are gone, and to where the broken one lies.
    let selection = Selection { offsets: vec!["orders:0:0-".parse().unwrap()], ..all() };
    let mut progress = begun(&space, &selection).await;
    let (tally, _) = replayed(&space, &selection, &mut progress, &mut Pile::default(), &CancellationToken::new()).await;
    assert_eq!((tally.expired, tally.selected, tally.unreadable), (7, 13, 1));
    assert!(tally.examples[0].contains("/0/20: ") && tally.examples[0].contains("not JSON"), "{:?}", tally.examples);
    let (config, values) = (space.config(), Values::default());
    for (from, reason) in [("orders:0:0-", "no longer there"), ("orders:0:15-", "cannot be replayed")] {
        let selection = Selection { offsets: vec![from.parse().unwrap()], ..all() };
        let mut progress = begun(&space, &selection).await;
        let strict = Replay {
            kafka: &config,
            values: &values,
            selection: &selection,
            rate: None,
            strict: true,
            stop: CancellationToken::new(),
            tell: &|_, _| {},
        };
        let error = strict.run(&mut progress, &mut Tally::default(), &mut Pile::default(), None).await.unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[tokio::test]
async fn a_file_is_cut_to_what_was_noted_and_goes_on_from_there() {
    let (space, folder) = (filled(300).await, Folder::new("replay"));
    let path = folder.path().join("orders.jsonl");
    let into = || IntoFile::new(&path, &Values::default(), &space.config().topic_prefix, false);
    let mut progress = begun(&space, &all()).await;
    let stop = CancellationToken::new();
    // Noted in between; and then more is written, which nobody notes: as by a process that is killed.
    let mut noted = None;
    let mut cut_off = Watched { into: into(), noted: &mut noted, stop: &stop };
    let (_, ended) = replayed(&space, &all(), &mut progress, &mut cut_off, &stop).await;
    assert!(!ended);
    drop(cut_off);
    let mut progress = noted.unwrap();
    let length: u64 = progress.note.parse().unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() > length);
    let (_, ended) = replayed(&space, &all(), &mut progress, &mut into(), &CancellationToken::new()).await;
    assert!(ended);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut ids: Vec<u64> = lines.iter().map(|line| line["data"]["n"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..300).collect::<Vec<_>>());
    let headers = lines[0]["record"]["headers"].as_array().unwrap();
    assert!(headers.contains(&serde_json::json!(["x-own", "kept"])), "{}", lines[0]);
    // Another replay leaves it alone, and one whose file lost something says so.
    let fresh = || Progress { note: String::new(), ..progress.clone() };
    let taken = into().begin(&mut fresh()).await.unwrap_err().to_string();
    assert!(taken.contains("something in it already"), "{taken}");
    std::fs::write(&path, "").unwrap();
    let lost = into().begin(&mut progress.clone()).await.unwrap_err().to_string();
    assert!(lost.contains("start another replay"), "{lost}");
}

/// A file of which the first step is noted, and that is cut off after the third.
struct Watched<'a> {
    into: IntoFile,
    noted: &'a mut Option<Progress>,
    stop: &'a CancellationToken,
}

impl Destination for Watched<'_> {
    async fn begin(&mut self, progress: &mut Progress) -> Result<(), ReplayError> {
        self.into.begin(progress).await
    }

    async fn take(
        &mut self,
        records: &[Chosen],
        progress: &mut Progress,
        tally: &mut Tally,
    ) -> Result<Taken, ReplayError> {
        let taken = self.into.take(records, progress, tally).await?;
        if self.noted.is_none() && tally.selected > 0 {
            *self.noted = Some(progress.clone());
        } else if tally.selected > 0 {
            self.stop.cancel();
        }
        Ok(taken)
    }
}

#[tokio::test]
async fn onto_a_topic_each_goes_once_however_often_it_is_begun_anew() {
    let space = filled(200).await;
    space.create("copy", 3).await;
    let config = space.config();
    let begin = begun(&space, &all()).await;
    let mut progress = begin.clone();
    let stop = CancellationToken::new();
    let mut first = Counted { into: IntoTopic::new(&config, "copy", "r1"), steps: 3, stop: &stop };
    let (_, ended) = replayed(&space, &all(), &mut progress, &mut first, &stop).await;
    assert!(!ended);
    // Whoever goes on knows nothing of what was done: the topic does.
    let mut progress = begin.clone();
    let mut second = IntoTopic::new(&config, "copy", "r1");
    let (tally, ended) = replayed(&space, &all(), &mut progress, &mut second, &CancellationToken::new()).await;
    assert!(ended && tally.selected < 200, "{tally:?}");
    // The first one is back, and is not let in any more.
    let mut late = begin.clone();
    let record = Chosen { record: space.records("orders", 200).await.remove(0), meta: None };
    let refused = first.into.take(&[record], &mut late, &mut Tally::default()).await.unwrap_err();
    assert!(!refused.to_string().is_empty());

    let copies = read_all(&space, "copy").await;
    let mut numbers: Vec<usize> = copies.iter().map(number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..200).collect::<Vec<_>>());
    for copy in &copies {
        let text = |name: &str| copy.headers.text(name).unwrap_or_default();
        assert_eq!((text("x-own"), text(REPLAY_HEADERS[0]), text(REPLAY_HEADERS[2])), ("kept", "r1", "1"));
        assert!(text(REPLAY_HEADERS[1]).starts_with(&space.name("orders")));
    }
    let of_key = |key: &str| -> Vec<usize> {
        let own =
            copies.iter().filter(|copy| copy.key.as_deref() == Some(key.as_bytes()) && number(copy).is_multiple_of(2));
        own.map(number).collect()
    };
    assert!(of_key("k-1").is_sorted() && !of_key("k-1").is_empty(), "a key of a partition keeps its order");
}

/// Stops after some steps.
struct Counted<'a> {
    into: IntoTopic,
    steps: usize,
    stop: &'a CancellationToken,
}

impl Destination for Counted<'_> {
    async fn begin(&mut self, progress: &mut Progress) -> Result<(), ReplayError> {
        self.into.begin(progress).await
    }

    async fn take(
        &mut self,
        records: &[Chosen],
        progress: &mut Progress,
        tally: &mut Tally,
    ) -> Result<Taken, ReplayError> {
        let taken = self.into.take(records, progress, tally).await?;
        self.steps = self.steps.saturating_sub(1);
        if self.steps == 0 {
            self.stop.cancel();
        }
        Ok(taken)
    }
}

#[tokio::test]
async fn what_goes_from_topic_to_topic_ends() {
    let space = KafkaSpace::fresh("replay");
    space.create("orders", 1).await;
    space.create("copy", 1).await;
    let headers = [("ce_id", "1"), ("ce_source", "s"), ("ce_type", "t"), (REPLAY_HEADERS[2], "8")];
    space.put("orders", 0, None, Some(b"{}"), &headers).await;
    space.put("orders", 0, None, Some(b"{}"), &[headers[0], headers[1], headers[2], (REPLAY_HEADERS[2], "7")]).await;
    space.put("orders", 0, Some(b"gone"), None, &[]).await;
    let mut progress = begun(&space, &all()).await;
    let mut into = IntoTopic::new(&space.config(), "copy", "r2");
    let (tally, _) = replayed(&space, &all(), &mut progress, &mut into, &CancellationToken::new()).await;
    assert_eq!(
        (tally.figures["records"], tally.figures["records that go round in circles"], tally.tombstones),
        (2, 1, 1)
    );
    let copies = read_all(&space, "copy").await;
    assert_eq!(copies[0].headers.text(REPLAY_HEADERS[2]), Some("8"));
    assert!(copies[1].value.is_none(), "a tombstone stays one");
    let mut nowhere = IntoTopic::new(&space.config(), "cope", "r3");
    let missing = nowhere.begin(&mut progress).await.unwrap_err().to_string();
    assert!(missing.contains("does not exist"), "{missing}");
}

/// Offsets have gaps where transactions end.
async fn read_all(space: &KafkaSpace, topic: &str) -> Vec<Record> {
    let selection = Selection { topics: vec![topic.into()], ..Selection::default() };
    let (mut progress, mut pile) = (begun(space, &selection).await, Pile::default());
    replayed(space, &selection, &mut progress, &mut pile, &CancellationToken::new()).await;
    pile.records
}

#[tokio::test]
async fn a_replay_is_one_process_own_and_is_taken_up_where_it_was() {
    let (space, database) = (filled(50).await, Database::fresh(None).await);
    millgate_events::migrate(database.pool()).await.unwrap();
    let store = ReplayStore::new(database.pool().clone());
    let progress = begun(&space, &all()).await;
    store.add("r1", ("ada", "a test"), &all(), &progress).await.unwrap();
    let (mut run, past) = store.open::<Selection>("r1").await.unwrap();
    assert_eq!((past.wanted, past.progress, past.asked_by), (all(), progress.clone(), "ada".into()));
    let twice = store.open::<Selection>("r1").await.err().unwrap();
    assert!(twice.to_string().contains("runs already"), "{twice}");
    let mut further = progress.clone();
    further.spans[1].next += 5;
    further.spans[1].note = "a note".into();
    let tally = Tally { selected: 5, ..Tally::default() };
    assert!(!run.save(&further, &tally).await.unwrap());
    assert_eq!(store.get::<Selection>("r1").await.unwrap().status, ReplayStatus::Running);
    assert!(store.ask_to_stop("r1").await.unwrap());
    assert!(run.save(&further, &tally).await.unwrap(), "it is told to stop");
    // As if it were killed.
    drop(run);
    let cut_off = wait_for("its lock is free", SOON, async || {
        let past = store.get::<Selection>("r1").await.unwrap();
        (past.status == ReplayStatus::CutOff).then_some(past)
    })
    .await;
    assert_eq!((cut_off.progress, cut_off.tally), (further.clone(), tally.clone()));
    let (mut run, _) = store.open::<Selection>("r1").await.unwrap();
    assert!(!run.save(&further, &tally).await.unwrap(), "it is resumed, and not to stop any more");
    run.done(&further, &tally).await.unwrap();
    drop(run);
    let done = store.open::<Selection>("r1").await.err().unwrap();
    assert!(done.to_string().contains("start another one"), "{done}");
    let unknown = store.get::<Selection>("r2").await.unwrap_err();
    assert!(unknown.to_string().contains("no replay r2"), "{unknown}");
    assert_eq!(store.list::<Selection>(5).await.unwrap().len(), 1);
}

#[tokio::test]
async fn without_a_kafka_it_tries_on_and_hears_that_it_is_to_stop() {
    let (server, database) = (KafkaServer::start().await, Database::fresh(None).await);
    let space = server.space("replay");
    space.create("orders", 2).await;
    // More than is fetched ahead.
    let value = format!("{{\"n\":1,\"text\":\"{}\"}}", "x".repeat(500_000));
    let headers = [("ce_id", "1"), ("ce_source", "s"), ("ce_type", "t")];
    for partition in (0..2).cycle().take(60) {
        space.put("orders", partition, None, Some(value.as_bytes()), &headers).await;
    }
    millgate_events::migrate(database.pool()).await.unwrap();
    let store = ReplayStore::new(database.pool().clone());
    let (mut progress, mut tally, mut pile) = (begun(&space, &all()).await, Tally::default(), Pile::default());
    store.add("r1", ("ada", "a test"), &all(), &progress).await.unwrap();
    let (mut run, _) = store.open::<Selection>("r1").await.unwrap();
    let (config, values) = (space.config(), Values::default());
    let replay = Replay {
        kafka: &config,
        values: &values,
        selection: &all(),
        rate: Some((20, Duration::from_secs(1))),
        strict: false,
        stop: CancellationToken::new(),
        tell: &|done, _| {
            if done > 0 {
                server.kill9();
            }
        },
    };
    let asked = async {
        let mut stood = (0, Instant::now());
        loop {
            let done = store.get::<Selection>("r1").await.unwrap().progress.figures().0;
            if done != stood.0 {
                stood = (done, Instant::now());
            } else if done > 0 && stood.1.elapsed() > Duration::from_secs(2) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(store.ask_to_stop("r1").await.unwrap());
    };
    let (ended, ()) = tokio::join!(replay.run(&mut progress, &mut tally, &mut pile, Some(&mut run)), asked);
    assert!(!ended.unwrap() && pile.records.len() < 60, "{progress:?}");
}

#[tokio::test]
async fn a_group_that_is_new_begins_where_it_is_told() {
    let space = filled(40).await;
    let logs = Logs::new(&space.config(), SOON);
    let all = logs.start_offsets(&["orders", "nothing"], None).await.unwrap();
    assert_eq!(all.iter().map(|start| (start.offset, start.records)).collect::<Vec<_>>(), [(0, 20), (0, 20)]);
    let late = logs.start_offsets(&["orders"], Some(now() + TimeDelta::days(1))).await.unwrap();
    assert_eq!(late.iter().map(|start| (start.offset, start.records)).collect::<Vec<_>>(), [(20, 0), (20, 0)]);
    let mut some = all.clone();
    some[0].offset = 7;
    logs.commit_starts(some).await.unwrap();
    assert_eq!(space.committed("orders").await, [Some(7), Some(0)]);
}

#[expect(clippy::disallowed_methods, reason = "Kafka's clock is that of this machine")]
fn now() -> DateTime<Utc> {
    Utc::now()
}
