//! Comparisons of words.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;

/// The method that carries the scope.
pub(crate) const CARRIES: &str = "in_current_scope";

/// The text of a body. The compiler writes it in less time than a visit of the body takes, so it is asked first whether
/// the body has the word that a visit would look for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text {
    tokens: TokenStream,
    written: String,
    /// Whether a task may carry the scope.
    pub(crate) carries: bool,
}

impl Text {
    pub(crate) fn of(body: &impl ToTokens) -> Text {
        let tokens = body.to_token_stream();
        let written = tokens.to_string();
        let carries = written.contains(CARRIES);
        Text {
            tokens,
            written,
            carries,
        }
    }

    pub(crate) fn tokens(&self) -> TokenStream {
        self.tokens.clone()
    }

    /// False only if the body certainly does not have the word.
    pub(crate) fn may_have(&self, word: &str) -> bool {
        self.written.contains(word)
    }
}

/// The word without `r#`. To compare texts takes less time than to compare identifiers, which asks for both texts.
pub(crate) fn unraw(word: &Ident) -> String {
    let text = word.to_string();
    match text.strip_prefix("r#") {
        Some(name) => name.to_owned(),
        None => text,
    }
}

/// Whether the word is one of these. Its text is asked for once: that is a call into the compiler.
pub(crate) fn is_one_of(word: &Ident, words: &[&str]) -> bool {
    words.contains(&&*word.to_string())
}
