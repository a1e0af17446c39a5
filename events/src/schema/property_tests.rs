//! Schemas and changes by chance: a document that was valid is valid under whatever is called compatible.

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde_json::{Map, json};

use super::*;

/// A schema of at most this depth.
fn schema(chance: &mut SmallRng, depth: u32) -> Value {
    match chance.random_range(0..if depth == 0 { 6 } else { 10 }) {
        0 => json!({ "type": "boolean" }),
        1 => json!({ "type": "null" }),
        2 => json!({ "type": "integer", "minimum": chance.random_range(-3..1), "maximum": chance.random_range(1..4) }),
        3 => json!({ "type": "number" }),
        4 => json!({ "type": "string", "maxLength": chance.random_range(1..4) }),
        5 => json!({ "enum": (0..chance.random_range(1..4)).collect::<Vec<u8>>() }),
        6 => json!({ "type": "array", "items": schema(chance, depth - 1), "minItems": chance.random_range(0..2) }),
        7 => json!({ "anyOf": [schema(chance, depth - 1), schema(chance, depth - 1)] }),
        8 => json!({ "type": "object", "additionalProperties": schema(chance, depth - 1) }),
        _ => {
            let names: Vec<&str> = ["a", "b", "c"].into_iter().filter(|_| chance.random_bool(0.7)).collect();
            let fields: Map<String, Value> =
                names.iter().map(|name| ((*name).to_owned(), schema(chance, depth - 1))).collect();
            let required: Vec<&str> = names.into_iter().filter(|_| chance.random_bool(0.5)).collect();
            let open = chance.random_bool(0.7);
            json!({ "type": "object", "properties": fields, "required": required, "additionalProperties": open })
        }
    }
}

/// The schema with one place of it changed, or none.
fn changed(schema: &Value, chance: &mut SmallRng) -> Value {
    let mut schema = schema.clone();
    let Value::Object(keywords) = &mut schema else { return schema };
    let names: Vec<String> = keywords.keys().cloned().collect();
    let name = &names[chance.random_range(0..names.len())];
    let value = &mut keywords[name];
    match name.as_str() {
        "type" if value.is_string() && value != "null" && chance.random_bool(0.5) => {
            *value = json!([value.clone(), "null"]);
        }
        "minimum" | "maximum" | "minItems" | "maxLength" => {
            let moved = value.as_i64().unwrap() + chance.random_range(-1..2);
            *value = json!(if name.starts_with('m') && name != "minimum" { moved.max(0) } else { moved });
        }
        "enum" => *value = json!((0..chance.random_range(1..5)).collect::<Vec<u8>>()),
        "anyOf" => {
            let parts = value.as_array_mut().unwrap();
            match chance.random_range(0..3) {
                0 => parts.reverse(),
                1 => parts.push(super::property_tests::schema(chance, 1)),
                _ => parts[0] = changed(&parts[0], chance),
            }
        }
        "properties" => {
            let fields = value.as_object_mut().unwrap();
            let at = ["a", "b", "c"][chance.random_range(0..3)];
            match (fields.get(at).cloned(), chance.random_bool(0.3)) {
                (Some(_), true) => drop(fields.remove(at)),
                (Some(field), false) => drop(fields.insert(at.into(), changed(&field, chance))),
                (None, _) => drop(fields.insert(at.into(), super::property_tests::schema(chance, 1))),
            }
        }
        "required" => {
            let at = json!(["a", "b", "c"][chance.random_range(0..3)]);
            let names = value.as_array_mut().unwrap();
            match names.iter().position(|name| *name == at) {
                Some(place) => drop(names.remove(place)),
                None => names.push(at),
            }
        }
        "additionalProperties" if value.is_boolean() => *value = json!(!value.as_bool().unwrap()),
        "items" | "additionalProperties" => *value = changed(value, chance),
        _ => {}
    }
    schema
}

/// A document as a program writes one that has this schema for its type; `None` where nothing is valid.
fn document(schema: &Value, chance: &mut SmallRng) -> Option<Value> {
    let pick = |list: &[Value], chance: &mut SmallRng| list[chance.random_range(0..list.len())].clone();
    if let Some(values) = schema["enum"].as_array() {
        return Some(pick(values, chance));
    }
    if let Some(parts) = schema["anyOf"].as_array() {
        return document(&pick(parts, chance), chance);
    }
    let named = match &schema["type"] {
        Value::Array(types) => pick(types, chance),
        name => name.clone(),
    };
    Some(match named.as_str().unwrap() {
        "null" => Value::Null,
        "boolean" => json!(chance.random_bool(0.5)),
        "integer" => {
            let (least, most) = (schema["minimum"].as_i64().unwrap(), schema["maximum"].as_i64().unwrap());
            (least <= most).then(|| json!(chance.random_range(least..=most)))?
        }
        "number" => json!(f64::from(chance.random_range(-9..9)) / 2.0),
        "string" => {
            "x".repeat(chance.random_range(0..=usize::try_from(schema["maxLength"].as_u64().unwrap()).unwrap())).into()
        }
        "array" => {
            let least = schema["minItems"].as_u64().unwrap();
            (0..chance.random_range(least..least + 2))
                .map(|_| document(&schema["items"], chance))
                .collect::<Option<_>>()?
        }
        _ if schema["properties"].is_object() => {
            let fields = schema["properties"].as_object().unwrap();
            let required = schema["required"].as_array().unwrap();
            let mut written = Map::new();
            for (name, field) in fields {
                if required.contains(&json!(name)) || chance.random_bool(0.5) {
                    written.insert(name.clone(), document(field, chance)?);
                }
            }
            required
                .iter()
                .all(|name| written.contains_key(name.as_str().unwrap()))
                .then_some(Value::Object(written))?
        }
        _ => {
            let names: Vec<&str> = ["a", "b", "z"].into_iter().filter(|_| chance.random_bool(0.5)).collect();
            let field = |name: &str| Some((name.to_owned(), document(&schema["additionalProperties"], chance)?));
            Value::Object(names.into_iter().map(field).collect::<Option<_>>()?)
        }
    })
}

#[test]
fn what_is_called_compatible_is_valid() {
    let (mut compatible, mut breaking, mut broken) = (0, 0, 0);
    for seed in 0..4_000 {
        let chance = &mut SmallRng::seed_from_u64(seed);
        let old = schema(chance, 3);
        let mut new = old.clone();
        for _ in 0..chance.random_range(1..4) {
            new = changed(&new, chance);
        }
        let told = breaking_changes(&old, &new, Compatibility::Backward);
        let forward = breaking_changes(&new, &old, Compatibility::Forward);
        assert_eq!(told.is_empty(), forward.is_empty(), "the same, from the other side");
        let is_valid = jsonschema::validator_for(&new).unwrap();
        let documents: Vec<Value> = (0..20).filter_map(|_| document(&old, chance)).collect();
        let invalid = documents.iter().find(|document| !is_valid.is_valid(document));
        if told.is_empty() {
            assert_eq!(invalid, None, "seed {seed}: {old} to {new}");
            compatible += usize::from(old != new);
        } else {
            breaking += 1;
            broken += usize::from(invalid.is_some());
        }
    }
    // Neither answer is given for want of the other; and most of what is refused has a document to show for it.
    assert!(compatible > 500 && breaking > 500, "{compatible} compatible, {breaking} breaking");
    assert!(broken * 2 > breaking, "of {breaking} called breaking, {broken} were seen to break");
}

#[test]
fn nothing_breaks_where_nothing_changed() {
    for seed in 0..500 {
        let same = schema(&mut SmallRng::seed_from_u64(seed), 3);
        assert_eq!(breaking_changes(&same, &same, Compatibility::Full), [], "{same}");
    }
}
