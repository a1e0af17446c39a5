//! `#[derive(Event)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Ident, LitStr, Path, Result};

use crate::attribute::Attribute;

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let attribute = Attribute::read(input, "event", &["type", "version", "key", "topic", "upcast"])?;
    let event_type = attribute.required("type", "#[event(type = \"order.created\", key = \"order_id\")]")?;
    let key = field(input, attribute.required("key", "the field that names the entity, key = \"order_id\"")?)?;
    let version = attribute.number("version", 1, 1..=u32::MAX)?;
    let topic = attribute.text("topic")?.unwrap_or(event_type);
    let upcast = match attribute.text("upcast")? {
        None => TokenStream::new(),
        Some(path) => {
            let path: Path = path.parse()?;
            quote! {
                fn upcast(from: u32, data: ::millgate::Value) -> ::core::result::Result<::millgate::Value, ::std::string::String> {
                    #path(from, data)
                }
            }
        }
    };
    let name = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::millgate::Event for #name #arguments #bounds {
            const TYPE: &'static str = #event_type;
            const VERSION: u32 = #version;
            const TOPIC: &'static str = #topic;
            fn key(&self) -> ::std::string::String {
                ::std::string::ToString::to_string(&self.#key)
            }
            #upcast
        }
    })
}

/// The field named by `key`, or an error that lists those there are.
fn field(input: &DeriveInput, key: &LitStr) -> Result<Ident> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(input.ident.span(), "an event is a struct"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new(input.ident.span(), "an event is a struct with named fields"));
    };
    let names: Vec<&Ident> = fields.named.iter().filter_map(|field| field.ident.as_ref()).collect();
    if let Some(name) = names.iter().find(|name| **name == &key.value()) {
        return Ok((*name).clone());
    }
    let list: Vec<String> = names.iter().map(ToString::to_string).collect();
    let text = format!("`{}` has no field `{}`; it has: {}", input.ident, key.value(), list.join(", "));
    Err(Error::new(key.span(), text))
}
