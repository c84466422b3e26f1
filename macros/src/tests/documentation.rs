//! The documentation of `track` keeps up with the code: its table of lints, and its examples.

use std::fmt::Write;

use expect_test::expect_file;
use syn::{File, Item};

use super::expand;
use crate::lints::{Lint, Unit};
use crate::model::Mode;

/// The source that holds the documentation.
const SOURCE: &str = include_str!("../lib.rs");

#[test]
fn the_table_lists_every_lint() {
    let mut table = String::from("| lint | group | its limit | for example |\n");
    table += "| --- | --- | --- | --- |\n";
    for name in Lint::names() {
        let lint = Lint::named(name).expect("a lint");
        let is_member =
            |group: &&str| Lint::group(group).is_some_and(|lints| lints.contains(&lint));
        let group = ["leaks", "pool", "queries"].into_iter().find(is_member);
        let group = group.expect("a group");
        let (limit, example) = match lint.unit() {
            Unit::None => ("none", String::new()),
            unit => (unit.phrase(), format!("`{name} = {}`", lint.example())),
        };
        writeln!(table, "| `{name}` | `{group}` | {limit} | {example} |")
            .expect("a string takes it");
    }
    expect_file!["../lints.md"].assert_eq(&table);
}

#[test]
fn the_examples_expand() {
    let mut attributes = 0;
    for example in examples() {
        let file: File =
            syn::parse_str(&example).unwrap_or_else(|error| panic!("{error} in {example}"));
        for item in &file.items {
            let (Item::Fn(syn::ItemFn { attrs, .. }) | Item::Impl(syn::ItemImpl { attrs, .. })) =
                item
            else {
                continue;
            };
            assert!(attrs[0].path().is_ident("track"), "{example}");
            attributes += 1;
            let source = quote::quote!(#item).to_string();
            for mode in [Mode::On, Mode::Off] {
                let expansion = expand(&source, mode).to_string();
                assert!(!expansion.contains("compile_error"), "{expansion}");
            }
        }
    }
    assert_eq!(
        attributes,
        SOURCE.matches("/// ```ignore").count(),
        "one in each example"
    );
}

/// The code in the documentation of `track`.
fn examples() -> Vec<String> {
    let documentation: Vec<&str> = SOURCE
        .lines()
        .filter_map(|line| line.strip_prefix("///"))
        .collect();
    let documentation = documentation.join("\n");
    let blocks = documentation.split("\n ```ignore\n").skip(1);
    let ends = |block: &str| {
        let (code, _) = block.split_once("\n ```").expect("the end of a block");
        code.to_owned()
    };
    blocks.map(ends).collect()
}
