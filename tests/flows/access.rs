//! Who may come to the dashboard, and do what there, in a browser.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use millgate_testkit::{Browser, Folder, wait_until};

use crate::shop::{PATIENCE, Shop};

/// What `millgate dashboard hash-password` prints for a password on its standard input, and its exit code.
fn hash_password(password: &str) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millgate"));
    command.args(["dashboard", "hash-password"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap().trim().to_owned())
}

async fn log_in(browser: &Browser, name: &str, password: &str) {
    browser.fill("#name", name).await;
    browser.fill("#password", password).await;
    browser.click("form.login button").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_log_in_and_do_what_their_roles_allow() {
    let mut shop = Shop::open("access").await;
    let (folder, (code, hash)) = (Folder::new("access"), hash_password("lamp oil"));
    assert!(code == Some(0) && hash.starts_with("$argon2id$"), "{hash}");
    let file = folder.path().join("millgate.toml");
    let user = |name: &str, rest: &str| format!("[dashboard.users.{name}]\npassword = \"{hash}\"\n{rest}\n");
    let dashboard = "[dashboard]\nlisten = \"127.0.0.1:0\"\npath = \"/millgate\"\nauth = \"users\"\n".to_owned();
    let users = user("ann", "role = \"operator\"\nqueues = [\"email\"]") + &user("eve", "role = \"viewer\"");
    std::fs::write(&file, dashboard + &users).unwrap();
    shop.set("MILLGATE_CONFIG", file.to_str().unwrap());
    let shown = shop.run(&["config"]).await;
    assert!(shown.contains("dashboard.users.ann.password = \"***\"") && !shown.contains("argon2id"), "{shown}");

    let dashboard = shop.start(&["dashboard"]);
    let line = dashboard.wait_for_line("dashboard at http://", PATIENCE).await;
    let (_, rest) = line.split_once("http://").unwrap();
    let queues = format!("http://{}queues", rest.split_whitespace().next().unwrap());
    let browser = Browser::start().await;
    browser.goto(&queues).await;
    browser.wait_for("#password").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.prefer_dark().await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    assert_eq!(browser.console_errors().await, Vec::<String>::new());

    log_in(&browser, "ann", "lamp").await;
    browser.wait_for_text("[role=alert]", "Name or password is wrong.").await;
    assert_eq!(browser.attr("#name", "value").await.as_deref(), Some("ann"));
    assert_eq!(browser.axe().await, Vec::<String>::new());
    log_in(&browser, "ann", "lamp oil").await;
    browser.wait_for_text(".who", "ann").await;
    assert_eq!(browser.url().await, queues);
    assert_eq!(browser.count("#queue-inventory form").await, 0, "another's queue");
    browser.click("#queue-email form button").await;
    wait_until("the queue is paused", PATIENCE, async || shop.stats("email").await.paused).await;
    browser.wait_for_text("#queue-email", "paused").await;
    browser.click("form[action='/millgate/logout'] button").await;
    browser.wait_for("#password").await;
    browser.goto(&queues).await;
    browser.wait_for("#password").await;

    // The door needs no script.
    browser.scripts(false).await;
    log_in(&browser, "eve", "lamp oil").await;
    browser.wait_for_text(".who", "eve").await;
    assert_eq!(browser.count("main form").await, 0);
    let refused: Vec<String> = browser.console_errors().await;
    let refused: Vec<&String> = refused.iter().filter(|error| !error.contains("401")).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_start_where_others_could_come_in_unasked() {
    let mut shop = Shop::open("access-open").await;
    shop.set("MILLGATE_DASHBOARD_LISTEN", "0.0.0.0:0");
    let dashboard = shop.start(&["dashboard"]);
    assert_eq!(dashboard.wait_exit(PATIENCE).await.code(), Some(2));
    let said = dashboard.output();
    let told = "environment variable MILLGATE_DASHBOARD_LISTEN: dashboard.auth: the dashboard would be open to everybody who \
                can reach 0.0.0.0:0: set dashboard.auth to \"users\"";
    assert!(said.contains(told), "{said}");
    let (code, said) = hash_password("");
    assert_eq!((code, said.as_str()), (Some(2), "error: a password has 1 to 1024 bytes"));
}
