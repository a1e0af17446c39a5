//! Schedules: looked at, edited, run, removed, and all of it undone.

use millgate_dashboard::access::Role;
use millgate_jobs::{Schedule, Scheduler, Schedules};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::{Desk, Greet, XSS, viewer};

async fn desk_with_schedules(desk: Desk) -> (Desk, Schedules) {
    let schedules = Schedules::new(&desk.redis.queues(), ["email"]);
    let greeting = Schedule::new("greeting", "0 3 * * *", "Europe/Berlin", &Greet { whom: XSS.into() }).unwrap();
    let pulse = Schedule::new("pulse/1", "@yearly", "UTC", &Greet { whom: "all".into() }).unwrap();
    schedules.declare("shop", &[greeting]).await.unwrap();
    schedules.put(&pulse).await.unwrap();
    (desk, schedules)
}

fn action(what: &str, schedule: &str) -> Value {
    json!({ "do": what, "queue": "email", "schedule": schedule })
}

#[tokio::test]
async fn no_schedule_says_where_they_come_from() {
    let desk = Desk::open().await;
    assert!(desk.page("/schedules").await.contains("App::schedule(…)"));
    assert_eq!(desk.api("/schedules").await, json!([]));
    let (status, text) = desk.look("/schedules/greeting").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(text.contains("there is no schedule `greeting`; there are: none"), "{text}");
}

#[tokio::test]
async fn a_schedule_is_shown_with_what_comes_and_what_came() {
    let (desk, schedules) = desk_with_schedules(Desk::open().await).await;
    let list = desk.page("/schedules").await;
    assert!(list.contains("href=\"/schedules/pulse%2F1\""), "{list}");
    let page = desk.page("/schedules/greeting").await;
    assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("Nothing yet."), "{page}");
    let detail = desk.api("/schedules/greeting").await;
    let ticks = detail["ticks"].as_array().unwrap();
    assert_eq!(ticks.len(), 5);
    for tick in ticks {
        assert!(tick["on_its_clock"].as_str().unwrap().contains("T03:00:00+0"), "{tick}");
    }
    let job = schedules.run_now("greeting").await.unwrap();
    let detail = desk.api("/schedules/greeting").await;
    assert_eq!((&detail["jobs"][0]["key"], &detail["jobs"][0]["state"]), (&json!(job), &json!("waiting")));
    assert!(desk.page("/schedules/greeting?again=1").await.contains(&job));
    assert!(desk.page("/schedules/pulse%2F1").await.contains("at run time"));
}

#[tokio::test]
async fn other_times_are_checked_kept_and_undone() {
    let (desk, schedules) = desk_with_schedules(Desk::open().await).await;
    let mut edit = action("edit-schedule", "greeting");
    (edit["cron"], edit["zone"]) = (json!("x"), json!("x"));
    let filled = [("/cron", "0 4 * * *"), ("/zone", "Asia/Tokyo")];
    let (status, page) = desk.submit(&edit, &filled, "/schedules/greeting").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("fires at `0 4 * * *` in Asia/Tokyo, next at"), "{page}");
    assert!(page.contains("Reset to it") && page.contains("edited"), "{page}");
    // A deploy leaves them.
    let again = Schedule::new("greeting", "0 3 * * *", "Europe/Berlin", &Greet { whom: "all".into() }).unwrap();
    Scheduler::new(schedules.clone()).declaring("shop", vec![again]).turn().await.unwrap();
    let now = desk.api("/schedules/greeting").await;
    assert_eq!((&now["zone"], &now["defined"]["zone"]), (&json!("Asia/Tokyo"), &json!("Europe/Berlin")));

    for (cron, zone, why) in [("0 4", "UTC", "it has 2 fields"), ("@daily", "Mars", "there is no time zone `Mars`")] {
        (edit["cron"], edit["zone"]) = (json!(cron), json!(zone));
        let (status, answer) = desk.act(&edit).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(answer["error"].as_str().unwrap().contains(why), "{answer}");
    }
    // Back to those of the operator, and then to those of the code.
    let (_, reset) = desk.act(&action("reset-schedule", "greeting")).await;
    assert_eq!(desk.api("/schedules/greeting").await["defined"], Value::Null);
    let (_, edited) = desk.undo(&reset["id"]).await;
    assert_eq!(desk.api("/schedules/greeting").await["cron"], "0 4 * * *");
    desk.undo(&edited["id"]).await;
    assert_eq!(desk.api("/schedules/greeting").await["cron"], "0 3 * * *");
}

#[tokio::test]
async fn what_is_done_to_a_schedule_can_be_undone() {
    let (desk, _) = desk_with_schedules(Desk::open().await).await;
    let paused = async || desk.api("/schedules/greeting").await["paused"] == true;
    let (_, done) = desk.act(&action("pause-schedule", "greeting")).await;
    assert!(paused().await && desk.page("/schedules/greeting").await.contains("It is paused"));
    let (_, done) = desk.undo(&done["id"]).await;
    assert!(!paused().await);
    desk.undo(&done["id"]).await;
    assert!(paused().await);

    let (_, ran) = desk.act(&action("run-schedule", "greeting")).await;
    assert!(ran["job"].is_string() && ran["undo"].is_null(), "{ran}");
    assert_eq!(desk.redis.queues().queue("email").stats().await.unwrap().waiting, 1);

    let (status, answer) = desk.act(&action("remove-schedule", "greeting")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(answer["error"].as_str().unwrap().contains("declared in the code of shop"), "{answer}");
    let (status, page) = desk.submit(&action("remove-schedule", "pulse/1"), &[], "/schedules").await;
    assert!(status.is_success() && page.contains("Are you sure?"), "{page}");
    let (status, page) = desk.submit(&action("remove-schedule", "pulse/1"), &[("sure", "yes")], "/schedules").await;
    assert!(status.is_success() && page.contains("pulse/1 is removed"), "{page}");
    let entries = desk.api("/actions").await;
    let (_, back) = desk.undo(&entries[0]["id"]).await;
    assert_eq!(back["text"], "pulse/1 is back");
    assert_eq!(desk.api("/schedules").await.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn rights_are_those_in_the_schedules_queue() {
    let bob = viewer(Role::Viewer, &[("crm.*", Role::Operator)]);
    let (desk, schedules) = desk_with_schedules(Desk::opened(bob, |site| site).await).await;
    let page = desk.page("/schedules/greeting").await;
    assert!(!page.contains("Run now") && !page.contains("Other times"), "{page}");
    let (status, answer) = desk.act(&action("pause-schedule", "greeting")).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{answer}");
    // To name a queue of one's own does not help.
    let (status, answer) =
        desk.act(&json!({ "do": "pause-schedule", "queue": "crm.sync", "schedule": "greeting" })).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(answer["error"].as_str().unwrap().contains("whose job goes to queue crm.sync"), "{answer}");
    let removed = schedules.remove("pulse/1").await.unwrap();
    let restore = json!({ "do": "restore-schedule", "queue": "crm.sync", "schedule": "pulse/1", "entry": removed });
    assert_eq!(desk.act(&restore).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(schedules.list().await.unwrap().len(), 1);
}
