//! What an attribute says, and how an inner one refines an outer one.

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

/// The words by which the attribute knows itself again after it has put itself behind the others.
const LAST: &str = "__last";
const LAST_OF_ENTRY: &str = "__last_of_entry";

/// When the attribute expands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Turn {
    #[default]
    AsWritten,
    /// Every other attribute has expanded by now.
    Last,
    /// And one of them was like `#[tokio::test]`, which makes a sync fn of an `async fn`.
    LastOfEntry,
}

/// What one attribute says, or several merged. Nothing in it can be wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) name: Option<LitStr>,
    pub(crate) skip: bool,
    pub(crate) root: bool,
    pub(crate) returns_handle: bool,
    pub(crate) turn: Turn,
    pub(crate) krate: Option<Path>,
    pub(crate) limits: BTreeMap<Lint, Limit>,
    pub(crate) levels: BTreeMap<Lint, Level>,
    /// The words of this very attribute, for complaints about where they stand.
    pub(crate) words: Vec<Ident>,
}

#[derive(Clone, Debug)]
pub(crate) struct Limit {
    pub(crate) amount: Amount,
    /// As written, for the attribute that is emitted again.
    written: TokenStream,
}

#[derive(Clone, Debug)]
pub(crate) struct Level {
    /// `allow`, `warn` or `deny`
    pub(crate) word: &'static str,
    pub(crate) reason: Option<LitStr>,
}

impl Options {
    /// Reads one attribute and complains about each of its mistakes.
    pub(crate) fn read(entries: Vec<Entry>, errors: &mut Errors) -> Options {
        reader::read(entries, errors)
    }

    /// What holds for an item with the attribute `inner` inside one with `self`: the nearer word wins.
    pub(crate) fn refined(&self, inner: &Options) -> Options {
        let mut both = self.clone();
        both.name.clone_from(&inner.name);
        both.skip = inner.skip;
        both.root |= inner.root;
        both.returns_handle |= inner.returns_handle;
        both.turn = inner.turn;
        both.krate = inner.krate.clone().or(both.krate);
        both.limits.extend(inner.limits.clone());
        both.levels.extend(inner.levels.clone());
        both.words.clone_from(&inner.words);
        both
    }

    /// What two attributes on one item say together: the lower one refines.
    pub(crate) fn stacked(&self, lower: &Options) -> Options {
        let mut both = self.refined(lower);
        both.name = lower.name.clone().or_else(|| self.name.clone());
        both.skip |= self.skip;
        if both.turn == Turn::AsWritten {
            both.turn = self.turn;
        }
        both.words = self.words.iter().chain(&lower.words).cloned().collect();
        both
    }

    /// The words of this attribute that are among these.
    pub(crate) fn words_among<'a>(
        &'a self,
        words: &'a [&'static str],
    ) -> impl Iterator<Item = &'a Ident> {
        self.words
            .iter()
            .filter(|word| words.iter().any(|one| word == one))
    }
}

/// The options as they would be written, for an attribute that is emitted again.
impl ToTokens for Options {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let mut all = Vec::new();
        let turn = match self.turn {
            Turn::AsWritten => None,
            Turn::Last => Some(format_ident!("{LAST}")),
            Turn::LastOfEntry => Some(format_ident!("{LAST_OF_ENTRY}")),
        };
        all.extend(turn.map(ToTokens::into_token_stream));
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
