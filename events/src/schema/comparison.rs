//! Whether all that one schema writes is read by another.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{
    change::{Change, Difference, Direction},
    document::{Alternative, Document, type_of},
    range::Range,
};

/// A walk through both at once. What is in hand already counts as readable, or a type that has itself in it would never end.
pub(super) struct Comparison<'a> {
    writer: &'a Document<'a>,
    reader: &'a Document<'a>,
    direction: Direction,
    seen: HashSet<(String, String)>,
    found: Vec<Change>,
}

/// Whatever a field may hold that is not spoken of.
const ANYTHING: Value = Value::Bool(true);

impl Comparison<'_> {
    pub(super) fn of(writer: &Value, reader: &Value, direction: Direction) -> Vec<Change> {
        let (writing, reading) = (Document(writer), Document(reader));
        let seen = HashSet::new();
        let mut comparison = Comparison { writer: &writing, reader: &reading, direction, seen, found: Vec::new() };
        comparison.schema(writer, reader, "");
        comparison.found
    }

    fn found(&mut self, at: &str, difference: &Difference) {
        let change = Change { at: at.to_owned(), direction: self.direction, change: difference.told(self.direction) };
        if !self.found.contains(&change) {
            self.found.push(change);
        }
    }

    /// A difference in a limit, unless what is read includes what is written.
    #[expect(clippy::needless_pass_by_value, reason = "most are made for it")]
    fn limit<T: ToString>(&mut self, at: &str, keyword: &'static str, written: T, read: T, is_read: bool) {
        if !is_read {
            self.found(at, &Difference::Limit(keyword, written.to_string(), read.to_string()));
        }
    }

    fn schema(&mut self, written: &Value, read: &Value, at: &str) {
        if !self.seen.insert((written.to_string(), read.to_string())) {
            return;
        }
        let (written, read) = (self.writer.alternatives(written), self.reader.alternatives(read));
        if read.is_empty() && !written.is_empty() {
            return self.found(at, &Difference::Nothing);
        }
        for alternative in &written {
            self.alternative(alternative, &read, at);
        }
    }

    /// One alternative that is written has to be one that is read. If it is none, the nearest says why.
    fn alternative(&mut self, written: &Alternative, read: &[Alternative], at: &str) {
        let mut nearest: Option<(usize, Self)> = None;
        for candidate in read {
            let mut attempt = Self {
                writer: self.writer,
                reader: self.reader,
                direction: self.direction,
                seen: self.seen.clone(),
                found: Vec::new(),
            };
            let distance = attempt.one(written, candidate, at);
            if attempt.found.is_empty() {
                self.seen = attempt.seen;
                return;
            }
            if nearest.as_ref().is_none_or(|(other, _)| distance < *other) {
                nearest = Some((distance, attempt));
            }
        }
        let Some((distance, nearest)) = nearest else { return };
        let missing = match written.get("const") {
            Some(value) => Some(Difference::Value(value.clone())),
            None if distance >= FAR && read.len() > 1 => {
                let mut types: Vec<&str> = read.iter().map(name_of).collect();
                types.dedup();
                Some(tag(written).unwrap_or_else(|| Difference::Type(name_of(written).into(), types.join(" or "))))
            }
            None => None,
        };
        match missing {
            Some(difference) => self.found(at, &difference),
            None => nearest.found.into_iter().for_each(|change| {
                if !self.found.contains(&change) {
                    self.found.push(change);
                }
            }),
        }
    }

    /// Whether one alternative reads another, and how far it is from that.
    fn one(&mut self, written: &Alternative, read: &Alternative, at: &str) -> usize {
        if let Some(only) = read.get("const") {
            if written.get("const") != Some(only) {
                match written.get("const") {
                    Some(value) => self.found(at, &Difference::Value(value.clone())),
                    None => self.found(at, &Difference::Type(name_of(written).into(), format!("only {only}"))),
                }
                return FAR;
            }
            return 0;
        }
        let constant = written.get("const").map(of_constant);
        let written = constant.as_ref().unwrap_or(written);
        let (from, to) = (type_name(written), type_name(read));
        let fits = match (from, to) {
            (_, None) => true,
            (Some(from), Some(to)) => from == to || (from == "integer" && to == "number"),
            (None, Some(_)) => false,
        };
        if !fits {
            self.found(at, &Difference::Type(name_of(written).into(), name_of(read).into()));
            return FAR;
        }
        let is = |name| from.is_none_or(|from| from == name);
        if is("string") {
            self.text(written, read, at);
        }
        if is("integer") || is("number") {
            self.number(written, read, from == Some("integer"), at);
        }
        if is("array") {
            self.array(written, read, at);
        }
        let mut distance = 0;
        if is("object") {
            distance = self.object(written, read, at);
        }
        self.unjudged(written, read, at);
        distance + self.found.len()
    }

    fn text(&mut self, written: &Alternative, read: &Alternative, at: &str) {
        self.counts(written, read, ["minLength", "maxLength"], at);
        for keyword in ["format", "pattern"] {
            let [from, to] = [written, read].map(|side| side.get(keyword).and_then(Value::as_str));
            if to.is_some() && from != to {
                self.limit(at, keyword, from.unwrap_or("none"), to.unwrap_or("none"), false);
            }
        }
    }

    fn number(&mut self, written: &Alternative, read: &Alternative, is_whole: bool, at: &str) {
        let reads_whole = type_name(read) == Some("integer") || (is_whole && type_name(read).is_none());
        let (from, to) = (Range::of(written, is_whole), Range::of(read, reads_whole));
        self.limit(at, "the range", from, to, to.contains(&from));
        let is_single = |side: &Alternative| side.get("format").and_then(Value::as_str) == Some("float");
        if is_single(read) && !is_single(written) {
            self.limit(at, "format", "double", "float", false);
        }
        let step = |side: &Alternative| side.get("multipleOf").and_then(Value::as_f64);
        if let Some(to) = step(read) {
            let is_read = step(written).is_some_and(|from| (from / to).fract() == 0.0);
            let from = step(written).map_or("none".to_owned(), |from| from.to_string());
            self.limit(at, "multipleOf", from, to.to_string(), is_read);
        }
    }

    fn array(&mut self, written: &Alternative, read: &Alternative, at: &str) {
        self.counts(written, read, ["minItems", "maxItems"], at);
        let unique = |side: &Alternative| side.get("uniqueItems") == Some(&Value::Bool(true));
        self.limit(at, "uniqueItems", unique(written), unique(read), unique(written) || !unique(read));
        let first = |side: &Alternative| side.get("prefixItems").and_then(Value::as_array).cloned().unwrap_or_default();
        let rest = |side: &Alternative| side.get("items").cloned().unwrap_or(ANYTHING);
        let (from, to) = (first(written), first(read));
        let most = written.get("maxItems").and_then(Value::as_u64).and_then(|most| usize::try_from(most).ok());
        let places = from.len().max(to.len()).min(most.unwrap_or(usize::MAX));
        for place in 0..places {
            let [from, to] = [from.get(place), to.get(place)];
            let (from, to) = (from.cloned().unwrap_or(rest(written)), to.cloned().unwrap_or(rest(read)));
            self.schema(&from, &to, &format!("{at}[{place}]"));
        }
        if most.is_none_or(|most| most > places) {
            self.schema(&rest(written), &rest(read), &format!("{at}[]"));
        }
    }

    /// Gives how far both are from each other.
    fn object(&mut self, written: &Alternative, read: &Alternative, at: &str) -> usize {
        self.counts(written, read, ["minProperties", "maxProperties"], at);
        let place = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
        let empty = Map::new();
        let fields = |side: &'_ Alternative| side.get("properties").and_then(Value::as_object).cloned();
        let (known, reads) = (fields(written), fields(read).unwrap_or_else(|| empty.clone()));
        let required = |side: &Alternative| -> Vec<String> {
            let names = side.get("required").and_then(Value::as_array);
            names.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        // What an object without a list of fields has is not known, and may be anything.
        let others = match written.get("additionalProperties") {
            Some(Value::Bool(false)) => None,
            Some(others @ Value::Object(_)) => Some(others.clone()),
            _ => known.is_none().then_some(ANYTHING),
        };
        let patterns =
            written.get("patternProperties").filter(|patterns| read.get("patternProperties") != Some(*patterns));
        let others = match patterns.and_then(Value::as_object) {
            None => others,
            Some(patterns) => Some(json!({ "anyOf": patterns.values().cloned().chain(others).collect::<Vec<_>>() })),
        };
        let known = known.unwrap_or(empty);
        let surely = required(written);
        for name in required(read).iter().filter(|name| !surely.contains(name)) {
            self.found(&place(name), &Difference::Required { known: known.contains_key(name) });
        }
        let rest = read.get("additionalProperties").cloned().unwrap_or(ANYTHING);
        let mut distance = 0;
        for (name, field) in &known {
            match reads.get(name) {
                // The field that says which alternative it is.
                Some(to) if is_tag(field) && is_tag(to) && field.get("const") != to.get("const") => {
                    distance = FAR;
                    self.schema(field, to, &place(name));
                }
                Some(to) => self.schema(field, to, &place(name)),
                None if rest == Value::Bool(false) => self.found(&place(name), &Difference::Refused),
                None => self.schema(field, &rest, &place(name)),
            }
        }
        if let Some(others) = others {
            for (name, to) in reads.iter().filter(|(name, _)| !known.contains_key(*name)) {
                self.schema(&others, to, &place(name));
            }
            self.schema(&others, &rest, &place("*"));
        }
        // By name patterns, a field may be of a shape that is not listed.
        if read.contains_key("patternProperties") && reads.keys().any(|name| !known.contains_key(name)) {
            self.found(at, &Difference::Unjudged("patternProperties".into()));
        }
        distance
    }

    /// A least and a most of something that is counted.
    fn counts(&mut self, written: &Alternative, read: &Alternative, [least, most]: [&'static str; 2], at: &str) {
        let count = |side: &Alternative, name: &str| side.get(name).and_then(Value::as_u64);
        let (from, to) = (count(written, least).unwrap_or(0), count(read, least).unwrap_or(0));
        self.limit(at, least, from, to, from >= to);
        if let Some(to) = count(read, most) {
            let from = count(written, most);
            let told = from.map_or("none".to_owned(), |from| from.to_string());
            self.limit(at, most, told, to.to_string(), from.is_some_and(|from| from <= to));
        }
    }

    /// Of keywords whose meaning is not looked into, only the same is the same.
    fn unjudged(&mut self, written: &Alternative, read: &Alternative, at: &str) {
        for (keyword, to) in read.iter().filter(|(keyword, _)| !JUDGED.contains(&keyword.as_str())) {
            let refers = to.to_string().contains("\"$ref\"");
            let is_same =
                written.get(keyword) == Some(to) && (!refers || self.writer.definitions() == self.reader.definitions());
            if !is_same {
                self.found(at, &Difference::Unjudged(keyword.clone()));
            }
        }
    }
}

/// Further than an alternative of the same kind can be.
const FAR: usize = 1_000_000;

/// Keywords whose meaning is judged.
const JUDGED: [&str; 21] = [
    "type",
    "const",
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "properties",
    "required",
    "additionalProperties",
    "minProperties",
    "maxProperties",
];

fn type_name(side: &Alternative) -> Option<&str> {
    side.get("type").and_then(Value::as_str)
}

fn name_of(side: &Alternative) -> &str {
    side.get("const").map(type_of).or(type_name(side)).unwrap_or("anything")
}

fn is_tag(field: &Value) -> bool {
    field.get("const").is_some()
}

/// The value that says which alternative an object is.
fn tag(side: &Alternative) -> Option<Difference> {
    let fields = side.get("properties")?.as_object()?;
    fields.values().find_map(|field| field.get("const")).map(|value| Difference::Value(value.clone()))
}

/// What is known of a value by itself.
fn of_constant(value: &Value) -> Alternative {
    let mut known = Map::from_iter([("type".to_owned(), type_of(value).into())]);
    match value {
        Value::Number(_) => {
            known.insert("minimum".into(), value.clone());
            known.insert("maximum".into(), value.clone());
        }
        Value::String(text) => {
            let length = text.chars().count();
            known.insert("minLength".into(), length.into());
            known.insert("maxLength".into(), length.into());
        }
        _ => {}
    }
    known
}
