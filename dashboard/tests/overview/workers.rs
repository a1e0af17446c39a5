//! Processes: looked at, and told what to do.

use millgate_dashboard::access::Role;
use millgate_jobs::{Order, Trouble};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::{Desk, XSS, viewer, worker};

fn action(what: &str, process: &str) -> Value {
    json!({ "do": what, "process": process })
}

#[tokio::test]
async fn no_worker_says_how_to_start_one() {
    let desk = Desk::open().await;
    assert!(desk.page("/workers").await.contains("millgate worker"));
    assert_eq!(desk.api("/workers").await, json!([]));
    let (status, text) = desk.look("/workers/gone").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(text.contains("there is no process gone"), "{text}");
    assert_eq!(desk.look("/api/workers/gone").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_process_is_shown_with_what_it_does_and_what_is_wrong() {
    let desk = Desk::open().await;
    let processes = desk.redis.queues().processes();
    let trouble = Trouble {
        topic: Some("order.created".into()),
        partition: Some(3),
        group: None,
        since: processes.now().await.unwrap(),
        text: format!("the dead-letter topic is missing {XSS}"),
    };
    let process = millgate_jobs::Process { troubles: vec![trouble], ..worker("a1") };
    processes.report(&process).await.unwrap();
    let list = desk.page("/workers").await;
    assert!(list.contains("2 of 8") && list.contains("25 %") && list.contains("1 wrong"), "{list}");
    assert!(!list.contains("No worker is running"), "{list}");
    let page = desk.page("/workers/a1").await;
    assert!(page.contains("order.created/3: the dead-letter topic is missing &lt;script"), "{page}");
    assert!(page.contains("greet") && page.contains("href=\"/queues/email\""), "{page}");
    let api = desk.api("/workers").await;
    assert_eq!((&api[0]["id"], &api[0]["in_hand"], &api[0]["concurrency"]), (&json!("a1"), &json!(2), &json!(8)));
    assert_eq!(desk.api("/workers/a1").await["utilisation"], json!(0.25));
    // Its queue says who serves it.
    assert!(desk.page("/queues/email").await.contains("id=\"worker-a1\""));
}

#[tokio::test]
async fn a_worker_is_told_to_be_quiet_to_go_on_and_to_stop() {
    let desk = Desk::open().await;
    let processes = desk.redis.queues().processes();
    let order = async || processes.report(&worker("a1")).await.unwrap();
    assert_eq!(order().await, None);
    let (status, told) = desk.act(&action("quiet-process", "a1")).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    assert_eq!(order().await, Some(Order::Quiet));
    assert!(desk.page("/workers").await.contains("told to be quiet"));
    desk.undo(&told["id"]).await;
    assert_eq!(order().await, Some(Order::Resume));

    let (_, page) = desk.submit(&action("stop-process", "a1"), &[], "/workers").await;
    assert!(page.contains("Are you sure?"), "{page}");
    assert_eq!(order().await, Some(Order::Resume));
    desk.submit(&action("stop-process", "a1"), &[("sure", "yes")], "/workers").await;
    assert_eq!(order().await, Some(Order::Stop));
    processes.leave("a1").await.unwrap();
    assert_eq!(desk.act(&action("stop-process", "a1")).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_operator_quiets_and_only_an_admin_stops() {
    let desk = Desk::opened(viewer(Role::Operator, &[]), |site| site).await;
    desk.redis.queues().processes().report(&worker("a1")).await.unwrap();
    let page = desk.page("/workers").await;
    assert!(page.contains(">Quiet<") && !page.contains(">Stop<"), "{page}");
    assert_eq!(desk.act(&action("stop-process", "a1")).await.0, StatusCode::FORBIDDEN);
    assert_eq!(desk.act(&action("quiet-process", "a1")).await.0, StatusCode::OK);
    let desk = Desk::opened(viewer(Role::Viewer, &[("email", Role::Operator)]), |site| site).await;
    assert_eq!(desk.act(&action("quiet-process", "a1")).await.0, StatusCode::FORBIDDEN);
}
