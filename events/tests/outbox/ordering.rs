//! What is published, and in which order.

use millgate_events::{Event, Incoming};

use crate::bench::{Bench, Moved, moved, numbers, write_something};

#[tokio::test]
async fn what_commits_is_published_and_what_does_not_is_gone() {
    let bench = Bench::open().await;
    let relay = bench.relay();
    let mut taken_back = bench.pool().begin().await.unwrap();
    bench.outbox.append(&mut taken_back, &moved("a", 0)).await.unwrap();
    taken_back.rollback().await.unwrap();
    let meta = bench.outbox.meta::<Moved>();
    let mut transaction = bench.pool().begin().await.unwrap();
    bench.outbox.append_as(&mut transaction, &moved("a", 1), meta.clone()).await.unwrap();
    transaction.commit().await.unwrap();
    bench.empty().await;
    let records = bench.kafka.records(Moved::TOPIC, 1).await;
    assert_eq!(numbers(&records, "a"), [1]);
    let incoming = Incoming::read(&records[0], Moved::TOPIC).unwrap().unwrap();
    assert_eq!(incoming.decode::<Moved>().unwrap(), moved("a", 1));
    assert_eq!(
        (&incoming.meta.id, &incoming.meta.source, incoming.meta.version, incoming.meta.subject.as_deref()),
        (&meta.id, &"shop".to_owned(), 2, Some("a"))
    );
    assert_eq!(incoming.meta.trace, meta.trace);
    relay.stop().await;
}

#[tokio::test]
async fn a_row_of_debeziums_columns_is_an_event() {
    let bench = Bench::open().await;
    bench.kafka.create("parcel.moved", 1).await;
    let insert = r#"INSERT INTO outbox (aggregatetype, aggregateid, type, payload)
        VALUES ('parcel', 'a', 'parcel.moved', '{"parcel": "a",  "n": 7}') RETURNING id::text"#;
    let id: String = sqlx::query_scalar(insert).fetch_one(bench.pool()).await.unwrap();
    let relay = bench.relay();
    let record = bench.kafka.records("parcel.moved", 1).await.remove(0);
    assert_eq!(record.value.as_deref(), Some(br#"{"parcel": "a",  "n": 7}"#.as_slice()), "as it was written");
    assert_eq!(record.key.as_deref(), Some(b"a".as_slice()));
    for (name, value) in [("ce_id", id.as_str()), ("ce_source", "shop"), ("ce_type", "parcel.moved")] {
        assert_eq!(record.headers.text(name), Some(value), "{name}");
    }
    bench.empty().await;
    relay.stop().await;
}

#[tokio::test]
async fn transactions_that_overlap_are_published_as_they_commit() {
    let bench = Bench::open().await;
    let relay = bench.relay();
    let mut first = bench.pool().begin().await.unwrap();
    bench.outbox.append(&mut first, &moved("a", 1)).await.unwrap();
    let mut second = bench.pool().begin().await.unwrap();
    bench.outbox.append(&mut second, &moved("a", 2)).await.unwrap();
    bench.outbox.append(&mut second, &moved("b", 2)).await.unwrap();
    second.commit().await.unwrap();
    // The first one is open, and is waited for by nobody.
    assert_eq!(bench.numbers("a", 2).await, [2]);
    first.commit().await.unwrap();
    // Its row has the lower number, and is not passed over.
    assert_eq!(bench.numbers("a", 3).await, [2, 1]);
    bench.empty().await;
    relay.stop().await;
}

#[tokio::test]
async fn who_commits_before_another_appends_comes_first_whichever_began_first() {
    let bench = Bench::open().await;
    let relay = bench.relay();
    // It has the lowest transaction id of all, and appends last.
    let mut late = bench.pool().begin().await.unwrap();
    write_something(&mut late).await;
    // Open all the time: with "only what is older than every open transaction", `early` would be kept back, and not `late`.
    let mut open = bench.pool().begin().await.unwrap();
    write_something(&mut open).await;
    let mut early = bench.pool().begin().await.unwrap();
    bench.outbox.append(&mut early, &moved("a", 1)).await.unwrap();
    early.commit().await.unwrap();
    bench.outbox.append(&mut late, &moved("a", 2)).await.unwrap();
    late.commit().await.unwrap();
    assert_eq!(bench.numbers("a", 2).await, [1, 2]);
    bench.empty().await;
    open.rollback().await.unwrap();
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_transactions_at_once_keep_the_order_of_each_key() {
    const KEYS: usize = 7;
    const EACH: usize = 300;
    let mut bench = Bench::open().await;
    // Batches end in the middle of everything.
    bench.config.batch_size = 50;
    let relay = bench.relay();
    // Each key's transactions follow each other, as they do where they change the same row; keys overlap.
    let writers = (0..KEYS).map(|key| {
        let (pool, outbox) = (bench.pool().clone(), bench.outbox.clone());
        tokio::spawn(async move {
            let mut n = 0;
            while n < EACH {
                let mut transaction = pool.begin().await.unwrap();
                let events: Vec<_> = (n..EACH.min(n + 1 + n % 5)).map(|n| moved(&format!("k{key}"), n)).collect();
                outbox.append_all(&mut transaction, &events).await.unwrap();
                if n % 11 == 3 {
                    transaction.rollback().await.unwrap();
                    let mut again = pool.begin().await.unwrap();
                    outbox.append_all(&mut again, &events).await.unwrap();
                    again.commit().await.unwrap();
                } else {
                    transaction.commit().await.unwrap();
                }
                n += events.len();
            }
        })
    });
    futures::future::try_join_all(writers).await.unwrap();
    bench.empty().await;
    let records = bench.kafka.records(Moved::TOPIC, KEYS * EACH).await;
    assert_eq!(records.len(), KEYS * EACH, "nobody died, so each is there once");
    for key in 0..KEYS {
        assert_eq!(numbers(&records, &format!("k{key}")), (0..EACH).collect::<Vec<_>>());
    }
    assert_eq!(relay.stats.published(), (KEYS * EACH) as u64);
    relay.stop().await;
}

#[tokio::test]
async fn more_than_fits_into_memory_at_once_goes_piece_by_piece() {
    let bench = Bench::open().await;
    // 24 MB, which does not compress; three keys take turns, with a tombstone at the end of each.
    let insert = "INSERT INTO outbox (aggregatetype, aggregateid, type, topic, payload) \
        VALUES ('parcel', $1, 'parcel.moved', 'parcels', json_build_object('parcel', $1, 'n', $2, 'noise', $3::text))";
    for n in 0..60_i32 {
        let noise: String = (0..12_500).map(|_| uuid::Uuid::new_v4().simple().to_string()).collect();
        let insert = sqlx::query(insert).bind(format!("k{}", n % 3)).bind(n).bind(noise);
        insert.execute(bench.pool()).await.unwrap();
    }
    let ends = "INSERT INTO outbox (aggregatetype, aggregateid, type, topic) \
        SELECT 'parcel', 'k' || n, 'parcel.moved', 'parcels' FROM generate_series(0, 2) AS n";
    sqlx::query(ends).execute(bench.pool()).await.unwrap();
    let relay = bench.relay();
    bench.empty().await;
    let records = bench.kafka.records(Moved::TOPIC, 63).await;
    for key in 0..3 {
        let of_key: Vec<_> =
            records.iter().filter(|record| record.key.as_deref() == Some(format!("k{key}").as_bytes())).collect();
        assert!(of_key.last().unwrap().value.is_none(), "the tombstone comes last");
        let values = of_key.iter().filter_map(|record| record.value.as_ref());
        let numbers: Vec<_> = values.map(|value| serde_json::from_slice::<Moved>(value).unwrap().n).collect();
        assert_eq!(numbers, (key..60).step_by(3).collect::<Vec<_>>());
    }
    relay.stop().await;
}
