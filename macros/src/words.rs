//! Comparisons of words.

use proc_macro2::Ident;
use quote::ToTokens;

/// The text of a body. The compiler writes it in less time than a visit of the body takes, so it is asked first whether
/// the body has the word that a visit would look for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text(String);

impl Text {
    pub(crate) fn of(body: &impl ToTokens) -> Text {
        Text(body.to_token_stream().to_string())
    }

    /// False only if the body certainly does not have the word.
    pub(crate) fn may_have(&self, word: &str) -> bool {
        self.0.contains(word)
    }
}

/// Whether the word is one of these. Its text is asked for once: that is a call into the compiler.
pub(crate) fn is_one_of(word: &Ident, words: &[&str]) -> bool {
    words.contains(&&*word.to_string())
}
