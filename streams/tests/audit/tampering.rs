//! What the owner of the tables does to them with triggers switched off is found, and it is said where.

use millgate_streams::{
    Audit,
    AuditFlaw::{Added, Changed, Missing, Reordered, Rewritten},
    AuditHead,
};

use crate::rig::Rig;

async fn recorded() -> Rig {
    let rig = Rig::fresh(1).await;
    for number in 0..20 {
        rig.order(0, number).await;
    }
    rig.record(Audit::default().user("customer.id"), 20).await;
    assert_eq!(rig.findings().await, []);
    rig
}

#[tokio::test]
async fn any_column_that_is_changed_is_found() {
    let rig = recorded().await;
    let columns = [
        "recorded_at = recorded_at + INTERVAL '1 microsecond'",
        "topic = 'other'",
        "record_partition = 1",
        "record_offset = record_offset * 1000",
        "record_time = NULL",
        "event_id = 'other'",
        "event_type = 'order.canceled'",
        "event_version = 2",
        "event_source = NULL",
        "occurred_at = occurred_at - INTERVAL '1 day'",
        "user_id = 'bob'",
        "resource = ''",
        "action = 'nothing'",
        "is_error = TRUE",
        "error = 'none'",
        "correlation_id = NULL",
        "causation_id = 'other'",
        "trace_id = 'other'",
        "payload = '{}'",
        "raw = ''",
        "claim = 'other'",
    ];
    rig.tamper("CREATE TABLE kept AS SELECT * FROM audit_logs").await;
    for change in columns {
        rig.tamper(&format!("UPDATE audit_logs SET {change} WHERE number = 5")).await;
        let flaws = rig.flaws().await;
        assert_eq!(flaws.first(), Some(&(Changed, 5, 5)), "{change}");
        rig.tamper("DELETE FROM audit_logs; INSERT INTO audit_logs SELECT * FROM kept").await;
        assert_eq!(rig.findings().await, [], "{change}: put back");
    }
    // Together with its own hash: the next one does not follow from it.
    rig.tamper("UPDATE audit_logs SET user_id = 'bob', hash = sha256('x') WHERE number = 5").await;
    assert_eq!(rig.flaws().await, [(Changed, 5, 5), (Changed, 6, 6)]);
    let finding = rig.findings().await[0].to_string();
    let wanted = format!(
        "{} partition 0: entry 5 (offset 4) was changed, or does not follow from the one before it",
        rig.kafka.name("orders")
    );
    assert_eq!(finding, wanted);
}

#[tokio::test]
async fn entries_that_are_gone_are_found_in_the_middle_at_the_end_and_all_of_them() {
    let rig = recorded().await;
    rig.tamper("DELETE FROM audit_logs WHERE number IN (1, 8, 9)").await;
    assert_eq!(rig.flaws().await, [(Missing, 1, 1), (Missing, 8, 9)]);
    let rig = recorded().await;
    rig.tamper("DELETE FROM audit_logs WHERE number > 15").await;
    assert_eq!(rig.flaws().await, [(Missing, 16, 20)]);
    // With the chain's own row set back.
    let back = "UPDATE audit_chains SET number = 15, record_offset = 14, hash = (SELECT hash FROM audit_logs WHERE number = 15)";
    rig.tamper(back).await;
    assert_eq!(rig.flaws().await, [(Missing, 16, 16)], "the stream was further");
    rig.tamper("DELETE FROM audit_logs; DELETE FROM audit_chains").await;
    assert_eq!(rig.flaws().await, [(Missing, 1, 1)]);
}

#[tokio::test]
async fn entries_that_were_added_or_changed_places_are_found() {
    let rig = recorded().await;
    let copy = |set: &str| {
        format!(
            "CREATE TEMP TABLE one ON COMMIT DROP AS SELECT * FROM audit_logs WHERE number = 5; UPDATE one SET {set}; INSERT INTO audit_logs SELECT * FROM one"
        )
    };
    rig.tamper(&copy("number = 21")).await;
    assert_eq!(rig.flaws().await, [(Added, 21, 21)]);
    rig.tamper("DELETE FROM audit_logs WHERE number = 21").await;
    // Before the genuine one, and behind it: the primary key has the time in it.
    for time in ["recorded_at - INTERVAL '1 microsecond'", "recorded_at + INTERVAL '1 microsecond'"] {
        rig.tamper(&copy(&format!("recorded_at = {time}, user_id = 'bob'"))).await;
        assert_eq!(rig.flaws().await, [(Added, 5, 5)]);
        rig.tamper("DELETE FROM audit_logs WHERE number = 5 AND user_id = 'bob'").await;
    }
    rig.tamper(&copy("number = 0")).await;
    assert_eq!(rig.flaws().await, [(Added, 0, 0)]);
    rig.tamper("DELETE FROM audit_logs WHERE number = 0").await;
    rig.tamper(&copy("chain = 99")).await;
    assert_eq!(rig.flaws().await, [(Added, 5, 5)], "of a chain that there is none of");
    rig.tamper("DELETE FROM audit_logs WHERE chain = 99").await;
    assert_eq!(rig.findings().await, []);
    let swap = "UPDATE audit_logs SET number = -5 WHERE number = 5; UPDATE audit_logs SET number = 5 WHERE number = 6; \
        UPDATE audit_logs SET number = 6 WHERE number = -5";
    rig.tamper(swap).await;
    assert_eq!(rig.flaws().await, [(Changed, 5, 5), (Reordered, 6, 6), (Changed, 7, 7)]);
}

#[tokio::test]
async fn a_chain_that_was_written_anew_is_found_by_a_head_that_was_kept() {
    let rig = recorded().await;
    let kept = rig.logs().heads().await.unwrap();
    for number in 20..23 {
        rig.order(0, number).await;
    }
    rig.record(Audit::default(), 23).await;
    let against = async |known: &[AuditHead]| {
        let report = rig.logs().verify(None, known, |_, _| ()).await.unwrap();
        report.findings.iter().map(|it| (it.flaw, it.number)).collect::<Vec<_>>()
    };
    assert_eq!(against(&kept).await, []);
    let forged = vec![AuditHead { hash: "00".repeat(32), ..kept[0].clone() }];
    assert_eq!(against(&forged).await, [(Rewritten, 20)]);
    let further = vec![AuditHead { number: 30, ..kept[0].clone() }];
    assert_eq!(against(&further).await, [(Missing, 24)]);
    let other = vec![AuditHead { partition: 9, ..kept[0].clone() }];
    assert_eq!(against(&other).await, [(Missing, 1)]);
}

#[tokio::test]
async fn what_is_verified_since_a_time_is_what_was_recorded_since() {
    let rig = recorded().await;
    let since = rig.logs().now().await.unwrap();
    for number in 20..25 {
        rig.order(0, number).await;
    }
    rig.record(Audit::default(), 25).await;
    rig.tamper("UPDATE audit_logs SET user_id = 'bob' WHERE number IN (3, 23)").await;
    let report = rig.logs().verify(Some(since), &[], |_, _| ()).await.unwrap();
    assert_eq!(report.findings.iter().map(|it| it.number).collect::<Vec<_>>(), [23]);
    assert_eq!((report.entries, report.flaws, report.heads[0].number), (5, 1, 25));
    rig.tamper("DELETE FROM audit_logs WHERE number = 20").await;
    let report = rig.logs().verify(Some(since), &[], |_, _| ()).await.unwrap();
    assert_eq!(report.findings[0].number, 20, "what it begins with stands on one that is gone");
}

#[tokio::test]
async fn an_anchor_for_which_nothing_was_dropped_hides_nothing() {
    let rig = recorded().await;
    let kept = rig.logs().heads().await.unwrap();
    let early = AuditHead { number: 5, ..kept[0].clone() };
    let anchor = |number: i64| {
        format!(
            "INSERT INTO audit_anchors (chain, number, hash, month) SELECT chain, number, hash, '2020-01-01' \
             FROM audit_logs WHERE number = {number}"
        )
    };
    rig.tamper("UPDATE audit_logs SET user_id = 'bob' WHERE number = 3").await;
    for last in [10, 20] {
        rig.tamper(&anchor(last)).await;
        assert_eq!(rig.flaws().await, (1..=last).map(|number| (Added, number, number)).collect::<Vec<_>>());
    }
    // With the entries gone it looks as if they had been dropped: it is told which heads prove nothing any more.
    rig.tamper("DELETE FROM audit_logs").await;
    let report = rig.logs().verify(None, &[early.clone(), kept[0].clone()], |_, _| ()).await.unwrap();
    assert_eq!((report.findings, report.unchecked), (Vec::new(), vec![early]));
}
