//! Metrics and health of the roles, as Prometheus and an orchestrator see them.

use millgate_testkit::{KafkaServer, Proxy, free_port, wait_until};

use crate::{
    http::{address, get, sum, wait_health, wait_metric},
    shop::{PATIENCE, Shop, order},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_is_counted() {
    let shop = Shop::open("metrics").await;
    let (bridge, worker) = (shop.start(&["bridge"]), shop.start(&["worker"]));
    let (at_bridge, at_worker) = (address(&bridge).await, address(&worker).await);
    let wrong = order(3).replace(
        r#""items":[{"quantity":1,"sku":"lamp"}]"#,
        r#""items":[{"quantity":1,"sku":"lamp"},{"quantity":0,"sku":"table"}]"#,
    );
    shop.publish(&[order(1), order(2), wrong]).await;
    shop.kafka.put("order.created", 0, None, Some(b"{broken"), &[]).await;

    let text = wait_metric(&at_bridge, "millgate_bridge_events_poison_total", &[], 1.0).await;
    let text = if sum(&text, "millgate_bridge_events_handed_off_total", &[]) == Some(3.0) {
        text
    } else {
        wait_metric(&at_bridge, "millgate_bridge_events_handed_off_total", &[], 3.0).await
    };
    let group = shop.kafka.config().consumer_group;
    let topic = format!("topic=\"{}\"", shop.kafka.name("order.created"));
    let labels = [topic.as_str(), &format!("consumer_group=\"{group}\"")];
    assert_eq!(sum(&text, "kafka_messages_consumed_total", &labels), Some(4.0), "{text}");
    // The batch that the last one is in is counted when it is settled.
    let text = wait_metric(&at_bridge, "kafka_message_processing_duration_seconds_count", &labels, 4.0).await;
    assert_eq!(sum(&text, "millgate_bridge_dead_letters_unwritable", &[]), Some(0.0));
    // Its own letter of the poison event, which was acknowledged.
    let letters = format!("topic=\"{}\"", shop.kafka.name("dead-letter-queue"));
    assert_eq!(sum(&text, "kafka_messages_produced_total", &[&letters]), Some(1.0), "{text}");
    assert!(text.contains("\n# TYPE kafka_messages_produced_total counter\n"), "{text}");
    wait_until("there is no lag", PATIENCE, async || {
        let (_, text) = get(&at_bridge, "/metrics").await;
        // One of each of the topic's partitions.
        let partitions = text.lines().filter(|line| line.starts_with("kafka_consumer_lag{") && line.contains(&topic));
        partitions.count() == 3
            && sum(&text, "kafka_consumer_lag", &labels) == Some(0.0)
            && sum(&text, "kafka_consumer_lag_seconds", &labels) == Some(0.0)
    })
    .await;

    let inventory = ["queue=\"inventory\"", "kind=\"update-inventory\""];
    wait_metric(&at_worker, "millgate_jobs_done_total", &inventory, 2.0).await;
    let text = wait_metric(&at_worker, "millgate_jobs_dead_total", &inventory, 1.0).await;
    assert_eq!(sum(&text, "millgate_jobs_duration_seconds_count", &inventory), Some(3.0), "{text}");
    assert_eq!(sum(&text, "millgate_jobs_in_hand", &inventory), Some(0.0));
    shop.run(&["queues", "pause", "inventory"]).await;
    shop.publish(&[order(4)]).await;
    let waiting = ["queue=\"inventory\"", "state=\"waiting\""];
    let text = wait_metric(&at_worker, "millgate_queue_depth", &waiting, 1.0).await;
    assert_eq!(sum(&text, "millgate_queue_paused", &waiting[..1]), Some(1.0));
    assert!(sum(&text, "millgate_queue_oldest_seconds", &waiting[..1]).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_goes_silent_makes_roles_unready_until_it_answers() {
    let mut shop = Shop::open("health-redis").await;
    let proxy = Proxy::to(&shop.redis.address());
    shop.set("MILLGATE_REDIS_URL", shop.redis.config_at(&proxy.address()).url);
    shop.set("MILLGATE_REDIS_RESPONSE_TIMEOUT", "1s");
    let roles = [shop.start(&["bridge"]), shop.start(&["worker"]), shop.start(&["scheduler"])];
    for role in &roles {
        wait_health(&address(role).await, "/readyz", 200).await;
    }
    proxy.stall();
    for role in &roles {
        let address = address(role).await;
        let parts = wait_health(&address, "/readyz", 503).await;
        assert_eq!(parts["redis"]["ok"], false, "{parts}");
        assert!(parts["redis"]["detail"].as_str().unwrap().contains("Redis last answered"), "{parts}");
        // To start it again would not help.
        wait_health(&address, "/healthz", 200).await;
    }
    proxy.restore();
    for role in &roles {
        wait_health(&address(role).await, "/readyz", 200).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kafka_that_stands_still_makes_the_bridge_unready_until_it_goes_on() {
    let server = KafkaServer::start().await;
    let shop = Shop::on(server.space("health-kafka"), "health-kafka").await;
    shop.apply_topics().await;
    let bridge = shop.start(&["bridge"]);
    let address = address(&bridge).await;
    wait_health(&address, "/readyz", 200).await;
    server.freeze();
    // Each group of the bridge asks for itself: one of them may be the first to miss an answer.
    wait_until("the group of the shop to miss Kafka", PATIENCE, async || {
        let parts = wait_health(&address, "/readyz", 503).await;
        parts["kafka"]["ok"] == false
    })
    .await;
    let parts = wait_health(&address, "/readyz", 503).await;
    assert!(parts["kafka"]["detail"].as_str().unwrap().contains("Kafka last answered"), "{parts}");
    assert_eq!(parts["redis"]["ok"], true, "{parts}");
    wait_health(&address, "/healthz", 200).await;
    server.thaw();
    wait_health(&address, "/readyz", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_is_alive_and_not_ready() {
    let mut shop = Shop::open("health-stop").await;
    let proxy = Proxy::to(&shop.database.address());
    shop.set("MILLGATE_POSTGRES_URL", shop.database.url_at(&proxy.address()));
    let bridge = shop.start(&["bridge"]);
    let worker = shop.start(&["worker", "--queues", "inventory"]);
    let address = address(&worker).await;
    wait_health(&address, "/readyz", 200).await;
    proxy.stall();
    shop.publish(&[order(1)]).await;
    wait_until("a job is in hand", PATIENCE, async || shop.stats("inventory").await.active == 1).await;
    worker.sigterm();
    let parts = wait_health(&address, "/readyz", 503).await;
    assert_eq!(parts["role"]["detail"], "it is stopping");
    wait_health(&address, "/healthz", 200).await;
    proxy.restore();
    assert!(worker.wait_exit(PATIENCE).await.success(), "{}", worker.output());
    assert!(bridge.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_said_and_none_is_none() {
    let mut shop = Shop::open("http-taken").await;
    let port = free_port();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    shop.set("MILLGATE_HTTP_LISTEN", format!("127.0.0.1:{port}"));
    let scheduler = shop.start(&["scheduler"]);
    assert_eq!(scheduler.wait_exit(PATIENCE).await.code(), Some(1), "{}", scheduler.output());
    let said = scheduler.output();
    assert!(said.contains(&format!("cannot listen at 127.0.0.1:{port}; set http.listen")), "{said}");
    shop.set("MILLGATE_HTTP_LISTEN", "");
    let scheduler = shop.start(&["scheduler"]);
    scheduler.wait_for_line("scheduler starts", PATIENCE).await;
    scheduler.sigterm();
    assert!(scheduler.wait_exit(PATIENCE).await.success());
    assert!(!scheduler.output().contains("metrics and health"), "{}", scheduler.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_default_address_a_second_role_takes_the_next_port() {
    let mut shop = Shop::open("http-default").await;
    // Whoever has it, we or another.
    let _taken = std::net::TcpListener::bind(("127.0.0.1", 9464));
    shop.set("MILLGATE_HTTP_LISTEN", "127.0.0.1:9464");
    let scheduler = shop.start(&["scheduler"]);
    let address = address(&scheduler).await;
    let port: u16 = address.rsplit_once(':').unwrap().1.parse().unwrap();
    assert!((9465..9474).contains(&port), "{address}");
    wait_health(&address, "/readyz", 200).await;
}
