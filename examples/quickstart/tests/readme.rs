//! The README shows this example.

/// The lines of the first Rust program in `page`.
fn first_program(page: &str) -> Vec<&str> {
    let lines = page.lines().skip_while(|line| *line != "```rust");
    lines.skip(1).take_while(|line| *line != "```").collect()
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
