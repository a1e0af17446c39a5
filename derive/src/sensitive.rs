//! Fields that nobody is shown: `#[event(sensitive)]`, `#[job(sensitive)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Field, Ident, LitStr, Result, Token, ext::IdentExt, punctuated::Punctuated};

/// The constant that lists them, by the names that they have in JSON, or nothing. `name` is the attribute's.
pub(crate) fn expand(input: &DeriveInput, name: &str) -> Result<TokenStream> {
    let mut names = Vec::new();
    for field in fields(input) {
        if is_sensitive(field, name)? {
            names.push(json_name(field)?);
        }
    }
    if names.is_empty() {
        return Ok(TokenStream::new());
    }
    Ok(quote! {
        const SENSITIVE: &'static [&'static str] = &[#(#names),*];
    })
}

fn fields(input: &DeriveInput) -> Vec<&Field> {
    match &input.data {
        Data::Struct(data) => data.fields.iter().collect(),
        Data::Enum(data) => data.variants.iter().flat_map(|variant| &variant.fields).collect(),
        Data::Union(_) => Vec::new(),
    }
}

fn is_sensitive(field: &Field, name: &str) -> Result<bool> {
    let mut is_sensitive = false;
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident(name)) {
        for word in attribute.parse_args_with(Punctuated::<Ident, Token![,]>::parse_terminated)? {
            if word != "sensitive" {
                let text = format!("unknown word `{word}`; of a field one can say: sensitive");
                return Err(Error::new(word.span(), text));
            }
            is_sensitive = true;
        }
    }
    Ok(is_sensitive)
}

/// The field's name, or the one that serde gives it. How serde writes all names of a type (`rename_all`) makes no difference
/// to who hides them.
fn json_name(field: &Field) -> Result<String> {
    let mut renamed = None;
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("rename") && meta.input.peek(Token![=]) {
                renamed = Some(meta.value()?.parse::<LitStr>()?.value());
            } else if meta.path.is_ident("rename") {
                meta.parse_nested_meta(|side| {
                    let name = side.value()?.parse::<LitStr>()?.value();
                    if side.path.is_ident("serialize") {
                        renamed = Some(name);
                    }
                    Ok(())
                })?;
            } else if meta.input.peek(Token![=]) {
                // Any other word of serde's.
                meta.value()?.parse::<syn::Expr>()?;
            }
            Ok(())
        })?;
    }
    let own = || field.ident.as_ref().map(|ident| ident.unraw().to_string());
    let nameless = || Error::new_spanned(field, "a sensitive field has a name, by which it is hidden");
    renamed.or_else(own).ok_or_else(nameless)
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn sensitive_fields_are_listed_by_their_names_in_json() {
        let input = parse_quote! {
            struct A {
                id: u8,
                #[event(sensitive)] r#type: u8,
                #[serde(default = "none", rename = "eMail", skip_serializing_if = "Option::is_none")] #[event(sensitive)] mail: u8,
                #[event(sensitive)] #[serde(rename(serialize = "card_number", deserialize = "card"))] card: u8,
            }
        };
        let expanded = expand(&input, "event").unwrap().to_string();
        assert!(expanded.ends_with("& [\"type\" , \"eMail\" , \"card_number\"] ;"), "{expanded}");
        assert!(expand(&input, "job").unwrap().is_empty());
        let word = expand(&parse_quote! { struct A { #[event(secret)] id: u8 } }, "event").unwrap_err();
        assert_eq!(word.to_string(), "unknown word `secret`; of a field one can say: sensitive");
        let nameless = expand(&parse_quote! { struct A(#[event(sensitive)] u8); }, "event").unwrap_err();
        assert_eq!(nameless.to_string(), "a sensitive field has a name, by which it is hidden");
    }
}
