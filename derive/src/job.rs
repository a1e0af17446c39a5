//! `#[derive(Job)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, LitStr, Result};

use crate::attribute::Attribute;

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let known = ["queue", "kind", "version", "max_attempts", "timeout", "priority"];
    let attribute = Attribute::read(input, "job", &known)?;
    let queue = attribute.required("queue", "#[job(queue = \"email\")]")?;
    let kind = match attribute.text("kind")? {
        Some(kind) => kind.value(),
        None => kebab_case(&input.ident.to_string()),
    };
    let version = attribute.number("version", 1, 1..=u32::MAX)?;
    let max_attempts = attribute.number("max_attempts", 4, 1..=1000)?;
    let priority = attribute.number("priority", 5, 0..=9)?;
    let priority = u8::try_from(priority).map_err(|_| Error::new(input.ident.span(), "priority is 0 to 9"))?;
    let timeout = attribute.text("timeout")?.map_or(Ok(30_000), milliseconds)?;
    let name = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::millgate::Job for #name #arguments #bounds {
            const KIND: &'static str = #kind;
            const QUEUE: &'static str = #queue;
            const VERSION: u32 = #version;
            const MAX_ATTEMPTS: u32 = #max_attempts;
            const PRIORITY: u8 = #priority;
            const TIMEOUT: ::core::time::Duration = ::core::time::Duration::from_millis(#timeout);
        }
    })
}

/// `SendConfirmationEmail` → `send-confirmation-email`.
fn kebab_case(name: &str) -> String {
    let mut kebab = String::with_capacity(name.len() + 4);
    for (index, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && index > 0 {
            kebab.push('-');
        }
        kebab.extend(letter.to_lowercase());
    }
    kebab
}

/// `"30s"` → 30,000. Units: ms, s, m, h.
fn milliseconds(text: &LitStr) -> Result<u64> {
    let value = text.value();
    let digits = value.len() - value.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = value.split_at(digits);
    let factor = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)) {
        Some(milliseconds) if milliseconds > 0 => Ok(milliseconds),
        _ => Err(Error::new(text.span(), "a time is a whole number above 0 with a unit: 500ms, 30s, 5m, 1h")),
    }
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    #[test]
    fn kinds_are_kebab_case() {
        assert_eq!(kebab_case("SendConfirmationEmail"), "send-confirmation-email");
        assert_eq!(kebab_case("Sync"), "sync");
    }

    #[test]
    fn times_have_units() {
        let read = |text: &str| milliseconds(&LitStr::new(text, Span::call_site())).ok();
        assert_eq!(read("30s"), Some(30_000));
        assert_eq!(read("250ms"), Some(250));
        assert_eq!(read("2h"), Some(7_200_000));
        for bad in ["30", "0s", "s", "3 days", "-1s", "99999999999999999999h"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
