//! Addresses that no mail goes to.

use chrono::DateTime;
use millgate_testkit::{Database, SmtpServer};
use millgate_workers::{
    Ctx, Done, JobError, State,
    email::{
        Mailer, NotificationEmail, Suppression, Suppressions, Templates, send_notification_email, send_welcome_email,
    },
};

use crate::{JOB, config, scripted::Scripted, welcome};

struct Place {
    suppressions: Suppressions,
    ctx: Ctx,
    /// Gone when this is.
    database: Database,
}

async fn place(url: String) -> Place {
    let database = Database::fresh(None).await;
    let suppressions = Suppressions::new(database.pool().clone());
    suppressions.migrate().await.unwrap();
    let config = config(url);
    let state = State::new().with(Mailer::new(&config).unwrap()).with(Templates::new(&config).unwrap());
    let ctx = Ctx::for_test(JOB, DateTime::UNIX_EPOCH, state.with(suppressions.clone()));
    Place { suppressions, ctx, database }
}

fn news(to: &str) -> NotificationEmail {
    NotificationEmail { to: to.into(), subject: "News".into(), body: "News.".into(), ..NotificationEmail::default() }
}

#[tokio::test]
async fn an_address_that_bounces_gets_one_mail_and_no_more() {
    let server = SmtpServer::start().await;
    let Place { suppressions, ctx, database: _database } = place(server.url()).await;
    let error = send_welcome_email(welcome("Refused@example.org"), ctx.clone()).await.unwrap_err();
    assert!(matches!(error, JobError::Dead { failure } if failure.code == "smtp_550"));
    let found = suppressions.of("refused@EXAMPLE.org").await.unwrap().unwrap();
    assert_eq!((found.address.as_str(), found.reason), ("refused@example.org", Suppression::Bounced));
    assert!(found.note.contains("5.1.1 no such mailbox"), "{}", found.note);

    assert_eq!(send_welcome_email(welcome("refused@example.org"), ctx.clone()).await, Ok(Done));
    let noted = ctx.noted().log;
    assert!(noted[0].starts_with("not sent: refused@example.org is suppressed: bounced, "), "{noted:?}");

    assert!(suppressions.unsuppress("REFUSED@example.org").await.unwrap());
    assert!(!suppressions.unsuppress("refused@example.org").await.unwrap());
    send_welcome_email(welcome("refused@example.org"), ctx).await.unwrap_err();
}

#[tokio::test]
async fn only_what_says_that_there_is_nobody_is_a_bounce() {
    for (line, answer, bounces) in [
        ("RCPT", "550 5.1.1 unknown", true),
        ("RCPT", "550 no such user here", true),
        ("RCPT", "553 5.1.3 no such address", true),
        ("RCPT", "550 5.7.1 your IP is on a list", false),
        ("RCPT", "552 5.2.2 mailbox full", false),
        ("RCPT", "554 no", false),
        ("RCPT", "450 4.1.1 not now", false),
        (".", "550 5.1.1 this looks like spam", false),
        ("MAIL", "550 not as this sender", false),
    ] {
        let server =
            Scripted::start(move |_, heard| Some(if heard.starts_with(line) { answer.into() } else { String::new() }));
        let Place { suppressions, ctx, database: _database } = place(server.url()).await;
        send_welcome_email(welcome("ada@example.org"), ctx).await.unwrap_err();
        assert_eq!(suppressions.of("ada@example.org").await.unwrap().is_some(), bounces, "{line} {answer}");
    }
}

#[tokio::test]
async fn who_unsubscribes_still_gets_what_has_to_be_had() {
    let server = SmtpServer::start().await;
    let Place { suppressions, ctx, database: _database } = place(server.url()).await;
    suppressions.unsubscribe("ada@example.org").await.unwrap();
    assert_eq!(send_notification_email(news("Ada@example.org"), ctx.clone()).await, Ok(Done));
    assert_eq!(server.mails(), []);
    assert_eq!(send_welcome_email(welcome("ada@example.org"), ctx.clone()).await, Ok(Done));
    assert_eq!(server.mails().len(), 1);
    // What stops more goes before what stops less, and is not undone by it.
    suppressions.suppress("ada@example.org", Suppression::Blocked, "a spam trap").await.unwrap();
    suppressions.unsubscribe("ada@example.org").await.unwrap();
    let [found] = &suppressions.list(None, 10).await.unwrap()[..] else { panic!() };
    assert_eq!((found.reason, found.note.as_str()), (Suppression::Blocked, "a spam trap"));
    assert_eq!(send_welcome_email(welcome("ada@example.org"), ctx).await, Ok(Done));
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn without_the_table_only_what_has_to_be_had_is_sent() {
    let server = SmtpServer::start().await;
    let Place { ctx, database, .. } = place(server.url()).await;
    sqlx::query("DROP TABLE mail_suppressions").execute(database.pool()).await.unwrap();
    let error = send_notification_email(news("ada@example.org"), ctx.clone()).await.unwrap_err();
    assert!(matches!(error, JobError::Retry { failure, .. } if failure.message.contains("`millgate migrate`")));
    assert_eq!(send_welcome_email(welcome("ada@example.org"), ctx).await, Ok(Done));
    assert_eq!(server.mails().len(), 1);
}
