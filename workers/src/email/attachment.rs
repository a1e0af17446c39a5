//! What a mail brings along. A job names it; the worker fetches it, so that no document passes through Redis.

use std::{
    fs::File,
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use millgate_events::{BadClaim, ClaimError, Claims, Size};
use serde::{Deserialize, Serialize};

use super::{MailError, SmtpConfig};

/// A document by reference.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Attachment {
    /// What the recipient sees: `invoice-1001.pdf`.
    pub name: String,
    /// Where it lies: `file:2026/1001.pdf`, below the folder `smtp.attachments`; or `claim:…`, as
    /// [`Claims::keep`](millgate_events::Claims::keep) has named it.
    pub source: String,
    /// Its type; by the end of the name if left out, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

/// The same with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// What the recipient sees.
    pub name: String,
    /// Its type: `application/pdf`.
    pub content_type: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Where attachments lie. Cheap to clone.
#[derive(Clone)]
pub struct Attachments {
    folder: Option<PathBuf>,
    most: Size,
    claims: Claims,
}

impl Attachments {
    /// Those below `smtp.attachments`, and in the claim store, if there is one.
    pub fn new(config: &SmtpConfig, claims: Claims) -> Self {
        let folder = Some(PathBuf::from(&config.attachments)).filter(|folder| !folder.as_os_str().is_empty());
        Self { folder, most: config.attachment_max, claims }
    }

    /// Fetches one.
    pub async fn fetch(&self, attachment: &Attachment) -> Result<Attached, MailError> {
        let bytes = match attachment.source.split_once(':') {
            Some(("file", name)) => self.read(attachment, name).await?,
            Some(("claim", name)) => self.claim(attachment, name).await?,
            _ => return Err(refused(attachment, "a source is `file:name` or `claim:name`")),
        };
        let content_type = attachment.content_type.clone().unwrap_or_else(|| guess(&attachment.name).to_owned());
        Ok(Attached { name: attachment.name.clone(), content_type, bytes })
    }

    async fn read(&self, attachment: &Attachment, name: &str) -> Result<Vec<u8>, MailError> {
        let folder = self.folder.clone().ok_or_else(|| refused(attachment, "smtp.attachments names no folder"))?;
        let (path, most) = (PathBuf::from(name), self.most.bytes());
        let read = tokio::task::spawn_blocking(move || read_below(&folder, &path, most)).await;
        match read.map_err(io::Error::other).flatten() {
            Ok(Some(bytes)) if bytes.len() as u64 <= most => Ok(bytes),
            Ok(Some(_)) => Err(self.too_large(attachment)),
            Ok(None) => Err(refused(attachment, "that leads out of smtp.attachments")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(refused(attachment, "there is no such file")),
            Err(error) => Err(away(attachment, &error)),
        }
    }

    async fn claim(&self, attachment: &Attachment, name: &str) -> Result<Vec<u8>, MailError> {
        match self.claims.fetch(name, self.most).await {
            Ok(Ok(bytes)) => Ok(bytes.into()),
            Ok(Err(BadClaim::TooLarge { .. })) => Err(self.too_large(attachment)),
            Ok(Err(bad)) => Err(refused(attachment, &bad.to_string())),
            Err(error @ ClaimError::Off) => Err(refused(attachment, &error.to_string())),
            Err(error) => Err(away(attachment, &error)),
        }
    }

    fn too_large(&self, attachment: &Attachment) -> MailError {
        refused(attachment, &format!("it is larger than smtp.attachment_max, {}", self.most))
    }
}

/// What is in the file, up to a byte more than `most`; `None` if it is not below the folder, by whatever way.
fn read_below(folder: &Path, name: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    if !name.components().all(|part| matches!(part, Component::Normal(_))) {
        return Ok(None);
    }
    // Links are followed first: what counts is where they lead.
    let (folder, path) = (folder.canonicalize()?, folder.join(name).canonicalize()?);
    if !path.starts_with(&folder) || !path.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn refused(attachment: &Attachment, reason: &str) -> MailError {
    let (name, reason) = (attachment.source.chars().take(200).collect(), reason.to_owned());
    MailError::Attachment { name, reason, is_lasting: true }
}

fn away(attachment: &Attachment, reason: &dyn std::fmt::Display) -> MailError {
    let (name, reason) = (attachment.source.chars().take(200).collect(), reason.to_string());
    MailError::Attachment { name, reason, is_lasting: false }
}

/// Programs open by the name what they do not know by the type.
fn guess(name: &str) -> &'static str {
    let end = name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase());
    match end.as_deref() {
        Some("pdf") => "application/pdf",
        Some("txt") => "text/plain; charset=utf-8",
        Some("csv") => "text/csv; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("ics") => "text/calendar; charset=utf-8",
        Some("json") => "application/json",
        Some("xml") => "application/xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("zip") => "application/zip",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use chrono::DateTime;
    use millgate_events::ClaimConfig;
    use millgate_testkit::Folder;

    use super::*;

    fn attachment(source: &str) -> Attachment {
        Attachment { name: "invoice.pdf".into(), source: source.into(), content_type: None }
    }

    fn below(folder: &Path) -> Attachments {
        let attachments = folder.display().to_string();
        let config = SmtpConfig { attachments, attachment_max: Size::of(10), ..SmtpConfig::default() };
        Attachments::new(&config, Claims::default())
    }

    #[tokio::test]
    async fn a_file_is_read_from_below_its_folder_and_from_nowhere_else() {
        let root = Folder::new("attachments");
        let folder = root.path().join("mail");
        fs::create_dir_all(folder.join("2026")).unwrap();
        fs::write(root.path().join("secret"), "secret").unwrap();
        fs::write(folder.join("2026/1001.pdf"), "0123456789").unwrap();
        fs::write(folder.join("large"), "0123456789a").unwrap();
        symlink(root.path().join("secret"), folder.join("way-out")).unwrap();
        symlink(root.path(), folder.join("up")).unwrap();
        let attachments = below(&folder);

        let found = attachments.fetch(&attachment("file:2026/1001.pdf")).await.unwrap();
        assert_eq!((found.content_type.as_str(), &found.bytes[..]), ("application/pdf", &b"0123456789"[..]));
        let secret = root.path().join("secret").display().to_string();
        for (source, reason) in [
            ("file:../secret", "leads out of smtp.attachments"),
            ("file:2026/../../secret", "leads out"),
            (&*format!("file:{secret}"), "leads out"),
            ("file:way-out", "leads out"),
            ("file:up/secret", "leads out"),
            ("file:2026", "leads out"),
            ("file:", "leads out"),
            ("file:missing", "no such file"),
            ("file:large", "larger than smtp.attachment_max, 10B"),
            ("https://elsewhere.example/x", "a source is"),
            ("secret", "a source is"),
            ("claim:2026-03-01/x", "there is no claim store"),
        ] {
            let error = attachments.fetch(&attachment(source)).await.unwrap_err();
            assert!(matches!(error, MailError::Attachment { is_lasting: true, .. }), "{source}: {error}");
            assert!(error.to_string().contains(reason), "{source}: {error}");
        }
        let nowhere = Attachments::new(&SmtpConfig::default(), Claims::default());
        let error = nowhere.fetch(&attachment("file:2026/1001.pdf")).await.unwrap_err();
        assert!(error.to_string().contains("names no folder"), "{error}");
    }

    #[tokio::test]
    async fn a_claim_is_fetched_by_its_name() {
        let folder = Folder::new("claims");
        let store = format!("file://{}", folder.path().display());
        let claims = Claims::open(&ClaimConfig { store, ..ClaimConfig::default() }).unwrap();
        claims.init().await.unwrap();
        let small = claims.keep("invoice".into(), DateTime::UNIX_EPOCH).await.unwrap();
        let large = claims.keep("invoice 1001".into(), DateTime::UNIX_EPOCH).await.unwrap();
        let config = SmtpConfig { attachment_max: Size::of(10), ..SmtpConfig::default() };
        let attachments = Attachments::new(&config, claims);

        let found = attachments.fetch(&attachment(&format!("claim:{small}"))).await.unwrap();
        assert_eq!(found.bytes, b"invoice");
        let error = attachments.fetch(&attachment(&format!("claim:{large}"))).await.unwrap_err();
        assert!(error.to_string().contains("larger than"), "{error}");
        for (name, lasts) in [("../../etc/passwd", true), (&*small.to_string().replace("1970", "1971"), true)] {
            let error = attachments.fetch(&attachment(&format!("claim:{name}"))).await.unwrap_err();
            let MailError::Attachment { is_lasting, .. } = error else { panic!("{error}") };
            assert_eq!(is_lasting, lasts, "{name}");
        }
        fs::remove_dir_all(folder.path()).unwrap();
        let error = attachments.fetch(&attachment(&format!("claim:{small}"))).await.unwrap_err();
        assert!(matches!(error, MailError::Attachment { is_lasting: false, .. }), "a store that is away: {error}");
    }
}
