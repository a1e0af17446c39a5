//! The audit log, as a new user meets it; and `millgate streams run audit` killed in mid-traffic.

use std::collections::BTreeSet;

use millgate_testkit::{Folder, wait_until};
use serde_json::Value;

use crate::{
    http::get,
    shop::{PATIENCE, Shop, order},
};

/// A shop that keeps an audit log.
async fn audited(name: &str) -> Shop {
    let mut shop = Shop::open(name).await;
    shop.set("MILLGATE_SHOP_AUDIT", "true");
    shop.run(&["migrate"]).await;
    shop
}

async fn recorded(shop: &Shop) -> Vec<(String, i32, i64)> {
    let read = "SELECT topic, record_partition, record_offset FROM audit_logs";
    sqlx::query_as(read).fetch_all(shop.database.pool()).await.unwrap()
}

async fn until(shop: &Shop, count: usize) {
    wait_until(&format!("{count} are recorded"), PATIENCE, async || recorded(shop).await.len() >= count).await;
}

/// Its exit code, and what it said.
async fn answer(shop: &Shop, arguments: &[&str]) -> (i32, String) {
    let child = shop.start(arguments);
    let status = child.wait_exit(PATIENCE).await;
    (status.code().unwrap(), child.output())
}

async fn found(shop: &Shop, arguments: &[&str]) -> Vec<Value> {
    let said = shop.run(&[&["audit", "search", "--json"], arguments].concat()).await;
    let page: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    page["entries"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_is_there_once_whoever_is_killed() {
    const ORDERS: usize = 300;
    let mut shop = audited("audit-kill").await;
    shop.set("MILLGATE_STREAMS_BATCH_SIZE", "5");
    shop.set("MILLGATE_STREAMS_COMMIT_INTERVAL", "1m");
    let mut running = vec![shop.start(&["streams", "run", "audit"]), shop.start(&["streams", "run", "audit"])];
    for round in 0..3 {
        let orders: Vec<String> = (round * ORDERS / 3..(round + 1) * ORDERS / 3).map(order).collect();
        shop.publish(&orders).await;
        until(&shop, round * ORDERS / 3 + 10).await;
        running.remove(0).kill9();
        running.push(shop.start(&["streams", "run"]));
    }
    until(&shop, ORDERS).await;
    for child in running {
        child.sigterm();
        assert!(child.wait_exit(PATIENCE).await.success(), "{}", child.output());
    }
    let places = recorded(&shop).await;
    let topic = shop.kafka.name("order.created");
    let ends = shop.kafka.ends("order.created").await;
    let wanted = ends.iter().zip(0..).flat_map(|(end, partition)| (0..*end).map(move |offset| (partition, offset)));
    let wanted: BTreeSet<_> = wanted.map(|(partition, offset)| (topic.clone(), partition, offset)).collect();
    assert_eq!((places.len(), wanted.len()), (ORDERS, ORDERS));
    assert_eq!(places.into_iter().collect::<BTreeSet<_>>(), wanted);
    let said = shop.run(&["audit", "verify"]).await;
    assert!(said.contains("300 entries in 3 chains: all are as they were recorded"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_is_found_and_what_was_changed_is_told() {
    let shop = audited("audit-search").await;
    let roles = vec![shop.start(&["bridge"]), shop.start(&["streams", "run"])];
    let line = order(1).replacen('{', r#"{"correlation_id":"request-1","#, 1);
    shop.publish(&[line, order(2)]).await;
    let odd = [("ce_specversion", "1.0"), ("ce_id", "odd-1"), ("ce_source", "shop"), ("ce_type", "order.exploded")];
    shop.kafka.put("order.created", 0, Some(b"order-9"), Some(b"{\"nonsense\": true}"), &odd).await;
    // Two orders, the odd one, and its dead letter.
    until(&shop, 4).await;

    let of_ada = found(&shop, &["--user", "ada-1@mail.example", "--since", "1h"]).await;
    assert_eq!(of_ada.len(), 1, "{of_ada:?}");
    let entry = &of_ada[0];
    assert_eq!((&entry["event_type"], &entry["resource"]), (&"order.created".into(), &"order/order-1".into()));
    assert_eq!((&entry["action"], &entry["payload"]["total_cents"]), (&"created".into(), &1990.into()));
    assert_eq!(found(&shop, &["--correlation", "request-1"]).await.len(), 1);
    assert_eq!(found(&shop, &["--resource", "order/order-2", "--type", "order.*"]).await.len(), 1);
    let errors = found(&shop, &["--errors", "--since", "24h"]).await;
    assert_eq!((errors.len(), &errors[0]["event_id"], &errors[0]["action"]), (1, &"odd-1".into(), &"dead".into()));
    let said = shop.run(&["audit", "search", "--errors"]).await;
    assert!(said.contains("ERROR  order.exploded  dead  by -") && said.contains("unknown_type: "), "{said}");
    let said = shop.run(&["audit", "search", "--limit", "1"]).await;
    let place = said.lines().find_map(|line| line.split("--after=").nth(1)).unwrap_or_else(|| panic!("{said}"));
    assert_eq!(found(&shop, &[&format!("--after={place}")]).await.len(), 3);
    assert!(shop.run(&["audit", "search", "--user", "nobody"]).await.contains("nothing of the kind is recorded"));
    assert_eq!(answer(&shop, &["audit", "search", "--since", "soon"]).await.0, 2);

    let heads = shop.run(&["audit", "verify", "--json"]).await;
    let folder = Folder::new("heads");
    let file = folder.path().join("heads.json");
    std::fs::write(&file, &heads).unwrap();
    let known = file.to_str().unwrap();
    assert!(
        shop.run(&["audit", "verify", "--known", known, "--since", "1h"]).await.contains("4 entries recorded since ")
    );
    let forged = heads.replacen("\"hash\": \"", "\"hash\": \"0", 1);
    std::fs::write(&file, forged).unwrap();
    let (code, said) = answer(&shop, &["audit", "verify", "--known", known]).await;
    assert_eq!((code, said.contains("the chain was written anew")), (1, true), "{said}");
    std::fs::write(&file, "[]").unwrap();
    let (code, said) = answer(&shop, &["audit", "verify", "--known", known]).await;
    assert_eq!((code, said.contains("millgate audit verify --json")), (2, true), "{said}");

    for role in roles {
        role.sigterm();
        assert!(role.wait_exit(PATIENCE).await.success(), "{}", role.output());
    }
    let change = "SET session_replication_role = replica; UPDATE audit_logs SET user_id = 'bob' WHERE event_id = 'event-1'; \
        RESET session_replication_role";
    sqlx::raw_sql(change).execute(shop.database.pool()).await.unwrap();
    let (code, said) = answer(&shop, &["audit", "verify"]).await;
    let topic = shop.kafka.name("order.created");
    assert_eq!((code, said.contains(&topic) && said.contains("was changed")), (1, true), "{said}");
    assert!(said.contains("1 are not as they were recorded"), "{said}");

    let (code, said) = answer(&shop, &["audit", "expire"]).await;
    assert_eq!((code, said.contains("--keep 13months")), (2, true), "{said}");
    assert!(shop.run(&["audit", "expire", "--keep", "13months"]).await.contains("no month is that old"));
    assert!(shop.run(&["audit", "list"]).await.contains("nobody has done anything yet"), "operators are another thing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_is_not_recorded_and_pages_and_files_show_the_rest() {
    let mut shop = audited("audit-pages").await;
    shop.set("MILLGATE_DASHBOARD_MASK", "customer_name");
    shop.set("MILLGATE_DASHBOARD_LISTEN", "127.0.0.1:0");
    let _stream = shop.start(&["streams", "run"]);
    let dashboard = shop.start(&["dashboard"]);
    let line = dashboard.wait_for_line("dashboard at http://", PATIENCE).await;
    let address = line.split("http://").nth(1).unwrap().trim().trim_end_matches('/').to_owned();
    shop.publish(&[order(1), order(2)]).await;
    until(&shop, 2).await;
    let hidden = "SELECT count(*) FROM audit_logs WHERE payload->>'customer_name' = '•••' AND payload::text NOT LIKE '%\"Ada\"%'";
    let hidden: i64 = sqlx::query_scalar(hidden).fetch_one(shop.database.pool()).await.unwrap();
    assert_eq!(hidden, 2);

    let (status, text) = get(&address, "/api/audit-logs?user=ada-1%40mail.example&limit=1").await;
    let page: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!((status, page["entries"][0]["event_id"].as_str()), (200, Some("event-1")), "{text}");
    assert_eq!(page["entries"][0]["payload"]["customer_name"], "•••");
    let (chain, number) = (&page["entries"][0]["chain"], &page["entries"][0]["number"]);
    assert_eq!(get(&address, &format!("/api/audit-logs/{chain}/{number}")).await.0, 200);
    for (path, status) in
        [("/api/audit-logs/1/999", 404), ("/api/audit-logs?since=soon", 400), ("/audit-logs?after=x", 400)]
    {
        assert_eq!(get(&address, path).await.0, status, "{path}");
    }
    let (status, page) = get(&address, "/audit-logs?resource=order%2Forder-2").await;
    assert!(status == 200 && page.contains("order/order-2") && !page.contains("order/order-1"), "{page}");
    let (status, page) = get(&address, &format!("/audit-logs/{chain}/{number}")).await;
    assert!(status == 200 && page.contains("/events/event-1") && page.contains("•••"), "{page}");
    let (status, file) = get(&address, "/audit-logs/export?type=order.*").await;
    assert!(status == 200 && file.starts_with("occurred_at,user_id,") && file.lines().count() == 3, "{file}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_without_an_audit_log_says_how_to_keep_one() {
    let shop = Shop::open("audit-none").await;
    for command in [&["audit", "search"][..], &["audit", "verify"], &["audit", "expire", "--keep", "1year"]] {
        let (code, said) = answer(&shop, command).await;
        assert_eq!((code, said.contains("add App::audit(…)")), (2, true), "{command:?}: {said}");
    }
    let (code, help) = answer(&shop, &["audit", "--help"]).await;
    assert!(
        code == 0 && help.contains("Operators: show what they did") && help.contains("Events: search the audit log"),
        "{help}"
    );
}
