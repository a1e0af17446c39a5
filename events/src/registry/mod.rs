//! Schema registries: values in Confluent's wire format, read and written by schemas that are kept elsewhere.
//!
//! A value that is Avro, Protobuf or JSON behind a schema's id becomes JSON before anything else looks at it. The other way, an
//! event goes onto its topic in the wire format where the configuration says so of the topic.

#[cfg(feature = "schema-registry")]
mod avro;
#[cfg(feature = "schema-registry")]
mod client;
mod config;
mod error;
#[cfg(feature = "schema-registry")]
mod into_avro;
#[cfg(feature = "schema-registry")]
mod nesting;
#[cfg(feature = "schema-registry")]
mod protobuf;
pub(crate) mod wire;
#[cfg(feature = "schema-registry")]
mod writing;

use std::sync::Arc;

use schemars::Schema;

use crate::{Event, OutRecord, Record};

pub use config::SchemaRegistryConfig;
pub use error::{BadWire, RegistryError};

#[cfg(feature = "schema-registry")]
use client::Client;

/// Without the feature there is never one.
#[cfg(not(feature = "schema-registry"))]
enum Client {}

/// The way to the schema registry, or its absence. Cheap to clone; all clones share one client and the schemas it knows.
#[derive(Clone, Default)]
pub struct SchemaRegistry(Option<Arc<Client>>);

impl SchemaRegistry {
    /// The registry that the configuration names, connected when first used. Off, if it names none.
    ///
    /// `topic_prefix` is [`KafkaConfig::topic_prefix`](crate::KafkaConfig): registries know topics by their whole names.
    pub fn open(config: &SchemaRegistryConfig, topic_prefix: &str) -> Result<Self, RegistryError> {
        if config.url.is_empty() {
            return Ok(Self::default());
        }
        #[cfg(feature = "schema-registry")]
        return Ok(Self(Some(Arc::new(Client::new(config, topic_prefix)?))));
        #[cfg(not(feature = "schema-registry"))]
        {
            let _ = topic_prefix;
            Err(RegistryError::Config(
                "url is set, and this program is built without the feature `schema-registry`".into(),
            ))
        }
    }

    /// Whether there is a registry.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a record's value is in the wire format.
    pub fn is_wire(record: &Record) -> bool {
        record.value.as_deref().is_some_and(wire::is_wire)
    }

    /// The id of a value's schema, if it is in the wire format.
    pub fn schema_of(value: &[u8]) -> Option<u32> {
        wire::split(value).map(|(schema, _)| schema)
    }

    /// Whether a topic (without the prefix) is written in the wire format.
    pub fn writes(&self, topic: &str) -> bool {
        match self.0.as_deref() {
            None => false,
            #[cfg(feature = "schema-registry")]
            Some(client) => client.writes(topic),
            #[cfg(not(feature = "schema-registry"))]
            Some(client) => {
                let _ = topic;
                match *client {}
            }
        }
    }

    /// Tells the schema of a type, for topics that are written by it.
    pub fn learn<E: Event>(&self) {
        self.learn_as(E::TYPE, E::VERSION, E::TOPIC, E::schema);
    }

    /// The same for a type by its name, with its newest version, whose schema it is, and the topic that it is published on.
    pub fn learn_as(&self, event_type: &str, version: u32, topic: &str, schema: impl FnOnce() -> Option<Schema>) {
        match self.0.as_deref() {
            None => {}
            #[cfg(feature = "schema-registry")]
            Some(client) => client.learn(event_type, version, topic, schema),
            #[cfg(not(feature = "schema-registry"))]
            Some(client) => {
                let _ = (event_type, version, topic, schema);
                match *client {}
            }
        }
    }

    /// Whether the registry answers, and lets us in.
    pub async fn check(&self) -> Result<(), RegistryError> {
        match self.0.as_deref() {
            None => Err(RegistryError::Off),
            #[cfg(feature = "schema-registry")]
            Some(client) => client.check().await,
            #[cfg(not(feature = "schema-registry"))]
            Some(client) => match *client {},
        }
    }

    /// The record with its value as JSON. For records that [are in the wire format](Self::is_wire).
    ///
    /// The outer error is the registry's, and may be gone later; the inner one is the record's, and stays until the registry
    /// knows more.
    pub async fn read(&self, record: &Record) -> Result<Result<Record, BadWire>, RegistryError> {
        let value = record.value.as_deref().unwrap_or_default();
        let Some((schema, _)) = wire::split(value) else { return Ok(Err(BadWire::Short { bytes: value.len() })) };
        match self.0.as_deref() {
            None => Ok(Err(BadWire::Off { schema })),
            #[cfg(feature = "schema-registry")]
            Some(client) => client.read(record, schema).await,
            #[cfg(not(feature = "schema-registry"))]
            Some(client) => match *client {},
        }
    }

    /// The record in the wire format, if its topic is written so; any other, and what is in the wire format already, is left
    /// as it is.
    pub async fn write(&self, record: OutRecord) -> Result<OutRecord, RegistryError> {
        match self.0.as_deref() {
            None => Ok(record),
            #[cfg(feature = "schema-registry")]
            Some(client) => client.write(record).await,
            #[cfg(not(feature = "schema-registry"))]
            Some(client) => match *client {},
        }
    }
}
