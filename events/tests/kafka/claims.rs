//! Values that are too large for Kafka, and lie in a store.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use millgate_events::{
    BadClaim, ClaimConfig, ClaimDay, ClaimError, Claims, Event, Incoming, KafkaError, OutRecord, Producer, Record, Size,
};
use millgate_testkit::{Folder, KafkaSpace};
use serde::{Deserialize, Serialize};

use crate::bench::{Ordered, producer, space};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Report {
    id: String,
    text: String,
}

impl Event for Report {
    const TYPE: &'static str = "report.made";
    const TOPIC: &'static str = Ordered::TOPIC;

    fn key(&self) -> String {
        self.id.clone()
    }
}

/// A report of exactly so many bytes of JSON.
fn report(id: &str, bytes: usize) -> Report {
    let empty = Report { id: id.into(), text: String::new() };
    let frame = serde_json::to_vec(&empty).unwrap().len();
    Report { text: "0123456789".chars().cycle().take(bytes - frame).collect(), ..empty }
}

/// A topic and a store of a test's own.
struct Bench {
    space: KafkaSpace,
    folder: Folder,
    producer: Producer,
}

impl Bench {
    /// With a store that is set up.
    async fn new() -> Self {
        let folder = Folder::new("claims");
        let claims = claims(&folder.path().join("store"));
        claims.init().await.unwrap();
        let space = space(1).await;
        let producer = producer(&space.config()).with_claims(claims);
        Self { space, folder, producer }
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Publishes a value, and gives what is on the topic then.
    async fn publish(&self, value: &'static [u8]) -> Record {
        let record = OutRecord { topic: Ordered::TOPIC.into(), value: Some(value.into()), ..OutRecord::default() };
        let at = self.producer.publish_record(record).await.unwrap();
        self.record(at.offset).await
    }

    /// The record at an offset.
    async fn record(&self, offset: i64) -> Record {
        let offset = usize::try_from(offset).unwrap();
        self.space.records(Ordered::TOPIC, offset + 1).await.swap_remove(offset)
    }

    async fn redeem(&self, record: &Record) -> Result<Record, BadClaim> {
        let redeemed = self.producer.claims().redeem(record).await.unwrap();
        redeemed.map(|redeemed| redeemed.record)
    }
}

/// The file that a claim refers to.
fn file(bench: &Bench, record: &Record) -> PathBuf {
    bench.store().join(record.headers.text("ce_dataref").unwrap())
}

fn config(store: &Path) -> ClaimConfig {
    ClaimConfig { store: format!("file://{}", store.display()), ..ClaimConfig::default() }
}

fn claims(store: &Path) -> Claims {
    Claims::open(&config(store)).unwrap()
}

const LARGE: &[u8] = &[b'7'; 1_000_000];

#[tokio::test]
async fn a_value_over_the_limit_comes_back_byte_for_byte() {
    let bench = Bench::new().await;
    for (offset, bytes, is_claim) in [(0, 900_000, false), (1, 900_001, true), (2, 5_000_000, true)] {
        let report = report("r", bytes);
        bench.producer.publish(&report).await.unwrap();
        let record = bench.record(offset).await;
        assert_eq!(record.key.as_deref(), Some(b"r".as_slice()));
        assert_eq!(Claims::is_claim(&record), is_claim, "{bytes}");
        let whole = if is_claim {
            assert_eq!(record.value.as_deref(), Some(b"".as_slice()), "no value, and yet no tombstone");
            let length = bytes.to_string();
            assert_eq!(record.headers.text("ce_datareflength"), Some(length.as_str()));
            assert_eq!(fs::metadata(file(&bench, &record)).unwrap().len(), bytes as u64);
            bench.redeem(&record).await.unwrap()
        } else {
            record
        };
        assert_eq!(whole.value.as_deref(), Some(serde_json::to_vec(&report).unwrap().as_slice()));
        let incoming = Incoming::read(&whole, Ordered::TOPIC).unwrap().unwrap();
        assert_eq!(incoming.decode::<Report>().unwrap(), report);
        assert_eq!(incoming.meta.event_type, "report.made");
    }
    let tombstone = OutRecord { topic: Ordered::TOPIC.into(), key: Some("r".into()), ..OutRecord::default() };
    let at = bench.producer.publish_record(tombstone).await.unwrap();
    let record = bench.record(at.offset).await;
    assert!(record.value.is_none() && !Claims::is_claim(&record));
}

#[tokio::test]
async fn a_batch_keeps_its_order_whether_its_values_go_by_the_store_or_not() {
    let bench = Bench::new().await;
    let large = |n: usize| n.is_multiple_of(3);
    let reports: Vec<_> = (0..12).map(|n| report("r", if large(n) { 1_000_000 + n } else { 100 + n })).collect();
    for (offset, answer) in (0..).zip(bench.producer.publish_batch(&reports).await) {
        assert_eq!(answer.unwrap().offset, offset);
    }
    let records = bench.space.records(Ordered::TOPIC, reports.len()).await;
    for (n, (record, report)) in records.iter().zip(reports).enumerate() {
        assert_eq!(Claims::is_claim(record), large(n));
        let whole = if large(n) { bench.redeem(record).await.unwrap() } else { record.clone() };
        assert_eq!(Incoming::read(&whole, "").unwrap().unwrap().decode::<Report>().unwrap(), report);
    }
}

#[tokio::test]
async fn the_same_value_is_stored_once() {
    let bench = Bench::new().await;
    let first = bench.publish(LARGE).await;
    let inode = fs::metadata(file(&bench, &first)).unwrap().ino();
    let second = bench.publish(LARGE).await;
    // Between these two midnight may have passed, and then it is kept for a day more.
    if first.headers.text("ce_dataref") == second.headers.text("ce_dataref") {
        assert_eq!(fs::metadata(file(&bench, &second)).unwrap().ino(), inode, "not written again");
        let days = bench.producer.claims().days().await.unwrap();
        assert!(matches!(days[..], [ClaimDay { values: 1, bytes: 1_000_000, .. }]), "{days:?}");
    }
    assert_eq!(bench.redeem(&second).await.unwrap().value.as_deref(), Some(LARGE));
}

#[tokio::test]
async fn what_was_changed_lost_or_is_too_large_has_a_code_of_its_own() {
    let bench = Bench::new().await;
    let record = bench.publish(LARGE).await;
    let file = file(&bench, &record);
    let code = async || bench.redeem(&record).await.unwrap_err().code();

    let mut other = LARGE.to_vec();
    other[500_000] ^= 1;
    fs::write(&file, &other).unwrap();
    assert_eq!(code().await, "claim_corrupt", "of the same length");
    fs::write(&file, &LARGE[1..]).unwrap();
    assert_eq!(code().await, "claim_corrupt", "cut off");
    fs::remove_file(&file).unwrap();
    assert_eq!(code().await, "claim_missing");
    fs::write(&file, LARGE).unwrap();
    bench.redeem(&record).await.unwrap();

    let small = ClaimConfig { max: Size::of(999_999), ..config(&bench.store()) };
    let small = Claims::open(&small).unwrap();
    let bad = small.redeem(&record).await.unwrap().unwrap_err();
    assert!(bad.code() == "claim_too_large" && bad.to_string().contains("claim_check.max"), "{bad}");
    let out = OutRecord { topic: Ordered::TOPIC.into(), value: Some(LARGE.into()), ..OutRecord::default() };
    let error = bench.producer.clone().with_claims(small).publish_record(out).await.unwrap_err();
    assert!(matches!(error, KafkaError::Claim(ClaimError::TooLarge { bytes: 1_000_000, .. })), "{error}");
    assert!(!error.is_transient());
    let off = Claims::default().redeem(&record).await.unwrap().unwrap_err();
    assert_eq!(off.code(), "claim_off");
}

#[tokio::test]
async fn a_store_that_is_away_is_told_from_one_that_lacks_the_value() {
    let bench = Bench::new().await;
    let record = bench.publish(LARGE).await;
    let (store, away) = (bench.store(), bench.folder.path().join("away"));
    let claims = bench.producer.claims();
    let is_away = async || {
        let error = claims.redeem(&record).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        let other =
            OutRecord { topic: Ordered::TOPIC.into(), value: Some(vec![b'8'; 950_000].into()), ..OutRecord::default() };
        let error = bench.producer.publish_record(other).await.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("millgate claims init"), "{error}");
    };
    fs::rename(&store, &away).unwrap();
    is_away().await;
    fs::create_dir(&store).unwrap();
    is_away().await;
    assert_eq!(fs::read_dir(&store).unwrap().count(), 0, "nothing is put where a share is not mounted");
    assert_eq!(bench.space.ends(Ordered::TOPIC).await, [1], "no record without its value");
    fs::remove_dir(&store).unwrap();
    fs::rename(&away, &store).unwrap();
    bench.redeem(&record).await.unwrap();
    claims.check().await.unwrap();
}

#[tokio::test]
async fn a_reference_out_of_the_store_is_refused() {
    let bench = Bench::new().await;
    let record = bench.publish(LARGE).await;
    let name = record.headers.text("ce_dataref").unwrap();
    let (hash, length) = (&name[11..], "1000000");
    // All of these have the very value that is claimed, outside the store.
    let outside = bench.folder.path().join("outside").join(&name[..10]);
    fs::create_dir_all(&outside).unwrap();
    fs::rename(file(&bench, &record), outside.join(hash)).unwrap();
    let outside = bench.folder.path().join("outside").join(name).display().to_string();
    for (offset, reference) in (1..).zip([
        format!("../outside/{name}"),
        format!("{}/../../outside/{name}", &name[..10]),
        format!("%2e%2e/outside/{name}"),
        outside.clone(),
        format!("file://{outside}"),
        format!("s3://bucket/{name}"),
    ]) {
        // A hash that agrees with the name must not help either.
        let hash = if offset == 2 { &reference[11..] } else { hash };
        let headers = [("ce_dataref", reference.as_str()), ("ce_datarefsha256", hash), ("ce_datareflength", length)];
        bench.space.put(Ordered::TOPIC, 0, None, Some(b""), &headers).await;
        let bad = bench.redeem(&bench.record(offset).await).await.unwrap_err();
        assert_eq!(bad.code(), "claim_refused", "{reference}: {bad}");
    }
    assert_eq!(bench.redeem(&record).await.unwrap_err().code(), "claim_missing", "it is not in the store");
}

#[tokio::test]
async fn expiry_takes_days_that_are_old_enough_and_keeps_the_rest() {
    const DAY: Duration = Duration::from_hours(24);
    let folder = Folder::new("claims");
    let claims = claims(folder.path());
    claims.init().await.unwrap();
    let first: DateTime<Utc> = "2026-03-01T23:59:59Z".parse().unwrap();
    for (day, values) in [(0, 3), (1, 2), (2, 1)] {
        for n in 0..values {
            let value = vec![n; 900_001 + usize::from(n)];
            let record = OutRecord { value: Some(value.into()), ..OutRecord::default() };
            claims.check_in(record, first + TimeDelta::days(day)).await.unwrap();
        }
    }
    // What a process that died left behind, and what is not ours.
    let begun = format!("2026-03-01/{}#1", "a".repeat(64));
    fs::write(folder.path().join(begun), "begun").unwrap();
    fs::create_dir(folder.path().join("2026-02-31")).unwrap();
    fs::write(folder.path().join("2026-02-31/notes"), "not a day").unwrap();
    let left = async || {
        let days = claims.days().await.unwrap();
        days.iter().map(|day| (day.day.to_string(), day.values)).collect::<Vec<_>>()
    };
    let day = |day: &str, values| (day.to_owned(), values);

    // The first day ends a second after `first`.
    let sweep = claims.expire(first + TimeDelta::days(14), DAY * 14, 100).await.unwrap();
    assert_eq!((sweep.values, sweep.more), (0, false));
    let now = first + TimeDelta::days(14) + TimeDelta::seconds(1);
    let expected = claims.expired(now, DAY * 14).await.unwrap();
    assert_eq!((expected.values, expected.bytes), (3, 2_700_006));
    assert_eq!(left().await.len(), 3, "only counted");

    let step = claims.expire(now, DAY * 14, 2).await.unwrap();
    assert_eq!((step.values, step.more), (2, true));
    assert_eq!(left().await[0], day("2026-03-01", 1));
    let step = claims.expire(now, DAY * 14, 2).await.unwrap();
    assert_eq!((step.values, step.more), (1, false));
    assert_eq!(left().await, [day("2026-03-02", 2), day("2026-03-03", 1)]);
    assert!(!folder.path().join("2026-03-01").exists(), "with what was only begun");
    assert!(folder.path().join("2026-02-31/notes").exists());

    let none = claims.expire(now, Duration::MAX, 100).await.unwrap();
    assert_eq!(none.values, 0);
    let rest = claims.expire(now + TimeDelta::days(100), DAY, 100).await.unwrap();
    assert_eq!((rest.values, rest.more), (3, false));
    assert!(left().await.is_empty());
    claims.check().await.expect("the mark stays");
}

#[tokio::test]
async fn a_store_that_cannot_be_meant_is_refused_at_once() {
    for (store, told) in [
        ("/var/lib", "begins with file:/// or s3://"),
        ("https://bucket", "begins with file:/// or s3://"),
        ("file://claims", "file:///var/lib/millgate/claims"),
        #[cfg(not(feature = "s3"))]
        ("s3://bucket/prefix", "build with --features s3"),
    ] {
        let config = ClaimConfig { store: store.into(), ..ClaimConfig::default() };
        let error = Claims::open(&config).err().unwrap();
        assert!(error.to_string().contains(told) && !error.is_transient(), "{error}");
    }
    let error = Claims::default().check().await.unwrap_err();
    assert!(error.to_string().contains("MILLGATE_CLAIM_CHECK_STORE"), "{error}");
}
