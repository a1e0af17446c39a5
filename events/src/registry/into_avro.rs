//! From JSON to Avro, by a schema: the way back from what `avro.rs` makes.

use std::fmt;

use apache_avro::{
    BigDecimal, Decimal, Uuid,
    schema::{EnumSchema, RecordSchema, Schema, UnionSchema},
    types::Value as Avro,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};
use serde_json::Value;

use super::avro::{AvroSchema, MOST_DIGITS, Typed};

/// Where a value does not fit its schema, and why.
struct Misfit {
    path: String,
    reason: String,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.reason) } else { write!(f, "{}: {}", self.path, self.reason) }
    }
}

impl From<String> for Misfit {
    fn from(reason: String) -> Self {
        Self { path: String::new(), reason }
    }
}

impl From<&str> for Misfit {
    fn from(reason: &str) -> Self {
        reason.to_owned().into()
    }
}

impl Misfit {
    /// The same, seen from further out.
    fn within(self, place: &str) -> Self {
        let joint = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        Self { path: format!("{place}{joint}{}", self.path), ..self }
    }
}

/// The value that JSON stands for, or where it does not fit the schema, and why.
pub(super) fn from_json(data: &Value, schema: &AvroSchema) -> Result<Avro, String> {
    avro(data, schema.typed()).map_err(|misfit| misfit.to_string())
}

fn avro(data: &Value, typed: Typed<'_>) -> Result<Avro, Misfit> {
    let typed = typed.resolved()?;
    match typed.schema {
        Schema::Null => Ok(data.as_null().map(|()| Avro::Null).ok_or_else(|| unlike("null", data))?),
        Schema::Boolean => Ok(data.as_bool().map(Avro::Boolean).ok_or_else(|| unlike("true or false", data))?),
        Schema::Int => Ok(Avro::Int(int(data)?)),
        Schema::Long => Ok(Avro::Long(long(data)?)),
        #[expect(clippy::cast_possible_truncation, reason = "the schema has less room")]
        Schema::Float => Ok(Avro::Float(double(data)? as f32)),
        Schema::Double => Ok(Avro::Double(double(data)?)),
        Schema::String => Ok(Avro::String(text(data)?.to_owned())),
        Schema::Bytes => Ok(Avro::Bytes(bytes(data)?)),
        Schema::Fixed(fixed) => {
            let bytes = bytes(data)?;
            let fits = bytes.len() == fixed.size;
            if fits {
                Ok(Avro::Fixed(fixed.size, bytes))
            } else {
                Err(format!("it has to have {} bytes", fixed.size).into())
            }
        }
        Schema::Enum(symbols) => Ok(symbol(data, symbols)?),
        Schema::Array(array) => {
            let items = data.as_array().ok_or_else(|| unlike("a list", data))?.iter().enumerate();
            let item =
                |(at, item)| avro(item, typed.of(&array.items)).map_err(|misfit| misfit.within(&format!("[{at}]")));
            items.map(item).collect::<Result<_, _>>().map(Avro::Array)
        }
        Schema::Map(map) => {
            let entries = data.as_object().ok_or_else(|| unlike("an object", data))?.iter();
            let entry = |(name, value): (&String, &Value)| {
                let value = avro(value, typed.of(&map.types)).map_err(|misfit| misfit.within(name))?;
                Ok((name.clone(), value))
            };
            entries.map(entry).collect::<Result<_, Misfit>>().map(Avro::Map)
        }
        Schema::Record(record) => fields(data, record, typed),
        Schema::Union(union) => alternative(data, union, typed),
        Schema::Decimal(schema) => Ok(decimal(data, schema.scale, schema.precision)?),
        Schema::BigDecimal => Ok(Avro::BigDecimal(big_decimal(data)?)),
        Schema::Uuid(_) => Ok(Avro::Uuid(parsed::<Uuid>("a UUID", data)?)),
        Schema::Date if data.as_i64().is_some() => Ok(Avro::Date(int(data)?)),
        Schema::Date => {
            let days = parsed::<NaiveDate>("a date", data)?.signed_duration_since(NaiveDate::default()).num_days();
            Ok(Avro::Date(i32::try_from(days).map_err(|_| "the date is out of range")?))
        }
        Schema::TimeMillis if data.as_i64().is_some() => Ok(Avro::TimeMillis(int(data)?)),
        Schema::TimeMillis => {
            let millis = i32::try_from(micros_of_day(data)? / 1_000);
            Ok(Avro::TimeMillis(millis.map_err(|error| error.to_string())?))
        }
        Schema::TimeMicros => Ok(Avro::TimeMicros(data.as_i64().map_or_else(|| micros_of_day(data), Ok)?)),
        Schema::TimestampMillis => Ok(Avro::TimestampMillis(at(data, instant, DateTime::timestamp_millis)?)),
        Schema::TimestampMicros => Ok(Avro::TimestampMicros(at(data, instant, DateTime::timestamp_micros)?)),
        Schema::TimestampNanos => Ok(Avro::TimestampNanos(at(data, instant, nanos)?)),
        Schema::LocalTimestampMillis => Ok(Avro::LocalTimestampMillis(at(data, local, DateTime::timestamp_millis)?)),
        Schema::LocalTimestampMicros => Ok(Avro::LocalTimestampMicros(at(data, local, DateTime::timestamp_micros)?)),
        Schema::LocalTimestampNanos => Ok(Avro::LocalTimestampNanos(at(data, local, nanos)?)),
        Schema::Duration(_) => Err("values of Avro's type duration are read, and not written".into()),
        Schema::Ref { name } => Err(format!("its schema does not have the type {name}").into()),
    }
}

/// Every field that the schema has, and no other: what it does not know would be lost.
fn fields(data: &Value, record: &RecordSchema, typed: Typed<'_>) -> Result<Avro, Misfit> {
    let given = data.as_object().ok_or_else(|| unlike("an object", data))?;
    if let Some(unknown) = given.keys().find(|name| !record.lookup.contains_key(*name)) {
        return Err(Misfit::from("the schema has no such field").within(unknown));
    }
    let fields = record.fields.iter().map(|field| {
        let value = match (given.get(&field.name), &field.default) {
            (Some(value), _) | (None, Some(value)) => value,
            (None, None) => &Value::Null,
        };
        let value = avro(value, typed.of(&field.schema)).map_err(|misfit| misfit.within(&field.name))?;
        Ok((field.name.clone(), value))
    });
    fields.collect::<Result<_, Misfit>>().map(Avro::Record)
}

/// The first alternative that takes the value.
fn alternative(data: &Value, union: &UnionSchema, typed: Typed<'_>) -> Result<Avro, Misfit> {
    let mut misfits = Vec::new();
    for (variant, schema) in (0..).zip(union.variants()) {
        match avro(data, typed.of(schema)) {
            Ok(value) => return Ok(Avro::Union(variant, Box::new(value))),
            Err(misfit) if !matches!(schema, Schema::Null) => misfits.push(misfit),
            Err(_) => {}
        }
    }
    match misfits.len() {
        1 => Err(misfits.remove(0)),
        _ => Err(misfits.iter().map(ToString::to_string).collect::<Vec<_>>().join("; or ").into()),
    }
}

fn symbol(data: &Value, symbols: &EnumSchema) -> Result<Avro, String> {
    let name = text(data)?;
    let index = symbols.symbols.iter().position(|symbol| symbol == name);
    let index = index.and_then(|index| u32::try_from(index).ok());
    let index = index.ok_or_else(|| format!("{name:?} is none of {}", symbols.symbols.join(", ")))?;
    Ok(Avro::Enum(index, name.to_owned()))
}

fn decimal(data: &Value, scale: usize, precision: usize) -> Result<Avro, String> {
    let value = big_decimal(data)?;
    let scaled = value.with_scale(i64::try_from(scale).map_err(|error| error.to_string())?);
    if scaled != value || scaled.digits() > precision as u64 {
        return Err(format!("{data} has more than {precision} digits, or more than {scale} after the point"));
    }
    let (digits, _) = scaled.into_bigint_and_exponent();
    Ok(Avro::Decimal(Decimal::from(digits.to_signed_bytes_be())))
}

fn big_decimal(data: &Value) -> Result<BigDecimal, String> {
    let value: BigDecimal = parsed("a decimal", data)?;
    if value.fractional_digit_count().abs() > MOST_DIGITS {
        return Err(format!("it has more than {MOST_DIGITS} digits on one side of its point"));
    }
    Ok(value)
}

fn int(data: &Value) -> Result<i32, String> {
    i32::try_from(long(data)?).map_err(|_| unlike("a whole number of 32 bits", data))
}

fn long(data: &Value) -> Result<i64, String> {
    data.as_i64().ok_or_else(|| unlike("a whole number of 64 bits", data))
}

fn double(data: &Value) -> Result<f64, String> {
    let words = || match data.as_str()? {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    };
    data.as_f64().or_else(words).ok_or_else(|| unlike("a number", data))
}

fn text(data: &Value) -> Result<&str, String> {
    data.as_str().ok_or_else(|| unlike("text", data))
}

fn bytes(data: &Value) -> Result<Vec<u8>, String> {
    BASE64_STANDARD.decode(text(data)?).map_err(|error| format!("it is no base64: {error}"))
}

/// What text, or a number by its digits, stands for.
fn parsed<T: std::str::FromStr>(what: &str, data: &Value) -> Result<T, String> {
    let digits;
    let text = match data {
        Value::Number(number) => {
            digits = number.to_string();
            &digits
        }
        other => text(other)?,
    };
    text.parse().map_err(|_| unlike(what, data))
}

fn micros_of_day(data: &Value) -> Result<i64, String> {
    let time: NaiveTime = parsed("a time of day", data)?;
    Ok(i64::from(time.num_seconds_from_midnight()) * 1_000_000 + i64::from(time.nanosecond() / 1_000))
}

/// A number is taken as it is.
fn at(
    data: &Value,
    read: impl FnOnce(&Value) -> Result<DateTime<Utc>, String>,
    count: impl FnOnce(&DateTime<Utc>) -> i64,
) -> Result<i64, String> {
    if let Some(number) = data.as_i64() { Ok(number) } else { Ok(count(&read(data)?)) }
}

fn nanos(time: &DateTime<Utc>) -> i64 {
    time.timestamp_nanos_opt().unwrap_or(if time.timestamp() < 0 { i64::MIN } else { i64::MAX })
}

fn instant(data: &Value) -> Result<DateTime<Utc>, String> {
    parsed("a time such as 2026-03-01T12:00:00Z", data)
}

fn local(data: &Value) -> Result<DateTime<Utc>, String> {
    Ok(parsed::<NaiveDateTime>("a time such as 2026-03-01T12:00:00", data)?.and_utc())
}

fn unlike(what: &str, data: &Value) -> String {
    let start: String = data.to_string().chars().take(100).collect();
    format!("it has to be {what}, and is {start}")
}

#[cfg(test)]
mod tests {
    use apache_avro::writer::datum::GenericDatumWriter;
    use serde_json::json;

    use super::*;

    fn schema(text: &str) -> AvroSchema {
        AvroSchema::new(Schema::parse_str(text).unwrap()).unwrap()
    }

    /// There and back again: by bytes, as others would read them.
    fn round(text: &str, data: &Value) -> Value {
        let schema = schema(text);
        let written = from_json(data, &schema).unwrap();
        let bytes = GenericDatumWriter::builder(schema.root()).build().unwrap().write_value_to_vec(written).unwrap();
        let reader = apache_avro::reader::datum::GenericDatumReader::builder(schema.root()).build().unwrap();
        schema.to_json(reader.read_value(&mut bytes.as_slice()).unwrap()).unwrap()
    }

    #[test]
    fn what_is_read_is_written_again() {
        for (kind, data) in [
            (r#""null""#, json!(null)),
            (r#""boolean""#, json!(true)),
            (r#""int""#, json!(-5)),
            (r#""long""#, json!(i64::MIN)),
            (r#""float""#, json!(0.1)),
            (r#""double""#, json!(-1.5e300)),
            (r#""double""#, json!("-Infinity")),
            (r#""string""#, json!("ä")),
            (r#""bytes""#, json!("/wAQ")),
            (r#"{"type": "fixed", "name": "F", "size": 3}"#, json!("/wAQ")),
            (r#"{"type": "enum", "name": "E", "symbols": ["A", "B"]}"#, json!("B")),
            (r#"{"type": "array", "items": ["null", "int"]}"#, json!([1, null, 2])),
            (r#"{"type": "map", "values": "string"}"#, json!({ "a": "b" })),
            (r#"["null", "string", "long"]"#, json!(7)),
            (r#"{"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 3}"#, json!("-1234.500")),
            (
                r#"{"type": "fixed", "name": "D", "size": 6, "logicalType": "decimal", "precision": 9, "scale": 2}"#,
                json!("0.07"),
            ),
            (r#"{"type": "string", "logicalType": "uuid"}"#, json!("f81d4fae-7dec-11d0-a765-00a0c91e6bf6")),
            (r#"{"type": "int", "logicalType": "date"}"#, json!("1969-12-31")),
            (r#"{"type": "int", "logicalType": "time-millis"}"#, json!("23:59:59.999")),
            (r#"{"type": "long", "logicalType": "time-micros"}"#, json!("00:00:00.000001")),
            (r#"{"type": "long", "logicalType": "timestamp-millis"}"#, json!("2026-03-01T12:00:00.001Z")),
            (r#"{"type": "long", "logicalType": "timestamp-micros"}"#, json!("1969-12-31T23:59:59.999999Z")),
            (r#"{"type": "long", "logicalType": "timestamp-nanos"}"#, json!("2026-03-01T12:00:00.000000001Z")),
            (r#"{"type": "long", "logicalType": "local-timestamp-millis"}"#, json!("2026-03-01T12:00:00.500")),
        ] {
            assert_eq!(round(kind, &data), data, "{kind}");
        }
    }

    #[test]
    fn a_decimal_keeps_all_its_digits_or_is_refused() {
        let text = r#"{"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}"#;
        assert_eq!(round(text, &json!(12.5)), json!("12.50"));
        assert_eq!(round(text, &json!("-1e2")), json!("-100.00"));
        for wrong in [json!("1.234"), json!("12345.00"), json!("a lot"), json!("1e1000000000")] {
            assert!(from_json(&wrong, &schema(text)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_misfit_says_where_it_is() {
        let schema = schema(
            r#"{"type": "record", "name": "Order", "fields": [{"name": "lines", "type": {"type": "array", "items":
            {"type": "record", "name": "Line", "fields": [{"name": "sku", "type": ["null", "string"], "default": null},
            {"name": "count", "type": "int"}]}}}]}"#,
        );
        let told = |data: Value| from_json(&data, &schema).unwrap_err();
        assert_eq!(
            told(json!({ "lines": [{ "count": 1 }, { "count": 1, "note": "" }] })),
            "lines[1].note: the schema has no such field"
        );
        assert_eq!(told(json!({ "lines": [{ "count": 1, "sku": 2 }] })), "lines[0].sku: it has to be text, and is 2");
        assert_eq!(
            told(json!({ "lines": [{}] })),
            "lines[0].count: it has to be a whole number of 64 bits, and is null"
        );
        assert_eq!(told(json!([])), "it has to be an object, and is []");
    }
}
