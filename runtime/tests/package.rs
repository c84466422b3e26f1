//! What the package says of itself.

use std::collections::BTreeSet;

/// The names in `[features]` of the manifest, without `default` and the internal ones.
fn features_of_manifest() -> BTreeSet<&'static str> {
    let (_, features) = include_str!("../Cargo.toml")
        .split_once("\n[features]\n")
        .expect("the manifest has features");
    features
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(" = [")?.0.split_whitespace().next())
        .filter(|name| !name.starts_with('_') && *name != "default")
        .collect()
}

/// The names in the first column of the page's tables.
fn features_of_page() -> BTreeSet<&'static str> {
    include_str!("../src/guide/features.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('|').next())
        .flat_map(|names| names.split('`'))
        .filter(|name| !name.trim_matches([',', ' ']).is_empty())
        .collect()
}

#[test]
fn the_guide_describes_every_feature_and_no_other() {
    assert_eq!(features_of_page(), features_of_manifest());
}
