//! `millgate mail`, and mail that a worker keeps from an address.

use millgate_testkit::{Binary, Child, Folder, SmtpServer, wait_until};
use serde_json::Value;

use crate::shop::{PATIENCE, Shop, notification};

/// The program without any server.
fn alone(arguments: &[&str]) -> Child {
    Binary::new(env!("CARGO_BIN_EXE_millgate")).args(["mail"]).args(arguments.iter().copied()).spawn()
}

async fn said(child: Child, code: i32) -> String {
    let status = child.wait_exit(PATIENCE).await;
    assert_eq!(status.code(), Some(code), "{}", child.output());
    child.output()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_looked_at_without_any_server() {
    let list = said(alone(&["preview"]), 0).await;
    assert!(list.lines().any(|line| line.split_whitespace().eq(["welcome-email", "de"])), "{list}");
    let mail = said(alone(&["preview", "welcome-email", "--locale", "de-AT"]), 0).await;
    assert!(mail.starts_with("Subject: Willkommen, Ada!\n\nGuten Tag Ada,\n"), "{mail}");
    let fields = r#"{"name": "Zoë <b>", "more": [1]}"#;
    let html = said(alone(&["preview", "welcome-email", "--fields", fields, "--html"]), 0).await;
    assert!(html.starts_with("<!doctype html>") && html.contains("Hello Zoë &lt;b&gt;,"), "{html}");
    let json = said(alone(&["preview", "payment-receipt", "--json"]), 0).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["subject"], "Receipt for order 1001");
    let unknown = said(alone(&["preview", "wellcome-email"]), 2).await;
    assert!(unknown.contains("there are: notification, payment-receipt"), "{unknown}");

    let folder = Folder::new("templates");
    std::fs::write(folder.path().join("invoice.txt"), "Subject: Invoice {{ number }}\n\nHello").unwrap();
    let own = |more: &[&str]| {
        let program = Binary::new(env!("CARGO_BIN_EXE_millgate")).args(["mail", "preview", "invoice"]);
        program.env("MILLGATE_SMTP_TEMPLATES", folder.path().to_str().unwrap()).args(more.iter().copied()).spawn()
    };
    let mail = said(own(&["--fields", r#"{"number": 7}"#]), 0).await;
    assert_eq!(mail.trim_end(), "Subject: Invoice 7\n\nHello");
    let missing = said(own(&[]), 1).await;
    assert!(missing.contains("invoice.txt:1: ") && missing.contains("`number`"), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_mail_arrives_or_the_reason_is_said() {
    let server = SmtpServer::start().await;
    let test = |to: &str| {
        let program = Binary::new(env!("CARGO_BIN_EXE_millgate")).env("MILLGATE_SMTP_URL", server.url());
        program.args(["mail", "test", to]).spawn()
    };
    let well = said(test("ada@example.org"), 0).await;
    assert!(well.contains("a mail to ada@example.org is on its way"), "{well}");
    assert_eq!(server.mails_to("ada@example.org")[0].subject(), "A test of shop");
    let refused = said(test("refused@example.org"), 1).await;
    assert!(refused.contains("5.1.1 no such mailbox"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_kept_from_an_address_by_the_worker_and_by_hand() {
    let shop = Shop::open("suppressed").await;
    let _bridge = shop.start(&["bridge"]);
    let _worker = shop.start(&["worker"]);
    assert_eq!(shop.run(&["mail", "suppressed"]).await.trim(), "no address is suppressed");
    let one = shop.run(&["mail", "suppressed", "eve@mail.example"]).await;
    assert_eq!(one.trim(), "mail goes to eve@mail.example");
    shop.run(&["mail", "suppress", "Eve@mail.example", "--reason", "unsubscribed", "--note", "by letter"]).await;
    shop.publish(&[notification("refused@mail.example"), notification("eve@mail.example")]).await;
    shop.wait_done("email", "notification-email", 1).await;
    wait_until("the bounce is noted", PATIENCE, async || {
        shop.run(&["mail", "suppressed"]).await.contains("refused@mail.example")
    })
    .await;
    let list = shop.run(&["mail", "suppressed", "--json"]).await;
    let list: Value = serde_json::from_str(&list).unwrap();
    let of = |n: usize, name: &str| list[n][name].as_str().unwrap().to_owned();
    assert_eq!((of(0, "address"), of(0, "reason")), ("refused@mail.example".into(), "bounced".into()));
    assert_eq!((of(1, "address"), of(1, "note")), ("eve@mail.example".into(), "by letter".into()));
    assert_eq!(list.as_array().unwrap().len(), 2);
    let one = shop.run(&["mail", "suppressed", "--reason", "bounced"]).await;
    assert!(one.contains("5.1.1 no such mailbox") && !one.contains("eve@"), "{one}");

    assert_eq!(shop.smtp.mails(), []);
    shop.run(&["mail", "unsuppress", "EVE@mail.example"]).await;
    shop.publish(&[notification("eve@mail.example")]).await;
    shop.wait_done("email", "notification-email", 2).await;
    assert_eq!(shop.smtp.mails_to("eve@mail.example").len(), 1);
    let again = shop.start(&["mail", "unsuppress", "eve@mail.example"]);
    assert_eq!(again.wait_exit(PATIENCE).await.code(), Some(1), "{}", again.output());
    // One that is not suppressed goes to its dead letters once, and the next is done without being sent.
    shop.publish(&[notification("refused@mail.example")]).await;
    shop.wait_done("email", "notification-email", 3).await;
    assert_eq!(shop.stats("email").await.kinds["notification-email"].dead, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_takes_only_so_many_has_a_lane() {
    let folder = Folder::new("domains");
    let (config, events) = (folder.path().join("millgate.toml"), folder.path().join("events.jsonl"));
    std::fs::write(&config, "[smtp.domains.\"few.example\"]\nmost = 1\ninterval = \"50ms\"\n").unwrap();
    let lines = [notification("ada@few.example"), notification("ada@mail.example")];
    std::fs::write(&events, lines.join("\n")).unwrap();
    let test = ["--config", config.to_str().unwrap(), "--json", "routes", "test", events.to_str().unwrap()];
    let tested = Binary::new(env!("CARGO_BIN_EXE_millgate")).args(test).spawn();
    let tested = said(tested, 0).await;
    assert_eq!(tested.matches("\"lane\"").count(), 1, "{tested}");
    assert!(tested.contains("\"lane\": \"mail to few.example\""), "{tested}");
}
