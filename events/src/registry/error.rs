//! What can go wrong with a schema, and with the registry that has it.

/// A registry that cannot be used, or not now; or a value that cannot be written by its schemas.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// There is no registry.
    #[error("there is no schema registry; name one in schema_registry.url (MILLGATE_SCHEMA_REGISTRY_URL)")]
    Off,
    /// The configuration names no registry that this program can use.
    #[error("schema_registry.{0}")]
    Config(String),
    /// The registry does not answer just now, or not as a registry that lets us in.
    #[error("the schema registry {url} is away: {reason}")]
    Away {
        /// Where it should be.
        url: String,
        /// What came back.
        reason: String,
    },
    /// A topic is written by the newest schema that the registry has for it, and it has none.
    #[error(
        "the schema registry has nothing under {subject}; register a schema there, or write the topic as `json-schema`"
    )]
    NoSubject {
        /// What was looked for.
        subject: String,
    },
    /// A topic is written by the JSON Schema of the event's type, and the type has none.
    #[error(
        "event {event_type} has no schema here; write `schema` in its #[event(…)] and declare it with App::event, or write \
         its topic as `latest`"
    )]
    NoSchema {
        /// The event's type.
        event_type: String,
    },
    /// A topic is written by the JSON Schema of the event's type, which is that of another version.
    #[error("event {event_type} of version {version} has no schema here, only version {known}; publish it as that")]
    OtherVersion {
        /// The event's type.
        event_type: String,
        /// Its version.
        version: u32,
        /// The one that there is a schema of.
        known: u32,
    },
    /// The registry does not take the schema.
    #[error("the schema registry does not take the schema of {event_type} under {subject}: {reason}")]
    Refused {
        /// The event's type.
        event_type: String,
        /// Where it was to go.
        subject: String,
        /// What the registry said.
        reason: String,
    },
    /// Somebody does not wait, where it may take a call of the registry.
    #[error("topic {topic} is written in the wire format, for which the registry may have to be asked; use `publish`")]
    Unasked {
        /// The topic.
        topic: String,
    },
    /// The value does not fit the schema that it is to be written by.
    #[error("the value does not fit schema {schema} of {subject}: {reason}")]
    Unfit {
        /// Where the schema is from.
        subject: String,
        /// The schema's id.
        schema: u32,
        /// In what.
        reason: String,
    },
}

impl RegistryError {
    /// Whether the same call may well succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Away { .. })
    }
}

/// Why a value in the wire format cannot be read, now or later.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadWire {
    /// A zero byte, and no schema's id.
    #[error("the value begins like Confluent's wire format, and is too short to name a schema ({bytes} bytes)")]
    Short {
        /// How long it is.
        bytes: usize,
    },
    /// There is no registry.
    #[error(
        "the value is in Confluent's wire format, of schema {schema}, and no schema registry is configured here; set \
         schema_registry.url to that of the producer"
    )]
    Off {
        /// The schema's id.
        schema: u32,
    },
    /// The registry does not know the schema.
    #[error("schema {schema} is not in the registry {url}: its producer has another one, or it was removed")]
    Unknown {
        /// The schema's id.
        schema: u32,
        /// The registry.
        url: String,
    },
    /// A schema of a kind that is none of the three.
    #[error("schema {schema} is of the kind {kind}, which is not read; Avro, Protobuf and JSON Schema are")]
    Kind {
        /// The schema's id.
        schema: u32,
        /// What the registry says.
        kind: String,
    },
    /// The value is none of its schema, or the schema is none.
    #[error("the value cannot be read by schema {schema}: {reason}")]
    Unreadable {
        /// The schema's id.
        schema: u32,
        /// Why not.
        reason: String,
    },
}

impl BadWire {
    /// A word for dashboards and headers.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Short { .. } => "wire_too_short",
            Self::Off { .. } => "schema_registry_off",
            Self::Unknown { .. } => "schema_unknown",
            Self::Kind { .. } => "schema_of_unknown_kind",
            Self::Unreadable { .. } => "wire_unreadable",
        }
    }
}
