//! The path by which the user's crate reaches sqlx-leash.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};

use crate::options::Options;

/// `crate = path`, or whatever name the user's `Cargo.toml` gives the crate.
pub(crate) fn of(options: &Options) -> TokenStream {
    if let Some(path) = &options.krate {
        return path.to_token_stream();
    }
    let span = Span::mixed_site();
    let name = Ident::new(&found(), span);
    quote_spanned!(span=> ::#name)
}

/// Reading a manifest costs more than expanding an attribute: once per package is enough. A compiler sees one package,
/// and an editor's server many.
fn found() -> String {
    static FOUND: OnceLock<Mutex<HashMap<String, String>>> = OnceLock::new();
    let manifest = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let mut found = FOUND
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let name = found
        .entry(manifest)
        .or_insert_with(|| match crate_name("sqlx-leash") {
            Ok(FoundCrate::Itself) => String::from("sqlx_leash"),
            Ok(FoundCrate::Name(name)) => name,
            // Built without cargo, or through a crate that re-exports this one.
            Err(_) => String::from("sqlx"),
        });
    name.clone()
}
