//! The attribute `#[track]` of [sqlx-leash]. Use it through that crate, which pins this one: the two share a private
//! contract.
//!
//! [sqlx-leash]: https://docs.rs/sqlx-leash

mod attributes;
mod crate_path;
mod errors;
mod expand;
mod lints;
mod location;
mod model;
mod options;
mod parse;
mod returns;
mod sites;
#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    clippy::needless_raw_string_hashes,
    reason = "a test is data, and its snapshot is written by expect-test"
)]
mod tests;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Item;

use crate::errors::Errors;
use crate::model::Mode;
use crate::options::Options;

/// Tracks
#[proc_macro_attribute]
pub fn track(
    options: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    attribute(options.into(), &item.into(), Mode::On).into()
}

/// [`macro@track`] while the runtime does not track: the same options and the same errors, and the item as written.
#[proc_macro_attribute]
pub fn track_off(
    options: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    attribute(options.into(), &item.into(), Mode::Off).into()
}

/// The whole attribute.
fn attribute(options: TokenStream, item: &TokenStream, mode: Mode) -> TokenStream {
    let mut errors = Errors::default();
    let options = Options::read(parse::entries(options, &mut errors), &mut errors);
    let mut parsed = match syn::parse2::<Item>(item.clone()) {
        Ok(parsed) => parsed,
        Err(error) => {
            errors.push(error);
            let errors = errors.into_compile_errors();
            return quote!(#errors #item);
        }
    };
    let node = model::read(parsed.clone(), &options, mode, &mut errors);
    match errors.into_compile_errors() {
        None => expand::expand(node),
        // The item stays, so that its callers do not complain as well.
        Some(errors) => {
            attributes::strip(&mut parsed);
            let item = parsed.into_token_stream();
            quote!(#errors #item)
        }
    }
}
