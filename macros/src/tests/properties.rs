//! Properties that hold for any options. The cases are the same in every run.

use proc_macro2::{TokenStream, TokenTree};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::expand;
use crate::model::Mode;

const WORDS: &[&str] = &[
    "name",
    "skip",
    "root",
    "max_queries",
    "returns_handle",
    "allow",
    "warn",
    "deny",
    "crate",
    "held_idle",
    "pool_pressure",
    "n_plus_one",
    "outlived_scope",
    "all",
    "leaks",
    "reason",
    "=",
    ",",
    "::",
    "-",
    "3",
    "0",
    "1.5",
    "18446744073709551616",
    "\"\"",
    "\"1m 30s\"",
    "\"90%\"",
    "\"2/s\"",
    "\"é\"",
    "'a'",
    "'static",
    "r#fn",
    "self",
    "Self",
    "_",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "#",
    "!",
    "x",
];

/// Whether the brackets are balanced. The compiler passes no other tokens to an attribute.
fn is_balanced(words: &[&str]) -> bool {
    words.concat().parse::<TokenStream>().is_ok() && words.join(" ").parse::<TokenStream>().is_ok()
}

/// The line and column of each error.
fn locations_of_errors(tokens: TokenStream) -> Vec<(usize, usize)> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let is_error = |tokens: &[TokenTree]| matches!(&tokens[5], TokenTree::Ident(name) if name == "compile_error");
    let errors = tokens.windows(6).filter(|tokens| is_error(tokens));
    let starts = errors.map(|tokens| tokens[0].span().start());
    starts.map(|start| (start.line, start.column)).collect()
}

#[test]
fn any_options_are_accepted_or_reported_within_the_attribute() {
    let mut runner = TestRunner::new(Config {
        cases: 2_000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(4393),
        ..Config::default()
    });
    let words = prop::collection::vec(select(WORDS), 0..10);
    let words = words.prop_filter("balanced brackets", |words| is_balanced(words));
    let ran = runner.run(&words, |words| {
        let options = words.join(" ");
        let source = format!("#[track({options})]\nasync fn f() {{}}");
        let [on, off] =
            [Mode::On, Mode::Off].map(|mode| locations_of_errors(expand(&source, mode)));
        prop_assert_eq!(&on, &off);
        let end = "#[track(".len() + options.chars().count();
        for (line, column) in on {
            prop_assert!(line == 1 && column <= end, "{line}:{column}");
        }
        Ok(())
    });
    ran.unwrap_or_else(|failure| panic!("{failure}"));
}
