//! `millgate mail preview`.

use std::fmt::Write;

use anyhow::Context;
use millgate_workers::email::Templates;
use serde_json::{Map, Value, json};

use super::super::{Call, Outcome, answer};

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// Name of its template: `welcome-email`
    kind: Option<String>,
    /// In this language: de-AT
    #[arg(long, value_name = "TAG")]
    locale: Option<String>,
    /// Fields as a JSON object, in place of those of the sample
    #[arg(long, value_name = "JSON")]
    fields: Option<String>,
    /// The HTML alone
    #[arg(long, conflicts_with = "text")]
    html: bool,
    /// The text alone
    #[arg(long)]
    text: bool,
}

pub(super) fn run(call: &Call, args: &Args) -> anyhow::Result<Outcome> {
    let templates = Templates::new(&call.configuration.config.smtp)?;
    let names = templates.names();
    let Some(kind) = &args.kind else { return list(call, &templates, &names) };
    if !names.contains(kind) {
        return Ok(Outcome::Misunderstood(format!("there is no mail `{kind}`; there are: {}", names.join(", "))));
    }
    let given: Map<String, Value> = match &args.fields {
        Some(fields) => serde_json::from_str(fields).context("--fields takes a JSON object")?,
        None => Map::new(),
    };
    let mut fields = match templates.sample(kind) {
        Some(Value::Object(sample)) => sample,
        _ => Map::new(),
    };
    fields.extend(given);
    let written = templates.render_in(kind, args.locale.as_deref(), &fields)?;
    let text = if args.html {
        let Some(html) = written.html else {
            return Ok(Outcome::Misunderstood(format!("the mail `{kind}` has no HTML in that language")));
        };
        html
    } else if args.text {
        written.text
    } else if call.json {
        let preview = json!({ "subject": written.subject, "text": written.text, "html": written.html });
        format!("{preview:#}\n")
    } else {
        let html = if written.html.is_some() { "\n(and HTML: --html)\n" } else { "" };
        format!("Subject: {}\n\n{}{html}", written.subject, written.text)
    };
    answer::write(&text)?;
    Ok(Outcome::Well)
}

fn list(call: &Call, templates: &Templates, names: &[String]) -> anyhow::Result<Outcome> {
    let locales = |name: &str| templates.locales(name).into_iter().flatten().collect::<Vec<_>>();
    let mut text = String::new();
    if call.json {
        let mails = names.iter().map(|name| json!({ "kind": name, "locales": locales(name) }));
        text = format!("{:#}\n", Value::Array(mails.collect()));
    } else {
        for name in names {
            writeln!(text, "{}", format!("{name:<28} {}", locales(name).join(", ")).trim_end())?;
        }
    }
    answer::write(&text)?;
    Ok(Outcome::Well)
}
