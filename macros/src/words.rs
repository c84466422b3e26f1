//! Comparisons of words.

use proc_macro2::Ident;

/// Whether the word is one of these. Its text is asked for once: that is a call into the compiler.
pub(crate) fn is_one_of(word: &Ident, words: &[&str]) -> bool {
    words.contains(&&*word.to_string())
}
