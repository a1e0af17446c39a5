//! The kit itself: a fault that it does not cause would make every test of that fault worthless.
#![allow(clippy::unwrap_used, reason = "in a test, a panic with a line number is the report")]

use std::{net::TcpStream, time::Duration};

use millgate_testkit::{
    Binary, Browser, Database, Folder, HttpAnswer, HttpReceiver, KafkaServer, KafkaSpace, Proxy, RedisServer,
    RedisSpace, SmtpServer, wait_until,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

const SOON: Duration = Duration::from_mins(2);

#[tokio::test]
async fn what_was_put_on_a_topic_is_read_and_goes_with_the_space() {
    let space = KafkaSpace::fresh("kit");
    space.create("letters", 2).await;
    assert_eq!(space.put("letters", 1, Some(b"k"), Some(b"v"), &[("a", "1")]).await, 0);
    assert_eq!(space.put("letters", 0, None, None, &[]).await, 0);
    let records = space.records("letters", 2).await;
    assert_eq!((records[0].partition, records[0].value.as_deref()), (0, None));
    assert_eq!(records[1].value.as_deref(), Some(b"v".as_slice()));
    assert_eq!(records[1].headers.text("a"), Some("1"));
    assert_eq!(space.ends("letters").await, [1, 1]);
    assert_eq!(space.committed("letters").await, [None, None]);
    let admin = space.admin();
    assert_eq!(admin.list().await.unwrap().len(), 1);
    drop(space);
    wait_until("its topic is gone", SOON, async || admin.list().await.unwrap().is_empty()).await;
}

#[tokio::test]
async fn a_database_is_a_schema_of_its_own() {
    let (one, two) = (Database::fresh(None).await, Database::fresh(None).await);
    for database in [&one, &two] {
        sqlx::raw_sql("CREATE TABLE t (n INT)").execute(database.pool()).await.unwrap();
        let pool = sqlx::PgPool::connect(&database.url()).await.unwrap();
        sqlx::query("INSERT INTO t VALUES (1)").execute(&pool).await.unwrap();
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM t").fetch_one(&pool).await.unwrap();
        assert_eq!(count, 1);
        pool.close().await;
    }
    let schema = one.schema().to_owned();
    drop(one);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_namespace WHERE nspname = $1")
        .bind(schema)
        .fetch_one(two.pool())
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_killed_redis_has_its_keys_again_and_a_frozen_one_is_silent() {
    let server = RedisServer::start().await;
    server.command::<()>(&["SET", "k", "v"]).await;
    server.freeze();
    let asking = tokio::time::timeout(Duration::from_millis(200), server.command::<()>(&["PING"]));
    assert!(asking.await.is_err(), "a frozen server answers");
    server.thaw();
    server.command::<()>(&["PING"]).await;
    server.kill9();
    assert!(TcpStream::connect(server.address()).is_err());
    server.restart().await;
    assert_eq!(server.command::<String>(&["GET", "k"]).await, "v");
    assert!(server.used_memory().await > 0);
    assert!(server.now().await > 1_600_000_000_000);
}

#[tokio::test]
async fn a_killed_kafka_has_its_records_again() {
    let server = KafkaServer::start().await;
    let space = server.space("kit");
    space.create("t", 1).await;
    space.put("t", 0, None, Some(b"v"), &[]).await;
    server.kill9();
    assert!(TcpStream::connect(server.brokers()).is_err());
    server.restart().await;
    assert_eq!(space.records("t", 1).await.len(), 1);
}

#[tokio::test]
async fn mail_is_kept_over_a_restart() {
    let server = SmtpServer::start().await;
    send_mail(&server).await;
    server.stop();
    assert!(TcpStream::connect(server.address()).is_err());
    server.restart().await;
    let mails = server.mails_to("b@example.org");
    assert_eq!(mails.len(), 1);
    assert_eq!((mails[0].subject(), mails[0].text.as_deref()), ("Hi", Some("there\r\n")));
    assert_eq!(mails[0].envelope_from, "a@example.org");
    assert!(server.mails_to("c@example.org").is_empty());
}

async fn send_mail(server: &SmtpServer) {
    let stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let (from, mut to) = stream.into_split();
    let mut answers = BufReader::new(from).lines();
    answers.next_line().await.unwrap();
    for said in
        ["HELO test", "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>", "DATA", "Subject: Hi\r\n\r\nthere\r\n."]
    {
        to.write_all(format!("{said}\r\n").as_bytes()).await.unwrap();
        let answer = answers.next_line().await.unwrap().unwrap();
        assert!(answer.starts_with(['2', '3']), "{said}: {answer}");
    }
}

#[tokio::test]
async fn a_way_can_be_cut_and_stalled_and_mended() {
    let space = RedisSpace::fresh("kit");
    let proxy = Proxy::to(&space.address());
    let config = space.config_at(&proxy.address());
    let queues = millgate_jobs::Queues::new(&config).unwrap();
    queues.info().await.unwrap();
    proxy.stall();
    let asking = tokio::time::timeout(Duration::from_millis(200), queues.info());
    assert!(asking.await.is_err(), "a stalled way answers");
    proxy.restore();
    queues.info().await.unwrap();
    proxy.cut();
    queues.info().await.unwrap_err();
    proxy.restore();
    wait_until("it answers again", SOON, async || queues.info().await.is_ok()).await;
}

#[tokio::test]
async fn a_program_is_heard_and_killed_with_all_that_it_started() {
    let shell = Binary::new("sh").env("WORD", "hello").arg("-c");
    let child = shell.clone().arg("sleep 1000 & echo $WORD $! $MILLGATE; wait").spawn();
    let line = child.wait_for_line("hello", SOON).await;
    let grandchild = line.strip_prefix("hello ").unwrap().trim().to_owned();
    let alive = |pid: &str| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !status.is_empty() && !status.contains(") Z ")
    };
    assert!(alive(&grandchild));
    drop(child);
    wait_until("it is dead, too", SOON, async || !alive(&grandchild)).await;

    let polite = shell.arg("trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.01; done");
    let child = polite.spawn();
    child.wait_for_line("ready", SOON).await;
    child.sigterm();
    assert_eq!(child.wait_exit(SOON).await.code(), Some(7));
    assert!(child.output().ends_with("bye"));
    let child = polite.spawn();
    child.wait_for_line("ready", SOON).await;
    child.kill9();
    assert_eq!(child.exit_status().unwrap().code(), None);
}

#[tokio::test]
#[should_panic(expected = "the moon is cheese")]
async fn what_does_not_come_true_is_said() {
    wait_until("the moon is cheese", Duration::from_millis(50), async || false).await;
}

const PAGE: &str = r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Order</title>
<link rel="icon" href="data:,">
<style>@media (prefers-color-scheme: dark) { html { background: rgb(1, 2, 3) } }</style></head>
<body><main><h1>Order</h1><form><label>Name <input id="name" value="old"></label>
<button id="send" type="button">Send</button></form><p id="said"></p></main>
<script>document.querySelector('#send').onclick = () => {
  const name = document.querySelector('#name').value;
  // Later, and with another element than the one that was there: as pages do that are alive.
  setTimeout(() => document.querySelector('#said').outerHTML = `<p id="said" class="new">Hello ${name}</p>`, 50);
};</script></body></html>"#;

#[tokio::test]
async fn a_browser_is_used_like_by_people() {
    let server = HttpReceiver::start(|request| async move {
        match request.line.split(' ').nth(1).unwrap_or_default() {
            "/" => page(PAGE.to_owned()),
            "/broken" => page(PAGE.replace("</main>", "</main><img src=/missing.png><script>lost()</script>")),
            _ => HttpAnswer::status(404),
        }
    });
    let server = server.await;
    let browser = Browser::start().await;
    browser.goto(&server.url("/")).await;
    assert_eq!(browser.title().await, "Order");
    browser.fill("#name", "Ada").await;
    browser.click("#send").await;
    browser.wait_for("#said.new").await;
    assert_eq!(browser.text("#said").await, "Hello Ada");
    assert_eq!(browser.attr("#said", "class").await.as_deref(), Some("new"));
    assert_eq!((browser.attr("#said", "title").await, browser.count("p").await), (None, 1));

    let cookies = browser.cookies().await;
    let cookie = cookies.iter().find(|cookie| cookie.name() == "seen").unwrap();
    assert_eq!((cookie.value(), cookie.http_only()), ("yes", Some(true)));
    browser.forget().await;
    assert_eq!(browser.cookies().await.len(), 0);

    let background = "return getComputedStyle(document.documentElement).backgroundColor";
    assert_ne!(browser.eval(background).await, "rgb(1, 2, 3)");
    browser.prefer_dark().await;
    assert_eq!(browser.eval(background).await, "rgb(1, 2, 3)");
    browser.resize(390, 844).await;
    assert_eq!(browser.eval("return innerWidth").await, 390);

    let folder = Folder::new("screenshot");
    let path = folder.path().join("page.png");
    browser.screenshot(&path).await;
    assert!(std::fs::read(&path).unwrap().starts_with(b"\x89PNG"));

    assert_eq!(browser.console_errors().await, Vec::<String>::new());
    browser.goto(&server.url("/broken")).await;
    let errors = browser.console_errors().await.join("\n");
    assert!(errors.contains("lost is not defined") && errors.contains("missing.png"), "{errors}");
    assert_eq!(browser.console_errors().await, Vec::<String>::new());

    browser.scripts(false).await;
    browser.goto(&server.url("/broken")).await;
    let errors = browser.console_errors().await.join("\n");
    assert!(!errors.contains("lost is not defined"), "{errors}");
}

fn page(html: String) -> HttpAnswer {
    HttpAnswer::Say(200, "content-type: text/html\r\nset-cookie: seen=yes; HttpOnly", html)
}

#[tokio::test]
async fn what_hinders_people_is_found() {
    // Under the policy that pages of ours have: the check itself must not need another one.
    let headers = "content-type: text/html\r\ncontent-security-policy: default-src 'self'";
    let server = HttpReceiver::start(move |request| async move {
        let plain = "<!doctype html><html lang=en><title>Order</title><main><h1>Order</h1>".to_owned();
        let faulty = plain.replace(" lang=en", "") + "<input id=name><img src=/><font color=#dddddd>pale</font>";
        HttpAnswer::Say(200, headers, if request.line.contains("faulty") { faulty } else { plain })
    });
    let server = server.await;
    let browser = Browser::start().await;
    browser.goto(&server.url("/")).await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.goto(&server.url("/faulty")).await;
    let found = browser.axe().await;
    for rule in ["html-has-lang (serious)", "label (critical)", "image-alt (critical)"] {
        assert!(found.iter().any(|line| line.starts_with(rule)), "{rule}: {found:#?}");
    }
    assert!(found.iter().any(|line| line.contains("at #name: Fix any")), "{found:#?}");
    let of_looks = browser.axe_of_looks().await;
    assert!(matches!(&*of_looks, [pale] if pale.starts_with("color-contrast (serious)")), "{of_looks:#?}");
}

#[tokio::test]
async fn a_browser_goes_with_all_its_processes() {
    let browser = Browser::start().await;
    let profile = browser.profile().display().to_string();
    let processes = async || {
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        let command = |entry: std::fs::DirEntry| std::fs::read_to_string(entry.path().join("cmdline")).ok();
        all.filter_map(command).filter(|command| command.contains(&profile)).count()
    };
    assert!(processes().await > 0);
    drop(browser);
    wait_until("no process of it is left", SOON, async || processes().await == 0).await;
    assert!(!std::path::Path::new(&profile).exists());
}
