//! scratch
use millgate_workers::{email::*, *};
#[tokio::test]
async fn tls() {
    for url in ["smtp://localhost:22525?tls=required", "smtp://localhost:22525?tls=opportunistic", "smtp://shop%40x:p%2Fw%23@localhost:22525?tls=required",
      "smtp://shop%40x:wrong@localhost:22525?tls=required", "smtp://shop%40x:p%2Fw%23@localhost:22525", "smtps://shop%40x:p%2Fw%23@localhost:22465", "smtps://127.0.0.1:22465", "smtp://localhost:22465", "smtp://[::1]:22525"] {
        let m = Mailer::new(&SmtpConfig { url: url.into(), timeout: std::time::Duration::from_secs(2), ..SmtpConfig::default() }).unwrap();
        println!("{url}: {:?}", m.check().await.map_err(|e| e.to_string()));
        let r = m.send(Mail { to: "a@b.c".into(), name: None, subject: String::new(), text: "x".into(), html: None, message_id: "1".into() }).await;
        println!("    {:?}", r.map_err(JobError::from));
    }
}
