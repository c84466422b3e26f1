//! The page `compiling` has the compiler's words.

use std::fs;

use crate::root;

/// What the compiler says of the programs that `track` refuses.
fn said_by_the_compiler() -> Vec<String> {
    let mut said = Vec::new();
    for folder in ["tests/ui/track", "tests/ui/fail"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|it| it == "stderr") {
                said.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    said
}

/// The words of the headings: `` ``…`` ``.
fn headings(page: &str) -> Vec<&str> {
    let headings = page.lines().filter(|line| line.starts_with("## ``"));
    headings
        .flat_map(|heading| heading.split("``").skip(1).step_by(2))
        .map(str::trim)
        .collect()
}

#[test]
fn the_page_has_the_words_of_the_compiler() {
    let page = root().join("runtime/src/guide/compiling.md");
    let page = fs::read_to_string(page).unwrap();
    let said = said_by_the_compiler();
    let headings = headings(&page);
    assert!(headings.len() >= 7, "{headings:#?}");
    for words in headings {
        // A heading leaves out what differs from program to program.
        let has_all = |text: &&String| words.split('…').all(|part| text.contains(part));
        assert!(said.iter().any(|text| has_all(&text)), "{words}");
    }
}
