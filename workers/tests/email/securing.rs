//! TLS and logins, on a real server.

use millgate_testkit::SmtpServer;
use millgate_workers::{
    Done, JobError, SmtpConfig,
    email::{Mailer, send_welcome_email},
};

use crate::{config, ctx, welcome};

const LOGIN: &str = "shop@example.org:p/w#";
const WRITTEN: &str = "shop%40example.org:p%2Fw%23@";

fn trusting(server: &SmtpServer, url: String) -> SmtpConfig {
    SmtpConfig { ca_file: server.certificate().display().to_string(), ..config(url) }
}

/// Both ways to TLS: the server, and how its URL begins and ends.
async fn both(login: Option<&str>) -> [(SmtpServer, &'static str, &'static str); 2] {
    let (by_command, at_once) = tokio::join!(SmtpServer::start_tls(false, login), SmtpServer::start_tls(true, login));
    [(by_command, "smtp://", "?tls=required"), (at_once, "smtps://", "")]
}

#[tokio::test]
async fn mail_leaves_encrypted_by_both_ways() {
    for (server, scheme, options) in both(None).await {
        let config = trusting(&server, format!("{scheme}localhost:{}{options}", server.port()));
        let greeting = Mailer::new(&config).unwrap().check().await.unwrap();
        assert!(greeting.ends_with(", encrypted"), "{greeting}");
        let ctx = ctx(&config);
        for _ in 0..2 {
            assert_eq!(send_welcome_email(welcome("ada@example.org"), ctx.clone()).await, Ok(Done));
        }
        assert_eq!(server.mails_to("ada@example.org").len(), 2);
    }
}

#[tokio::test]
async fn a_server_takes_mail_from_whom_it_knows() {
    for (server, scheme, options) in both(Some(LOGIN)).await {
        let url = |login| format!("{scheme}{login}localhost:{}{options}", server.port());
        let right = trusting(&server, url(WRITTEN));
        let greeting = Mailer::new(&right).unwrap().check().await.unwrap();
        assert!(greeting.ends_with(", encrypted, logged in"), "{greeting}");
        assert_eq!(send_welcome_email(welcome("ada@example.org"), ctx(&right)).await, Ok(Done));
        for (login, code) in [("shop%40example.org:wrong@", "smtp_535"), ("", "smtp_530")] {
            let error = send_welcome_email(welcome("eve@example.org"), ctx(&trusting(&server, url(login)))).await;
            let Err(JobError::Retry { failure, .. }) = error else { panic!("{error:?}") };
            assert_eq!(failure.code, code, "{}", failure.message);
        }
        assert_eq!(server.mails().len(), 1);
    }
}

#[tokio::test]
async fn a_server_that_anybody_could_be_gets_no_mail() {
    for (server, scheme, options) in both(None).await {
        let strange = config(format!("{scheme}localhost:{}{options}", server.port()));
        // The right certificate, and another name.
        let misnamed = trusting(&server, format!("{scheme}127.0.0.1:{}{options}", server.port()));
        for config in [strange, misnamed] {
            let error = send_welcome_email(welcome("ada@example.org"), ctx(&config)).await.unwrap_err();
            let JobError::Retry { failure, .. } = error else { panic!("{error:?}") };
            assert_eq!(failure.code, "unavailable");
            assert!(failure.message.contains("certificate"), "{}", failure.message);
        }
        assert_eq!(server.mails(), []);
    }
}

#[test]
fn a_file_that_holds_no_certificate_is_refused_at_the_start() {
    for (file, reason) in [("no/such/file", "No such file"), (file!(), "no certificate in it")] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(1).unwrap().join(file);
        let ca_file = path.display().to_string();
        let wrong = Mailer::new(&SmtpConfig { ca_file, ..config("smtps://localhost") }).err().unwrap().to_string();
        assert!(wrong.starts_with("smtp.ca_file: ") && wrong.contains(reason), "{wrong}");
    }
}
