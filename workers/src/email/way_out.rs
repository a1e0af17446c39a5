//! Where mails go: to a server, or to a folder where somebody wants to see what would be sent.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use lettre::Message;

use super::{MailError, SmtpConfig, connections::Connections, server::Server};

pub(super) enum WayOut {
    Server(Connections),
    Folder(PathBuf),
}

impl WayOut {
    /// What `smtp.url` says.
    pub(super) fn new(config: &SmtpConfig) -> Result<Self, MailError> {
        let Some(folder) = config.url.strip_prefix("file://") else {
            return Ok(Self::Server(Connections::new(Server::new(config)?, config.pool_size)));
        };
        let folder = PathBuf::from(folder);
        if folder.is_absolute() {
            return Ok(Self::Folder(folder));
        }
        Err(MailError::Url("a folder's path begins with /: file:///var/mail".to_owned()))
    }

    pub(super) async fn send(&self, message: &Message, name: &str) -> Result<(), MailError> {
        let bytes = message.formatted();
        match self {
            Self::Server(connections) => {
                let deliver = connections.run(async |connection| connection.deliver(message.envelope(), &bytes).await);
                deliver.await
            }
            Self::Folder(folder) => {
                let (place, name) = (folder.clone(), format!("{name}.eml"));
                let written = tokio::task::spawn_blocking(move || write(&place, &name, &bytes)).await;
                written.map_err(io::Error::other).flatten().map_err(|source| unwritable(folder, source))
            }
        }
    }

    pub(super) async fn check(&self) -> Result<String, MailError> {
        match self {
            Self::Server(connections) => connections.open().await?.greet().await,
            Self::Folder(folder) => {
                fs::create_dir_all(folder).map_err(|source| unwritable(folder, source))?;
                Ok(format!("nothing is sent; mails are written to {}", folder.display()))
            }
        }
    }
}

/// Renamed into place: whoever looks into the folder never finds half a mail. The same job again is the same file again.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let partial = folder.join(format!(".{name}.{}", uuid::Uuid::new_v4().simple()));
    fs::write(&partial, bytes)?;
    fs::rename(partial, folder.join(name))
}

fn unwritable(folder: &Path, source: io::Error) -> MailError {
    MailError::Folder { folder: folder.display().to_string(), source }
}
