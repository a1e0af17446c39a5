//! Random streams of events through the stage and its tables, with transactions that fail, partitions that come and go, clocks that
//! move on, and turns in between: the results are those of a plain reference, each once.

use std::{collections::BTreeMap, time::Duration};

use chrono::DateTime;
use millgate_events::{Event, Holding, Record};
use millgate_streams::{Stage, Turn, windows::Windows};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde_json::json;
use sqlx::Connection;

use crate::{
    reference::{Happened, Kind, Reader, Results, results},
    rig::{Popular, Rig, Viewed, record},
};

/// Some moment of which windows do not begin at 0.
const BEGIN: i64 = 1_700_000_000_123;
const NEVER: i64 = i64::MIN;

fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap())
}

fn totals() -> (i64, i64) {
    (0, 0)
}

#[expect(clippy::too_many_lines, reason = "one walk, from its beginning to its end")]
async fn walk(rig: &Rig, kind: Kind, seed: u64) {
    for table in ["streams", "watermarks", "partials", "results"] {
        let empty = format!("DELETE FROM window_{table}");
        sqlx::query(sqlx::AssertSqlSafe(empty)).execute(rig.database.pool()).await.unwrap();
    }
    sqlx::query("DELETE FROM outbox").execute(rig.database.pool()).await.unwrap();
    let mut random = SmallRng::seed_from_u64(seed);
    let (lateness, disorder) = (random.random_range(0..400), random.random_range(1..400));
    let windows = Windows::over::<Viewed>("views", &rig.resources());
    let windows = match kind {
        Kind::Hopping { size, every } => windows.hopping(millis(size), millis(every)),
        Kind::Session { gap } => windows.session(millis(gap)),
    };
    let stage = windows
        .by(|viewed| &viewed.page)
        .allow_lateness(millis(lateness))
        .allow_disorder(millis(disorder))
        .idle_after(millis(1))
        .most_open(random.random_range(1..10))
        .aggregate(
            totals,
            |(count, sum), viewed: &Viewed| (*count, *sum) = (*count + 1, *sum + viewed.amount),
            |into, other| *into = (into.0 + other.0, into.1 + other.1),
        )
        .into_table()
        .publish(|result| Some(Popular { page: result.key.clone(), views: 1 }))
        .into_stage();
    let mut readers = BTreeMap::<i32, Reader>::new();
    let mut states: Vec<_> = (0..4).map(|_| None).collect();
    let (mut offset, mut clock) = (0, BEGIN);
    let mut connection = rig.database.pool().acquire().await.unwrap();
    let end = BEGIN + 1_000_000;
    for step in 0..130 {
        // The last partition is added to the topic when much is final already.
        let partition = random.random_range(0..if step < 60 { 3 } else { 4 });
        let partition = if step >= 120 { (step - 120) % 4 } else { partition };
        let holding = Holding::alone(Viewed::TYPE, partition);
        let mut transaction = connection.begin().await.unwrap();
        let place = usize::try_from(partition).unwrap();
        let mut state = match states[place].take() {
            Some(state) => state,
            None => stage.open(&holding, &mut transaction).await.unwrap(),
        };
        let begins = "SELECT watermark FROM window_watermarks WHERE partition = $1";
        let begins: i64 = sqlx::query_scalar(begins).bind(partition).fetch_one(&mut *transaction).await.unwrap();
        let mut reader = readers.get(&partition).cloned().unwrap_or(Reader {
            kind,
            lateness,
            disorder,
            watermark: begins,
            counted: Vec::new(),
            late: 0,
        });
        assert_eq!(reader.watermark, begins);
        if step >= 120 || random.random_bool(0.1) {
            let at = if step >= 120 { end } else { clock + random.random_range(-200..300) };
            stage
                .idle(&mut state, &holding, DateTime::from_timestamp_millis(at).unwrap(), &mut transaction)
                .await
                .unwrap();
            reader.watermark = reader.watermark.max(at - 1 - disorder);
        } else {
            let mut records: Vec<Record> = Vec::new();
            for _ in 0..random.random_range(1..15) {
                clock += random.random_range(0..60);
                let time = clock - random.random_range(0..900_i64) * i64::from(random.random_bool(0.4));
                let event = Happened {
                    key: ["", "a", "b", "/ä"][random.random_range(0..4)].into(),
                    time,
                    amount: random.random_range(-5..100),
                };
                reader.read(&event);
                offset += 1;
                records.push(record(partition, offset, time, &event.key, event.amount));
            }
            stage.take(&mut state, &records, &mut transaction).await.unwrap();
        }
        if step < 120 && random.random_bool(0.2) {
            transaction.rollback().await.unwrap();
        } else {
            transaction.commit().await.unwrap();
            stage.taken(&mut state);
            readers.insert(partition, reader);
            // Otherwise the partition comes back with nothing in memory.
            states[place] = random.random_bool(0.8).then_some(state);
        }
        let mut again = false;
        while step >= 128 || again || random.random_bool(0.3) {
            let topics = [(Viewed::TYPE.to_owned(), readers.len().max(3))];
            let at = DateTime::from_timestamp_millis(clock).unwrap();
            let mut transaction = connection.begin().await.unwrap();
            let turn = Turn { topics: &topics, holdings: &[], at, again };
            again = stage.turn(&turn, &mut transaction).await.unwrap();
            if step < 120 && random.random_bool(0.2) {
                transaction.rollback().await.unwrap();
                break;
            }
            transaction.commit().await.unwrap();
            stage.turned();
            if !again {
                break;
            }
        }
    }
    let counted: Vec<Happened> = readers.values().flat_map(|reader| reader.counted.clone()).collect();
    let late: usize = readers.values().map(|reader| reader.late).sum();
    let stored = rig.results().await;
    assert!(stored.iter().all(|result| result.is_final), "{kind:?} {seed}: all windows have ended");
    let found: Results = stored
        .iter()
        .map(|result| {
            let (start, end) = (result.window_start.timestamp_millis(), result.window_end.timestamp_millis());
            let (count, sum) = (result.value[0].as_i64().unwrap(), result.value[1].as_i64().unwrap());
            assert_eq!((count, json!([count, sum])), (result.events, result.value.clone()));
            ((result.key.clone(), start), (end, count, sum))
        })
        .collect();
    assert_eq!(found, results(kind, &counted), "{kind:?} {seed}");
    let counts = "SELECT sum(late)::bigint, sum(events)::bigint FROM window_watermarks";
    let counts: (i64, i64) = sqlx::query_as(counts).fetch_one(&mut *connection).await.unwrap();
    assert_eq!(counts, (i64::try_from(late).unwrap(), i64::try_from(counted.len()).unwrap()));
    assert!(late > 0 && found.len() > 3, "{kind:?} {seed}: {late} late, {} windows", found.len());
    let told = "SELECT count(*), count(DISTINCT id) FROM outbox WHERE type = 'page.popular'";
    let told: (i64, i64) = sqlx::query_as(told).fetch_one(&mut *connection).await.unwrap();
    let wanted = i64::try_from(found.len()).unwrap();
    assert_eq!(told, (wanted, wanted), "an event for each window and key, each once");
    let left = "SELECT count(*) FROM window_partials";
    let left: i64 = sqlx::query_scalar(left).fetch_one(&mut *connection).await.unwrap();
    assert_eq!(left, 0, "nothing is kept of what is final");
    assert!(readers.values().all(|reader| reader.watermark > NEVER));
}

#[tokio::test]
async fn tumbling_windows_are_those_of_the_reference() {
    let rig = Rig::fresh(0).await;
    for seed in 0..4 {
        walk(&rig, Kind::Hopping { size: 500, every: 500 }, seed).await;
    }
}

#[tokio::test]
async fn hopping_windows_are_those_of_the_reference() {
    let rig = Rig::fresh(0).await;
    for seed in 0..4 {
        walk(&rig, Kind::Hopping { size: 600, every: 200 }, seed).await;
        walk(&rig, Kind::Hopping { size: 700, every: 300 }, seed).await;
    }
}

#[tokio::test]
async fn sessions_are_those_of_the_reference() {
    let rig = Rig::fresh(0).await;
    for seed in 0..4 {
        walk(&rig, Kind::Session { gap: 150 }, seed).await;
        walk(&rig, Kind::Session { gap: 20 }, seed).await;
    }
}
