//! The order of all events, and of those of a stream on Kafka.

use std::time::Duration;

use millgate_events::{Event, EventStore, Expected, Metadata, OutboxStore, Producer, Relay, RelayConfig};
use millgate_testkit::{KafkaSpace, wait_until};
use tokio_util::sync::CancellationToken;

use crate::accounts::{Bank, Deposited, SOON, deposited, stream};

/// Cents of what is read after a position, and where that ends.
async fn read(store: &EventStore, after: i64) -> (Vec<i64>, i64) {
    let events = store.read_all(after, 1_000).await.unwrap();
    let last = events.last().map_or(after, |event| event.position);
    (events.iter().map(|event| event.decode::<Deposited>().unwrap().unwrap().cents).collect(), last)
}

async fn append(database: &mut sqlx::PgConnection, store: &EventStore, id: &str, cents: i64) {
    store.append_in(database, &stream(id), Expected::Any, &[deposited(id, cents)], &Metadata::default()).await.unwrap();
}

#[tokio::test]
async fn who_reads_on_misses_nothing_that_commits_late() {
    let bank = Bank::open().await;
    bank.deposit("a", 1).await;
    let mut first = bank.pool.begin().await.unwrap();
    append(&mut first, &bank.store, "b", 2).await;
    let mut second = bank.pool.begin().await.unwrap();
    append(&mut second, &bank.store, "c", 3).await;
    bank.deposit("d", 4).await;
    // 2 and 3 have lower positions than 4, and may still come.
    let (cents, last) = read(&bank.store, 0).await;
    assert_eq!(cents, [1]);
    second.commit().await.unwrap();
    assert_eq!(read(&bank.store, last).await.0, [0; 0]);
    append(&mut first, &bank.store, "b", 5).await;
    first.commit().await.unwrap();
    let (cents, last) = read(&bank.store, last).await;
    assert_eq!(cents, [2, 3, 4, 5]);
    // Positions that nobody ever gets hold nobody up.
    let mut taken_back = bank.pool.begin().await.unwrap();
    append(&mut taken_back, &bank.store, "e", 6).await;
    bank.deposit("f", 7).await;
    assert_eq!(read(&bank.store, last).await.0, [0; 0]);
    taken_back.rollback().await.unwrap();
    assert_eq!(read(&bank.store, last).await.0, [7]);
}

#[tokio::test]
async fn only_who_appends_is_waited_for() {
    let bank = Bank::open().await;
    // It has the lowest transaction id of all, is open all the time, and appends last.
    let mut old = bank.pool.begin().await.unwrap();
    sqlx::query("SELECT pg_current_xact_id()").execute(&mut *old).await.unwrap();
    bank.deposit("a", 1).await;
    let (cents, last) = read(&bank.store, 0).await;
    assert_eq!(cents, [1], "it has appended nothing, and does not hold anybody up");
    append(&mut old, &bank.store, "a", 2).await;
    // Taken back in part: what it appended then is gone, and its lock with it.
    sqlx::query("SAVEPOINT here").execute(&mut *old).await.unwrap();
    append(&mut old, &bank.store, "b", 3).await;
    sqlx::query("ROLLBACK TO here").execute(&mut *old).await.unwrap();
    append(&mut old, &bank.store, "c", 4).await;
    bank.deposit("d", 5).await;
    assert_eq!(read(&bank.store, last).await.0, [0; 0]);
    old.commit().await.unwrap();
    assert_eq!(read(&bank.store, last).await.0, [2, 4, 5]);
}

#[tokio::test]
async fn a_lock_that_went_with_a_savepoint_is_taken_again() {
    let bank = Bank::open().await;
    let mut open = bank.pool.begin().await.unwrap();
    sqlx::query("SAVEPOINT here").execute(&mut *open).await.unwrap();
    append(&mut open, &bank.store, "a", 1).await;
    sqlx::query("ROLLBACK TO here").execute(&mut *open).await.unwrap();
    append(&mut open, &bank.store, "a", 2).await;
    bank.deposit("b", 3).await;
    assert_eq!(read(&bank.store, 0).await.0, [0; 0]);
    open.commit().await.unwrap();
    assert_eq!(read(&bank.store, 0).await.0, [2, 3]);
}

#[tokio::test]
async fn positions_beyond_four_billion_are_positions() {
    let bank = Bank::open().await;
    for start in [(1_i64 << 32) - 2, (1 << 33) + (1 << 31) - 2] {
        let set = "SELECT setval('store_events_position_seq', $1)";
        sqlx::query(set).bind(start).execute(&bank.pool).await.unwrap();
        let mut open = bank.pool.begin().await.unwrap();
        append(&mut open, &bank.store, "a", 1).await;
        for cents in 2..6 {
            bank.deposit("b", cents).await;
            assert_eq!(read(&bank.store, start).await.0, [0; 0]);
        }
        open.commit().await.unwrap();
        assert_eq!(read(&bank.store, start).await.0, [1, 2, 3, 4, 5]);
    }
}

/// Writers that overlap, some of them for long, some of which take back what they did; and somebody who reads on all the time.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_each_event_once_and_streams_in_their_order_however_writers_overlap() {
    const EACH: i64 = 120;
    let bank = Bank::open().await;
    let writers = (0..6_i64).map(|writer| {
        let (pool, store) = (bank.pool.clone(), bank.store.clone());
        tokio::spawn(async move {
            let mut committed = Vec::new();
            for n in 0..EACH {
                let cents = writer * 1_000 + n;
                let id = format!("s{}", (writer + n) % 4);
                if n % 3 == 0 {
                    store
                        .append(&stream(&id), Expected::Any, &[deposited(&id, cents)], &Metadata::default())
                        .await
                        .unwrap();
                    committed.push(cents);
                    continue;
                }
                let mut transaction = pool.begin().await.unwrap();
                append(&mut transaction, &store, &id, cents).await;
                // As long as others take to overtake it.
                for _ in 0..n % 7 {
                    sqlx::query("SELECT 1").execute(&mut *transaction).await.unwrap();
                }
                if n % 5 == 1 {
                    transaction.rollback().await.unwrap();
                } else {
                    transaction.commit().await.unwrap();
                    committed.push(cents);
                }
            }
            committed
        })
    });
    let writing = tokio::spawn(futures::future::join_all(writers));
    let (mut seen, mut after) = (Vec::new(), 0);
    loop {
        let ended = writing.is_finished();
        let events = bank.store.read_all(after, 50).await.unwrap();
        if ended && events.is_empty() {
            break;
        }
        after = events.last().map_or(after, |event| event.position);
        seen.extend(events);
    }
    let mut committed: Vec<i64> = writing.await.unwrap().into_iter().flat_map(Result::unwrap).collect();
    committed.sort_unstable();
    let mut cents: Vec<i64> = seen.iter().map(|event| event.decode::<Deposited>().unwrap().unwrap().cents).collect();
    cents.sort_unstable();
    assert_eq!(cents, committed);
    for id in 0..4 {
        let of_stream = seen.iter().filter(|event| event.stream == format!("account-s{id}"));
        let versions: Vec<i64> = of_stream.map(|event| event.version).collect();
        assert_eq!(versions, (1..=i64::try_from(versions.len()).unwrap()).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_kafka_each_stream_is_in_its_order() {
    const STREAMS: i64 = 5;
    let bank = Bank::open().await;
    let kafka = KafkaSpace::fresh("store");
    kafka.create(Deposited::TOPIC, 3).await;
    let config = RelayConfig { poll_interval: Duration::from_millis(200), batch_size: 40, ..RelayConfig::default() };
    let relay = Relay::new(bank.pool.clone(), Producer::new(&kafka.config(), "bank").unwrap(), config);
    let stop = CancellationToken::new();
    let relaying = tokio::spawn(relay.run(stop.clone()));
    // Two for each stream, with commits of their own and together.
    let writers = (0..2 * STREAMS).map(|writer| {
        let (pool, store, id) = (bank.pool.clone(), bank.store.clone(), format!("s{}", writer % STREAMS));
        tokio::spawn(async move {
            for n in 0..60 {
                // What an event says it is about is not what its stream is about; the stream is what counts.
                let event = deposited(&format!("{id}/{n}"), n);
                if n % 4 == 0 {
                    let mut transaction = pool.begin().await.unwrap();
                    let metadata = Metadata::default();
                    store.append_in(&mut transaction, &stream(&id), Expected::Any, &[event], &metadata).await.unwrap();
                    transaction.commit().await.unwrap();
                } else {
                    store.append(&stream(&id), Expected::Any, &[event], &Metadata::default()).await.unwrap();
                }
            }
        })
    });
    for writer in futures::future::join_all(writers).await {
        writer.unwrap();
    }
    let outbox = OutboxStore::new(bank.pool.clone());
    wait_until("the outbox is empty", SOON, async || outbox.backlog().await.unwrap().waiting == 0).await;
    let all = usize::try_from(2 * STREAMS * 60).unwrap();
    let records = kafka.records(Deposited::TOPIC, all).await;
    assert_eq!(records.len(), all);
    for number in 0..STREAMS {
        let id = format!("s{number}");
        let of_stream = records.iter().filter(|record| record.key.as_deref() == Some(id.as_bytes()));
        let ids: Vec<String> = of_stream.map(|record| record.headers.text("ce_id").unwrap().to_owned()).collect();
        let stored = bank.store.load(&stream(&id), 1).await.unwrap();
        assert_eq!(ids, stored.iter().map(|event| event.id.to_string()).collect::<Vec<_>>());
    }
    stop.cancel();
    relaying.await.unwrap();
}
