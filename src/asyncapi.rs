//! An application as an AsyncAPI 3.0 document: its topics, the events on them, and which group reads what.

use millgate_bridge::{Action, Outline};
use millgate_dashboard::{EventType, Reader};
use millgate_events::{
    TopicSpec,
    schemars::transform::{RemoveRefSiblings, ReplacePrefixItems, ReplaceUnevaluatedProperties, Transform},
};
use serde_json::{Map, Value, json};

use crate::servers::Servers;

/// Of the Kafka bindings.
const BINDING: &str = "0.5.0";

const HEADERS: &str = "CloudEventsHeaders";
const DEAD_LETTER: &str = "dead-letter";

pub(crate) fn document(servers: &Servers, release: &str) -> Value {
    let (mut channels, mut messages, mut operations) = (Map::new(), Map::new(), Map::new());
    let mut schemas = Map::from_iter([(HEADERS.to_owned(), cloud_events_headers())]);
    for (name, event) in servers.events.iter() {
        messages.insert(name.to_owned(), message(name, event, &mut schemas));
    }
    let dead_letters = servers.dead_letter_topics.names();
    for spec in servers.topic_specs() {
        let is_dead_letters = dead_letters.contains(&spec.name.as_str());
        let mut names: Vec<&str> = on(servers, &spec.name).collect();
        if is_dead_letters {
            messages.entry(DEAD_LETTER).or_insert_with(dead_letter);
            names.push(DEAD_LETTER);
            let summary = "Events that cannot be used, and jobs that cannot be done";
            operations.insert(format!("send.{}", spec.name), operation("send", &spec.name, [DEAD_LETTER], summary));
        }
        channels.insert(spec.name.clone(), channel(&spec, &servers.config.kafka.topic(&spec.name), &names));
    }
    for reader in servers.readers.iter() {
        for topic in reader.routes.topics() {
            operations.insert(format!("{}.receive.{topic}", reader.name), receive(servers, reader, topic));
        }
    }
    json!({
        "asyncapi": "3.0.0",
        "info": { "title": servers.producer.source(), "version": release },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": schemas },
    })
}

/// The types of the events that come on a topic.
fn on<'a>(servers: &'a Servers, topic: &'a str) -> impl Iterator<Item = &'static str> + 'a {
    servers.events.iter().filter(move |(_, event)| event.topic == topic).map(|(name, _)| name)
}

fn channel(spec: &TopicSpec, address: &str, names: &[&str]) -> Value {
    let retention = spec.retention.map_or(json!(-1), |time| json!(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)));
    let policy = if spec.compaction { "compact" } else { "delete" };
    let mut settings = json!({ "cleanup.policy": [policy], "retention.ms": retention });
    if let Some(least) = spec.min_insync_replicas {
        settings["min.insync.replicas"] = least.into();
    }
    let messages: Map<String, Value> = names
        .iter()
        .map(|name| ((*name).to_owned(), json!({ "$ref": format!("#/components/messages/{name}") })))
        .collect();
    json!({
        "address": address,
        "messages": messages,
        "bindings": { "kafka": {
            "topic": address,
            "partitions": spec.partitions,
            "replicas": spec.replication,
            "topicConfiguration": settings,
            "bindingVersion": BINDING,
        } },
    })
}

fn receive(servers: &Servers, reader: &Reader, topic: &str) -> Value {
    let names: Vec<&str> = on(servers, topic).collect();
    let outlines = reader.routes.table().outlines();
    let does: Vec<String> =
        outlines.iter().filter(|outline| names.contains(&outline.event.as_str())).map(told).collect();
    let summary = if does.is_empty() { "Read, and nothing is done".to_owned() } else { does.join("; ") };
    let mut operation = operation("receive", topic, names, &summary);
    operation["bindings"] = json!({ "kafka": {
        "groupId": { "type": "string", "enum": [reader.kafka.consumer_group] },
        "bindingVersion": BINDING,
    } });
    operation
}

/// What becomes of an event.
fn told(outline: &Outline) -> String {
    let Outline { event, kind, queue, .. } = outline;
    match outline.action {
        Action::Enqueue => format!("{event} enqueues {kind} (queue {queue})"),
        Action::Cancel => format!("{event} cancels {kind} (queue {queue})"),
        Action::Publish => format!("{event} publishes {}", outline.publishes.as_deref().unwrap_or("an event")),
    }
}

fn operation<'a>(action: &str, topic: &str, names: impl IntoIterator<Item = &'a str>, summary: &str) -> Value {
    let messages: Vec<Value> =
        names.into_iter().map(|name| json!({ "$ref": format!("#/channels/{topic}/messages/{name}") })).collect();
    json!({
        "action": action,
        "channel": { "$ref": format!("#/channels/{topic}") },
        "summary": summary,
        "messages": messages,
    })
}

fn message(name: &str, event: &EventType, schemas: &mut Map<String, Value>) -> Value {
    let mut message = json!({
        "name": name,
        "title": format!("{name}, version {}", event.version),
        "contentType": "application/json",
        "headers": { "allOf": [
            { "$ref": format!("#/components/schemas/{HEADERS}") },
            { "type": "object", "properties": {
                "ce_type": { "const": name },
                "ce_dataversion": { "const": event.version.to_string() },
            } },
        ] },
        "correlationId": { "location": "$message.header#/ce_correlationid" },
        "bindings": { "kafka": {
            "key": { "type": "string", "description": "The entity that the event is about; events with the same key stay in order" },
            "bindingVersion": BINDING,
        } },
    });
    if let Some(schema) = (event.schema)() {
        let id = format!("{name}.v{}", event.version);
        if let Some(text) = schema.get("description") {
            message["summary"] = text.clone();
        }
        put(&id, schema, schemas);
        message["payload"] = json!({ "$ref": format!("#/components/schemas/{id}") });
    }
    message
}

/// AsyncAPI's own schemas are those of draft 7, and a reference begins at the root of the document: what a schema defines
/// within itself gets a place of its own.
fn put(id: &str, mut schema: millgate_events::schemars::Schema, schemas: &mut Map<String, Value>) {
    ReplaceUnevaluatedProperties::default().transform(&mut schema);
    RemoveRefSiblings::default().transform(&mut schema);
    ReplacePrefixItems::default().transform(&mut schema);
    schema.remove("$schema");
    let defined = schema.remove("$defs");
    let mut whole = schema.to_value();
    refer(&mut whole, id);
    schemas.insert(id.to_owned(), whole);
    for (name, mut part) in defined.as_ref().and_then(Value::as_object).cloned().into_iter().flatten() {
        refer(&mut part, id);
        schemas.insert(format!("{id}.{name}"), part);
    }
}

fn refer(part: &mut Value, id: &str) {
    match part {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(target) if name == "$ref" => {
                        if target == "#" {
                            *target = format!("#/components/schemas/{id}");
                        } else if let Some(name) = target.strip_prefix("#/$defs/") {
                            *target = format!("#/components/schemas/{id}.{name}");
                        }
                    }
                    _ => refer(value, id),
                }
            }
        }
        Value::Array(parts) => parts.iter_mut().for_each(|part| refer(part, id)),
        _ => {}
    }
}

/// CloudEvents 1.0 in binary mode, as `EventMeta` writes it.
fn cloud_events_headers() -> Value {
    json!({
        "type": "object",
        "description": "CloudEvents 1.0, binary mode of the Kafka protocol binding; all values are text",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type"],
        "properties": {
            "ce_specversion": { "const": "1.0" },
            "ce_id": { "type": "string", "description": "Unique within ce_source" },
            "ce_source": { "type": "string", "description": "The service it happened in" },
            "ce_type": { "type": "string" },
            "ce_time": { "type": "string", "format": "date-time", "description": "When it happened" },
            "ce_dataversion": { "type": "string", "pattern": "^[1-9][0-9]*$", "description": "Version of the payload's shape; 1 if left out" },
            "ce_subject": { "type": "string", "description": "The entity it is about" },
            "ce_correlationid": { "type": "string", "description": "Shared by everything that one request set off; the id if left out" },
            "ce_causationid": { "type": "string", "description": "The event or job that caused it" },
            "content-type": { "type": "string" },
            "traceparent": { "type": "string", "description": "W3C Trace Context" },
            "tracestate": { "type": "string" },
            "baggage": { "type": "string" },
        },
    })
}

fn dead_letter() -> Value {
    json!({
        "name": DEAD_LETTER,
        "title": "A dead letter",
        "summary": "The value, the key and the headers of what could not be used, and why",
        "headers": { "type": "object", "patternProperties": {
            "^(x-dlq-|__dlq\\.errors\\.)": { "description": "Where it came from, and why it is here" },
        } },
    })
}
