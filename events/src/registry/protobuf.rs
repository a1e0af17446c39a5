//! From Protobuf to JSON and back, by protobuf's own mapping.
//!
//! In three things what is read differs from that mapping, since Rust types are to read it: fields have the names that they have in
//! the schema, whole numbers of 64 bits are numbers, and fields that are not there have their defaults.

use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::Value;

/// The message as the text of a JSON object.
pub(super) fn to_json(message: &DynamicMessage) -> Result<Vec<u8>, String> {
    let options =
        SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false).skip_default_fields(false);
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut text);
    message.serialize_with_options(&mut serializer, &options).map_err(|error| error.to_string())?;
    Ok(text)
}

/// The message that JSON stands for; a field that the schema does not know is refused, since it would be lost.
pub(super) fn from_json(data: &Value, message: MessageDescriptor) -> Result<DynamicMessage, String> {
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    DynamicMessage::deserialize_with_options(message, data, &options).map_err(|error| error.to_string())
}
