//! Months: made ahead, dropped when they are old, and the chains stay provable.

use std::time::Duration;

use chrono::{DateTime, Utc};
use millgate_streams::{Audit, AuditFilter, AuditFlaw, AuditHead, StreamPositions};

use crate::rig::Rig;

const DAY: Duration = Duration::from_hours(24);

async fn tables(rig: &Rig) -> Vec<String> {
    let read = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_logs'::regclass ORDER BY 1";
    let names: Vec<String> = sqlx::query_scalar(read).fetch_all(rig.database.pool()).await.unwrap();
    names.iter().map(|name| name.rsplit('.').next().unwrap().to_owned()).collect()
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Entries in December 2098, January 2099 and March 2099, five each.
async fn three_months() -> Rig {
    let rig = Rig::fresh(1).await;
    let running = rig.start(Audit::default());
    rig.order(0, 0).await;
    rig.until(1).await;
    running.end().await;
    let mut count = 1;
    for at in ["2098-12-31T23:59:59.999999Z", "2099-01-01T00:00:00Z", "2099-03-15T12:00:00Z"] {
        rig.go_to(at).await;
        for number in 0..5 {
            rig.order(0, number).await;
        }
        count += 5;
        rig.record(Audit::default(), count).await;
    }
    rig
}

#[tokio::test]
async fn a_month_and_the_next_are_there_before_they_are_needed() {
    let rig = three_months().await;
    let tables = tables(&rig).await;
    for month in ["2098_12", "2099_01", "2099_02", "2099_03", "2099_04"] {
        assert!(tables.contains(&format!("audit_logs_{month}")), "{month}: {tables:?}");
    }
    let in_december = "SELECT count(*) FROM audit_logs_2098_12";
    let count: i64 = sqlx::query_scalar(in_december).fetch_one(rig.database.pool()).await.unwrap();
    assert_eq!(count, 5, "the last microsecond of a month is in it");
    assert_eq!(rig.findings().await, []);
}

#[tokio::test]
async fn a_month_that_somebody_dropped_too_early_is_made_again_and_nothing_waits() {
    let rig = Rig::fresh(1).await;
    rig.order(0, 0).await;
    let running = rig.start(Audit::default());
    rig.until(1).await;
    for table in tables(&rig).await {
        rig.tamper(&format!("DROP TABLE {table}")).await;
    }
    rig.order(0, 1).await;
    rig.until(1).await;
    running.end().await;
    assert_eq!(rig.entries().await[0].offset, 1);
    assert_eq!(rig.flaws().await, [(AuditFlaw::Missing, 1, 1)], "it is told that it was");
}

#[tokio::test]
async fn what_is_left_of_a_chain_is_provable_when_its_old_months_are_gone() {
    let rig = three_months().await;
    let logs = rig.logs();
    let mut kept = logs.heads().await.unwrap();
    let now = time("2099-03-20T00:00:00Z");
    let would = logs.expire(60 * DAY, now, true).await.unwrap();
    assert_eq!(rig.entries().await.len(), 16, "a dry run drops nothing");
    let dropped = logs.expire(60 * DAY, now, false).await.unwrap();
    assert_eq!(would, dropped);
    let (last, count) = (dropped.last().unwrap(), dropped.iter().map(|month| month.entries).sum::<i64>());
    assert_eq!((&*last.table, last.entries, count), ("audit_logs_2098_12", 5, 6));
    let entries = rig.entries().await;
    assert_eq!(entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), (7..=16).collect::<Vec<_>>());
    // One of what is dropped, that of the last entry that was, and the newest.
    let old = [3, 6].map(|number| AuditHead { number, ..kept[0].clone() });
    kept.extend(old.clone());
    let report = logs.verify(None, &kept, |_, _| ()).await.unwrap();
    let flaws: Vec<_> = report.findings.iter().map(|it| (it.flaw, it.number)).collect();
    assert_eq!(flaws, [(AuditFlaw::Rewritten, 6)], "the anchor has another hash than that made-up head");
    assert_eq!((report.entries, report.unchecked), (10, vec![old[0].clone()]));
    assert_eq!(logs.expire(60 * DAY, now, false).await.unwrap(), [], "once");

    // It goes on, and what comes first now is still tied to what was dropped.
    rig.order(0, 1).await;
    rig.record(Audit::default(), 11).await;
    assert_eq!(rig.findings().await, []);
    rig.tamper("UPDATE audit_logs SET user_id = 'bob' WHERE number = 7").await;
    assert_eq!(rig.flaws().await, [(AuditFlaw::Changed, 7, 7)]);
    rig.tamper("UPDATE audit_logs SET user_id = NULL WHERE number = 7").await;
    assert_eq!(rig.findings().await, []);
    rig.tamper("DELETE FROM audit_logs WHERE number = 7").await;
    assert_eq!(rig.flaws().await, [(AuditFlaw::Missing, 7, 7)]);
}

#[tokio::test]
async fn when_all_is_gone_what_comes_again_is_not_recorded_once_more() {
    let rig = three_months().await;
    rig.logs().expire(DAY, time("2100-01-01T00:00:00Z"), false).await.unwrap();
    assert_eq!(rig.entries().await.len(), 0);
    assert_eq!(rig.findings().await, []);
    StreamPositions::new(rig.pool()).forget("audit").await.unwrap();
    let group = format!("{}.audit", rig.kafka.config().consumer_group);
    rig.kafka.commit_as(&group, "orders", &[(0, 0, "")]).await;
    rig.order(0, 99).await;
    let entries = rig.record(Audit::default(), 1).await;
    assert_eq!((entries.len(), entries[0].number, &*entries[0].event_id), (1, 17, "event-99"));
    assert_eq!(rig.logs().search(&AuditFilter::default(), 5).await.unwrap().len(), 1);
    assert_eq!(rig.findings().await, []);
}
