//! From Avro to JSON.
//!
//! What JSON has no type for becomes what serde reads as the Rust type that one would use: times are RFC 3339, decimals are text
//! with all their digits, bytes are base64. A union is the value that it holds.

use std::collections::HashMap;

use apache_avro::{
    BigDecimal, Duration,
    schema::{Name, ResolvedSchema, Schema},
    types::Value as Avro,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, NaiveDateTime, NaiveTime, SecondsFormat, TimeDelta, Utc};
use serde_json::Value;

use super::nesting::contains_itself;

/// Digits of a decimal, before or after the point. A few bytes can say that there are billions of them.
pub(super) const MOST_DIGITS: i64 = 1_000;

/// A schema, and the types in it by their full names.
pub(super) struct AvroSchema {
    root: Schema,
    names: HashMap<Name, Schema>,
    contains_itself: bool,
}

impl AvroSchema {
    pub(super) fn new(root: Schema) -> Result<Self, String> {
        let resolved = ResolvedSchema::new(&root).map_err(|error| error.to_string())?;
        let names = resolved.get_names().iter().map(|(name, schema)| (name.clone(), (*schema).clone())).collect();
        let mut schema = Self { names, root, contains_itself: false };
        schema.contains_itself = contains_itself(schema.typed(), &mut Vec::new());
        Ok(schema)
    }

    /// Whether a type of it has itself within, so that values may nest without end.
    pub(super) fn contains_itself(&self) -> bool {
        self.contains_itself
    }

    /// The whole of it.
    pub(super) fn root(&self) -> &Schema {
        &self.root
    }

    /// The full name of its type, if it has one.
    pub(super) fn name(&self) -> Option<String> {
        self.root.name().map(|name| name.fullname(None))
    }

    pub(super) fn typed(&self) -> Typed<'_> {
        Typed { schema: &self.root, namespace: None, names: &self.names }
    }

    /// The value as JSON, or what in it has no place there.
    pub(super) fn to_json(&self, value: Avro) -> Result<Value, String> {
        json(value, self.typed())
    }
}

/// A part of a schema, and what it takes to find the parts that it only names.
#[derive(Clone, Copy)]
pub(super) struct Typed<'a> {
    pub(super) schema: &'a Schema,
    namespace: Option<&'a str>,
    names: &'a HashMap<Name, Schema>,
}

impl<'a> Typed<'a> {
    pub(super) fn of(self, schema: &'a Schema) -> Self {
        Self { schema, ..self }
    }

    pub(super) fn namespace(self) -> Option<&'a str> {
        self.namespace
    }

    /// The same with the type that a name stands for, and inside of its namespace.
    pub(super) fn resolved(self) -> Result<Self, String> {
        let name = match self.schema {
            Schema::Ref { name } => name,
            Schema::Record(record) => &record.name,
            _ => return Ok(self),
        };
        let full = name.fully_qualified_name(self.namespace);
        let (found, schema) = self
            .names
            .get_key_value(full.as_ref())
            .ok_or_else(|| format!("its schema does not have the type {name}"))?;
        Ok(Self { schema, namespace: found.namespace(), ..self })
    }
}

fn json(value: Avro, typed: Typed<'_>) -> Result<Value, String> {
    let typed = typed.resolved()?;
    Ok(match (value, typed.schema) {
        (Avro::Null, _) => Value::Null,
        (Avro::Boolean(value), _) => value.into(),
        (Avro::Int(value), _) => value.into(),
        (Avro::Long(value), _) => value.into(),
        // By its digits: as a double it would have more of them than it had.
        (Avro::Float(value), _) => value.to_string().parse().map_or_else(|_| value.to_string().into(), float),
        (Avro::Double(value), _) => float(value),
        (Avro::Bytes(bytes) | Avro::Fixed(_, bytes), _) => BASE64_STANDARD.encode(bytes).into(),
        (Avro::String(text) | Avro::Enum(_, text), _) => text.into(),
        (Avro::Union(variant, value), Schema::Union(union)) => {
            let variant = union.variants().get(variant as usize).ok_or("a union has no such alternative")?;
            json(*value, typed.of(variant))?
        }
        (Avro::Array(items), Schema::Array(array)) => {
            let items = items.into_iter().map(|item| json(item, typed.of(&array.items)));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        (Avro::Map(entries), Schema::Map(map)) => {
            let entries = entries.into_iter().map(|(name, value)| Ok((name, json(value, typed.of(&map.types))?)));
            Value::Object(entries.collect::<Result<_, String>>()?)
        }
        (Avro::Record(values), Schema::Record(record)) => {
            let fields = values.into_iter().zip(&record.fields);
            let fields = fields.map(|((name, value), field)| Ok((name, json(value, typed.of(&field.schema))?)));
            Value::Object(fields.collect::<Result<_, String>>()?)
        }
        (Avro::Decimal(decimal), Schema::Decimal(schema)) => {
            let scale = i64::try_from(schema.scale).map_err(|_| "a decimal has too many digits")?;
            plain(&BigDecimal::new(decimal.into(), scale))?
        }
        (Avro::BigDecimal(decimal), _) => plain(&decimal)?,
        (Avro::Date(days), _) => {
            let day = TimeDelta::try_days(days.into()).and_then(|days| DateTime::UNIX_EPOCH.checked_add_signed(days));
            day.ok_or("a date is out of range")?.date_naive().to_string().into()
        }
        (Avro::TimeMillis(millis), _) => time_of_day(i64::from(millis) * 1_000)?,
        (Avro::TimeMicros(micros), _) => time_of_day(micros)?,
        (Avro::TimestampMillis(millis), _) => instant(DateTime::from_timestamp_millis(millis))?,
        (Avro::TimestampMicros(micros), _) => instant(DateTime::from_timestamp_micros(micros))?,
        (Avro::TimestampNanos(nanos), _) => instant(Some(DateTime::from_timestamp_nanos(nanos)))?,
        (Avro::LocalTimestampMillis(millis), _) => local(DateTime::from_timestamp_millis(millis))?,
        (Avro::LocalTimestampMicros(micros), _) => local(DateTime::from_timestamp_micros(micros))?,
        (Avro::LocalTimestampNanos(nanos), _) => local(Some(DateTime::from_timestamp_nanos(nanos)))?,
        (Avro::Duration(duration), _) => iso(duration).into(),
        (Avro::Uuid(id), _) => id.to_string().into(),
        _ => return Err("the value is of another type than its schema says".into()),
    })
}

/// JSON has no number for what is none; these are the words that protobuf has for it.
fn float(value: f64) -> Value {
    let word = if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    serde_json::Number::from_f64(value).map_or_else(|| word.into(), Value::Number)
}

fn plain(decimal: &BigDecimal) -> Result<Value, String> {
    if decimal.fractional_digit_count().abs() > MOST_DIGITS {
        return Err(format!("a decimal has more than {MOST_DIGITS} digits on one side of its point"));
    }
    Ok(decimal.to_plain_string().into())
}

fn time_of_day(micros: i64) -> Result<Value, String> {
    let (seconds, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let nanos = u32::try_from(rest * 1_000).ok();
    let time = u32::try_from(seconds)
        .ok()
        .zip(nanos)
        .and_then(|(seconds, nanos)| NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos));
    Ok(time.ok_or("a time of day is out of range")?.to_string().into())
}

fn instant(time: Option<DateTime<Utc>>) -> Result<Value, String> {
    let time = time.ok_or("a time is out of range")?;
    Ok(time.to_rfc3339_opts(SecondsFormat::AutoSi, true).into())
}

fn local(time: Option<DateTime<Utc>>) -> Result<Value, String> {
    let time: NaiveDateTime = time.ok_or("a time is out of range")?.naive_utc();
    Ok(time.format("%Y-%m-%dT%H:%M:%S%.f").to_string().into())
}

/// As ISO 8601 has it: months, days and milliseconds, which do not add up to one number.
fn iso(duration: Duration) -> String {
    let (months, days) = (u32::from(duration.months()), u32::from(duration.days()));
    let millis = u32::from(duration.millis());
    format!("P{months}M{days}DT{}.{:03}S", millis / 1_000, millis % 1_000)
}
