//! The README shows this example.

/// The lines of the first Rust program in `page` that has imports.
fn first_program(page: &str) -> Vec<&str> {
    let mut lines = page.lines();
    while lines.any(|line| line == "```rust") {
        let program: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        if program.first().is_some_and(|line| line.starts_with("use ")) {
            return program;
        }
    }
    Vec::new()
}

#[test]
fn the_program_of_the_readme_is_this_one() {
    let program = first_program(include_str!("../../../README.md"));
    assert!(!program.is_empty());
    let mut example = include_str!("../src/main.rs").lines();
    for line in program {
        assert!(
            example.any(|of_example| of_example == line),
            "{line:?} is not in the example, or stands earlier"
        );
    }
}
