//! A schema with its references followed and its alternatives spread out.

use serde_json::{Map, Value, json};

/// One alternative of a schema: keywords that hold together, of one type at most.
pub(super) type Alternative = Map<String, Value>;

/// Deeper than any schema follows its own references without a field in between.
const DEPTH: usize = 32;

/// More alternatives than this are not told apart.
const MOST: usize = 4096;

/// Where what cannot be put together is kept. It is no keyword, so nobody takes it for judged.
const UNJUDGED: &str = "allOf";

/// Keywords that say nothing about what is valid.
const NOTES: [&str; 15] = [
    "$schema",
    "$id",
    "$anchor",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "contentMediaType",
    "contentEncoding",
];

pub(super) struct Document<'a>(pub(super) &'a Value);

impl Document<'_> {
    /// Every alternative of a schema of this document; none if nothing is valid.
    pub(super) fn alternatives(&self, schema: &Value) -> Vec<Alternative> {
        self.spread(schema, DEPTH)
    }

    /// Schemas that all references lead to, for a comparison that cannot look into them.
    pub(super) fn definitions(&self) -> [Option<&Value>; 2] {
        ["$defs", "definitions"].map(|name| self.0.get(name))
    }

    fn spread(&self, schema: &Value, depth: usize) -> Vec<Alternative> {
        let keywords = match schema {
            Value::Bool(true) => return vec![Map::new()],
            Value::Object(keywords) if depth > 0 => keywords,
            Value::Bool(false) => return Vec::new(),
            _ => return unjudged(schema),
        };
        let mut all = vec![Map::new()];
        let mut own = Map::new();
        for (name, value) in keywords {
            match (name.as_str(), value) {
                ("$ref", Value::String(target)) => match self.find(target) {
                    Some(target) => all = both(&all, &self.spread(target, depth - 1)),
                    // It is told as what it is: nobody wrote an `allOf`.
                    None => all = both(&all, &[one("$ref", value)]),
                },
                ("allOf", Value::Array(parts)) => {
                    for part in parts {
                        all = both(&all, &self.spread(part, depth - 1));
                    }
                }
                ("anyOf" | "oneOf", Value::Array(parts)) => {
                    let either: Vec<_> = parts.iter().flat_map(|part| self.spread(part, depth - 1)).collect();
                    all = both(&all, &either);
                }
                ("type", Value::Array(types)) => {
                    let either: Vec<_> = types.iter().map(|name| one("type", name)).collect();
                    all = both(&all, &either);
                }
                ("enum", Value::Array(values)) => {
                    let either: Vec<_> = values.iter().map(|value| one("const", value)).collect();
                    all = both(&all, &either);
                }
                (name, _) if NOTES.contains(&name) || name.starts_with("x-") => {}
                _ => {
                    own.insert(name.to_owned(), value.clone());
                }
            }
            if all.len() > MOST {
                return unjudged(schema);
            }
        }
        let mut all = both(&all, &[own]);
        for alternative in &mut all {
            // All parts lie in one place here, so what no part knows is what this place does not list.
            match alternative.remove("unevaluatedProperties") {
                None | Some(Value::Bool(true)) => {}
                Some(rest) if alternative.contains_key("additionalProperties") => {
                    alternative.insert(UNJUDGED.into(), rest);
                }
                Some(rest) => {
                    alternative.insert("additionalProperties".into(), rest);
                }
            }
        }
        all
    }

    fn find(&self, target: &str) -> Option<&Value> {
        self.0.pointer(target.strip_prefix('#')?)
    }
}

fn one(name: &str, value: &Value) -> Alternative {
    Map::from_iter([(name.to_owned(), value.clone())])
}

fn unjudged(schema: &Value) -> Vec<Alternative> {
    vec![one(UNJUDGED, schema)]
}

/// Whatever fits one of each.
fn both(left: &[Alternative], right: &[Alternative]) -> Vec<Alternative> {
    left.iter().flat_map(|left| right.iter().filter_map(|right| merge(left, right))).collect()
}

/// What fits both; `None` if nothing does.
fn merge(left: &Alternative, right: &Alternative) -> Option<Alternative> {
    let mut merged = left.clone();
    for (name, value) in right {
        let Some(other) = merged.get(name).cloned() else {
            merged.insert(name.clone(), value.clone());
            continue;
        };
        if other == *value {
            continue;
        }
        let together = match name.as_str() {
            "type" => match (other.as_str(), value.as_str()) {
                (Some("integer"), Some("number")) | (Some("number"), Some("integer")) => json!("integer"),
                _ => return None,
            },
            "const" => return None,
            "required" => {
                let mut names: Vec<Value> =
                    [&other, value].into_iter().filter_map(Value::as_array).flatten().cloned().collect();
                names.sort_by_cached_key(Value::to_string);
                names.dedup();
                Value::Array(names)
            }
            "properties" => Value::Object(properties(other.as_object()?, value.as_object()?)),
            "items" => json!({ "allOf": [other, value] }),
            // `additionalProperties` is about the fields of its own place, which are others from here on.
            _ => {
                let unjudged = merged.remove(UNJUDGED);
                merged.insert(UNJUDGED.into(), json!([unjudged, { name: [other, value] }]));
                continue;
            }
        };
        merged.insert(name.clone(), together);
    }
    let closed = |side: &Alternative| !matches!(side.get("additionalProperties"), None | Some(Value::Bool(true)));
    if (closed(left) && right.contains_key("properties") || closed(right) && left.contains_key("properties"))
        && left.get("properties") != right.get("properties")
    {
        merged.insert(UNJUDGED.into(), json!([left, right]));
    }
    fits(&merged).then_some(merged)
}

fn properties(left: &Map<String, Value>, right: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = left.clone();
    for (name, value) in right {
        match merged.get_mut(name) {
            Some(other) if other != value => *other = json!({ "allOf": [other.clone(), value] }),
            _ => {
                merged.insert(name.clone(), value.clone());
            }
        }
    }
    merged
}

/// Whether the one value, where there is one, is of the type.
fn fits(alternative: &Alternative) -> bool {
    match (alternative.get("const"), alternative.get("type").and_then(Value::as_str)) {
        (Some(value), Some(name)) => {
            let of = type_of(value);
            of == name || (of == "integer" && name == "number")
        }
        _ => true,
    }
}

/// The narrowest type that a value is of.
pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
