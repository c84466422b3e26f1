//! Placeholder.
use proc_macro::TokenStream;
/// Off.
#[proc_macro_attribute]
pub fn track_off(_: TokenStream, item: TokenStream) -> TokenStream {
    item
}
/// On.
#[proc_macro_attribute]
pub fn track(_: TokenStream, item: TokenStream) -> TokenStream {
    item
}
