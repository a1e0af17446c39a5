//! Into a file of JSON lines, which `millgate publish` reads.

use std::{
    fmt::Write as _,
    fs::{File, OpenOptions},
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::{Chosen, Destination, Progress, ReplayError, Taken, Tally};
use crate::{EventMeta, Incoming, Record, Values};

/// Writes each event as a line. How long the file is, is noted with the progress: what a process that was killed has written
/// beyond that is cut off.
pub struct IntoFile {
    path: PathBuf,
    values: Values,
    topic_prefix: String,
    strict: bool,
    is_dry: bool,
    file: Option<File>,
}

impl IntoFile {
    /// A file that is not there yet, or is this replay's own. Values that lie in the claim store are written whole, those in the wire format as JSON.
    pub fn new(path: &Path, values: &Values, topic_prefix: &str, strict: bool) -> Self {
        let (values, topic_prefix) = (values.clone(), topic_prefix.to_owned());
        Self { path: path.to_owned(), values, topic_prefix, strict, is_dry: false, file: None }
    }

    /// Counts what it would write, and writes nothing.
    #[must_use]
    pub fn dry(self) -> Self {
        Self { is_dry: true, ..self }
    }

    fn wrong(&self, reason: &(impl ToString + ?Sized)) -> ReplayError {
        wrong(&self.path, reason)
    }

    /// A line; nothing for what is no event, with the reason.
    async fn line(&self, chosen: &Chosen) -> Result<Result<String, String>, ReplayError> {
        let record = &chosen.record;
        let Some(meta) = &chosen.meta else { return Ok(Err(String::new())) };
        let written = |whole: &Record| {
            let topic = record.topic.strip_prefix(self.topic_prefix.as_str()).unwrap_or(&record.topic);
            let incoming = Incoming::read(whole, topic).map_err(|error| error.to_string())?;
            let incoming = incoming.ok_or("it has no value")?;
            let data = incoming.data().map_err(|error| error.to_string())?;
            Ok(format!("{}\n", line(record, meta, topic, &data)))
        };
        if !Values::is_closed(record) {
            return Ok(written(record));
        }
        let opened = self.values.open(record).await.map_err(|away| ReplayError::Away(away.to_string()))?;
        Ok(opened.map_err(|bad| bad.to_string()).and_then(|whole| written(&whole.record)))
    }
}

impl Destination for IntoFile {
    async fn begin(&mut self, progress: &mut Progress) -> Result<(), ReplayError> {
        if self.is_dry {
            return Ok(());
        }
        let is_new = progress.note.is_empty();
        let noted: u64 =
            if is_new { 0 } else { progress.note.parse().map_err(|_| self.wrong("its length is not known"))? };
        self.file = None;
        let opened = OpenOptions::new().read(true).write(true).create(is_new).truncate(false).open(&self.path);
        let mut file = opened.map_err(|error| self.wrong(&error))?;
        file.try_lock().map_err(|_| self.wrong("another process writes it just now"))?;
        let length = file.metadata().map_err(|error| self.wrong(&error))?.len();
        if is_new && length > 0 {
            return Err(self.wrong("there is something in it already; name another file, or remove it"));
        }
        if length < noted {
            let reason =
                format!("it has {length} bytes, and had {noted} when the replay was cut off; start another replay");
            return Err(self.wrong(&reason));
        }
        file.set_len(noted).and_then(|()| file.seek(SeekFrom::Start(noted))).map_err(|error| self.wrong(&error))?;
        progress.note = noted.to_string();
        self.file = Some(file);
        Ok(())
    }

    async fn take(
        &mut self,
        records: &[Chosen],
        progress: &mut Progress,
        tally: &mut Tally,
    ) -> Result<Taken, ReplayError> {
        let mut text = String::new();
        for chosen in records {
            match self.line(chosen).await? {
                Ok(line) => {
                    tally.count("lines", 1);
                    text.push_str(&line);
                }
                // A tombstone is no event, and counted already.
                Err(reason) if reason.is_empty() => {}
                Err(reason) if self.strict => return Err(ReplayError::Unreadable { place: chosen.place(), reason }),
                Err(reason) => tally.skip(&chosen.place(), &reason),
            }
        }
        if self.is_dry || text.is_empty() {
            return Ok(Taken::All);
        }
        let mut file = self.file.take().ok_or_else(|| self.wrong("it is not open"))?;
        let length = progress.note.parse::<u64>().unwrap_or_default() + text.len() as u64;
        let path = self.path.clone();
        let writing = tokio::task::spawn_blocking(move || {
            file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).map_err(|error| wrong(&path, &error))?;
            Ok::<File, ReplayError>(file)
        });
        self.file = Some(writing.await.map_err(|_| self.wrong("it was being written when the program ended"))??);
        progress.note = length.to_string();
        Ok(Taken::All)
    }
}

fn wrong(path: &Path, reason: &(impl ToString + ?Sized)) -> ReplayError {
    ReplayError::File { path: path.display().to_string(), reason: reason.to_string() }
}

/// What `publish` reads, and beside it where the record lay, with all its headers.
fn line(record: &Record, meta: &EventMeta, topic: &str, data: &Value) -> Value {
    let headers: Vec<Value> = record.headers.iter().map(|(name, value)| json!([name, value.map(text)])).collect();
    let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
    json!({
        "type": meta.event_type,
        "id": meta.id,
        "source": meta.source,
        "time": meta.time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        "version": meta.version,
        "correlation_id": meta.correlation_id,
        "key": key,
        "data": data,
        "record": {
            "topic": topic,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": record.timestamp,
            "headers": headers,
        },
    })
}

/// A header's value; what is no text as `{"hex": …}`.
fn text(value: &Bytes) -> Value {
    if let Ok(text) = std::str::from_utf8(value) {
        return text.into();
    }
    let hex = value.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a text cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    json!({ "hex": hex })
}
