//! The whole attribute on tokens.

mod errors;
mod evidence;
mod expansion;
mod locations;
mod properties;
mod requeue;

use proc_macro2::{TokenStream, TokenTree};

use crate::attribute;
use crate::model::Mode;

/// Expands the attribute on the first line of `source`.
#[track_caller]
fn expand(source: &str, mode: Mode) -> TokenStream {
    let mut tokens = source
        .parse::<TokenStream>()
        .expect("a source that can be read")
        .into_iter();
    let (Some(_), Some(TokenTree::Group(track))) = (tokens.next(), tokens.next()) else {
        panic!("the source begins with `#[track]`");
    };
    let options = match track.stream().into_iter().nth(1) {
        Some(TokenTree::Group(options)) => options.stream(),
        _ => TokenStream::new(),
    };
    attribute(options, &tokens.collect(), mode)
}

/// The expansion as rustfmt would lay it out, with `P` for the private module.
#[track_caller]
fn pretty(tokens: &str) -> String {
    let file = syn::parse_str(tokens).unwrap_or_else(|error| panic!("{error} in {tokens}"));
    prettyplease::unparse(&file).replace("::sqlx::__private::", "P::")
}

/// The expansion in on mode, with `leash!(…)` for what is declared for a function, `site!(line, column)` for a call
/// site, both without their extents and what panics, and without the `return` that never runs. One test shows them
/// in full.
#[track_caller]
fn folded(source: &str) -> String {
    let mut tokens = expand(source, Mode::On).to_string();
    replace(&mut tokens, ". stopping (", "(message))", |_| String::new());
    replace(&mut tokens, ". extent (", ")", |_| String::new());
    replace(&mut tokens, ". inside (", ")", |_| String::new());
    replace(&mut tokens, "struct __LeashHere", "& __LEASH }", |items| {
        let (_, settings) = items.split_once("file ! () ,").expect("a location");
        let (settings, _) = settings.split_once("; fn __leash").expect("its end");
        format!("leash ! {{ {} }}", settings.replacen(",)", "", 1))
    });
    replace(&mut tokens, "{ fn here ()", "here }", |site| {
        let (_, location) = site.split_once("file ! () ,").expect("a location");
        let (location, _) = location.split_once(';').expect("its end");
        format!("site ! ({})", location.replacen(')', "", 1))
    });
    replace(
        &mut tokens,
        "if let :: core :: option :: Option :: Some (__leash_value)",
        "return __leash_value ; }",
        |_| String::new(),
    );
    pretty(&tokens)
}

/// Replaces all that begins and ends so.
fn replace(text: &mut String, begin: &str, end: &str, with: impl Fn(&str) -> String) {
    while let Some(start) = text.find(begin) {
        let length = text[start..].find(end).expect("the end") + end.len();
        let new = with(&text[start..start + length]);
        text.replace_range(start..start + length, &new);
    }
}
