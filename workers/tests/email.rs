//! Mail through a real SMTP server: what arrives, and what becomes of a job whose mail does not.

mod smtp;

use std::{net::TcpListener, time::Duration};

use chrono::Utc;
use millgate_workers::{
    Ctx, Done, Handlers, JobError, SmtpConfig, State,
    email::{
        Mail, MailError, Mailer, NotificationEmail, OrderLine, PaymentReceipt, ReminderEmail,
        SendConfirmationEmail, Templates, WelcomeEmail, send_confirmation_email,
        send_notification_email, send_payment_receipt, send_reminder_email, send_welcome_email,
    },
};
use smtp::{
    SmtpServer,
    scripted::{Scripted, late},
};

const JOB: &str = "0b5c1e9e-5a60-5a3c-9f0e-7d2f6a8b4c11";

fn config(port: u16) -> SmtpConfig {
    SmtpConfig { url: format!("smtp://127.0.0.1:{port}"), ..SmtpConfig::default() }
}

/// With a timeout that a test can wait for.
fn impatient(port: u16) -> SmtpConfig {
    SmtpConfig { timeout: Duration::from_millis(300), ..config(port) }
}

fn ctx(config: &SmtpConfig) -> Ctx {
    let state =
        State::new().with(Mailer::new(config).unwrap()).with(Templates::new(config).unwrap());
    Ctx::for_test(JOB, Utc::now(), state)
}

fn confirmation(to: &str) -> SendConfirmationEmail {
    SendConfirmationEmail {
        order_id: "1001".into(),
        to: to.into(),
        name: "Ada <Lovelace>".into(),
        items: vec![OrderLine { sku: "TEA-250".into(), quantity: 2 }],
        total_cents: 1990,
        currency: "EUR".into(),
    }
}

fn welcome(to: &str) -> WelcomeEmail {
    WelcomeEmail { user_id: "7".into(), to: to.into(), name: "Ada".into() }
}

/// `retry unavailable` or `dead smtp_550`, and the message.
async fn failed(ctx: &Ctx, to: &str) -> (String, String) {
    match send_welcome_email(welcome(to), ctx.clone()).await.unwrap_err() {
        JobError::Retry { after: None, failure } => {
            (format!("retry {}", failure.code), failure.message)
        }
        JobError::Dead { failure } => (format!("dead {}", failure.code), failure.message),
        other => panic!("{other:?}"),
    }
}

async fn verdict(ctx: &Ctx, to: &str) -> String {
    failed(ctx, to).await.0
}

#[tokio::test]
async fn a_confirmation_arrives() {
    let server = SmtpServer::start();
    let ctx = ctx(&config(server.port));
    assert_eq!(send_confirmation_email(confirmation("ada@example.org"), ctx).await, Ok(Done));

    let mail = server.mail();
    for part in [
        "X-Envelope-From: shop@millgate.example\nX-Envelope-To: ada@example.org\n",
        "From: \"Millgate Shop\" <shop@millgate.example>\n",
        "\nSubject: Your order 1001\n",
        &format!("\nMessage-ID: <{JOB}@millgate.example>\n"),
        "\nAuto-Submitted: auto-generated\n",
        "\nDate: ",
        "\nContent-Type: multipart/alternative;",
        "\nContent-Type: text/plain; charset=utf-8\n",
        "\nHello Ada <Lovelace>,\n\nthank you for your order 1001:\n\n  2 x TEA-250\n\nTotal: 19.90 EUR\n",
        "\nContent-Type: text/html; charset=utf-8\n",
        "<p>Hello Ada &lt;Lovelace&gt;,</p>",
    ] {
        assert!(mail.contains(part), "{part}\n---\n{mail}");
    }
}

#[tokio::test]
async fn the_same_job_again_is_the_same_mail_again() {
    let server = SmtpServer::start();
    let ctx = ctx(&config(server.port));
    for _ in 0..2 {
        send_confirmation_email(confirmation("ada@example.org"), ctx.clone()).await.unwrap();
    }
    let ids: Vec<String> = server.mails().iter().map(|mail| id(mail).to_owned()).collect();
    assert_eq!(ids, [format!("<{JOB}@millgate.example>"), format!("<{JOB}@millgate.example>")]);
}

fn id(mail: &str) -> &str {
    mail.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap()
}

#[tokio::test]
async fn every_kind_arrives() {
    let server = SmtpServer::start();
    let ctx = ctx(&config(server.port));
    let (to, name, order_id) =
        (|| "ada@example.org".to_owned(), || "Ada".to_owned(), || "1001".to_owned());
    send_confirmation_email(confirmation(&to()), ctx.clone()).await.unwrap();
    let receipt = PaymentReceipt {
        payment_id: "2002".into(),
        order_id: order_id(),
        to: to(),
        amount_cents: 1990,
        currency: "EUR".into(),
    };
    send_payment_receipt(receipt, ctx.clone()).await.unwrap();
    send_welcome_email(welcome(&to()), ctx.clone()).await.unwrap();
    // Lines that begin with a dot are what SMTP itself ends a mail with.
    let body = "There is news.\n.\n..".to_owned();
    let notification = NotificationEmail { to: to(), subject: "News".into(), body, template: None };
    send_notification_email(notification, ctx.clone()).await.unwrap();
    let reminder = ReminderEmail { order_id: order_id(), to: to(), name: name() };
    send_reminder_email(reminder, ctx.clone()).await.unwrap();

    let mails = server.mails();
    assert_eq!(mails.len(), 5);
    for (subject, text) in [
        ("Your order 1001", "thank you for your order 1001"),
        ("Receipt for order 1001", "your payment of 19.90 EUR for order 1001"),
        ("Welcome, Ada!", "Hello Ada,\n"),
        ("News", "\n\nThere is news.\n.\n..\n"),
        ("Your order 1001 waits for its payment", "your order 1001 waits for its payment."),
    ] {
        let mail = mails.iter().find(|mail| mail.contains(&format!("\nSubject: {subject}\n")));
        let mail = mail.unwrap_or_else(|| panic!("{subject}: {mails:?}"));
        assert!(mail.contains(text) && mail.contains("<!doctype html>"), "{text}: {mail}");
    }
}

#[tokio::test]
async fn a_refusal_is_for_good_and_a_deferral_is_not() {
    let server = SmtpServer::start();
    let ctx = ctx(&config(server.port));
    let (verdict, message) = failed(&ctx, "refused@example.org").await;
    assert_eq!(verdict, "dead smtp_550");
    assert!(message.contains("at RCPT: permanent error (550): 5.1.1 no such mailbox"), "{message}");
    assert_eq!(failed(&ctx, "later@example.org").await.0, "retry smtp_450");
    assert_eq!(send_welcome_email(welcome("later@example.org"), ctx).await, Ok(Done));
    assert!(server.mail().contains("X-Envelope-To: later@example.org\n"));
}

#[tokio::test]
async fn a_server_that_hangs_or_hangs_up_is_tried_again() {
    let server = SmtpServer::start();
    let ctx = ctx(&impatient(server.port));
    let (verdict, message) = failed(&ctx, "hang@example.org").await;
    assert_eq!(verdict, "retry unavailable");
    assert!(message.contains("does not answer RCPT within 300ms"), "{message}");
    assert_eq!(failed(&ctx, "drop@example.org").await.0, "retry unavailable");
    // Neither is felt by the next mail.
    assert_eq!(send_welcome_email(welcome("ada@example.org"), ctx).await, Ok(Done));
    assert!(server.mail().contains("X-Envelope-To: ada@example.org\n"));
}

#[tokio::test]
async fn a_server_that_is_away_is_tried_again() {
    // Bound and let go: nobody listens there now.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = config(port);
    let (verdict, message) = failed(&ctx(&config), "ada@example.org").await;
    assert_eq!(verdict, "retry unavailable");
    assert!(message.contains(&format!("127.0.0.1:{port} cannot be used")), "{message}");
    let error = Mailer::new(&config).unwrap().check().await.unwrap_err();
    assert!(matches!(error, MailError::Connect { .. }), "{error}");
}

#[tokio::test]
async fn a_restarted_server_costs_no_attempt() {
    let server = Scripted::start(|connection, line| match (connection, line) {
        // As Postfix and others do it: closed, and said so when asked next.
        (0, "RSET") => Some("221 idle for too long".into()),
        _ => Some(String::new()),
    });
    let ctx = ctx(&config(server.port));
    for _ in 0..3 {
        assert_eq!(send_welcome_email(welcome("ada@example.org"), ctx.clone()).await, Ok(Done));
    }
    let connections: Vec<String> =
        server.heard().into_iter().filter(|line| line.contains("EHLO")).collect();
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
    let ctx = ctx(&impatient(server.port));
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
async fn an_answer_that_makes_no_sense_is_not_success() {
    let server = Scripted::start(|_, line| {
        Some(if line == "DATA" { "250 OK".into() } else { String::new() })
    });
    let (verdict, message) = failed(&ctx(&config(server.port)), "ada@example.org").await;
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
        ("DATA", "421 closing", "retry smtp_421"),
    ] {
        let server = Scripted::start(move |_, heard| {
            let hit = if line.is_empty() { heard.is_empty() } else { heard.starts_with(line) };
            Some(if hit { answer.into() } else { String::new() })
        });
        let url = format!("smtp://shop:secret@127.0.0.1:{}", server.port);
        let (verdict, message) =
            failed(&ctx(&SmtpConfig { url, ..SmtpConfig::default() }), "ada@example.org").await;
        assert_eq!(verdict, expected, "{message}");
        assert!(!message.contains("secret"), "{message}");
    }
}

#[tokio::test]
async fn no_mail_leaves_in_the_clear_where_tls_is_required() {
    let server = SmtpServer::start();
    for url in ["smtp://127.0.0.1:PORT?tls=required", "smtps://127.0.0.1:PORT"] {
        let url = url.replace("PORT", &server.port.to_string());
        let ctx = ctx(&SmtpConfig { url, ..impatient(server.port) });
        assert_eq!(verdict(&ctx, "ada@example.org").await, "retry unavailable");
    }
    assert_eq!(server.mails(), [""; 0]);
    let url = format!("smtp://127.0.0.1:{}?tls=opportunistic", server.port);
    let ctx = ctx(&SmtpConfig { url, ..SmtpConfig::default() });
    assert_eq!(send_welcome_email(welcome("ada@example.org"), ctx).await, Ok(Done));
    server.mail();
}

#[tokio::test]
async fn what_no_retry_mends_is_dead() {
    let server = SmtpServer::start();
    let ctx = ctx(&config(server.port));
    for to in ["", "ada", "ada@example.org\r\nRCPT TO:<eve@example.org>", "Ada <ada@example.org>"] {
        assert_eq!(verdict(&ctx, to).await, "dead invalid_request", "{to}");
    }
    let unknown = NotificationEmail {
        to: "ada@example.org".into(),
        subject: "News".into(),
        body: "There is news.".into(),
        template: Some("invoice".into()),
    };
    let error = send_notification_email(unknown, ctx).await.unwrap_err();
    let JobError::Dead { failure } = error else { panic!("{error:?}") };
    assert_eq!(failure.code, "not_found");
    assert_eq!(server.mails(), [""; 0]);
}

#[tokio::test]
async fn the_pool_is_no_larger_than_it_may_be_and_used_again() {
    let server = Scripted::start(|_, _| Some(String::new()));
    let mailer = Mailer::new(&SmtpConfig { pool_size: 2, ..config(server.port) }).unwrap();
    let mail = Mail {
        to: "ada@example.org".into(),
        name: None,
        subject: "News".into(),
        text: "There is news.".into(),
        html: None,
        message_id: JOB.into(),
    };
    let sent = (0..20).map(|_| mailer.send(mail.clone()));
    for result in futures::future::join_all(sent).await {
        result.unwrap();
    }
    let heard = server.heard();
    let count = |word| heard.iter().filter(|line| line.contains(word)).count();
    assert_eq!((count("EHLO"), count("DATA"), count("RSET")), (2, 20, 18));
}

#[tokio::test]
async fn a_check_says_who_answers() {
    let server = SmtpServer::start();
    let greeting = Mailer::new(&config(server.port)).unwrap().check().await.unwrap();
    assert_eq!(greeting, format!("localhost at 127.0.0.1:{}, not encrypted", server.port));
}

#[test]
fn all_of_them_are_handlers() {
    let mut handlers = Handlers::default();
    handlers.add::<SendConfirmationEmail>(send_confirmation_email);
    handlers.add::<PaymentReceipt>(send_payment_receipt);
    handlers.add::<WelcomeEmail>(send_welcome_email);
    handlers.add::<NotificationEmail>(send_notification_email);
    handlers.add::<ReminderEmail>(send_reminder_email);
    assert_eq!(handlers.queues(), ["email"]);
}
