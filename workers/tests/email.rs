//! Mail through real SMTP servers: what arrives, and what becomes of a job whose mail does not.
#![allow(clippy::unwrap_used, reason = "in a test, a panic with a line number is the report")]

#[path = "email/arriving.rs"]
mod arriving;
#[path = "email/failing.rs"]
mod failing;
#[path = "email/scripted.rs"]
mod scripted;
#[path = "email/securing.rs"]
mod securing;
#[path = "email/suppressing.rs"]
mod suppressing;

use std::time::Duration;

use chrono::DateTime;
use millgate_workers::{
    Ctx, SmtpConfig, State,
    email::{Mailer, Templates, WelcomeEmail},
};

/// The id of all jobs here.
const JOB: &str = "0b5c1e9e-5a60-5a3c-9f0e-7d2f6a8b4c11";

fn config(url: impl Into<String>) -> SmtpConfig {
    SmtpConfig { url: url.into(), ..SmtpConfig::default() }
}

/// With a timeout that a test can wait for.
fn impatient(url: impl Into<String>) -> SmtpConfig {
    SmtpConfig { timeout: Duration::from_millis(300), ..config(url) }
}

fn ctx(config: &SmtpConfig) -> Ctx {
    let state = State::new().with(Mailer::new(config).unwrap()).with(Templates::new(config).unwrap());
    Ctx::for_test(JOB, DateTime::UNIX_EPOCH, state)
}

fn welcome(to: &str) -> WelcomeEmail {
    WelcomeEmail { user_id: "7".into(), to: to.into(), name: "Ada".into(), locale: None }
}
