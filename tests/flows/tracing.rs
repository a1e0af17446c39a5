//! One trace from publishing to the last attempt, as a collector of OpenTelemetry sees it.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, routing::post};
use millgate_testkit::wait_for;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::any_value::Value,
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use prost::Message;
use tokio::net::TcpListener;

use crate::shop::{PATIENCE, Shop, notification};

type Spans = Arc<Mutex<Vec<Span>>>;

/// A collector, and its address.
async fn collector() -> (Spans, String) {
    let spans = Spans::default();
    let take = |State(spans): State<Spans>, body: Bytes| async move {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        spans.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
    };
    let router = Router::new().route("/v1/traces", post(take)).with_state(spans.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (spans, address)
}

fn attribute(span: &Span, name: &str) -> Option<String> {
    let value = span.attributes.iter().find(|attribute| attribute.key == name)?.value.clone()?.value?;
    Some(match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}

async fn wait_span(spans: &Spans, name: &str, wanted: impl Fn(&Span) -> bool) -> Span {
    wait_for(&format!("a span `{name}`"), PATIENCE, async || {
        spans.lock().unwrap().iter().find(|span| span.name == name && wanted(span)).cloned()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_publishing_to_the_last_attempt() {
    let mut shop = Shop::open("tracing").await;
    let (spans, address) = collector().await;
    shop.set("OTEL_EXPORTER_OTLP_ENDPOINT", address);
    shop.set("OTEL_BSP_SCHEDULE_DELAY", "200");
    let _roles = [shop.start(&["bridge"]), shop.start(&["worker"])];
    // The mail server refuses it for now, and takes it the second time.
    shop.publish(&[notification("later-traced@mail.example")]).await;

    let topic = shop.kafka.name("notification.email");
    let sent = wait_span(&spans, &format!("send {topic}"), |_| true).await;
    let handed_off = wait_span(&spans, &format!("process {topic}"), |_| true).await;
    let attempt = |number: &'static str| {
        let of = move |span: &Span| attribute(span, "millgate.job.attempt").as_deref() == Some(number);
        wait_span(&spans, "process notification-email", of)
    };
    let (first, second) = (attempt("1").await, attempt("2").await);

    assert_eq!(
        (sent.kind(), sent.parent_span_id.as_slice()),
        (SpanKind::Producer, [].as_slice()),
        "the trace begins here"
    );
    assert_eq!((handed_off.kind(), &handed_off.parent_span_id), (SpanKind::Consumer, &sent.span_id));
    for run in [&first, &second] {
        assert_eq!((run.kind(), &run.parent_span_id), (SpanKind::Consumer, &handed_off.span_id));
    }
    for span in [&handed_off, &first, &second] {
        assert_eq!(span.trace_id, sent.trace_id);
    }
    let status = |span: &Span| span.status.clone().unwrap_or_default();
    assert_eq!(status(&first).code(), StatusCode::Error);
    assert!(status(&first).message.contains("450"), "{first:?}");
    assert_eq!(status(&second).code(), StatusCode::Unset);
    // What a run asks of a server is part of it.
    wait_span(&spans, "smtp send", |span| span.parent_span_id == second.span_id).await;
    for (span, name, value) in [
        (&sent, "messaging.system", "kafka"),
        (&sent, "messaging.operation.type", "send"),
        (&sent, "messaging.destination.name", topic.as_str()),
        (&handed_off, "messaging.kafka.offset", "0"),
        (&handed_off, "messaging.consumer.group.name", shop.kafka.config().consumer_group.as_str()),
        (&first, "messaging.system", "redis"),
        (&first, "messaging.destination.name", "email"),
    ] {
        assert_eq!(attribute(span, name).as_deref(), Some(value), "{name} of {}", span.name);
    }
    // The record carries the trace that others can go on with.
    let records = shop.kafka.records("notification.email", 1).await;
    let header = records[0].headers.text("traceparent").unwrap();
    let (trace, span) = (sent.trace_id.clone().try_into().unwrap(), sent.span_id.clone().try_into().unwrap());
    assert_eq!(header, format!("00-{:032x}-{:016x}-01", u128::from_be_bytes(trace), u64::from_be_bytes(span)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_that_is_not_sampled_leaves_no_spans() {
    let mut shop = Shop::open("tracing-unsampled").await;
    let (spans, address) = collector().await;
    shop.set("OTEL_EXPORTER_OTLP_ENDPOINT", address);
    shop.set("OTEL_BSP_SCHEDULE_DELAY", "200");
    let (bridge, worker) = (shop.start(&["bridge"]), shop.start(&["worker"]));
    shop.set("OTEL_TRACES_SAMPLER", "always_off");
    shop.publish(&[notification("ada@mail.example")]).await;
    shop.wait_done("email", "notification-email", 1).await;
    for role in [bridge, worker] {
        role.sigterm();
        // At its end a role sends all that it has.
        assert!(role.wait_exit(PATIENCE).await.success(), "{}", role.output());
    }
    let names: Vec<String> = spans.lock().unwrap().iter().map(|span| span.name.clone()).collect();
    assert_eq!(names, Vec::<String>::new());
}
