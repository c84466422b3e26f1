//! What `#[track]` accepts, without a new warning, and what it refuses, in which words.
//!
//! `TRYBUILD=overwrite` writes the words anew; they are for a person to read, not to edit.

#[test]
fn what_track_accepts_and_refuses() {
    let programs = trybuild::TestCases::new();
    programs.pass("ui/pass/*.rs");
    programs.compile_fail("ui/fail/*.rs");
    programs.compile_fail("ui/guard/*.rs");
}
