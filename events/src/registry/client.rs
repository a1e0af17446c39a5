//! The client of a registry, and the schemas that it has fetched.

use std::{
    collections::HashMap,
    error::Error as _,
    fs,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use schema_registry_converter::{
    async_impl::{
        avro::AvroDecoder,
        proto_decoder::ProtoDecoder,
        schema_registry::{SrSettings, get_schema_by_id},
    },
    error::SRCError,
    schema_registry_common::{RawError, RegisteredSchema, SchemaType},
};
use serde_json::Value;

use super::{BadWire, RegistryError, SchemaRegistryConfig, avro::AvroSchema, protobuf, wire, writing::Writing};
use crate::Record;

/// What an array or a text in Avro may take, in bytes: a length is only a number, and memory is taken by it.
const MOST_AVRO: usize = 64 * 1024 * 1024;

pub(super) struct Client {
    /// Without what may log in.
    pub(super) url: String,
    pub(super) settings: SrSettings,
    pub(super) writing: Writing,
    pub(super) protobuf: ProtoDecoder,
    avro: AvroDecoder,
    /// Event types by full names of schemas.
    pub(super) types: HashMap<String, String>,
    /// By ids, of which none ever stands for another schema.
    schemas: Mutex<HashMap<u32, Known>>,
}

/// What a schema is, and what it takes to read by it that decoders do not keep.
#[derive(Clone)]
enum Known {
    Json { title: Option<String> },
    Avro(Arc<AvroSchema>),
    Protobuf,
}

/// Why something did not come of a call.
pub(super) enum Failure {
    /// It may work later.
    Away(RegistryError),
    /// The registry says that there is no such thing.
    Missing,
    /// It will not work later either.
    Wrong(String),
}

impl Client {
    pub(super) fn new(config: &SchemaRegistryConfig, topic_prefix: &str) -> Result<Self, RegistryError> {
        apache_avro::util::max_allocation_bytes(MOST_AVRO);
        let wrong = |name: &str, reason: String| RegistryError::Config(format!("{name}: {reason}"));
        let mut urls = config.url.split(',').map(|url| url.trim().trim_end_matches('/').to_owned());
        let mut builder = SrSettings::new_builder(urls.next().unwrap_or_default());
        for url in urls {
            builder.add_url(url);
        }
        builder.set_timeout(config.timeout);
        if !config.token.is_empty() {
            builder.set_token_authorization(&config.token);
        } else if !config.username.is_empty() {
            builder.set_basic_authorization(&config.username, Some(&config.password));
        }
        let mut http = reqwest::Client::builder();
        if !config.ssl_ca_file.is_empty() {
            let wrong = |reason: String| wrong("ssl_ca_file", reason);
            let pem = fs::read(&config.ssl_ca_file).map_err(|error| wrong(error.to_string()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))?;
            http = certificates.into_iter().fold(http, reqwest::ClientBuilder::add_root_certificate);
        }
        let settings = builder.build_with(http).map_err(|error| wrong("url", error.to_string()))?;
        let types = config.named_types().map_err(|reason| wrong("types", reason))?;
        let topics = config.written_topics().map_err(|reason| wrong("topics", reason))?;
        Ok(Self {
            url: config.url.clone(),
            writing: Writing::new(topics, topic_prefix, config.latest_for),
            avro: AvroDecoder::new(settings.clone()),
            protobuf: ProtoDecoder::new(settings.clone()),
            settings,
            types: types.into_iter().collect(),
            schemas: Mutex::default(),
        })
    }

    /// Asks for something that every registry can tell, and that changes nothing.
    pub(super) async fn check(&self) -> Result<(), RegistryError> {
        match get_schema_by_id(1, &self.settings).await.map_err(|error| self.failure(&error)) {
            Ok(_) | Err(Failure::Missing) => Ok(()),
            Err(Failure::Away(away)) => Err(away),
            Err(Failure::Wrong(reason)) => Err(RegistryError::Away { url: self.url.clone(), reason }),
        }
    }

    /// The record with its value as JSON.
    pub(super) async fn read(&self, record: &Record, schema: u32) -> Result<Result<Record, BadWire>, RegistryError> {
        let known = match self.known(schema).await? {
            Ok(known) => known,
            Err(bad) => return Ok(Err(bad)),
        };
        let value = record.value.clone().unwrap_or_default();
        let (name, json) = match self.decoded(&value, schema, known).await {
            Ok(decoded) => decoded,
            Err(Failure::Away(away)) => return Err(away),
            Err(Failure::Missing) => {
                let reason = "the registry does not have all schemas that it refers to".into();
                return Ok(Err(BadWire::Unreadable { schema, reason }));
            }
            Err(Failure::Wrong(reason)) => return Ok(Err(BadWire::Unreadable { schema, reason })),
        };
        let mut headers = record.headers.clone();
        let says_its_type = ["ce_type", "event-type"].iter().any(|name| headers.text(name).is_some());
        if let Some(event_type) = name.filter(|_| !says_its_type).and_then(|name| self.types.get(&name)) {
            headers.push("event-type", event_type.clone());
        }
        Ok(Ok(Record { value: Some(json), headers, ..record.clone() }))
    }

    /// The full name of the value's type, and the value as JSON.
    async fn decoded(&self, value: &Bytes, schema: u32, known: Known) -> Result<(Option<String>, Bytes), Failure> {
        match known {
            Known::Json { title } => Ok((title, value.slice(5..))),
            Known::Avro(known) => {
                known.check_nesting(value.get(5..).unwrap_or_default()).map_err(Failure::Wrong)?;
                let decoded = self.avro.decode(Some(value)).await;
                let decoded = decoded.map_err(|error| self.failure(&error))?;
                let json = known.to_json(decoded.value).map_err(Failure::Wrong)?;
                let json = serde_json::to_vec(&json).map_err(|error| Failure::Wrong(error.to_string()))?;
                Ok((known.name(), json.into()))
            }
            Known::Protobuf => {
                let decoded = self.protobuf.decode_with_context(Some(value)).await;
                // What it could not fetch just now it would not ask for again.
                self.protobuf.remove_errors_from_cache();
                let decoded = decoded.map_err(|error| self.failure(&error))?;
                let decoded = decoded.ok_or_else(|| Failure::Wrong(format!("schema {schema} gave no message")))?;
                let json = protobuf::to_json(&decoded.value).map_err(Failure::Wrong)?;
                Ok((Some(decoded.full_name), json.into()))
            }
        }
    }

    /// What the schema of that id is: asked for once.
    async fn known(&self, schema: u32) -> Result<Result<Known, BadWire>, RegistryError> {
        let known = self.schemas.lock().unwrap_or_else(PoisonError::into_inner).get(&schema).cloned();
        if let Some(known) = known {
            return Ok(Ok(known));
        }
        let found = match get_schema_by_id(schema, &self.settings).await.map_err(|error| self.failure(&error)) {
            Ok(found) => self.understood(schema, found).await,
            // Whoever answers something else is not the registry.
            Err(Failure::Wrong(reason)) => Err(Failure::Away(RegistryError::Away { url: self.url.clone(), reason })),
            Err(failure) => Err(failure),
        };
        let unknown = || BadWire::Unknown { schema, url: self.url.clone() };
        match found {
            Ok(Ok(known)) => {
                let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
                schemas.insert(schema, known.clone());
                Ok(Ok(known))
            }
            Ok(Err(bad)) => Ok(Err(bad)),
            Err(Failure::Away(away)) => Err(away),
            Err(Failure::Missing) => Ok(Err(unknown())),
            Err(Failure::Wrong(reason)) => Ok(Err(BadWire::Unreadable { schema, reason })),
        }
    }

    async fn understood(&self, schema: u32, found: RegisteredSchema) -> Result<Result<Known, BadWire>, Failure> {
        Ok(Ok(match found.schema_type {
            SchemaType::Json => {
                let title = serde_json::from_str::<Value>(&found.schema).ok();
                Known::Json { title: title.and_then(|schema| schema["title"].as_str().map(str::to_owned)) }
            }
            SchemaType::Avro => {
                let parsed = self.avro.get_schema(schema).await;
                // What it could not fetch just now it would not ask for again.
                self.avro.remove_errors_from_cache();
                let parsed = parsed.map_err(|error| self.failure(&error))?;
                Known::Avro(Arc::new(AvroSchema::new(parsed.parsed.clone()).map_err(Failure::Wrong)?))
            }
            SchemaType::Protobuf => Known::Protobuf,
            SchemaType::Other(kind) => return Ok(Err(BadWire::Kind { schema, kind })),
            other => return Ok(Err(BadWire::Kind { schema, kind: format!("{other:?}") })),
        }))
    }

    /// What an error means. A registry says in its answer what there is not; whoever else answers, and refuses, is not the registry, or
    /// does not let us in, and both may be set right.
    pub(super) fn failure(&self, error: &SRCError) -> Failure {
        let away = |reason: String| Failure::Away(RegistryError::Away { url: self.url.clone(), reason });
        let mut told = vec![error.error.clone()];
        let mut cause = error.source();
        let mut retriable = error.retriable;
        while let Some(inner) = cause {
            if let Some(answer) = inner.downcast_ref::<RawError>() {
                return match answer.error_code {
                    40401..=40403 => Failure::Missing,
                    409 | 42201..=42299 | 422 => Failure::Wrong(answer.message.clone()),
                    0 => away(told.join(": ")),
                    _ => away(format!("{}: {}", told.join(": "), answer.message)),
                };
            }
            retriable |= inner.downcast_ref::<SRCError>().is_some_and(|inner| inner.retriable);
            told.push(match inner.downcast_ref::<SRCError>() {
                Some(inner) => inner.error.clone(),
                None => inner.to_string(),
            });
            cause = inner.source();
        }
        if retriable { away(told.join(": ")) } else { Failure::Wrong(told.join(": ")) }
    }
}

/// A value of that schema.
pub(super) fn framed(schema: u32, body: &[u8]) -> Bytes {
    wire::join(schema, body).into()
}
