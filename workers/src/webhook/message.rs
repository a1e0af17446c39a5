//! What is posted: the event, as CloudEvents' binding to HTTP has it.

use millgate_events::TraceParent;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::Webhook;
use crate::{Ctx, JobError};

/// What stands in a header with percent signs: all but printable ASCII, and these.
const IN_HEADERS: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');
/// The type of what goes back to no event.
const NO_EVENT: &str = "millgate.job";
/// Its source.
const NO_SOURCE: &str = "millgate";

/// A body, and the headers that belong to it.
pub(super) struct Message {
    pub(super) body: Vec<u8>,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Message {
    /// The event that the job goes back to, with the job's data.
    pub(super) fn new(job: &Webhook, ctx: &Ctx) -> Result<Self, JobError> {
        let origin = ctx.origin.as_deref();
        let attributes = [
            ("specversion", "ce-specversion", Some("1.0".to_owned())),
            ("id", "ce-id", Some(origin.map_or(&ctx.job_id, |origin| &origin.event_id).clone())),
            ("source", "ce-source", Some(origin.map_or(NO_SOURCE, |origin| &origin.event_source).to_owned())),
            ("type", "ce-type", Some(origin.map_or(NO_EVENT, |origin| &origin.event_type).to_owned())),
            ("time", "ce-time", Some(ctx.time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))),
            ("correlationid", "ce-correlationid", origin.map(|origin| origin.correlation_id.clone())),
        ];
        let attributes = attributes.into_iter().filter_map(|(name, header, value)| Some((name, header, value?)));
        let trace =
            origin.and_then(|origin| TraceParent::parse(origin.traceparent.as_deref()?)).map(TraceParent::child);
        let mut headers: Vec<_> = trace.map(|trace| ("traceparent", trace.to_string())).into_iter().collect();
        // Baggage stays here: it may say what is nobody else's business.
        headers.extend(origin.and_then(|origin| Some(("tracestate", origin.tracestate.clone()?))));
        if job.binary {
            headers.push(("content-type", "application/json".to_owned()));
            let in_header = |value: &str| utf8_percent_encode(value, IN_HEADERS).to_string();
            headers.extend(attributes.map(|(_, header, value)| (header, in_header(&value))));
            return Ok(Self { body: serde_json::to_vec(&job.data)?, headers });
        }
        headers.push(("content-type", "application/cloudevents+json".to_owned()));
        let mut event: Map<String, Value> =
            attributes.map(|(name, _, value)| (name.to_owned(), value.into())).collect();
        event.insert("datacontenttype".to_owned(), json!("application/json"));
        event.insert("data".to_owned(), job.data.clone());
        Ok(Self { body: serde_json::to_vec(&event)?, headers })
    }
}
