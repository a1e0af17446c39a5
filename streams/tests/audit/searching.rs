//! Entries are found by who, what, which request, and what went wrong.

use std::collections::BTreeSet;

use millgate_streams::{Audit, AuditFilter, AuditLog, AuditPlace};

use crate::rig::{Rig, headers};

fn ids(entries: &[AuditLog]) -> BTreeSet<&str> {
    entries.iter().map(|entry| entry.event_id.as_str()).collect()
}

#[tokio::test]
async fn entries_are_found_by_user_resource_request_type_time_and_failure() {
    let rig = Rig::fresh(2).await;
    for number in 0..9 {
        rig.order(i32::try_from(number % 2).unwrap(), number).await;
    }
    let failed = [headers("payment.failed", "failed-1").as_slice(), &[("ce_time", "2026-03-01T12:00:00Z")]].concat();
    rig.kafka.put("orders", 0, Some(b"order-1"), Some(br#"{"reason": "no money"}"#), &failed).await;
    rig.record(Audit::default().user("customer.id"), 10).await;
    let logs = rig.logs();
    let find = async |filter: AuditFilter| logs.search(&filter, 100).await.unwrap();
    let some = |text: &str| Some(text.to_owned());
    let none = AuditFilter::default;

    let by_user = find(AuditFilter { user: some("ada-1"), ..none() }).await;
    assert_eq!(ids(&by_user), BTreeSet::from(["event-1", "event-4", "event-7"]));
    let by_resource = find(AuditFilter { resource: some("order-1"), ..none() }).await;
    assert_eq!(ids(&by_resource), BTreeSet::from(["event-1", "failed-1"]));
    let by_request = find(AuditFilter { correlation_id: some("request-3"), ..none() }).await;
    assert_eq!(ids(&by_request), BTreeSet::from(["event-6", "event-7"]));
    let errors = find(AuditFilter { errors: true, ..none() }).await;
    assert_eq!((ids(&errors), errors[0].error.as_deref()), (BTreeSet::from(["failed-1"]), Some("no money")));
    let since = "2026-03-01T12:00:00Z".parse().ok();
    let late = AuditFilter { errors: true, since, ..none() };
    assert_eq!(find(late.clone()).await.len(), 1, "from then on");
    assert_eq!(find(AuditFilter { until: since, ..late.clone() }).await.len(), 0, "before then");
    assert_eq!(find(AuditFilter { since: None, until: since, ..late }).await.len(), 0);
    assert_eq!(find(AuditFilter { event_type: some("order.*"), ..none() }).await.len(), 9);
    assert_eq!(find(AuditFilter { event_type: some("order.created"), ..none() }).await.len(), 9);
    assert_eq!(
        find(AuditFilter { event_type: some("order_created"), ..none() }).await.len(),
        0,
        "a name is no pattern"
    );
    assert_eq!(find(AuditFilter { action: some("failed"), ..none() }).await.len(), 1);
    assert_eq!(find(AuditFilter { topics: vec![rig.kafka.name("dlq")], ..none() }).await.len(), 0);
    assert_eq!(
        find(AuditFilter { user: some("ada-1"), resource: some("order-4"), ..none() }).await.len(),
        1,
        "all must hold"
    );

    // Page by page: each once, in the order of what happened, the newest first.
    let mut all: Vec<AuditLog> = Vec::new();
    loop {
        let after = all.last().map(AuditPlace::of);
        let page = logs.search(&AuditFilter { after, ..none() }, 3).await.unwrap();
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    assert_eq!((all.len(), ids(&all).len()), (10, 10));
    assert!(all.is_sorted_by(|one, other| one.occurred_at >= other.occurred_at));
    assert_eq!(all[9].event_id, "failed-1");
    let one = logs.get(all[0].chain, all[0].number).await.unwrap().unwrap();
    assert_eq!(one, all[0]);
    assert_eq!(logs.get(all[0].chain, 1_000).await.unwrap(), None);
}
