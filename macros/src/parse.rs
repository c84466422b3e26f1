//! Splits the tokens of an attribute into entries, and checks as little as possible.
//!
//! The entries keep the user's tokens, so that a later error can point to the guilty one.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Meta, Token};

use crate::errors::Errors;

/// One entry of `#[track(…)]` as written.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) word: Ident,
    pub(crate) value: Value,
}

/// The value of an entry as written.
#[derive(Debug)]
pub(crate) enum Value {
    /// `root`
    None,
    /// `max_queries = 3`
    Assigned(TokenStream),
    /// `allow(slow_query)`
    List(Group),
}

/// Splits at the commas before it parses, so that a wrong entry does not hide mistakes in the entries after it.
pub(crate) fn entries(tokens: TokenStream, errors: &mut Errors) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut chunk = TokenStream::new();
    for token in tokens {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ',' => {
                if chunk.is_empty() {
                    errors.at(&punct, "unexpected comma; remove it");
                } else if let Some(entry) = entry(std::mem::take(&mut chunk), errors) {
                    entries.push(entry);
                }
            }
            token => chunk.extend([token]),
        }
    }
    if !chunk.is_empty() {
        entries.extend(entry(chunk, errors));
    }
    entries
}

fn entry(chunk: TokenStream, errors: &mut Errors) -> Option<Entry> {
    syn::parse2(chunk).map_err(|error| errors.push(error)).ok()
}

impl Parse for Entry {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        if !input.peek(syn::Ident::peek_any) {
            return Err(input.error("expected the name of an option, as in `max_queries = 3`"));
        }
        let word = input.call(Ident::parse_any)?;
        let value = if let Some(group) = parenthesized(input)? {
            Value::List(group)
        } else if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            Value::Assigned(input.parse()?)
        } else {
            Value::None
        };
        if !input.is_empty() {
            return Err(input.error(format!(
                "expected a comma after `{word}`; write `{word}, …`"
            )));
        }
        Ok(Entry { word, value })
    }
}

fn parenthesized(input: ParseStream) -> syn::Result<Option<Group>> {
    if !input.peek(syn::token::Paren) {
        return Ok(None);
    }
    match input.parse()? {
        TokenTree::Group(group) => Ok(Some(group)),
        other => Err(syn::Error::new_spanned(other, "expected parentheses")),
    }
}

/// The entries of an attribute inside or below another one, such as on a method of a tracked impl.
pub(crate) fn inner_entries(meta: &Meta, errors: &mut Errors) -> Vec<Entry> {
    match meta {
        Meta::Path(_) => Vec::new(),
        Meta::List(list) => entries(list.tokens.clone(), errors),
        Meta::NameValue(meta) => {
            errors.at(
                meta,
                "`track` takes its options in parentheses; write `#[track(root)]`",
            );
            Vec::new()
        }
    }
}
