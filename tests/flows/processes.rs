//! The processes that run: what they say, what they are told, and what they leave behind in the history.

use millgate_jobs::{Order, Process, Span, Trouble};
use millgate_testkit::{wait_for, wait_until};
use serde_json::Value;

use crate::shop::{PATIENCE, Shop, notification, order};

async fn processes(shop: &Shop) -> Vec<Process> {
    serde_json::from_str(&shop.run(&["workers", "--json"]).await).unwrap()
}

/// Waits for a process of that role which is as wanted.
async fn wait_process(shop: &Shop, role: &str, what: &str, wanted: impl Fn(&Process) -> bool) -> Process {
    wait_for(&format!("a {role} {what}"), PATIENCE, async || {
        let all = shop.queues.processes().list().await.unwrap();
        all.into_iter().find(|process| process.roles == [role] && wanted(process))
    })
    .await
}

/// The partition that waits; a machine that is busy with tests may have other troubles, too.
fn waiting(process: &Process) -> Option<&Trouble> {
    process.troubles.iter().find(|trouble| trouble.partition.is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_rests_goes_on_and_stops_as_it_is_told() {
    let shop = Shop::open("quiet").await;
    let bridge = shop.start(&["bridge"]);
    let worker = shop.start(&["worker", "--queues", "inventory", "--concurrency", "3"]);
    let found = wait_process(&shop, "worker", "reports", |worker| worker.queues[0].last_fetch.is_some()).await;
    let queue = &found.queues[0];
    assert_eq!((queue.name.as_str(), queue.concurrency, queue.in_hand), ("inventory", 3, 0));
    assert_eq!((found.application.as_str(), found.kinds["update-inventory"]), ("shop", 1));
    assert_eq!(found.pid, worker.pid());
    let id = found.id.as_str();

    let said = shop.run(&["workers", "quiet", id]).await;
    assert!(said.contains("takes no more jobs, within seconds"), "{said}");
    wait_process(&shop, "worker", "is quiet", |worker| worker.quiet).await;
    shop.publish(&[order(1)]).await;
    wait_until("a job waits", PATIENCE, async || shop.stats("inventory").await.waiting == 1).await;
    let before = processes(&shop).await.into_iter().find(|process| process.id == id).unwrap();
    wait_process(&shop, "worker", "reports again", |worker| worker.reported_at > before.reported_at).await;
    let stats = shop.stats("inventory").await;
    assert_eq!((stats.waiting, stats.active, stats.done()), (1, 0, 0));
    let list = shop.run(&["workers"]).await;
    assert!(list.contains(", quiet: it takes no jobs\n  queue inventory "), "{list}");
    assert!(list.contains("  bridge on ") || list.contains("bridge on "), "{list}");

    shop.run(&["workers", "resume", "--all"]).await;
    shop.wait_done("inventory", "update-inventory", 1).await;
    let found = wait_process(&shop, "worker", "goes on", |worker| !worker.quiet).await;
    assert_eq!(found.order, Some(Order::Resume));

    let said = shop.run(&["workers", "stop", id]).await;
    assert!(said.contains("stops, as by SIGTERM"), "{said}");
    assert!(worker.wait_exit(PATIENCE).await.success(), "{}", worker.output());
    assert!(worker.output().contains("worker stops"), "{}", worker.output());
    let left = processes(&shop).await;
    assert_eq!(left.iter().map(|process| process.roles.join(",")).collect::<Vec<_>>(), ["bridge"]);
    let refused = shop.start(&["workers", "resume", id]);
    assert_eq!(refused.wait_exit(PATIENCE).await.code(), Some(1));
    assert!(refused.output().contains(&format!("there is no process {id}: it has ended")), "{}", refused.output());
    let refused = shop.start(&["workers", "quiet", &left[0].id]);
    assert_eq!(refused.wait_exit(PATIENCE).await.code(), Some(1));
    assert!(refused.output().contains("takes no jobs; only one with the role worker"), "{}", refused.output());
    assert_eq!(shop.start(&["workers", "stop"]).wait_exit(PATIENCE).await.code(), Some(2));

    bridge.sigterm();
    assert!(bridge.wait_exit(PATIENCE).await.success(), "{}", bridge.output());
    assert!(shop.run(&["workers"]).await.contains("nothing runs"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_is_there_and_one_that_is_killed_disappears() {
    let mut shop = Shop::open("roles").await;
    shop.set("MILLGATE_DASHBOARD_LISTEN", "127.0.0.1:0");
    let roles = ["bridge", "worker", "scheduler", "relay", "dashboard"];
    let children: Vec<_> = roles.iter().map(|role| shop.start(&[*role])).collect();
    for (role, child) in roles.iter().zip(&children) {
        wait_process(&shop, role, "reports", |process| process.pid == child.pid()).await;
    }
    for child in children {
        child.kill9();
    }
    // Nobody says that it has ended; it is silent.
    wait_until("all are forgotten", PATIENCE, async || processes(&shop).await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_says_which_partition_waits_and_why_for_as_long_as_it_does() {
    let mut shop = Shop::open("troubled").await;
    shop.set("MILLGATE_BRIDGE_DEAD_LETTER_TOPICS", "order=nowhere");
    // The other group would have the same trouble.
    let bridge = shop.start(&["bridge", "--group", "main"]);
    shop.kafka.put("order.created", 2, None, Some(b"{broken"), &[]).await;
    let found = wait_process(&shop, "bridge", "is in trouble", |bridge| waiting(bridge).is_some()).await;
    let topic = shop.kafka.name("order.created");
    let trouble = waiting(&found).unwrap();
    assert_eq!((trouble.topic.as_deref(), trouble.partition), (Some(topic.as_str()), Some(2)));
    assert!(trouble.text.starts_with("cannot hand off into the dead letters, trying on: "), "{}", trouble.text);
    assert!(trouble.text.contains("nowhere"), "{}", trouble.text);
    assert!(trouble.since >= found.started_at && trouble.since <= found.reported_at, "{found:?}");
    let partitions: Vec<_> = found.groups[0].partitions[&topic].clone();
    assert_eq!(partitions, [0, 1, 2]);
    for arguments in [&["workers"][..], &["top", "--once"]] {
        let said = shop.run(arguments).await;
        assert!(said.contains(&format!("{topic}/2: cannot hand off into the dead letters")), "{said}");
    }
    shop.apply_topics().await;
    let well = wait_process(&shop, "bridge", "is well again", |bridge| waiting(bridge).is_none()).await;
    assert_eq!(well.id, found.id);
    assert!(bridge.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_a_run_adds_up_to_the_jobs_that_ran() {
    let shop = Shop::open("history").await;
    let bridge = shop.start(&["bridge", "--group", "main"]);
    let workers = [shop.start(&["worker"]), shop.start(&["worker"])];
    let mut lines: Vec<String> = (0..20).map(order).collect();
    lines.push(notification("refused@mail.example"));
    shop.publish(&lines).await;
    shop.kafka.put("order.created", 0, None, Some(b"{broken"), &[]).await;
    shop.wait_done("inventory", "update-inventory", 20).await;
    shop.wait_done("email", "send-confirmation-email", 20).await;
    shop.settle().await;
    for worker in &workers {
        worker.sigterm();
        assert!(worker.wait_exit(PATIENCE).await.success(), "{}", worker.output());
    }
    wait_until("the poison event is counted", PATIENCE, async || {
        let history = shop.queues.events("main", "order.created").history(Span::Hour).await.unwrap();
        (history.total().handed_off, history.total().poison) == (20, 1)
    })
    .await;
    bridge.sigterm();
    assert!(bridge.wait_exit(PATIENCE).await.success(), "{}", bridge.output());
    for name in ["inventory", "email"] {
        let stats = shop.stats(name).await;
        let (retried, dead): (u64, u64) =
            stats.kinds.values().fold((0, 0), |(retried, dead), kind| (retried + kind.retried, dead + kind.dead));
        for span in [Span::Hour, Span::Day, Span::Week] {
            let total = shop.queues.queue(name).history(span).await.unwrap().total();
            assert_eq!((total.enqueued, total.done), (stats.enqueued(), stats.done()), "{name} {span:?}");
            assert_eq!((total.retried, total.dead), (retried, dead), "{name} {span:?}");
            // Each run was begun by one of the two, and has come to one end.
            let ran = total.done + total.retried + total.dead;
            assert!(ran >= 20 && total.started == ran && total.runs.count() == ran, "{name} {span:?}: {total:?}");
            // What was tried again is not a first run.
            assert_eq!(total.waits.count(), total.done + total.dead, "{name} {span:?}");
        }
    }
    assert_eq!(shop.queues.queue("email").history(Span::Hour).await.unwrap().total().dead, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn top_is_a_text_where_there_is_no_terminal() {
    let mut shop = Shop::open("top").await;
    // Reminders do not become due while it looks.
    shop.set("MILLGATE_SHOP_REMINDER_DELAY", "24h");
    let worker = shop.start(&["worker", "--queues", "inventory"]);
    let found = wait_process(&shop, "worker", "reports", |worker| !worker.queues.is_empty()).await;
    let bridge = shop.start(&["bridge", "--group", "main"]);
    shop.publish(&[order(1), order(2)]).await;
    shop.wait_done("inventory", "update-inventory", 2).await;
    wait_until("nothing is behind", PATIENCE, async || {
        let (ends, committed) = (shop.kafka.ends("order.created").await, shop.kafka.committed("order.created").await);
        ends.into_iter().zip(committed).all(|(end, committed)| committed.unwrap_or_default() == end)
    })
    .await;
    shop.run(&["queues", "pause", "inventory"]).await;
    let said = shop.run(&["top"]).await;
    let line = |begin: &str| said.lines().find(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("{said}"));
    assert!(line("  inventory ").contains("  paused"), "{said}");
    assert!(line(&format!("  {}  worker ", found.id)).contains("inventory 0/"), "{said}");
    assert!(line("  main ").contains("0 behind"), "{said}");
    // Mails wait, and this worker is for another queue.
    assert!(said.contains("no process works on queue email, where jobs wait"), "{said}");
    assert!(!said.contains('\u{1b}'), "it has no colours");
    let json: Value = serde_json::from_str(&shop.run(&["top", "--once", "--json"]).await).unwrap();
    let email = json["queues"].as_array().unwrap().iter().find(|queue| queue["name"] == "email").unwrap();
    assert_eq!((&email["waiting"], &email["last_hour"].as_array().unwrap().len()), (&2.into(), &60));
    assert!(worker.is_running() && bridge.is_running());
}
