//! What kinds of mail have in common: somebody they go to, and a template that they fill.

use millgate_jobs::Job;

use super::{Mail, Mailer, Templates};
use crate::{Ctx, Done, JobError};

/// A job that is done by sending one mail. Its template sees its fields.
///
/// For a kind of your own: derive `Job`, implement this, put `<kind>.txt` in the folder that `smtp.templates` names,
/// and let the handler call [`deliver`].
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
}

/// Writes a letter and sends it. Needs [`Templates`] and a [`Mailer`] in the state.
pub async fn deliver(letter: &impl Letter, ctx: &Ctx) -> Result<Done, JobError> {
    let written = ctx.state::<Templates>()?.render(letter.template(), letter)?;
    let mail = Mail {
        to: letter.to().to_owned(),
        name: letter.name().map(ToOwned::to_owned),
        subject: written.subject,
        text: written.text,
        html: written.html,
        // The same at every attempt: a mail that arrives twice is known by it.
        message_id: ctx.job_id.clone(),
    };
    ctx.state::<Mailer>()?.send(mail).await?;
    Ok(Done)
}
