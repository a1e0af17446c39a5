//! The store itself: a folder, or a bucket, of values by day and hash.

use std::{fmt::Display, io::ErrorKind, path::PathBuf, sync::Arc};

use bytes::Bytes;
use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt, future, stream::BoxStream};
use object_store::{
    Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload, local::LocalFileSystem, path::Path, prefix::PrefixStore,
};

use super::{BadClaim, ClaimError, Reference, reference};

/// Lies in every store. Where it is missing nothing is looked for and nothing is put: a share that is not mounted, or a
/// bucket of another name, would else be taken for a store without the value that is looked for.
const MARK: &str = "millgate-claims";

pub(super) struct Store {
    name: String,
    objects: PrefixStore<Arc<dyn ObjectStore>>,
    /// Where its folders are, if they are folders.
    folder: Option<PathBuf>,
}

/// A value as the store lists it.
pub(super) struct Listed {
    name: Path,
    pub(super) day: NaiveDate,
    pub(super) bytes: u64,
}

impl Store {
    /// Connects nowhere yet.
    pub(super) fn open(url: &str) -> Result<Self, ClaimError> {
        let (objects, prefix, folder) = if let Some(folder) = url.strip_prefix("file://") {
            let prefix = Path::from_absolute_path(folder).map_err(|_| {
                ClaimError::Config(format!("{url:?} names no folder; it looks like file:///var/lib/millgate/claims"))
            })?;
            let files = LocalFileSystem::new().with_fsync(true);
            (Arc::new(files) as Arc<dyn ObjectStore>, prefix, Some(PathBuf::from(folder)))
        } else if let Some(place) = url.strip_prefix("s3://") {
            let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
            (bucket_of(bucket)?, Path::from(prefix), None)
        } else {
            return Err(ClaimError::Config("must be a URL that begins with file:/// or s3://".to_owned()));
        };
        Ok(Self { name: url.to_owned(), objects: PrefixStore::new(objects, prefix), folder })
    }

    pub(super) async fn init(&self) -> Result<(), ClaimError> {
        let text = "The values of records that are too large for Kafka. millgate puts them here and takes them away.\n";
        let put = self.objects.put(&Path::from(MARK), PutPayload::from_static(text.as_bytes())).await;
        put.map(drop).map_err(|error| self.away(&error))
    }

    pub(super) async fn check(&self) -> Result<(), ClaimError> {
        match self.objects.head(&Path::from(MARK)).await {
            Ok(_) => Ok(()),
            Err(Error::NotFound { .. }) => Err(self.away(&format_args!(
                "there is no `{MARK}` in it; mount it, or set it up, once, with `millgate claims init`"
            ))),
            Err(error) => Err(self.away(&error)),
        }
    }

    /// Whether the value was put; `false` if it was there.
    pub(super) async fn put(&self, to: &Reference, value: Bytes) -> Result<bool, ClaimError> {
        let path = path(to);
        match self.objects.head(&path).await {
            Ok(there) if there.size == to.bytes => return Ok(false),
            Ok(_) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(self.away(&error)),
        }
        self.check().await?;
        // Appears whole or not at all, in a folder as in a bucket.
        self.objects.put(&path, value.into()).await.map_err(|error| self.away(&error))?;
        Ok(true)
    }

    /// How long the value of that name is.
    pub(super) async fn size(&self, of: &Reference) -> Result<Result<u64, BadClaim>, ClaimError> {
        match self.objects.head(&path(of)).await {
            Ok(found) => Ok(Ok(found.size)),
            Err(Error::NotFound { .. }) => {
                self.check().await?;
                Ok(Err(BadClaim::Missing { reference: of.clone(), store: self.name.clone() }))
            }
            Err(error) => Err(self.away(&error)),
        }
    }

    /// The value, if it has the length that is expected. Without that it is not read.
    pub(super) async fn get(&self, from: &Reference) -> Result<Result<Bytes, BadClaim>, ClaimError> {
        let found = match self.objects.get(&path(from)).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => {
                self.check().await?;
                return Ok(Err(BadClaim::Missing { reference: from.clone(), store: self.name.clone() }));
            }
            Err(error) => return Err(self.away(&error)),
        };
        if found.meta.size != from.bytes {
            return Ok(Err(BadClaim::Corrupt { reference: from.clone() }));
        }
        found.bytes().await.map(Ok).map_err(|error| self.away(&error))
    }

    /// The days that there are folders for, the earliest first.
    pub(super) async fn days(&self) -> Result<Vec<NaiveDate>, ClaimError> {
        self.check().await?;
        let listed = self.objects.list_with_delimiter(None).await.map_err(|error| self.away(&error))?;
        let names = listed.common_prefixes.iter().filter_map(|folder| folder.filename());
        let mut days: Vec<_> = names.filter_map(reference::parse_day).collect();
        days.sort_unstable();
        Ok(days)
    }

    /// The values of a day, in no order. What is not one of ours is not among them.
    pub(super) fn of_day(&self, day: NaiveDate) -> BoxStream<'_, Result<Listed, ClaimError>> {
        let values = self.objects.list(Some(&Path::from(day.to_string()))).map_err(|error| self.away(&error));
        let ours = move |meta: ObjectMeta| {
            let is_ours = reference::parse(meta.location.as_ref()).is_some();
            future::ready(Ok(is_ours.then_some(Listed { name: meta.location, day, bytes: meta.size })))
        };
        values.try_filter_map(ours).boxed()
    }

    /// Takes values away. One that is gone already is none the worse for it.
    pub(super) async fn remove(&self, values: Vec<Listed>) -> Result<(), ClaimError> {
        let names = futures::stream::iter(values.into_iter().map(|value| Ok(value.name))).boxed();
        let mut removed = self.objects.delete_stream(names);
        while let Some(result) = removed.next().await {
            match result {
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(self.away(&error)),
            }
        }
        Ok(())
    }

    /// Takes away what is left of a day without values: its folder, with what a process that died began to write.
    pub(super) async fn remove_day(&self, day: NaiveDate) -> Result<(), ClaimError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let folder = folder.join(day.to_string());
        match tokio::task::spawn_blocking(move || std::fs::remove_dir_all(folder)).await {
            Ok(Err(error)) if error.kind() != ErrorKind::NotFound => Err(self.away(&error)),
            _ => Ok(()),
        }
    }

    fn away(&self, reason: &dyn Display) -> ClaimError {
        ClaimError::Away { store: self.name.clone(), reason: reason.to_string() }
    }
}

fn path(reference: &Reference) -> Path {
    Path::from(reference.to_string())
}

#[cfg(feature = "s3")]
fn bucket_of(name: &str) -> Result<Arc<dyn ObjectStore>, ClaimError> {
    super::s3::bucket(name)
}

#[cfg(not(feature = "s3"))]
fn bucket_of(name: &str) -> Result<Arc<dyn ObjectStore>, ClaimError> {
    Err(ClaimError::Config(format!("bucket {name} is in S3, which this build cannot speak; build with --features s3")))
}
