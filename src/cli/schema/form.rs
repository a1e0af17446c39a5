//! Whether a document is a JSON Schema, as far as a comparison reads it.
//!
//! What is misspelt there would otherwise be compared as if it said nothing.

use std::collections::HashSet;

use serde_json::Value;

/// What is wrong with a schema, and where.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub(super) struct Malformed {
    /// A JSON pointer, as `$ref` has it.
    place: String,
    reason: String,
}

/// What a keyword takes: <https://json-schema.org/draft/2020-12/json-schema-validation>, and `json-schema-core` beside it.
#[derive(Clone, Copy)]
enum Takes {
    TypeNames,
    Schema,
    /// A schema, or in drafts before 2020-12 a list of them.
    SchemaOrList,
    ListOfSchemas,
    SchemasByName,
    Names,
    Values,
    Count,
    Number,
    Text,
    YesOrNo,
    Reference,
}

const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

/// Of a keyword that is not known here nothing is expected: it is compared as it stands.
fn takes(keyword: &str) -> Option<Takes> {
    Some(match keyword {
        "type" => Takes::TypeNames,
        "additionalProperties"
        | "unevaluatedProperties"
        | "unevaluatedItems"
        | "propertyNames"
        | "contains"
        | "not"
        | "if"
        | "then"
        | "else" => Takes::Schema,
        "items" => Takes::SchemaOrList,
        "prefixItems" | "allOf" | "anyOf" | "oneOf" => Takes::ListOfSchemas,
        "properties" | "patternProperties" | "dependentSchemas" | "$defs" | "definitions" => Takes::SchemasByName,
        "required" => Takes::Names,
        "enum" => Takes::Values,
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => Takes::Count,
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => Takes::Number,
        "format" | "pattern" => Takes::Text,
        "uniqueItems" => Takes::YesOrNo,
        "$ref" => Takes::Reference,
        _ => return None,
    })
}

/// The first thing that is found to be wrong with the document.
pub(super) fn check(document: &Value) -> Result<(), Malformed> {
    let mut form = Form { document, open: vec![("#".to_owned(), document)], seen: HashSet::new() };
    while let Some((place, schema)) = form.open.pop() {
        // A part that others refer to is met more than once, and one that refers to itself for ever.
        if form.seen.insert(place.clone()) {
            form.schema(&place, schema)?;
        }
    }
    Ok(())
}

/// A walk through all schemas of a document.
struct Form<'a> {
    document: &'a Value,
    open: Vec<(String, &'a Value)>,
    seen: HashSet<String>,
}

impl<'a> Form<'a> {
    fn schema(&mut self, place: &str, schema: &'a Value) -> Result<(), Malformed> {
        let keywords = match schema {
            Value::Bool(_) => return Ok(()),
            Value::Object(keywords) => keywords,
            other => return wrong(place, "a schema: an object, or true or false", other),
        };
        for (keyword, value) in keywords {
            if let Some(takes) = takes(keyword) {
                self.keyword(within(place, keyword), takes, value)?;
            }
        }
        Ok(())
    }

    fn keyword(&mut self, place: String, takes: Takes, value: &'a Value) -> Result<(), Malformed> {
        match (takes, value) {
            (Takes::TypeNames, Value::Array(names)) if !names.is_empty() => {
                names.iter().try_for_each(|name| type_name(&place, name))
            }
            (Takes::TypeNames, name) => type_name(&place, name),
            (Takes::SchemaOrList | Takes::ListOfSchemas, Value::Array(schemas)) => {
                let places = (0..schemas.len()).map(|index| within(&place, &index.to_string()));
                self.open.extend(places.zip(schemas));
                Ok(())
            }
            (Takes::Schema | Takes::SchemaOrList, schema) => {
                self.open.push((place, schema));
                Ok(())
            }
            (Takes::ListOfSchemas, other) => wrong(&place, "a list of schemas", other),
            (Takes::SchemasByName, Value::Object(schemas)) => {
                self.open.extend(schemas.iter().map(|(name, schema)| (within(&place, name), schema)));
                Ok(())
            }
            (Takes::SchemasByName, other) => wrong(&place, "an object with a schema for each name", other),
            (Takes::Names, Value::Array(names)) if names.iter().all(Value::is_string) => Ok(()),
            (Takes::Names, other) => wrong(&place, "a list of names", other),
            (Takes::Values, Value::Array(_))
            | (Takes::Number, Value::Number(_))
            | (Takes::Text, Value::String(_))
            | (Takes::YesOrNo, Value::Bool(_)) => Ok(()),
            (Takes::Values, other) => wrong(&place, "a list of values", other),
            (Takes::Count, Value::Number(number)) if number.is_u64() => Ok(()),
            (Takes::Count, other) => wrong(&place, "a whole number, 0 or more", other),
            (Takes::Number, other) => wrong(&place, "a number", other),
            (Takes::Text, other) => wrong(&place, "a text", other),
            (Takes::YesOrNo, other) => wrong(&place, "true or false", other),
            (Takes::Reference, Value::String(target)) => self.reference(&place, target),
            (Takes::Reference, other) => wrong(&place, "a reference, such as \"#/$defs/Item\"", other),
        }
    }

    /// What lies in other documents is not looked for: it counts as what cannot be judged. So does a name (`$anchor`).
    fn reference(&mut self, place: &str, target: &str) -> Result<(), Malformed> {
        let Some(pointer) = target.strip_prefix('#') else { return Ok(()) };
        if !pointer.is_empty() && (!pointer.starts_with('/') || pointer.contains('%')) {
            return Ok(());
        }
        let Some(schema) = self.document.pointer(pointer) else {
            let reason = format!("`{target}` leads nowhere in this document");
            return Err(Malformed { place: place.to_owned(), reason });
        };
        self.open.push((target.to_owned(), schema));
        Ok(())
    }
}

fn type_name(place: &str, name: &Value) -> Result<(), Malformed> {
    if name.as_str().is_some_and(|name| TYPES.contains(&name)) {
        return Ok(());
    }
    wrong(place, &format!("a type, or a list of types: {}", TYPES.join(", ")), name)
}

fn wrong(place: &str, expected: &str, found: &Value) -> Result<(), Malformed> {
    Err(Malformed { place: place.to_owned(), reason: format!("expected {expected}; found {}", short(found)) })
}

/// As much of a value as fits on a line.
fn short(value: &Value) -> String {
    const MOST: usize = 40;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The pointer to a part: RFC 6901, section 3.
fn within(place: &str, name: &str) -> String {
    format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use millgate_events::schemars::{JsonSchema, schema_for};
    use serde_json::json;

    use super::*;

    fn wrong(document: &Value) -> String {
        check(document).unwrap_err().to_string()
    }

    #[test]
    fn what_is_misspelt_is_told_with_its_place() {
        let types = "null, boolean, integer, number, string, array, object";
        for (schema, told) in [
            (
                json!({ "type": "strin" }),
                format!("#/type: expected a type, or a list of types: {types}; found \"strin\""),
            ),
            (json!({ "type": [] }), format!("#/type: expected a type, or a list of types: {types}; found []")),
            (
                json!({ "properties": 5 }),
                "#/properties: expected an object with a schema for each name; found 5".to_owned(),
            ),
            (
                json!({ "properties": { "a/b": { "type": ["string", "nul"] } } }),
                format!("#/properties/a~1b/type: expected a type, or a list of types: {types}; found \"nul\""),
            ),
            (json!({ "items": 1 }), "#/items: expected a schema: an object, or true or false; found 1".into()),
            (json!({ "items": [{}, 1] }), "#/items/1: expected a schema: an object, or true or false; found 1".into()),
            (json!({ "anyOf": {} }), "#/anyOf: expected a list of schemas; found {}".into()),
            (json!({ "required": true }), "#/required: expected a list of names; found true".into()),
            (json!({ "required": ["a", 1] }), "#/required: expected a list of names; found [\"a\",1]".into()),
            (json!({ "enum": "a" }), "#/enum: expected a list of values; found \"a\"".into()),
            (json!({ "minLength": -1 }), "#/minLength: expected a whole number, 0 or more; found -1".into()),
            (json!({ "exclusiveMinimum": true }), "#/exclusiveMinimum: expected a number; found true".into()),
            (json!({ "format": 1 }), "#/format: expected a text; found 1".into()),
            (json!({ "uniqueItems": "yes" }), "#/uniqueItems: expected true or false; found \"yes\"".into()),
            (json!({ "$ref": 1 }), "#/$ref: expected a reference, such as \"#/$defs/Item\"; found 1".into()),
            (
                json!({ "properties": { "a": { "$ref": "#/nope" } } }),
                "#/properties/a/$ref: `#/nope` leads nowhere in this document".into(),
            ),
            // Also where nothing but a reference leads.
            (
                json!({ "$ref": "#/components/A", "components": { "A": { "type": "txt" } } }),
                format!("#/components/A/type: expected a type, or a list of types: {types}; found \"txt\""),
            ),
            (json!(7), "#: expected a schema: an object, or true or false; found 7".into()),
        ] {
            assert_eq!(wrong(&schema), told, "{schema}");
        }
    }

    #[derive(JsonSchema)]
    #[schemars(crate = "millgate_events::schemars")]
    #[expect(dead_code, reason = "only its schema is wanted")]
    struct Tree {
        kids: Vec<Tree>,
        leaf: Option<Leaf>,
        pair: (u8, String),
        by_name: std::collections::BTreeMap<String, f32>,
    }

    #[derive(JsonSchema)]
    #[schemars(crate = "millgate_events::schemars")]
    #[expect(dead_code, reason = "only its schema is wanted")]
    enum Leaf {
        Green,
        Red { since: u32 },
    }

    #[test]
    fn what_is_a_schema_passes() {
        check(schema_for!(Tree).as_value()).unwrap();
        for schema in [
            json!(true),
            json!({}),
            json!({ "$ref": "#" }),
            json!({ "$ref": "https://example.org/other.json" }),
            json!({ "type": ["string", "null"], "minimum": 0.5, "x-note": 1, "default": { "type": "anything" } }),
            // A field may be called as keywords are.
            json!({ "properties": { "type": true, "required": { "type": "boolean" } } }),
        ] {
            check(&schema).unwrap_or_else(|error| panic!("{schema}: {error}"));
        }
    }
}
