//! Log lines, for people or for machines; and spans for OpenTelemetry, where its variables say so.

use std::{
    env,
    io::{IsTerminal, stderr},
};

use anyhow::Context;
use millgate_events::{KafkaConfig, LOG_SHIPPING, LogShipping, LogShippingConfig, SPANS};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::Level;
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::{
    config::{LogConfig, LogFormat},
    log_layer::LogLayer,
};

/// Sends what is left when it is dropped.
#[derive(Default)]
pub(crate) struct Telemetry {
    spans: Option<SdkTracerProvider>,
    lines: Option<LogShipping>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = &self.spans
            && let Err(problem) = provider.shutdown()
        {
            eprintln!("the last spans are lost: {problem}");
        }
        if let Some(lines) = &self.lines {
            lines.close();
        }
    }
}

/// Sends log lines to standard error, and spans where `OTEL_EXPORTER_OTLP_ENDPOINT` says. `quiet` is the level of commands
/// that talk to people by themselves. Before there is a runtime: the exporter has a thread and a client of its own.
/// Lines go to topics as well, where `[log_shipping]` says so.
pub(crate) fn start(
    config: &LogConfig,
    (kafka, shipping_config): (&KafkaConfig, &LogShippingConfig),
    quiet: bool,
    application: &str,
) -> anyhow::Result<Telemetry> {
    let directives = if quiet && config.level == "info" { "warn" } else { config.level.as_str() };
    // By target and level only: a filter by span would have to be asked at each span, and each job has one.
    let targets: Targets = directives.parse().unwrap_or_else(|_| Targets::new().with_default(Level::INFO));
    let targets = targets.with_target(SPANS, LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer().with_writer(stderr);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match config.format {
        LogFormat::Human => lines.with_ansi(stderr().is_terminal()).with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let provider = provider(application)?;
    // A command that answers a question is no service.
    let shipping = shipping_config.enabled && !quiet;
    let shipping = shipping.then(|| ship(kafka, shipping_config, application)).transpose()?;
    if provider.is_none() && shipping.is_none() {
        // Fails only when a subscriber is there already, as in a test; then that one stays.
        let _ = tracing_subscriber::registry().with(lines).with(targets).try_init();
        return Ok(Telemetry::default());
    }
    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = vec![lines.with_filter(targets).boxed()];
    if let Some(provider) = &provider {
        let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("millgate"));
        // What the exporter itself does is no span of ours, and no line of a log may become part of one.
        let spans = spans.with_location(false).with_threads(false).with_target(false).with_level(false);
        let only_spans = Targets::new().with_target(SPANS, Level::INFO);
        layers.push(spans.with_filter(only_spans).boxed());
    }
    let lines = shipping.map(|(layer, lines)| {
        layers.push(layer);
        lines
    });
    let _ = tracing_subscriber::registry().with(layers).try_init();
    Ok(Telemetry { spans: provider, lines })
}

type Shipped = (Box<dyn Layer<Registry> + Send + Sync>, LogShipping);

/// What ships lines. Nothing that the client logs goes that way: with `debug` that would be lines about each line.
fn ship(kafka: &KafkaConfig, config: &LogShippingConfig, application: &str) -> anyhow::Result<Shipped> {
    let lines = LogShipping::start(kafka, config, application)?;
    let targets: Targets = config.level.parse().unwrap_or_else(|_| Targets::new().with_default(Level::INFO));
    let silent = [SPANS, LOG_SHIPPING, "rdkafka", "librdkafka"].map(|target| (target, LevelFilter::OFF));
    let layer = LogLayer::new(lines.clone(), config, application).with_filter(targets.with_targets(silent));
    Ok((layer.boxed(), lines))
}

/// What exports spans, by OTLP over HTTP. Where to, which of them and under which name is said by the variables that
/// OpenTelemetry has for it: <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>.
fn provider(application: &str) -> anyhow::Result<Option<SdkTracerProvider>> {
    let set = |name| env::var(name).is_ok_and(|value| !value.is_empty());
    let is = |name, wanted: &str| env::var(name).is_ok_and(|value| value.eq_ignore_ascii_case(wanted));
    let somewhere = set("OTEL_EXPORTER_OTLP_ENDPOINT") || set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    if !somewhere || is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
        return Ok(None);
    }
    let exporter =
        SpanExporter::builder().with_http().build().context("OTEL_EXPORTER_OTLP_…: spans cannot be exported")?;
    let resource = Resource::builder();
    let resource = if set("OTEL_SERVICE_NAME") { resource } else { resource.with_service_name(application.to_owned()) };
    Ok(Some(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build()))
}
