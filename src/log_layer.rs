//! Log lines as JSON, with the spans that they are in, for whoever gathers those of all services.

use std::{
    cell::Cell,
    fmt::{Debug, Write as _},
    time::SystemTime,
};

use chrono::{DateTime, SecondsFormat, Utc};
use millgate_dashboard::access::HIDDEN;
use millgate_events::{LogShipping, LogShippingConfig};
use opentelemetry::{Context, trace::TraceContextExt as _};
use serde_json::{Map, Value, json};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer, layer,
    registry::{LookupSpan, Scope},
};

/// Longer texts are cut.
const MOST_TEXT: usize = 8 * 1024;
/// Longer lines lose their fields and spans.
const MOST_LINE: usize = 64 * 1024;

thread_local! {
    /// What is logged while a line is made of a value is none: it might be that value.
    static MAKES_A_LINE: Cell<bool> = const { Cell::new(false) };
}

/// For as long as a line is made, also where a value panics when it is written, and that is caught.
struct Making;

impl Making {
    fn begin() -> Option<Self> {
        (!MAKES_A_LINE.replace(true)).then_some(Self)
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        MAKES_A_LINE.set(false);
    }
}

/// Takes a line, and whether it is an error. Must not wait.
type Take = Box<dyn Fn(&[u8], bool) + Send + Sync>;

/// Makes lines, and ships them.
pub(crate) struct LogLayer {
    take: Take,
    service: String,
    host: String,
    pid: u32,
    mask: Vec<String>,
}

impl LogLayer {
    /// Ships what is logged.
    pub(crate) fn new(lines: LogShipping, config: &LogShippingConfig, application: &str) -> Self {
        Self::into(Box::new(move |text, is_error| lines.ship(text, is_error)), config, application)
    }

    fn into(take: Take, config: &LogShippingConfig, application: &str) -> Self {
        Self {
            take,
            service: config.service(application).to_owned(),
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            pid: std::process::id(),
            mask: config.mask.clone(),
        }
    }

    fn line(&self, event: &Event<'_>, spans: Vec<Value>) -> Value {
        let mut fields = Fields { mask: &self.mask, fields: Map::new() };
        event.record(&mut fields);
        let mut fields = fields.fields;
        let message = fields.remove("message").unwrap_or_default();
        let data = event.metadata();
        let mut line = json!({
            "time": now().to_rfc3339_opts(SecondsFormat::Millis, true),
            "level": data.level().as_str().to_lowercase(),
            "service": self.service,
            "target": data.target(),
            "message": message,
            "host": self.host,
            "pid": self.pid,
        });
        let trace = Context::map_current(|context| {
            let span = context.span().span_context().clone();
            span.is_valid().then(|| (span.trace_id().to_string(), span.span_id().to_string()))
        });
        if let Some((trace, span)) = trace {
            (line["trace_id"], line["span_id"]) = (trace.into(), span.into());
        }
        if !fields.is_empty() {
            line["fields"] = fields.into();
        }
        if !spans.is_empty() {
            line["spans"] = spans.into();
        }
        line
    }
}

/// Fields of a span, as they are known by now.
struct OfSpan(Map<String, Value>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: layer::Context<'_, S>) {
        let mut fields = Fields { mask: &self.mask, fields: Map::new() };
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().replace(OfSpan(fields.fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: layer::Context<'_, S>) {
        let mut fields = Fields { mask: &self.mask, fields: Map::new() };
        values.record(&mut fields);
        if let Some(span) = context.span(id)
            && let Some(known) = span.extensions_mut().get_mut::<OfSpan>()
        {
            known.0.extend(fields.fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: layer::Context<'_, S>) {
        let Some(_made) = Making::begin() else { return };
        let spans = context.event_scope(event).into_iter().flat_map(Scope::from_root).map(|span| {
            let fields = span.extensions().get::<OfSpan>().map(|known| known.0.clone()).unwrap_or_default();
            json!({ "name": span.name(), "fields": fields })
        });
        let mut line = self.line(event, spans.collect());
        let mut text = line.to_string();
        if text.len() > MOST_LINE {
            (line["fields"], line["spans"]) = (Value::Null, Value::Null);
            line["cut"] = true.into();
            text = line.to_string();
        }
        (self.take)(text.as_bytes(), *event.metadata().level() == Level::ERROR);
    }
}

/// Gathers fields, without the values of those that are masked.
struct Fields<'a> {
    mask: &'a [String],
    fields: Map<String, Value>,
}

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl FnOnce() -> Value) {
        // `r#type` is `type`.
        let name = field.name().trim_start_matches("r#");
        let last = name.rsplit('.').next().unwrap_or(name);
        let is_masked =
            self.mask.iter().any(|masked| [last, name].iter().any(|name| masked.eq_ignore_ascii_case(name)));
        self.fields.insert(name.to_owned(), if is_masked { HIDDEN.into() } else { value() });
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, || value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, || value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, || value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, || value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, || cut(value).into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, || {
            let mut text = String::new();
            // Fails where the value does; what it has said by then is kept.
            let _ = write!(text, "{value:?}");
            cut(&text).into()
        });
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MOST_TEXT)]
}

#[expect(clippy::disallowed_methods, reason = "a line is logged now")]
fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{error, info, info_span};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// What is shipped of what is logged meanwhile.
    fn shipped(log: impl FnOnce()) -> Vec<(Value, bool)> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let taken = lines.clone();
        let take = Box::new(move |text: &[u8], is_error| {
            taken.lock().unwrap().push((serde_json::from_slice(text).unwrap(), is_error));
        });
        let mut config = LogShippingConfig::default();
        config.mask.push("user.mail".into());
        let layer = LogLayer::into(take, &config, "shop");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        lines.lock().unwrap().clone()
    }

    #[test]
    fn a_line_has_its_fields_and_spans_and_no_secrets() {
        let lines = shipped(|| {
            let span = info_span!(
                "call",
                url = "https://a.example",
                token = "t0p",
                user.password = "x",
                user.mail = "x",
                shop.mail = "y",
                late = tracing::field::Empty
            );
            let _entered = span.enter();
            span.record("late", 7);
            info!(order = 17, paid = true, api_key = "k3y", "order {} is packed", 17);
            error!(error = "no paper", "cannot print");
        });
        let (line, is_error) = &lines[0];
        assert_eq!((&line["level"], &line["service"], is_error), (&"info".into(), &"shop".into(), &false));
        assert_eq!(line["message"], "order 17 is packed");
        assert_eq!(line["fields"], json!({ "order": 17, "paid": true, "api_key": HIDDEN }));
        let fields = json!({ "url": "https://a.example", "token": HIDDEN, "user.password": HIDDEN, "user.mail": HIDDEN, "shop.mail": "y", "late": 7 });
        assert_eq!(line["spans"], json!([{ "name": "call", "fields": fields }]));
        assert!(line["time"].as_str().unwrap().parse::<DateTime<Utc>>().is_ok());
        assert!(lines[1].1 && lines[1].0["fields"]["error"] == "no paper");
        assert!(!format!("{lines:?}").contains("t0p") && !format!("{lines:?}").contains("k3y"));
    }

    /// Says something while it is written down.
    struct Chatty;

    impl Debug for Chatty {
        fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            info!(again = ?Chatty, "somebody looks at me");
            out.write_str("chatty")
        }
    }

    struct Broken;

    impl Debug for Broken {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("nobody can look at me")
        }
    }

    #[test]
    fn a_value_that_panics_takes_no_other_line_with_it() {
        let lines = shipped(|| {
            std::panic::catch_unwind(|| info!(value = ?Broken, "a line")).unwrap_err();
            info!("another");
        });
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].0["message"], "another");
    }

    #[test]
    fn a_value_that_logs_is_one_line_and_a_long_one_is_cut() {
        let lines = shipped(|| info!(value = ?Chatty, text = "ä".repeat(100_000), "a line"));
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].0["fields"]["value"], "chatty");
        assert_eq!(lines[0].0["fields"]["text"].as_str().unwrap().len(), MOST_TEXT);
        let text = "x".repeat(MOST_TEXT);
        let long =
            shipped(|| info!(a = text, b = text, c = text, d = text, e = text, f = text, g = text, h = text, "long"));
        assert_eq!((&long[0].0["cut"], &long[0].0["fields"]), (&true.into(), &Value::Null));
    }
}
