//! What arrives.

use chrono::DateTime;
use millgate_events::Claims;
use millgate_testkit::{Folder, SmtpServer};
use millgate_workers::{
    Ctx, Done, Handlers, JobError, SmtpConfig, State,
    email::{
        Attachment, Attachments, Mail, Mailer, NotificationEmail, OrderLine, PaymentReceipt, ReminderEmail,
        SendConfirmationEmail, Templates, WelcomeEmail, send_confirmation_email, send_notification_email,
        send_payment_receipt, send_reminder_email, send_welcome_email,
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
        locale: None,
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
        locale: None,
    };
    send_payment_receipt(receipt, ctx.clone()).await.unwrap();
    send_welcome_email(welcome(&to()), ctx.clone()).await.unwrap();
    // Lines that begin with a dot are what SMTP itself ends a mail with.
    let body = "There is news.\n.\n..".to_owned();
    let notification = NotificationEmail { to: to(), subject: "News".into(), body, ..NotificationEmail::default() };
    send_notification_email(notification, ctx.clone()).await.unwrap();
    let reminder = ReminderEmail { order_id: order_id(), to: to(), name: name(), ..ReminderEmail::default() };
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
        subject: "News".into(),
        text: "There is news.".into(),
        message_id: JOB.into(),
        ..Mail::default()
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
async fn a_mail_comes_in_the_language_of_its_recipient() {
    let server = SmtpServer::start().await;
    let ctx = ctx(&config(server.url()));
    for (to, locale) in [("ada@example.org", "de-AT"), ("eve@example.org", "fr")] {
        let welcome = WelcomeEmail { locale: Some(locale.into()), ..welcome(to) };
        send_welcome_email(welcome, ctx.clone()).await.unwrap();
    }
    let subject = |to| server.mails_to(to)[0].subject().to_owned();
    assert_eq!(subject("ada@example.org"), "Willkommen, Ada!");
    assert_eq!(subject("eve@example.org"), "Welcome, Ada!");
    assert!(server.mails_to("ada@example.org")[0].html.as_deref().unwrap().contains("lang=\"de\""));
}

#[tokio::test]
async fn a_mail_brings_along_what_its_job_names() {
    let server = SmtpServer::start().await;
    let folder = Folder::new("attachments");
    std::fs::write(folder.path().join("1001.pdf"), b"%PDF-1.7 \xff\x00\r\n.\r\n").unwrap();
    let attachments = folder.path().display().to_string();
    let unsubscribe = "https://shop.example/bye?a={address}".into();
    let config = SmtpConfig { attachments, unsubscribe, ..config(server.url()) };
    let state = State::new().with(Mailer::new(&config).unwrap()).with(Templates::new(&config).unwrap());
    let ctx = Ctx::for_test(JOB, DateTime::UNIX_EPOCH, state.with(Attachments::new(&config, Claims::default())));
    let with = |source: &str| NotificationEmail {
        to: "ada@example.org".into(),
        subject: "Invoice".into(),
        body: "Here it is.".into(),
        attachments: vec![Attachment { name: "Invoice.pdf".into(), source: source.into(), content_type: None }],
        ..NotificationEmail::default()
    };
    assert_eq!(send_notification_email(with("file:1001.pdf"), ctx.clone()).await, Ok(Done));
    let error = send_notification_email(with("file:../1001.pdf"), ctx).await.unwrap_err();
    assert!(matches!(error, JobError::Dead { failure } if failure.code == "attachment"));
    let [mail] = &server.mails()[..] else { panic!("{:?}", server.mails()) };
    assert_eq!(mail.text.as_deref().map(str::trim), Some("Here it is."));
    assert!(mail.html.is_some(), "{}", mail.raw);
    assert_eq!(mail.header("List-Unsubscribe"), Some("<https://shop.example/bye?a=ada%40example%2Eorg>"));
    // "%PDF-1.7 \xff\0\r\n.\r\n" in base 64.
    for part in ["filename=\"Invoice.pdf\"", "Content-Type: application/pdf", "JVBERi0xLjcg/wANCi4NCg=="] {
        assert!(mail.raw.contains(part), "{part}: {}", mail.raw);
    }
}

#[tokio::test]
async fn a_dry_run_writes_files_and_sends_nothing() {
    let folder = Folder::new("dry-run");
    let place = folder.path().join("mails");
    let config = config(format!("file://{}", place.display()));
    assert!(Mailer::new(&config).unwrap().check().await.unwrap().starts_with("nothing is sent; "));
    let ctx = ctx(&config);
    // The second run of a job is the same mail, and not another.
    for _ in 0..2 {
        assert_eq!(send_welcome_email(welcome("ada@example.org"), ctx.clone()).await, Ok(Done));
    }
    let files: Vec<_> = std::fs::read_dir(&place).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files, [place.join(format!("{JOB}.eml"))]);
    let mail = std::fs::read_to_string(&files[0]).unwrap();
    assert!(mail.contains("To: Ada <ada@example.org>\r\n") && mail.contains("Welcome, Ada!"), "{mail}");
    let error = Mailer::new(&crate::config("file://mails")).err().unwrap().to_string();
    assert!(error.contains("file:///var/mail"), "{error}");
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
