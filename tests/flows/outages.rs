//! Servers that are away, and come back: everything goes on by itself.

use millgate_testkit::{KafkaServer, Proxy, wait_until};

use crate::shop::{PATIENCE, Shop, notification, order};

#[tokio::test(flavor = "multi_thread")]
async fn kafka_may_be_down_when_the_roles_start() {
    let server = KafkaServer::start_later();
    let shop = Shop::on(server.space("kafka-later"), "kafka-later").await;
    let bridge = shop.start(&["bridge"]);
    let worker = shop.start(&["worker"]);
    bridge.wait_for_line("Kafka", PATIENCE).await;
    server.restart().await;
    shop.apply_topics().await;
    shop.publish(&[order(1)]).await;
    shop.wait_done("inventory", "update-inventory", 1).await;
    assert!(bridge.is_running() && worker.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_wait_for_the_mail_server() {
    let mut shop = Shop::open("smtp-down").await;
    shop.set("MILLGATE_WORKER_BACKOFF_MAX", "500ms");
    shop.smtp.stop();
    let _bridge = shop.start(&["bridge"]);
    let _worker = shop.start(&["worker"]);
    shop.publish(&[order(1), order(2)]).await;
    wait_until("the mails were tried", PATIENCE, async || {
        let stats = shop.stats("email").await;
        stats.kinds.get("send-confirmation-email").is_some_and(|kind| kind.retried >= 2)
    })
    .await;
    shop.smtp.restart().await;
    shop.wait_done("email", "send-confirmation-email", 2).await;
    assert_eq!(shop.smtp.mails_to("ada-1@mail.example").len(), 1 + reminders(&shop, "ada-1@mail.example"));
}

fn reminders(shop: &Shop, to: &str) -> usize {
    shop.smtp.mails_to(to).iter().filter(|mail| mail.subject().contains("wait")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_refused_for_now_is_sent_later_and_one_refused_for_good_is_dead() {
    let shop = Shop::open("smtp-refuses").await;
    let _bridge = shop.start(&["bridge"]);
    let _worker = shop.start(&["worker"]);
    shop.publish(&[notification("later-x@mail.example"), notification("refused@mail.example")]).await;
    shop.wait_done("email", "notification-email", 1).await;
    shop.settle().await;
    assert_eq!(shop.smtp.mails_to("later-x@mail.example").len(), 1);
    let kind = &shop.stats("email").await.kinds["notification-email"];
    assert_eq!((kind.retried, kind.dead), (1, 1));
    let letters = shop.kafka.records("dead-letter-queue", 1).await;
    let header = |name: &str| letters[0].headers.text(name).map(str::to_owned);
    assert_eq!(header("x-dlq-kind").as_deref(), Some("job"));
    assert_eq!(header("x-dlq-job-kind").as_deref(), Some("notification-email"));
    assert_eq!(header("x-dlq-code").as_deref(), Some("smtp_550"));
    assert_eq!(header("__dlq.errors.delivery.count").as_deref(), Some("1"));
    assert_eq!(header("x-dlq-event-type").as_deref(), Some("notification.email"));
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_waits_for_the_database() {
    let mut shop = Shop::open("postgres-down").await;
    let proxy = Proxy::to(&shop.database.address());
    shop.set("MILLGATE_POSTGRES_URL", shop.database.url_at(&proxy.address()));
    shop.set("MILLGATE_POSTGRES_CONNECT_TIMEOUT", "3s");
    shop.set("MILLGATE_WORKER_BACKOFF_MAX", "500ms");
    proxy.cut();
    let _bridge = shop.start(&["bridge"]);
    let _worker = shop.start(&["worker"]);
    shop.publish(&[order(1)]).await;
    wait_until("the update was tried", PATIENCE, async || {
        let stats = shop.stats("inventory").await;
        stats.kinds.get("update-inventory").is_some_and(|kind| kind.retried >= 1)
    })
    .await;
    proxy.restore();
    shop.wait_done("inventory", "update-inventory", 1).await;
    assert_eq!(shop.stock("lamp").await, 999);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_for_more_than_there_is_takes_nothing_and_is_an_event() {
    let shop = Shop::open("out-of-stock").await;
    let _bridge = shop.start(&["bridge"]);
    let _worker = shop.start(&["worker"]);
    let _relay = shop.start(&["relay"]);
    let greedy = order(1).replace(
        r#""items":[{"quantity":1,"sku":"lamp"}]"#,
        r#""items":[{"quantity":1,"sku":"lamp"},{"quantity":6,"sku":"table"}]"#,
    );
    assert_ne!(greedy, order(1));
    shop.publish(&[greedy]).await;
    let rejected = shop.kafka.records("inventory.rejected", 1).await.remove(0);
    assert_eq!(
        rejected.value.as_deref(),
        Some(br#"{"order_id":"order-1","short":[{"sku":"table","wanted":6,"available":5}]}"#.as_slice())
    );
    let header = |name: &str| rejected.headers.text(name).map(str::to_owned);
    assert_eq!((header("ce_source"), header("ce_causationid")), (Some("shop".into()), Some("event-1".into())));
    assert_eq!(header("ce_correlationid").as_deref(), Some("event-1"));
    assert_eq!(shop.stats("inventory").await.dead(), 0);
    assert_eq!((shop.stock("lamp").await, shop.stock("table").await), (1_000, 5), "all or nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reminder_is_cancelled_by_a_payment_whichever_comes_first() {
    let mut shop = Shop::open("reminders").await;
    shop.set("MILLGATE_SHOP_REMINDER_DELAY", "3s");
    let _bridge = shop.start(&["bridge"]);
    let _worker = shop.start(&["worker"]);
    let at = |line: String, time: &str| line.replacen('{', &format!("{{\"time\":\"{time}\","), 1);
    let payment = |number: usize| {
        let data = serde_json::json!({
            "payment_id": format!("p{number}"), "order_id": format!("order-{number}"),
            "customer_email": "ada@mail.example", "amount_cents": 1_990, "currency": "EUR",
        });
        serde_json::json!({ "type": "payment.created", "data": data }).to_string()
    };
    // Order 1 is read before its payment, order 2 after it, order 3 is never paid. Far in the future, so that no
    // reminder fires before its cancel on a slow machine; the third one is due at once.
    let (ordered, paid) = ("2099-01-01T00:00:00Z", "2099-01-01T00:00:01Z");
    shop.publish(&[at(order(1), ordered), at(payment(2), paid), order(3)]).await;
    shop.wait_done("email", "payment-receipt", 1).await;
    shop.wait_done("email", "send-confirmation-email", 2).await;
    shop.publish(&[at(payment(1), paid), at(order(2), ordered)]).await;
    shop.wait_done("email", "reminder-email", 1).await;
    shop.wait_done("email", "send-confirmation-email", 3).await;
    wait_until("the reminders are cancelled", PATIENCE, async || {
        shop.stats("email").await.kinds["reminder-email"].cancelled == 2
    })
    .await;
    shop.settle().await;
}
