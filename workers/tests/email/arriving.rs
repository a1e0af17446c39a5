//! What arrives.

use millgate_testkit::SmtpServer;
use millgate_workers::{
    Done, Handlers, SmtpConfig,
    email::{
        Mail, Mailer, NotificationEmail, OrderLine, PaymentReceipt, ReminderEmail, SendConfirmationEmail, WelcomeEmail,
        send_confirmation_email, send_notification_email, send_payment_receipt, send_reminder_email,
        send_welcome_email,
    },
};

use crate::{JOB, config, ctx, scripted::Scripted, welcome};

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

#[tokio::test]
async fn a_confirmation_arrives() {
    let server = SmtpServer::start().await;
    let ctx = ctx(&config(server.url()));
    assert_eq!(send_confirmation_email(confirmation("ada@example.org"), ctx).await, Ok(Done));

    let [mail] = &server.mails()[..] else { panic!("{:?}", server.mails()) };
    assert_eq!(mail.envelope_from, "shop@millgate.example");
    assert_eq!(mail.envelope_to, ["ada@example.org"]);
    let id = format!("<{JOB}@millgate.example>");
    for (name, value) in [
        ("From", "\"Millgate Shop\" <shop@millgate.example>"),
        ("Subject", "Your order 1001"),
        ("Message-ID", id.as_str()),
        ("Auto-Submitted", "auto-generated"),
    ] {
        assert_eq!(mail.header(name), Some(value), "{}", mail.raw);
    }
    assert!(mail.header("To").unwrap().ends_with(" <ada@example.org>"), "{}", mail.raw);
    assert!(mail.header("Date").is_some(), "{}", mail.raw);
    assert!(mail.header("Content-Type").unwrap().starts_with("multipart/alternative;"), "{}", mail.raw);
    let text = mail.text.as_deref().unwrap().replace("\r\n", "\n");
    let start = "Hello Ada <Lovelace>,\n\nthank you for your order 1001:\n\n  2 x TEA-250\n\nTotal: 19.90 EUR\n";
    assert!(text.starts_with(start), "{text}");
    let html = mail.html.as_deref().unwrap();
    assert!(html.contains("<p>Hello Ada &lt;Lovelace&gt;,</p>"), "{html}");
}

#[tokio::test]
async fn the_same_job_again_is_the_same_mail_again() {
    let server = SmtpServer::start().await;
    let ctx = ctx(&config(server.url()));
    for _ in 0..2 {
        send_confirmation_email(confirmation("ada@example.org"), ctx.clone()).await.unwrap();
    }
    let [first, second] = &server.mails()[..] else { panic!("{:?}", server.mails()) };
    assert_eq!(first.header("Message-ID"), second.header("Message-ID"));
}

#[tokio::test]
async fn every_kind_arrives() {
    let server = SmtpServer::start().await;
    let ctx = ctx(&config(server.url()));
    let (to, name, order_id) = (|| "ada@example.org".to_owned(), || "Ada".to_owned(), || "1001".to_owned());
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
        ("News", "There is news.\n.\n..\n"),
        ("Your order 1001 waits for its payment", "your order 1001 waits for its payment."),
    ] {
        let mail = mails.iter().find(|mail| mail.subject() == subject);
        let mail = mail.unwrap_or_else(|| panic!("{subject}: {mails:?}"));
        let sent = mail.text.as_deref().unwrap().replace("\r\n", "\n");
        assert!(sent.contains(text), "{text}: {sent}");
        assert!(mail.html.as_deref().unwrap().contains("<!doctype html>"), "{}", mail.raw);
    }
}

#[tokio::test]
async fn a_check_says_who_answers() {
    let server = SmtpServer::start().await;
    let greeting = Mailer::new(&config(server.url())).unwrap().check().await.unwrap();
    assert_eq!(greeting, format!("localhost at {}, not encrypted", server.address()));
}

#[tokio::test]
async fn the_pool_is_no_larger_than_it_may_be_and_used_again() {
    let server = Scripted::start(|_, _| Some(String::new()));
    let mailer = Mailer::new(&SmtpConfig { pool_size: 2, ..config(server.url()) }).unwrap();
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
