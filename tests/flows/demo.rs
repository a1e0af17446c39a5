//! `make demo`, as its users run it: on servers in memory, and on real ones.

use millgate_testkit::{Binary, Child};

use crate::{
    http,
    shop::{PATIENCE, Shop, order},
};

async fn check(demo: &Child) {
    let status = demo.wait_exit(2 * PATIENCE).await;
    let said = demo.output();
    assert!(status.success(), "{status}: {said}");
    for balance in
        ["ok    events:", "ok    jobs:", "ok    dead:", "ok    sagas:  4 begun = 2 completed + 2 compensated"]
    {
        assert!(said.contains(balance), "{said}");
    }
    for reason in ["not_json", "unknown_type", "smtp_550"] {
        assert!(said.contains(&format!(": {reason}: ")), "{reason}: {said}");
    }
    // Of 25 orders one is for more than there is; what is paid, cancelled and neither makes up the rest. The order of the saga
    // that was taken back is cancelled, too.
    assert!(said.contains("sales      12 committed · 1 rejected · 7 released · 6 reserved"), "{said}");
    // One order for 4990 and one booking for 2400; two seats.
    assert!(said.contains("money      92610 in wallets + 7390 paid = 100000 · 2 seats taken"), "{said}");
}

#[cfg(feature = "embedded")]
#[tokio::test(flavor = "multi_thread")]
async fn the_demo_balances_on_servers_in_memory() {
    let folder = millgate_testkit::Folder::new("demo");
    let demo = Binary::new(env!("CARGO_BIN_EXE_millgate")).folder(folder.path()).args(["dev", "--demo"]).spawn();
    check(&demo).await;
    assert!(demo.output().contains("in memory, nothing is kept"));
    assert!(demo.output().contains("ok    mails:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_balances_on_real_servers_and_its_mails_are_there() {
    let shop = Shop::open("demo").await;
    check(&shop.start(&["dev", "--demo"])).await;
    assert_eq!(shop.smtp.mails_to("refused@mail.example").len(), 0);
    assert_eq!(shop.smtp.mails_to("later@mail.example").len(), 1);
    let welcomed = (0..12).filter(|number| {
        let mails = shop.smtp.mails_to(&format!("customer-{number}@mail.example"));
        mails.iter().any(|mail| mail.subject().contains("Welcome"))
    });
    assert_eq!(welcomed.count(), 12);
}

/// The PostgreSQL in memory has no tables for streams: that is said, and all else goes on.
#[cfg(feature = "embedded")]
#[tokio::test(flavor = "multi_thread")]
async fn streams_are_left_out_on_servers_in_memory_and_it_is_said() {
    let folder = millgate_testkit::Folder::new("demo");
    let demo = Binary::new(env!("CARGO_BIN_EXE_millgate")).folder(folder.path()).env("MILLGATE_SHOP_AUDIT", "true");
    let demo = demo.args(["dev", "--demo"]).spawn();
    check(&demo).await;
    let said = demo.output();
    assert!(
        said.contains("without the stream audit: it needs tables that the PostgreSQL in memory cannot have"),
        "{said}"
    );
    assert!(said.contains("set postgres.url (MILLGATE_POSTGRES_URL) to a real one"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_run_where_there_is_a_real_database_and_are_shown() {
    let mut shop = Shop::open("dev-streams").await;
    shop.set("MILLGATE_SHOP_AUDIT", "true");
    shop.set("MILLGATE_DASHBOARD_LISTEN", "127.0.0.1:0");
    // Nor does it take records away, where it is given a cluster.
    shop.set("MILLGATE_TOPICS_RETENTION", "1h");
    let dev = shop.start(&["dev", "--no-samples"]);
    dev.wait_for_line("not made, since records would be lost: ~ order.created", PATIENCE).await;
    let line = dev.wait_for_line("dashboard at http://", PATIENCE).await;
    let dashboard = line.split("http://").nth(1).unwrap().trim_end_matches('/').to_owned();
    shop.publish(&[order(1)]).await;
    // What it counts is said to Prometheus,
    let at = http::address(&dev).await;
    http::wait_metric(&at, "millgate_stream_records_total", &["stream=\"audit\""], 1.0).await;
    // and the overview shows it in the picture, with nothing wrong about it.
    let overview = millgate_testkit::wait_for("it holds its partitions", PATIENCE, async || {
        let (status, body) = http::get(&dashboard, "/api/overview").await;
        assert_eq!(status, 200, "{body}");
        let overview: serde_json::Value = serde_json::from_str(&body).unwrap();
        let places = overview["flow"]["places"].as_array().unwrap();
        let stream = places.iter().find(|place| place["stage"] == "stream" && place["name"] == "audit").cloned()?;
        stream["words"].as_str().unwrap().starts_with("running, ").then_some(overview)
    });
    let wrong = overview.await["wrong"].to_string();
    assert!(!wrong.contains("audit"), "{wrong}");
    assert!(!dev.output().contains("without the stream"), "{}", dev.output());
    dev.sigterm();
    assert!(dev.wait_exit(PATIENCE).await.success(), "{}", dev.output());
}
