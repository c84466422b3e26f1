//! The loops and closures that the attribute records, and the `.await`s in them that it marks.

use super::expand;
use crate::model::Mode;

/// The expansion of a function with this body.
fn expansion(body: &str) -> String {
    let source = format!("#[track] async fn find(pool: &Pool) -> Result<()> {{ {body} }}");
    expand(&source, Mode::On).to_string()
}

/// The first word of each recorded loop, and whether its rounds work on what was there before the first.
fn loops(body: &str) -> Vec<(String, bool)> {
    let expansion = expansion(body);
    let Some((_, loops)) = expansion.split_once(". looping (const { & [") else {
        return Vec::new();
    };
    let (loops, _) = loops.split_once("] })").expect("their end");
    loops
        .split("(\"")
        .skip(1)
        .map(|one| {
            let (word, rest) = one.split_once('"').expect("a word");
            (word.to_owned(), rest.contains(", true)"))
        })
        .collect()
}

#[track_caller]
fn check(body: &str, expected: &[(&str, bool)]) {
    let found = loops(body);
    let found: Vec<_> = found
        .iter()
        .map(|(word, given)| (&**word, *given))
        .collect();
    assert_eq!(found, expected, "{body}");
}

#[test]
fn the_rounds_of_a_for_loop_are_given() {
    check("for id in ids { one(id).await?; }", &[("for", true)]);
    check("for (id, _) in &ids { one(*id).await?; }", &[("for", true)]);
    check(
        "for Exam { id, .. } in ids { one(id).await?; }",
        &[("for", true)],
    );
    check(
        "for id in ids { all(format!(\"… {id}\")).await?; }",
        &[("for", true)],
    );
    // Each of these rounds may go on from the one before.
    check("for _ in 0..3 { next(id).await?; }", &[("for", false)]);
    check("for _round in 0..3 { next(id).await?; }", &[("for", false)]);
}

#[test]
fn other_loops_may_wait_for_what_comes() {
    check(
        "while let Some(id) = ids.pop() { one(id).await?; }",
        &[("while", true)],
    );
    check(
        "while let Some(id) = rows.next().await { one(id).await?; }",
        &[("while", false)],
    );
    check("loop { one(id).await?; }", &[("loop", false)]);
    check(
        "stream::iter(ids).map(|id| async move { one(id).await });",
        &[("|", true)],
    );
}

#[test]
fn a_loop_in_which_nothing_is_awaited_is_not_recorded() {
    check("for id in ids { all.push(id); } one(all).await?;", &[]);
    check("all(ids.iter().map(|id| id + 1)).await?;", &[]);
    check("fn inner() { loop { one().await } }", &[]);
}

#[test]
fn loops_in_loops_are_recorded() {
    let mut found = loops("for a in all { for b in a { one(b).await?; } }");
    found.sort();
    assert_eq!(found.len(), 2);
}

#[test]
fn an_await_in_a_loop_is_marked() {
    let marks = |body: &str| expansion(body).contains(":: round (");
    assert!(marks("for id in ids { exams.name(id).await?; }"));
    assert!(marks(
        "stream::iter(ids).map(|id| async move { one(id).await });"
    ));
    // A call site knows its own place.
    assert!(!marks(
        "for id in ids { query(\"…\").bind(id).execute(pool).await?; }"
    ));
    assert!(!marks("exams.name(1).await?;"));
}
