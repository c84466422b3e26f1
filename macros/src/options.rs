//! The options of an attribute, and how an inner attribute refines an outer one.

mod amount;
mod reader;

use std::collections::BTreeMap;

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::{LitStr, Path};

pub(crate) use self::amount::Amount;
use crate::errors::Errors;
use crate::lints::Lint;
use crate::parse::Entry;

/// Options that the attribute gives itself when it moves behind the others.
const LAST: &str = "__last";
const LAST_ON_ENTRY_POINT: &str = "__last_of_entry";
const INHERITED: &str = "__inherited";

/// When the attribute expands, relative to the others on its item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Order {
    #[default]
    AsWritten,
    /// After all others.
    Last,
    /// After all others, one of which turns an `async fn` into a sync fn, like `#[tokio::test]`.
    LastOnEntryPoint,
}

/// Where the attribute stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// Only on an item around this one.
    #[default]
    Around,
    OnItem,
}

/// The options of one attribute, or of several merged ones. All of them are valid.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) name: Option<LitStr>,
    pub(crate) skip: bool,
    pub(crate) root: bool,
    pub(crate) returns_handle: bool,
    pub(crate) order: Order,
    pub(crate) place: Place,
    pub(crate) krate: Option<Path>,
    pub(crate) limits: BTreeMap<Lint, Limit>,
    pub(crate) levels: BTreeMap<Lint, Level>,
    /// The names of the options on the item itself, without inherited ones, for errors about their place.
    pub(crate) words: Vec<Ident>,
}

/// The limit of a lint.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    pub(crate) amount: Amount,
    /// The value as written, for an attribute that is emitted again.
    written: TokenStream,
}

/// The level of a lint.
#[derive(Clone, Debug)]
pub(crate) struct Level {
    /// `allow`, `warn` or `deny`.
    pub(crate) word: &'static str,
    pub(crate) reason: Option<LitStr>,
}

impl Options {
    /// Reads one attribute, and adds each of its mistakes to `errors`.
    pub(crate) fn read(entries: Vec<Entry>, errors: &mut Errors) -> Options {
        reader::read(entries, errors)
    }

    /// The options of an item with the attribute `inner` inside an item with these options. The inner attribute wins.
    pub(crate) fn refined(&self, inner: &Options) -> Options {
        let mut both = self.clone();
        both.name.clone_from(&inner.name);
        both.skip = inner.skip;
        both.root |= inner.root;
        both.returns_handle |= inner.returns_handle;
        both.order = inner.order;
        both.place = inner.place;
        both.krate = inner.krate.clone().or(both.krate);
        both.limits.extend(inner.limits.clone());
        both.levels.extend(inner.levels.clone());
        both.words.clone_from(&inner.words);
        both
    }

    /// The options of an item with two attributes. The lower one wins.
    pub(crate) fn stacked(&self, lower: &Options) -> Options {
        let mut both = self.refined(lower);
        both.name = lower.name.clone().or_else(|| self.name.clone());
        both.skip |= self.skip;
        if both.place == Place::Around {
            both.place = self.place;
        }
        if both.order == Order::AsWritten {
            both.order = self.order;
        }
        both.words = self.words.iter().chain(&lower.words).cloned().collect();
        both
    }

    /// The names of the options on the item itself that are in `words`.
    pub(crate) fn words_among<'a>(
        &'a self,
        words: &'a [&'static str],
    ) -> impl Iterator<Item = &'a Ident> {
        self.words
            .iter()
            .filter(|word| words.iter().any(|one| word == one))
    }
}

/// Emits the options as a user would write them, for an attribute that is emitted again.
impl ToTokens for Options {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let mut all = Vec::new();
        let order = match self.order {
            Order::AsWritten => None,
            Order::Last => Some(format_ident!("{LAST}")),
            Order::LastOnEntryPoint => Some(format_ident!("{LAST_ON_ENTRY_POINT}")),
        };
        all.extend(order.map(ToTokens::into_token_stream));
        if self.place == Place::Around {
            all.push(format_ident!("{INHERITED}").into_token_stream());
        }
        if let Some(name) = &self.name {
            all.push(quote!(name = #name));
        }
        if self.root {
            all.push(quote!(root));
        }
        if self.returns_handle {
            all.push(quote!(returns_handle));
        }
        if let Some(path) = &self.krate {
            all.push(quote!(crate = #path));
        }
        for (lint, limit) in &self.limits {
            let (name, written) = (format_ident!("{}", lint.name()), &limit.written);
            all.push(quote!(#name = #written));
        }
        for (lint, level) in &self.levels {
            let (name, word) = (
                format_ident!("{}", lint.name()),
                format_ident!("{}", level.word),
            );
            let reason = level.reason.iter();
            all.push(quote!(#word(#name #(, reason = #reason)*)));
        }
        tokens.extend(quote!(#(#all),*));
    }
}
