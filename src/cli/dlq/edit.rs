//! `millgate dlq edit`.

use std::path::PathBuf;

use anyhow::Context;
use millgate_dashboard::{
    Site,
    act::{self, Action, Work},
    see::{self, no_letter},
};
use millgate_events::StoredLetter;
use serde_json::Value;
use uuid::Uuid;

use super::{
    super::{Outcome, answer},
    Signature, letter_id,
};

#[derive(clap::Args)]
#[group(skip)]
pub(in crate::cli) struct Args {
    /// Its id, as `dlq list` shows it
    #[arg(value_parser = letter_id)]
    id: Uuid,
    /// Set a value: `items.0.quantity=2`. What is no JSON is a text
    #[arg(long = "set", value_name = "PATH=VALUE", required_unless_present = "payload", value_parser = Change::read)]
    changes: Vec<Change>,
    /// Take the payload from a file; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "changes")]
    payload: Option<PathBuf>,
    #[command(flatten)]
    signature: Signature,
    /// Only show what the payload would be
    #[arg(long)]
    dry_run: bool,
}

/// A value, and where it is to stand.
#[derive(Clone)]
struct Change {
    path: Vec<String>,
    value: Value,
}

impl Change {
    fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no PATH=VALUE: items.0.quantity=2");
        let (path, value) = text.split_once('=').ok_or_else(wrong)?;
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(wrong());
        }
        Ok(Self { path, value: serde_json::from_str(value).unwrap_or_else(|_| value.into()) })
    }

    /// Puts it there. All on the way has to be there; the last name of an object need not.
    fn apply(&self, payload: &mut Value) -> Result<(), String> {
        let mut at = payload;
        let mut passed = Vec::new();
        for (number, name) in self.path.iter().enumerate() {
            let is_last = number + 1 == self.path.len();
            let nothing = || {
                format!(
                    "there is no {name} in {}",
                    if passed.is_empty() { "the payload".to_owned() } else { passed.join(".") }
                )
            };
            let below = match at {
                Value::Object(fields) => {
                    if is_last {
                        fields.entry(name.clone()).or_insert(Value::Null);
                    }
                    fields.get_mut(name)
                }
                Value::Array(items) => name.parse::<usize>().ok().and_then(|place| items.get_mut(place)),
                _ => None,
            };
            at = below.ok_or_else(nothing)?;
            passed.push(name.as_str());
        }
        *at = self.value.clone();
        Ok(())
    }
}

pub(super) async fn run(site: &Site, json: bool, args: Args) -> anyhow::Result<Outcome> {
    let Some(view) = see::letter(site, args.id, &see::unmasked).await? else {
        return Ok(Outcome::Misunderstood(no_letter(args.id)));
    };
    let payload = match edited(&view.letter, &args)? {
        Ok(payload) => payload,
        Err(message) => return Ok(Outcome::Misunderstood(message)),
    };
    let text = payload.to_string();
    let action = Action::EditLetter { letter: args.id, payload: Some(text.clone()), why: args.signature.why() };
    let actor = args.signature.actor();
    let (verb, refused) = if args.dry_run {
        ("would go", act::preview(site, &actor, &action).await?.refused)
    } else {
        ("goes", act::perform(site, &actor, &action, &Work::new()).await?.refused)
    };
    let said = format!("{text} {verb} instead of the payload; `millgate dlq redrive {}` uses it", args.id);
    answer::act(json, &serde_json::json!({ "id": args.id, "payload": payload }), &said, &refused)?;
    Ok(if refused.is_empty() { Outcome::Well } else { Outcome::NotWell })
}

/// The payload as it is to be, or what cannot be meant.
fn edited(letter: &StoredLetter, args: &Args) -> anyhow::Result<Result<Value, String>> {
    if let Some(path) = &args.payload {
        let name = path.display().to_string();
        let text = if name == "-" {
            std::io::read_to_string(std::io::stdin()).context("standard input cannot be read")?
        } else {
            std::fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))?
        };
        return Ok(serde_json::from_str(&text).map_err(|error| format!("{name} is no JSON: {error}")));
    }
    let current = serde_json::from_slice(letter.current_payload().unwrap_or_default());
    Ok(match current {
        Ok(mut payload) => args.changes.iter().try_for_each(|change| change.apply(&mut payload)).map(|()| payload),
        Err(error) => Err(format!("the payload is no JSON ({error}), so nothing can be set in it; use --payload FILE")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(text: &str) -> Result<Value, String> {
        let mut payload = json!({ "to": "a", "items": [{ "sku": "lamp", "quantity": 1000 }] });
        Change::read(text)?.apply(&mut payload).map(|()| payload)
    }

    #[test]
    fn a_value_is_set_where_there_is_a_place_for_it() {
        assert_eq!(set("items.0.quantity=2").unwrap()["items"][0]["quantity"], 2);
        assert_eq!(set("to=ada@mail.example").unwrap()["to"], "ada@mail.example");
        assert_eq!(set("note={\"a\":1}").unwrap()["note"], json!({ "a": 1 }));
        assert_eq!(set("items.1.quantity=2").unwrap_err(), "there is no 1 in items");
        assert_eq!(set("to.name=x").unwrap_err(), "there is no name in to");
        assert_eq!(set("nobody.name=x").unwrap_err(), "there is no nobody in the payload");
        for wrong in ["to", "=1", "a..b=1"] {
            assert!(set(wrong).unwrap_err().contains("no PATH=VALUE"), "{wrong}");
        }
    }
}
