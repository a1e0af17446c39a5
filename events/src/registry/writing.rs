//! Events onto topics in the wire format.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use apache_avro::writer::datum::GenericDatumWriter;
use bytes::Bytes;
use schema_registry_converter::{
    async_impl::{
        avro::get_avro_schema,
        proto_encoder::ProtoEncoder,
        schema_registry::{get_schema_by_subject_and_version, post_schema},
    },
    schema_registry_common::{RegisteredSchema, SchemaType, SubjectNameStrategy, SuppliedSchema},
};
use schemars::Schema;
use serde_json::Value;
use tracing::warn;

use super::{
    RegistryError,
    avro::AvroSchema,
    client::{Client, Failure, framed},
    config::Written,
    into_avro, protobuf, wire,
};
use crate::OutRecord;

/// What is known of the topics that are written in the wire format.
pub(super) struct Writing {
    topics: BTreeMap<String, Written>,
    topic_prefix: String,
    latest_for: Duration,
    /// Newest versions and their JSON Schemas, by event type.
    own: Mutex<HashMap<String, (u32, Option<String>)>>,
    /// Ids of those that are registered, by topic and event type.
    registered: Mutex<HashMap<(String, String), u32>>,
    /// Held while one is registered: registries may refuse a subject that another call is about to make.
    /// When it was last found away, and what came back: those who waited for that need not find it out again, one after the other.
    registering: tokio::sync::Mutex<Option<(Instant, String)>>,
    /// By topic.
    latest: Mutex<HashMap<String, (Instant, Arc<Latest>)>>,
}

/// The newest schema of a topic.
struct Latest {
    schema: u32,
    by: By,
}

enum By {
    Json,
    Avro(AvroSchema),
    Protobuf(ProtoEncoder),
}

impl Writing {
    pub(super) fn new(topics: Vec<(String, Written)>, topic_prefix: &str, latest_for: Duration) -> Self {
        Self {
            topics: topics.into_iter().collect(),
            topic_prefix: topic_prefix.to_owned(),
            latest_for,
            own: Mutex::default(),
            registered: Mutex::default(),
            registering: tokio::sync::Mutex::default(),
            latest: Mutex::default(),
        }
    }

    /// What registries have the schemas of a topic's values under.
    fn subject(&self, topic: &str) -> String {
        format!("{}{topic}-value", self.topic_prefix)
    }
}

impl Client {
    pub(super) fn writes(&self, topic: &str) -> bool {
        self.writing.topics.contains_key(topic)
    }

    pub(super) fn learn(&self, event_type: &str, version: u32, topic: &str, schema: impl FnOnce() -> Option<Schema>) {
        if self.writing.topics.get(topic) != Some(&Written::JsonSchema) {
            return;
        }
        let mut own = self.writing.own.lock().unwrap_or_else(PoisonError::into_inner);
        if !own.contains_key(event_type) {
            let schema = schema().map(|schema| schema.to_value().to_string());
            own.insert(event_type.to_owned(), (version, schema));
        }
    }

    pub(super) async fn write(&self, mut record: OutRecord) -> Result<OutRecord, RegistryError> {
        let Some(written) = self.writing.topics.get(&record.topic) else { return Ok(record) };
        let Some(value) = record.value.clone().filter(|value| !value.is_empty() && !wire::is_wire(value)) else {
            return Ok(record);
        };
        let event_type = record.headers.text("ce_type").unwrap_or(&record.topic).to_owned();
        let (schema, value, content_type) = match written {
            Written::JsonSchema => {
                let version = record.headers.text("ce_dataversion").and_then(|version| version.parse().ok());
                let schema = self.registered(&record.topic, event_type, version).await?;
                (schema, framed(schema, &value), None)
            }
            Written::Latest => self.by_latest(&record.topic, &event_type, &value).await?,
        };
        record.value = Some(value);
        let url = self.url.split(',').next().unwrap_or_default().trim().trim_end_matches('/');
        record.headers.set("ce_dataschema", format!("{url}/schemas/ids/{schema}"));
        if let Some(content_type) = content_type {
            record.headers.set("content-type", content_type);
        }
        Ok(record)
    }

    /// The id of the type's own schema under the topic; the registry gives the one that it has, if it has it.
    async fn registered(&self, topic: &str, event_type: String, version: Option<u32>) -> Result<u32, RegistryError> {
        let own = self.writing.own.lock().unwrap_or_else(PoisonError::into_inner).get(&event_type).cloned();
        let schema = match own {
            Some((known, _)) if version.is_some_and(|version| version != known) => {
                let version = version.unwrap_or_default();
                return Err(RegistryError::OtherVersion { event_type, version, known });
            }
            Some((_, Some(schema))) => schema,
            _ => return Err(RegistryError::NoSchema { event_type }),
        };
        let key = (topic.to_owned(), event_type.clone());
        let known = || self.writing.registered.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        if let Some(schema) = known() {
            return Ok(schema);
        }
        let asked = Instant::now();
        let mut away = self.writing.registering.lock().await;
        if let Some(schema) = known() {
            return Ok(schema);
        }
        if let Some((_, reason)) = away.as_ref().filter(|(found, _)| *found >= asked) {
            return Err(RegistryError::Away { url: self.url.clone(), reason: reason.clone() });
        }
        let subject = self.writing.subject(topic);
        let register = async || {
            let supplied = SuppliedSchema::new(Some(event_type.clone()), SchemaType::Json, schema.clone());
            post_schema(&self.settings, subject.clone(), supplied).await.map_err(|error| self.failure(&error))
        };
        let registered = match register().await {
            // Another process may have made the subject meanwhile, and this one was refused for that. Then it is there now.
            Err(Failure::Wrong(_)) => register().await,
            registered => registered,
        };
        let refused =
            |reason| Err(RegistryError::Refused { event_type: event_type.clone(), subject: subject.clone(), reason });
        match registered {
            Ok(registered) => {
                let mut known = self.writing.registered.lock().unwrap_or_else(PoisonError::into_inner);
                known.insert(key, registered.id);
                Ok(registered.id)
            }
            Err(Failure::Away(found)) => {
                if let RegistryError::Away { reason, .. } = &found {
                    *away = Some((Instant::now(), reason.clone()));
                }
                Err(found)
            }
            Err(Failure::Missing) => refused("it does not know the subject".into()),
            Err(Failure::Wrong(reason)) => refused(reason),
        }
    }

    /// The schema's id, the value, and what its content is, if that is no JSON.
    async fn by_latest(
        &self,
        topic: &str,
        event_type: &str,
        value: &Bytes,
    ) -> Result<(u32, Bytes, Option<&'static str>), RegistryError> {
        let (subject, latest) = (self.writing.subject(topic), self.latest(topic).await?);
        let unfit = |reason| RegistryError::Unfit { subject: subject.clone(), schema: latest.schema, reason };
        let json = || serde_json::from_slice::<Value>(value).map_err(|error| unfit(error.to_string()));
        match &latest.by {
            By::Json => Ok((latest.schema, framed(latest.schema, value), None)),
            By::Avro(schema) => {
                let data = into_avro::from_json(&json()?, schema).map_err(unfit)?;
                let writer = GenericDatumWriter::builder(schema.root()).build();
                let body = writer.and_then(|writer| writer.write_value_to_vec(data));
                let body = body.map_err(|error| unfit(error.to_string()))?;
                Ok((latest.schema, framed(latest.schema, &body), Some("application/avro")))
            }
            By::Protobuf(encoder) => {
                let failed = |failure| match failure {
                    Failure::Away(away) => away,
                    Failure::Missing => RegistryError::NoSubject { subject: subject.clone() },
                    Failure::Wrong(reason) => unfit(reason),
                };
                let by = SubjectNameStrategy::TopicNameStrategy(format!("{}{topic}", self.writing.topic_prefix), false);
                let name = self.message(latest.schema, event_type).await.map_err(failed)?;
                let message = encoder.get_message_descriptor(&name, &by).await;
                // What it could not fetch just now it would not ask for again.
                encoder.remove_errors_from_cache();
                let message = message.map_err(|error| failed(self.failure(&error)))?;
                let data = protobuf::from_json(&json()?, message).map_err(unfit)?;
                let value = encoder.encode(&data, &by).await.map_err(|error| failed(self.failure(&error)))?;
                // The encoder has looked itself, a moment later.
                let schema = wire::split(&value).map_or(latest.schema, |(schema, _)| schema);
                Ok((schema, value.into(), Some("application/protobuf")))
            }
        }
    }

    /// The full name of the message that an event type is: as `types` has it, else the first of the schema.
    async fn message(&self, schema: u32, event_type: &str) -> Result<String, Failure> {
        if let Some((name, _)) = self.types.iter().find(|(_, of)| *of == event_type) {
            return Ok(name.clone());
        }
        // A message of no bytes is one of every type; this one is of the first.
        let first = self.protobuf.decode_with_context(Some(&framed(schema, &[0]))).await;
        self.protobuf.remove_errors_from_cache();
        let first = first.map_err(|error| self.failure(&error))?;
        first.map(|first| first.full_name).ok_or_else(|| Failure::Wrong("the schema has no message".into()))
    }

    async fn latest(&self, topic: &str) -> Result<Arc<Latest>, RegistryError> {
        let known = self.writing.latest.lock().unwrap_or_else(PoisonError::into_inner).get(topic).cloned();
        if let Some((asked, latest)) = &known
            && asked.elapsed() < self.writing.latest_for
        {
            return Ok(latest.clone());
        }
        let subject = self.writing.subject(topic);
        let asked = Instant::now();
        let found = match get_schema_by_subject_and_version(&self.settings, &subject, None).await {
            Ok(found) => self.prepared(found, known.as_ref().map(|(_, latest)| latest)).await,
            Err(error) => Err(self.failure(&error)),
        };
        match (found, known) {
            (Ok(latest), _) => {
                let mut known = self.writing.latest.lock().unwrap_or_else(PoisonError::into_inner);
                known.insert(topic.to_owned(), (asked, latest.clone()));
                Ok(latest)
            }
            // It may not be the newest any more, and is one that readers know.
            (Err(Failure::Away(away)), Some((_, latest))) => {
                warn!(%away, subject, schema = latest.schema, "writing by the schema that was the newest when last asked");
                Ok(latest)
            }
            (Err(Failure::Away(away)), None) => Err(away),
            (Err(Failure::Missing), _) => Err(RegistryError::NoSubject { subject }),
            (Err(Failure::Wrong(reason)), _) => Err(RegistryError::Away { url: self.url.clone(), reason }),
        }
    }

    async fn prepared(&self, found: RegisteredSchema, known: Option<&Arc<Latest>>) -> Result<Arc<Latest>, Failure> {
        let schema = found.id;
        if let Some(known) = known.filter(|known| known.schema == schema) {
            return Ok(known.clone());
        }
        let by = match &found.schema_type {
            SchemaType::Json => By::Json,
            SchemaType::Avro => {
                let parsed = get_avro_schema(&self.settings, found).await.map_err(|error| self.failure(&error))?;
                By::Avro(AvroSchema::new(parsed.parsed.clone()).map_err(Failure::Wrong)?)
            }
            SchemaType::Protobuf => By::Protobuf(ProtoEncoder::new(self.settings.clone())),
            other => return Err(Failure::Wrong(format!("schema {schema} is of the kind {other:?}"))),
        };
        Ok(Arc::new(Latest { schema, by }))
    }
}
