//! Log lines, for people or for machines; and spans for OpenTelemetry, where its variables say so.

use std::{
    env,
    io::{IsTerminal, stderr},
};

use anyhow::Context;
use millgate_events::SPANS;
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

use crate::config::{LogConfig, LogFormat};

/// Sends what is left when it is dropped.
#[derive(Default)]
pub(crate) struct Telemetry(Option<SdkTracerProvider>);

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = &self.0
            && let Err(problem) = provider.shutdown()
        {
            eprintln!("the last spans are lost: {problem}");
        }
    }
}

/// Sends log lines to standard error, and spans where `OTEL_EXPORTER_OTLP_ENDPOINT` says. `quiet` is the level of commands
/// that talk to people by themselves. Before there is a runtime: the exporter has a thread and a client of its own.
pub(crate) fn start(config: &LogConfig, quiet: bool, application: &str) -> anyhow::Result<Telemetry> {
    let directives = if quiet && config.level == "info" { "warn" } else { config.level.as_str() };
    // By target and level only: a filter by span would have to be asked at each span, and each job has one.
    let targets: Targets = directives.parse().unwrap_or_else(|_| Targets::new().with_default(Level::INFO));
    let targets = targets.with_target(SPANS, LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer().with_writer(stderr);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match config.format {
        LogFormat::Human => lines.with_ansi(stderr().is_terminal()).with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let Some(provider) = provider(application)? else {
        // Fails only when a subscriber is there already, as in a test; then that one stays.
        let _ = tracing_subscriber::registry().with(lines).with(targets).try_init();
        return Ok(Telemetry::default());
    };
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("millgate"));
    // What the exporter itself does is no span of ours, and no line of a log may become part of one.
    let spans = spans.with_location(false).with_threads(false).with_target(false).with_level(false);
    let only_spans = Targets::new().with_target(SPANS, Level::INFO);
    let layers = tracing_subscriber::registry().with(lines.with_filter(targets)).with(spans.with_filter(only_spans));
    let _ = layers.try_init();
    Ok(Telemetry(Some(provider)))
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
