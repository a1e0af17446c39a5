//! `millgate mail`: what mails look like, whether they leave, and whom none goes to.

mod preview;
mod suppression;

use millgate_workers::email::{Mail, Mailer, Suppression};
use serde_json::json;

use super::{Call, Outcome, answer};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Show a mail as its template writes it; needs no server. Without a name: which there are
    Preview(preview::Args),
    /// Send a mail to an address, as the worker would
    Test {
        /// To whom
        address: String,
    },
    /// Send no more mail to an address
    Suppress {
        /// The address
        address: String,
        /// bounced, blocked; or unsubscribed: only what one can unsubscribe from
        #[arg(long, value_name = "WORD", default_value = "blocked")]
        reason: Suppression,
        /// Why, for whoever reads it later
        #[arg(long, value_name = "TEXT", default_value = "by hand")]
        note: String,
    },
    /// Send mail to an address again
    Unsuppress {
        /// The address
        address: String,
    },
    /// Show the addresses that no mail goes to, the newest first
    Suppressed {
        /// Only this one
        address: Option<String>,
        /// Only those for this reason: bounced, unsubscribed, blocked
        #[arg(long, value_name = "WORD")]
        reason: Option<Suppression>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100)]
        most: u32,
    },
}

pub(super) async fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Preview(args) => preview::run(&call, &args),
        Command::Test { address } => test(&call, address).await,
        Command::Suppress { address, reason, note } => suppression::suppress(call, &address, reason, &note).await,
        Command::Unsuppress { address } => suppression::unsuppress(call, &address).await,
        Command::Suppressed { address, reason, most } => suppression::list(call, address, reason, most).await,
    }
}

async fn test(call: &Call, address: String) -> anyhow::Result<Outcome> {
    let smtp = &call.configuration.config.smtp;
    let id = format!("test-{}", uuid::Uuid::new_v4());
    let mail = Mail {
        to: address.clone(),
        subject: format!("A test of {}", call.app.name),
        text: "This mail was sent by `millgate mail test`. It arrived.\n".to_owned(),
        message_id: id.clone(),
        ..Mail::default()
    };
    let mailer = Mailer::new(smtp)?;
    let server = mailer.check().await?;
    mailer.send(mail).await?;
    let text = if call.json {
        format!("{}\n", json!({ "to": address, "server": server, "message_id": id }))
    } else {
        let what = if smtp.url.starts_with("file:") {
            format!("the mail to {address} is {id}.eml there")
        } else {
            format!("a mail to {address} is on its way; its Message-ID begins with {id}")
        };
        format!("{server}\n{what}\n")
    };
    answer::write(&text)?;
    Ok(Outcome::Well)
}
