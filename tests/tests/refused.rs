//! What `#[track]` refuses and in which words, and what sqlx refuses: with `track` no more is accepted.

#[test]
fn programs_are_refused_in_these_words() {
    leash_test_support::refused(&[
        "ui/fail/*.rs",
        "ui/guard/*.rs",
        "ui/refused/*.rs",
        "ui/testing/*.rs",
        "ui/track/*.rs",
    ]);
}
