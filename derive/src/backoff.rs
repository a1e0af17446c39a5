//! Reading `backoff = "exponential 1s 10m"`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, LitStr, Path, Result};

use crate::time::milliseconds;

const ALLOWED: &str = "a backoff is one of \"exponential 1s 10m\" (the first pause, the longest), \"linear 5s 1m\" (the step, \
                       the longest), \"fixed 30s\", \"own path\" (of a `fn(attempt: u32) -> Duration`)";

/// An expression for it.
pub(crate) fn expand(text: &LitStr) -> Result<TokenStream> {
    let value = text.value();
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    let time = |word: &str| milliseconds(word).map_err(|reason| Error::new(text.span(), format!("`{word}`: {reason}")));
    let duration = |ms: u64| quote! { ::core::time::Duration::from_millis(#ms) };
    let rising = |name: TokenStream, first: &str, longest: &str| {
        let (least, most) = (time(first)?, time(longest)?);
        if least > most {
            return Err(Error::new(
                text.span(),
                format!("the longest pause, {longest}, is shorter than the first, {first}"),
            ));
        }
        let (least, most) = (duration(least), duration(most));
        Ok(quote! { ::millgate::Backoff::#name(#least, #most) })
    };
    match *words {
        ["exponential", base, max] => rising(quote!(exponential), base, max),
        ["linear", step, max] => rising(quote!(linear), step, max),
        ["fixed", pause] => {
            let pause = duration(time(pause)?);
            Ok(quote! { ::millgate::Backoff::fixed(#pause) })
        }
        ["own", path] => {
            let path: Path = LitStr::new(path, text.span()).parse()?;
            Ok(quote! { ::millgate::Backoff::own(#path) })
        }
        _ => Err(Error::new(text.span(), format!("`{value}` is no backoff; {ALLOWED}"))),
    }
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    fn read(text: &str) -> std::result::Result<String, String> {
        let tokens = expand(&LitStr::new(text, Span::call_site()));
        tokens.map(|tokens| tokens.to_string().replace(' ', "")).map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_can_be_written() {
        let fixed = "::millgate::Backoff::fixed(::core::time::Duration::from_millis(30000u64))";
        assert_eq!(read("fixed 30s").as_deref(), Ok(fixed));
        assert!(
            read("exponential 1s 10m").unwrap().contains("exponential(::core::time::Duration::from_millis(1000u64)")
        );
        assert!(read("linear  5s 1m").unwrap().contains("from_millis(60000u64)"));
        assert_eq!(read("own pauses::of_mails").as_deref(), Ok("::millgate::Backoff::own(pauses::of_mails)"));
    }

    #[test]
    fn what_is_no_backoff_is_refused_with_what_is_allowed() {
        for bad in ["cubic 1s 2s", "exponential 1s", "linear 1s 2s 3s", "fixed", "30s", "own"] {
            let told = read(bad).unwrap_err();
            assert!(told.starts_with(&format!("`{bad}` is no backoff; a backoff is one of")), "{told}");
            assert!(told.contains("linear 5s 1m"), "{told}");
        }
        assert_eq!(
            read("fixed 30").unwrap_err(),
            "`30`: a time is a whole number above 0 with a unit: 500ms, 30s, 5m, 1h"
        );
        assert_eq!(read("linear 2m 1m").unwrap_err(), "the longest pause, 1m, is shorter than the first, 2m");
        assert!(read("own 7").is_err());
    }
}
