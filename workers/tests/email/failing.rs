//! What becomes of a job whose mail does not arrive.

use std::time::Duration;

use millgate_testkit::{SmtpServer, free_port};
use millgate_workers::{
    Ctx, Done, JobError,
    email::{MailError, Mailer, NotificationEmail, send_notification_email, send_welcome_email},
};

use crate::{
    JOB, config, ctx, impatient,
    scripted::{HANG_UP, Scripted, late},
    welcome,
};

/// `retry unavailable` or `dead smtp_550`, and the message.
async fn failed(ctx: &Ctx, to: &str) -> (String, String) {
    match send_welcome_email(welcome(to), ctx.clone()).await.unwrap_err() {
        JobError::Retry { after: None, failure } => (format!("retry {}", failure.code), failure.message),
        JobError::Dead { failure } => (format!("dead {}", failure.code), failure.message),
        other => panic!("{other:?}"),
    }
}

async fn verdict(ctx: &Ctx, to: &str) -> String {
    failed(ctx, to).await.0
}

#[tokio::test]
async fn a_refusal_is_for_good_and_a_deferral_is_not() {
    let server = SmtpServer::start().await;
    let ctx = ctx(&config(server.url()));
    let (verdict, message) = failed(&ctx, "refused@example.org").await;
    assert_eq!(verdict, "dead smtp_550");
    assert!(message.contains("at RCPT: permanent error (550): 5.1.1 no such mailbox"), "{message}");
    assert_eq!(failed(&ctx, "later@example.org").await.0, "retry smtp_450");
    assert_eq!(send_welcome_email(welcome("later@example.org"), ctx).await, Ok(Done));
    assert_eq!(server.mails_to("later@example.org").len(), 1);
}

#[tokio::test]
async fn a_server_that_hangs_or_hangs_up_is_tried_again() {
    let server = SmtpServer::start().await;
    let ctx = ctx(&impatient(server.url()));
    let (verdict, message) = failed(&ctx, "hang@example.org").await;
    assert_eq!(verdict, "retry unavailable");
    assert!(message.contains("no answer to RCPT within 300ms"), "{message}");
    assert_eq!(failed(&ctx, "drop@example.org").await.0, "retry unavailable");
    // Neither is felt by the next mail.
    assert_eq!(send_welcome_email(welcome("ada@example.org"), ctx).await, Ok(Done));
    assert_eq!(server.mails_to("ada@example.org").len(), 1);
}

#[tokio::test]
async fn a_server_that_is_away_is_tried_again() {
    let port = free_port();
    let config = config(format!("smtp://127.0.0.1:{port}"));
    let (verdict, message) = failed(&ctx(&config), "ada@example.org").await;
    assert_eq!(verdict, "retry unavailable");
    assert!(message.contains(&format!("127.0.0.1:{port} cannot be used")), "{message}");
    let error = Mailer::new(&config).unwrap().check().await.unwrap_err();
    assert!(matches!(error, MailError::Connect { .. }), "{error}");
}

#[tokio::test]
async fn a_restarted_server_costs_no_attempt() {
    let server = SmtpServer::start().await;
    let ctx = ctx(&config(server.url()));
    for mails in 1..=3 {
        assert_eq!(send_welcome_email(welcome("ada@example.org"), ctx.clone()).await, Ok(Done));
        assert_eq!(server.mails().len(), mails);
        server.restart().await;
    }
}

#[tokio::test]
async fn a_server_that_has_waited_for_long_enough_costs_no_attempt() {
    let server = Scripted::start(|connection, line| match (connection, line) {
        // As Postfix and others do it: closed, and said so when asked next.
        (0, "RSET") => Some("221 idle for too long".into()),
        _ => Some(String::new()),
    });
    let ctx = ctx(&config(server.url()));
    for _ in 0..3 {
        assert_eq!(send_welcome_email(welcome("ada@example.org"), ctx.clone()).await, Ok(Done));
    }
    let connections: Vec<String> = server.heard().into_iter().filter(|line| line.contains("EHLO")).collect();
    assert_eq!(connections.len(), 2, "{connections:?}");
}

#[tokio::test]
async fn an_answer_that_comes_late_is_not_taken_for_another() {
    let server = Scripted::start(|_, line| match line {
        "RCPT TO:<slow@example.org>" => Some(late()),
        // No mail is taken here, so none may count as sent.
        "." => Some("554 spam".into()),
        _ => Some(String::new()),
    });
    let ctx = ctx(&impatient(server.url()));
    assert_eq!(verdict(&ctx, "slow@example.org").await, "retry unavailable");
    // A pool that takes the connection back does so by now.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(verdict(&ctx, "ada@example.org").await, "dead smtp_554");
    // The same if the run is ended half-way, as by a lost lease.
    let run = verdict(&ctx, "slow@example.org");
    tokio::time::timeout(Duration::from_millis(100), run).await.unwrap_err();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(verdict(&ctx, "ada@example.org").await, "dead smtp_554");
    assert_eq!(server.heard().iter().filter(|line| line.contains("EHLO")).count(), 3);
}

#[tokio::test]
async fn a_server_that_closes_before_its_last_answer_gets_the_mail_again_with_its_id() {
    let server = Scripted::start(|connection, line| match (connection, line) {
        (0, ".") => Some(HANG_UP.into()),
        _ => Some(String::new()),
    });
    let ctx = ctx(&config(server.url()));
    // Nobody knows whether it was taken; so it is sent again, and can be told by its Message-ID.
    assert_eq!(verdict(&ctx, "ada@example.org").await, "retry unavailable");
    assert_eq!(send_welcome_email(welcome("ada@example.org"), ctx).await, Ok(Done));
    let ids = server
        .mails()
        .into_iter()
        .map(|mail| mail.lines().find(|line| line.starts_with("Message-ID: ")).map(str::to_owned).unwrap());
    let ids: Vec<_> = ids.collect();
    assert_eq!(ids, [format!("Message-ID: <{JOB}@millgate.example>"), ids[0].clone()]);
}

#[tokio::test]
async fn a_server_that_says_nothing_after_the_mail_is_given_up() {
    let server = Scripted::start(|_, line| (line != ".").then(String::new));
    let (verdict, message) = failed(&ctx(&impatient(server.url())), "ada@example.org").await;
    assert_eq!(verdict, "retry unavailable");
    assert!(message.contains("no answer to the message within 300ms"), "{message}");
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_not_success() {
    let server = Scripted::start(|_, line| Some(if line == "DATA" { "250 OK".into() } else { String::new() }));
    let (verdict, message) = failed(&ctx(&config(server.url())), "ada@example.org").await;
    assert_eq!(verdict, "retry unavailable");
    assert!(message.contains("answers DATA with \"250 OK\""), "{message}");
}

#[tokio::test]
async fn what_is_wrong_with_us_is_not_held_against_the_mail() {
    for (line, answer, expected) in [
        ("", "554 no service", "retry smtp_554"),
        ("EHLO", "550 who are you", "retry smtp_550"),
        ("AUTH", "535 wrong password", "retry smtp_535"),
        ("MAIL", "530 authentication required", "retry smtp_530"),
        ("MAIL", "550 not as this sender", "dead smtp_550"),
        ("MAIL", "534 too weak", "retry smtp_534"),
        ("MAIL", "538 encryption required", "retry smtp_538"),
        ("DATA", "421 closing", "retry smtp_421"),
        ("RCPT", "450 busy", "retry smtp_450"),
        ("RCPT", "451 error here", "retry smtp_451"),
        ("DATA", "452 disk full", "retry smtp_452"),
        ("RCPT", "553 no such name", "dead smtp_553"),
    ] {
        let server = Scripted::start(move |_, heard| {
            let hit = if line.is_empty() { heard.is_empty() } else { heard.starts_with(line) };
            Some(if hit { answer.into() } else { String::new() })
        });
        let config = config(format!("smtp://shop:secret@{}", server.address()));
        let (verdict, message) = failed(&ctx(&config), "ada@example.org").await;
        assert_eq!(verdict, expected, "{message}");
        assert!(!message.contains("secret"), "{message}");
    }
}

#[tokio::test]
async fn no_mail_leaves_in_the_clear_where_tls_is_required() {
    let server = SmtpServer::start().await;
    for url in [format!("{}?tls=required", server.url()), format!("smtps://{}", server.address())] {
        assert_eq!(verdict(&ctx(&impatient(url)), "ada@example.org").await, "retry unavailable");
    }
    assert_eq!(server.mails(), []);
    let ctx = ctx(&config(format!("{}?tls=opportunistic", server.url())));
    assert_eq!(send_welcome_email(welcome("ada@example.org"), ctx).await, Ok(Done));
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn what_no_retry_mends_is_dead() {
    let server = SmtpServer::start().await;
    let ctx = ctx(&config(server.url()));
    for to in ["", "ada", "ada@example.org\r\nRCPT TO:<eve@example.org>", "Ada <ada@example.org>"] {
        assert_eq!(verdict(&ctx, to).await, "dead invalid_request", "{to}");
    }
    let unknown = NotificationEmail {
        to: "ada@example.org".into(),
        subject: "News".into(),
        body: "There is news.".into(),
        template: Some("invoice".into()),
        ..NotificationEmail::default()
    };
    let error = send_notification_email(unknown, ctx).await.unwrap_err();
    let JobError::Dead { failure } = error else { panic!("{error:?}") };
    assert_eq!(failure.code, "not_found");
    assert_eq!(server.mails(), []);
}
