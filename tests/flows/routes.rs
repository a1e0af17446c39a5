//! Routes of the configuration file: from a line in it to a mail; and changed while the bridge runs.

use std::path::PathBuf;

use millgate_testkit::{Binary, Child, Folder, HttpAnswer, HttpReceiver, wait_until};
use serde_json::Value;

use crate::shop::{PATIENCE, Shop, order};

const BOSS: &str = r#"
[[routes]]
on = "order.created"
when = ["$.total_cents == 1990"]
job = "notification-email"
fields = { to = "boss@mail.example", subject = "Order {$.order_id}", body = "by {$.customer_email}" }
unique = "$.order_id"
"#;

/// A job of another program, that nobody takes here.
const HOOK: &str = r#"
[[routes]]
on = "order.created"
job = "call-erp"
queue = "hooks"
fields = { order = "$.order_id" }
"#;

struct Configured {
    shop: Shop,
    folder: Folder,
}

impl Configured {
    async fn open(name: &str, routes: &str) -> Self {
        let configured = Self { shop: Shop::open(name).await, folder: Folder::new(name) };
        configured.write(routes);
        configured
    }

    /// The file is for the roles alone: what publishes would refuse to start with a broken one.
    fn start(&self, role: &str) -> Child {
        self.shop.start(&["--config", self.file().to_str().unwrap(), role])
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("millgate.toml")
    }

    /// As a deployment does it: whole, by another file in its place.
    fn write(&self, routes: &str) {
        let new = self.folder.path().join("new.toml");
        std::fs::write(&new, routes).unwrap();
        std::fs::rename(new, self.file()).unwrap();
    }

    async fn enqueued(&self, queue: &str, kind: &str) -> u64 {
        self.shop.stats(queue).await.kinds.get(kind).map_or(0, |kind| kind.enqueued)
    }

    async fn wait_enqueued(&self, queue: &str, kind: &str, count: u64) {
        let what = format!("{count} {kind} are enqueued");
        wait_until(&what, PATIENCE, async || self.enqueued(queue, kind).await >= count).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_route_sends_a_mail() {
    let configured = Configured::open("declared", BOSS).await;
    let shop = &configured.shop;
    let _bridge = configured.start("bridge");
    let _worker = configured.start("worker");
    let cheap = order(2).replace("1990", "100");
    shop.publish(&[order(1), order(1), cheap]).await;
    shop.wait_done("email", "notification-email", 1).await;
    shop.wait_done("email", "reminder-email", 2).await;
    shop.settle().await;
    assert_eq!(shop.done("email", "notification-email").await, 1, "once, and not for the cheap one");
    let mails = shop.smtp.mails_to("boss@mail.example");
    assert_eq!(mails.len(), 1);
    assert!(mails[0].text.as_deref().unwrap().contains("by ada-1@mail.example"), "{:?}", mails[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_route_calls_a_webhook() {
    let mut receiver = HttpReceiver::start(|_| std::future::ready(HttpAnswer::status(200))).await;
    let text = format!(
        r#"
[webhook]
secrets = ["erp=whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]
allow_networks = ["127.0.0.1"]

[[routes]]
on = "order.created"
job = "webhook"
fields = {{ url = "{}", secret = "erp", data = "$" }}
"#,
        receiver.url("/orders")
    );
    let configured = Configured::open("webhook", &text).await;
    let shop = &configured.shop;
    let _bridge = configured.start("bridge");
    let _worker = configured.start("worker");
    shop.publish(&[order(1)]).await;
    let request = receiver.next().await;
    assert_eq!(request.line, "POST /orders HTTP/1.1");
    assert!(request.header("webhook-signature").starts_with("v1,"), "{request:?}");
    let event: Value = serde_json::from_slice(&request.body).unwrap();
    let has = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default();
    assert_eq!((has("/id"), has("/type"), has("/data/order_id")), ("event-1", "order.created", "order-1"));
    shop.wait_done("webhooks", "webhook", 1).await;
    assert_eq!(receiver.rest().len(), 0, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_lacks_what_a_route_needs_is_poison_as_a_whole() {
    let wants_coupon = HOOK.replace("[[routes]]", "[[routes]]\nwhen = [\"$.order_id == 'order-1'\"]");
    let configured = Configured::open("lacking", &wants_coupon.replace("\"$.order_id\"", "\"$.coupon\"")).await;
    let shop = &configured.shop;
    let _bridge = configured.start("bridge");
    shop.publish(&[order(1), order(2)]).await;
    let letter = shop.kafka.records("dead-letter-queue", 1).await.remove(0);
    assert_eq!(letter.headers.text("x-dlq-code"), Some("route_field_missing"));
    assert_eq!(letter.headers.text("ce_id"), Some("event-1"));
    configured.wait_enqueued("inventory", "update-inventory", 1).await;
    wait_until("all offsets are committed", PATIENCE, async || {
        let committed = shop.kafka.committed("order.created").await;
        committed.into_iter().map(Option::unwrap_or_default).sum::<i64>() == 2
    })
    .await;
    assert_eq!(configured.enqueued("inventory", "update-inventory").await, 1, "only that of the other order");
    assert_eq!(configured.enqueued("hooks", "call-erp").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_come_and_change_without_a_restart_and_a_broken_file_changes_nothing() {
    let configured = Configured::open("reload", "").await;
    let shop = &configured.shop;
    let bridge = configured.start("bridge");
    shop.publish(&[order(1)]).await;
    configured.wait_enqueued("inventory", "update-inventory", 1).await;

    configured.write(HOOK);
    bridge.wait_for_line("routes reloaded", PATIENCE).await;
    shop.publish(&[order(2)]).await;
    configured.wait_enqueued("hooks", "call-erp", 1).await;

    configured.write(&format!("{HOOK}\n[[routes]]\non = \"order.creatd\"\njob = \"call-erp\"\nqueue = \"hooks\"\n"));
    let told = bridge.wait_for_line("not reloaded", PATIENCE).await;
    assert!(told.contains("millgate.toml:9") && told.contains("did you mean order.created?"), "{told}");
    shop.publish(&[order(3)]).await;
    configured.wait_enqueued("hooks", "call-erp", 2).await;

    std::fs::remove_file(configured.file()).unwrap();
    bridge.wait_for_line("cannot read the routes", PATIENCE).await;
    shop.publish(&[order(4)]).await;
    configured.wait_enqueued("hooks", "call-erp", 3).await;

    // A signal does not wait for the next look; both are there at once.
    configured.write(&format!("{HOOK}{BOSS}"));
    bridge.sighup();
    bridge.wait_for_line("routes=2", PATIENCE).await;
    shop.publish(&[order(5)]).await;
    configured.wait_enqueued("email", "notification-email", 1).await;
    configured.wait_enqueued("hooks", "call-erp", 4).await;
    bridge.sigterm();
    assert!(bridge.wait_exit(PATIENCE).await.success(), "{}", bridge.output());
    assert_eq!(configured.enqueued("inventory", "update-inventory").await, 5);
    assert_eq!(configured.enqueued("hooks", "call-erp").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_that_change_in_mid_traffic_lose_no_event_and_double_none() {
    let mut configured = Configured::open("reload-traffic", HOOK).await;
    configured.shop.set("MILLGATE_BRIDGE_BATCH_SIZE", "5");
    let shop = &configured.shop;
    let mut bridge = configured.start("bridge");
    bridge.wait_for_line("partitions assigned", PATIENCE).await;
    let total = 400;
    for (round, from) in (0..total).step_by(100).enumerate() {
        let orders: Vec<String> = (from..from + 100).map(order).collect();
        let publishing = shop.publish(&orders);
        // The route of the hooks is in every file, in another place each time.
        let changing = async {
            configured.write(&if round % 2 == 0 { format!("{BOSS}{HOOK}") } else { format!("{HOOK}{BOSS}") });
            bridge.sighup();
        };
        tokio::join!(publishing, changing);
        if round == 2 {
            assert!(bridge.output().matches("routes reloaded").count() >= 2, "{}", bridge.output());
            // What it had in hand comes again, and meets other routes.
            bridge.kill9();
            configured.write(&format!("{HOOK}{BOSS}"));
            bridge = configured.start("bridge");
            bridge.wait_for_line("partitions assigned", PATIENCE).await;
        }
    }
    let all = u64::try_from(total).unwrap();
    configured.wait_enqueued("inventory", "update-inventory", all).await;
    configured.wait_enqueued("hooks", "call-erp", all).await;
    bridge.sigterm();
    assert!(bridge.wait_exit(PATIENCE).await.success(), "{}", bridge.output());
    assert_eq!(configured.enqueued("hooks", "call-erp").await, all);
    assert_eq!(configured.enqueued("inventory", "update-inventory").await, all);
}

/// The program in a folder with this file; there is no server.
async fn run(routes: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let folder = Folder::new("routes");
    std::fs::write(folder.path().join("millgate.toml"), routes).unwrap();
    let events = [
        order(1),
        r#"{"type": "order.created", "data": {"order_id": "o2"}}"#.to_owned(),
        r#"{"topic": "order.created", "headers": {"ce_id": "e3", "ce_source": "web", "ce_type": "order.canceled"},
            "value": {"order_id": "o3"}}"#
            .to_owned(),
    ];
    std::fs::write(folder.path().join("good.json"), &events[0]).unwrap();
    std::fs::write(folder.path().join("all.jsonl"), events.join("\n")).unwrap();
    let child: Child =
        Binary::new(env!("CARGO_BIN_EXE_millgate")).folder(folder.path()).args(arguments.to_vec()).spawn();
    (child.wait_exit(PATIENCE).await.code(), child.output())
}

async fn json(routes: &str, arguments: &[&str]) -> (Option<i32>, Value) {
    let (code, said) = run(routes, arguments).await;
    (code, serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_are_listed_without_any_server() {
    let (code, said) = run(&format!("{BOSS}{HOOK}"), &["routes", "list"]).await;
    assert_eq!(code, Some(0), "{said}");
    let line =
        |words: &str| said.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{words}: {said}"));
    assert!(line("update-inventory").ends_with("queue inventory    code"), "{said}");
    let boss = "millgate.toml:2  when $.total_cents == 1990, unique $.order_id";
    assert!(line("notification-email         queue email        millgate").ends_with(boss), "{said}");
    assert!(line("call-erp").contains("queue hooks") && line("call-erp").ends_with("millgate.toml:9"), "{said}");
    assert_eq!(line("order.refunded"), "order.refunded: comes to nothing");

    let (_, list) = json(HOOK, &["routes", "list", "--json"]).await;
    let created = list.as_array().unwrap().iter().find(|entry| entry["event"] == "order.created").unwrap();
    let hook = created["routes"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&hook["kind"], &hook["place"], &hook["action"]),
        (&"call-erp".into(), &"millgate.toml:2".into(), &"enqueue".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_every_job_or_why_there_is_none() {
    let routes = format!("{BOSS}{HOOK}");
    let (code, said) = run(&routes, &["routes", "test", "good.json"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("good.json:1: on topic order.created: 5 jobs, 0 cancels"), "{said}");
    assert!(said.contains("by ada-1@mail.example") && said.contains("unique order-1"), "{said}");

    let (code, values) = json(&routes, &["routes", "test", "all.jsonl", "--json"]).await;
    assert_eq!(code, Some(1), "one of them is poison");
    assert_eq!(values[0]["jobs"][3]["fields"]["to"], "boss@mail.example");
    assert_eq!(values[0]["jobs"][4]["queue"], "hooks");
    assert_eq!((&values[1]["line"], &values[1]["poison"]["code"]), (&2.into(), &"bad_shape".into()));
    assert_eq!(
        values[2]["cancels"][0],
        serde_json::json!({"kind": "reminder-email", "queue": "email", "unique": "o3"})
    );

    let missing = HOOK.replace("$.order_id", "$.parcel_id");
    let (code, said) = run(&missing, &["routes", "test", "good.json"]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("poison, route_field_missing: the route at millgate.toml:2 needs $.parcel_id"), "{said}");
    let (code, said) = run(HOOK, &["routes", "test", "nowhere.json"]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("nowhere.json cannot be read"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_cannot_be_meant_keeps_every_command_from_starting() {
    let wrong = BOSS.replace("notification-email", "notify-email").replace("== 1990", "= 1990");
    for arguments in [&["routes", "list"][..], &["bridge"], &["worker"]] {
        let (code, said) = run(&wrong, arguments).await;
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("millgate.toml:4: routes.when: after $.total_cents one of =="), "{said}");
        assert!(said.contains("millgate.toml:5: routes.job: no handler does jobs of kind \"notify-email\""), "{said}");
    }
}
