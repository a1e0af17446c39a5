//! Events whose values lie in a claim store.

use std::{collections::BTreeMap, fs};

use millgate_events::{ClaimConfig, Claims, DEAD_LETTER_HEADERS, Event, OutRecord, Size};
use millgate_testkit::{Folder, wait_until};

use crate::bench::{Bench, DEAD, Ordered, Pack, Running, SOON, config, ordered, routes};

/// A store in this folder, for values over a kilobyte.
fn claims(folder: &Folder) -> Claims {
    let store = format!("file://{}/store", folder.path().display());
    let config = ClaimConfig { store, limit: Size::of(1_000), max: Size::of(100_000), ..ClaimConfig::default() };
    Claims::open(&config).unwrap()
}

/// A bridge that has the store.
fn bridge(bench: &Bench, claims: &Claims) -> Running {
    Running::with_values(routes(), claims.clone(), &bench.kafka.config(), &bench.redis.config(), &config())
}

/// An order with a field of so many bytes that nobody asks for.
fn large(order: &str, bytes: usize) -> OutRecord {
    let value = format!(r#"{{"order":"{order}","note":"{}"}}"#, "n".repeat(bytes));
    OutRecord { value: Some(value.into()), ..ordered(order) }
}

const MOMENT: i64 = 1_770_000_000;

/// The record as a producer sends it, with its value in the store.
async fn checked_in(claims: &Claims, record: OutRecord) -> OutRecord {
    let now = chrono::DateTime::from_timestamp(MOMENT, 0).unwrap();
    let record = claims.check_in(record, now).await.unwrap();
    assert_eq!(record.value.as_deref(), Some(b"".as_slice()));
    record
}

/// The record with one header of another value.
fn with(record: &OutRecord, name: &str, value: &str) -> OutRecord {
    let mut changed = record.clone();
    changed.headers.push(name.to_owned(), value.to_owned());
    changed
}

#[tokio::test]
async fn claims_come_to_jobs_and_bad_ones_to_dead_letters_that_can_be_brought_back() {
    let (bench, folder) = (Bench::new(1).await, Folder::new("claims"));
    bench.kafka.create(DEAD, 1).await;
    let claims = claims(&folder);
    claims.init().await.unwrap();
    let store = folder.path().join("store");
    let file = |record: &OutRecord| store.join(record.headers.text("ce_dataref").unwrap());

    let good = checked_in(&claims, large("good", 2_000)).await;
    let (lost, changed) = (large("lost", 2_000), large("changed", 2_000));
    let lost_claim = checked_in(&claims, lost.clone()).await;
    let changed_claim = checked_in(&claims, changed).await;
    fs::remove_file(file(&lost_claim)).unwrap();
    fs::write(file(&changed_claim), large("other!!", 2_000).value.unwrap()).unwrap();
    let bad = [
        ("claim_missing", lost_claim.clone()),
        ("claim_corrupt", changed_claim),
        ("claim_too_large", with(&good, "ce_datareflength", "100001")),
        ("claim_refused", with(&good, "ce_dataref", "../../etc/passwd")),
        ("claim_refused", with(&good, "ce_datarefsha256", "")),
    ];
    let mut codes = BTreeMap::new();
    for (offset, (code, record)) in (0..).step_by(2).zip(bad) {
        codes.insert(offset.to_string(), (code, record.headers.text("ce_dataref").unwrap().to_owned()));
        // Behind each one that must come through.
        bench.publish([record, ordered(format!("behind-{offset}"))]).await;
    }
    bench.publish([good]).await;
    let bridge = bridge(&bench, &claims);
    bench.wait_all_committed().await;
    assert_eq!((bridge.counts().dead, bridge.counts().tombstones, bench.enqueued::<Pack>().await), (5, 0, 6));

    let letters = bench.kafka.records(DEAD, 5).await;
    for letter in &letters {
        let text = |name| letter.headers.text(name).unwrap_or("missing");
        let (code, reference) = codes.remove(text("__dlq.errors.offset")).unwrap();
        assert_eq!((text("x-dlq-code"), text("ce_dataref")), (code, reference.as_str()));
        assert_eq!(letter.value.as_deref(), Some(b"".as_slice()), "the reference, not the value");
    }
    // As a redrive does it, once the value is there again.
    fs::write(file(&lost_claim), lost.value.unwrap()).unwrap();
    let letter = letters.iter().find(|letter| letter.headers.text("x-dlq-code") == Some("claim_missing")).unwrap();
    let ours = |name: &str| DEAD_LETTER_HEADERS.iter().any(|prefix| name.starts_with(prefix));
    let mut again = OutRecord { topic: Ordered::TOPIC.into(), key: letter.key.clone(), ..OutRecord::default() };
    again.value.clone_from(&letter.value);
    for (name, value) in letter.headers.iter().filter(|(name, _)| !ours(name)) {
        again.headers.push_raw(name.to_owned(), value.cloned());
    }
    bench.publish([again]).await;
    wait_until("it comes through", SOON, async || bench.enqueued::<Pack>().await == 7).await;
    bridge.stop().await;
}

#[tokio::test]
async fn without_its_store_a_partition_waits_and_others_go_on() {
    let (bench, folder) = (Bench::new(2).await, Folder::new("claims"));
    let claims = claims(&folder);
    claims.init().await.unwrap();
    let claim = checked_in(&claims, large("large", 2_000)).await;
    let put = async |partition, record: &OutRecord| {
        let headers: Vec<_> =
            record.headers.iter().map(|(name, value)| (name, std::str::from_utf8(value.unwrap()).unwrap())).collect();
        bench.kafka.put(Ordered::TOPIC, partition, None, record.value.as_deref(), &headers).await;
    };
    let (store, away) = (folder.path().join("store"), folder.path().join("away"));
    fs::rename(&store, &away).unwrap();
    put(0, &claim).await;
    put(0, &ordered("behind")).await;
    let bridge = bridge(&bench, &claims);
    for number in 1..=5 {
        put(1, &ordered(format!("other-{number}"))).await;
        wait_until("the other goes on", SOON, async || bench.enqueued::<Pack>().await == number).await;
    }
    wait_until("it is committed", SOON, async || bench.kafka.committed("orders").await[1] == Some(5)).await;
    assert_eq!(bench.kafka.committed("orders").await[0].unwrap_or(0), 0, "what is behind the claim waits");
    assert_eq!(bridge.counts().dead, 0);

    fs::rename(&away, &store).unwrap();
    bench.wait_all_committed().await;
    let counts = bridge.stop().await;
    assert_eq!((counts.handed_off, counts.dead, bench.enqueued::<Pack>().await), (7, 0, 7));
}
