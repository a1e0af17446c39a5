//! The fields that attributes speak of.

use syn::{Data, DeriveInput, Error, Fields, Ident, LitStr, Result};

/// The field of that name, or an error at `place` that lists those there are. `what` is what is derived: `an event`.
pub(crate) fn named(input: &DeriveInput, name: &str, place: &LitStr, what: &str) -> Result<Ident> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(input.ident.span(), format!("{what} is a struct")));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new(input.ident.span(), format!("{what} is a struct with named fields")));
    };
    let names: Vec<&Ident> = fields.named.iter().filter_map(|field| field.ident.as_ref()).collect();
    if let Some(found) = names.iter().find(|other| **other == name) {
        return Ok((*found).clone());
    }
    let list: Vec<String> = names.iter().map(ToString::to_string).collect();
    let text = format!("`{}` has no field `{name}`; it has: {}", input.ident, list.join(", "));
    Err(Error::new(place.span(), text))
}
