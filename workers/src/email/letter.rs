//! What kinds of mail have in common: somebody they go to, and a template that they fill.

use millgate_jobs::Job;
use tracing::{info, warn};

use super::{Attachment, Attachments, Mail, MailError, Mailer, Suppressed, Suppression, Suppressions, Templates};
use crate::{Ctx, Done, JobError};

/// A job that is done by sending one mail. Its template sees its fields.
///
/// For a kind of your own: derive `Job`, implement this, put `<kind>.txt` in the folder that `smtp.templates` names,
/// and let the handler call [`deliver`]. To be held to the limits of domains, too, it says
/// `#[job(lane = "millgate::email::lane_of_domain")]`.
pub trait Letter: Job {
    /// The address it goes to.
    fn to(&self) -> &str;

    /// Whose address that is, if that is known.
    fn name(&self) -> Option<&str> {
        None
    }

    /// The name of its template, without `.txt`.
    fn template(&self) -> &str {
        Self::KIND
    }

    /// The recipient's language, if that is known: `de-AT`. The template is the first there is of `<kind>.de-AT.txt`,
    /// `<kind>.de.txt` and `<kind>.txt`.
    fn locale(&self) -> Option<&str> {
        None
    }

    /// What it brings along.
    fn attachments(&self) -> &[Attachment] {
        &[]
    }

    /// Whether it is one of the letters that recipients can ask to be spared, rather than one they have to get, such as a
    /// receipt.
    fn can_unsubscribe(&self) -> bool {
        false
    }
}

/// Writes a letter and sends it, unless its recipient is suppressed. Needs [`Templates`] and a [`Mailer`] in the state; and
/// [`Attachments`] for a letter that has any, and [`Suppressions`] where there is a database. An
/// [`App`](https://docs.rs/millgate) has all of them.
pub async fn deliver(letter: &impl Letter, ctx: &Ctx) -> Result<Done, JobError> {
    let suppressions = ctx.state::<Suppressions>().ok();
    if let Some(found) = suppressed(letter, suppressions).await? {
        let reason = found.reason;
        ctx.log(format!("not sent: {} is suppressed: {reason}, {}", found.address, found.note)).await;
        info!(to = found.address, %reason, "not sent: the address is suppressed");
        return Ok(Done);
    }
    let sent = send(letter, ctx).await;
    if let (Some(suppressions), Err(Failed::Mail(error))) = (suppressions, &sent)
        && error.is_hard_bounce()
    {
        // This mail is dead either way; a note that could not be made costs a mail to nobody more.
        match suppressions.suppress(letter.to(), Suppression::Bounced, &error.to_string()).await {
            Ok(()) => info!(to = letter.to(), "there is nobody of that address; it is suppressed from now on"),
            Err(error) => warn!(to = letter.to(), %error, "an address that bounces cannot be suppressed"),
        }
    }
    sent.map_err(JobError::from)
}

/// What keeps a letter away, if anything does.
async fn suppressed(letter: &impl Letter, suppressions: Option<&Suppressions>) -> Result<Option<Suppressed>, JobError> {
    let Some(suppressions) = suppressions else { return Ok(None) };
    match suppressions.of(letter.to()).await {
        Ok(found) => Ok(found.filter(|found| found.reason.stops(letter.can_unsubscribe()))),
        // Whoever has unsubscribed must not get mail because a database was away. A receipt goes out all the same: at
        // worst it bounces once more.
        Err(error) if letter.can_unsubscribe() => Err(error.into()),
        Err(error) => {
            warn!(%error, "a mail that its recipient has to get is sent without a look at the suppressed addresses");
            Ok(None)
        }
    }
}

/// Why a letter was not sent.
enum Failed {
    Mail(MailError),
    Other(JobError),
}

impl From<JobError> for Failed {
    fn from(error: JobError) -> Self {
        Self::Other(error)
    }
}

impl From<MailError> for Failed {
    fn from(error: MailError) -> Self {
        Self::Mail(error)
    }
}

impl From<Failed> for JobError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Mail(error) => error.into(),
            Failed::Other(error) => error,
        }
    }
}

async fn send(letter: &impl Letter, ctx: &Ctx) -> Result<Done, Failed> {
    let templates = ctx.state::<Templates>()?;
    let written = templates.render_in(letter.template(), letter.locale(), letter).map_err(JobError::from)?;
    let mut attachments = Vec::new();
    for attachment in letter.attachments() {
        attachments.push(ctx.state::<Attachments>()?.fetch(attachment).await?);
    }
    let mail = Mail {
        to: letter.to().to_owned(),
        name: letter.name().map(ToOwned::to_owned),
        subject: written.subject,
        text: written.text,
        html: written.html,
        // The same at every attempt: a mail that arrives twice is known by it.
        message_id: ctx.job_id.clone(),
        attachments,
        can_unsubscribe: letter.can_unsubscribe(),
    };
    ctx.state::<Mailer>()?.send(mail).await?;
    ctx.note(format!("the mail server has taken it; its Message-ID begins with {}", ctx.job_id));
    Ok(Done)
}
