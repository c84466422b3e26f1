//! The loops and closures that the attribute records, and the `.await`s in them that it marks.

use super::{expand, facts};
use crate::model::Mode;

/// The expansion of a function with this body.
fn expansion(body: &str) -> String {
    let source = format!("#[track] async fn find(pool: &Pool) -> Result<()> {{ {body} }}");
    expand(&source, Mode::On).to_string()
}

/// The first word of each recorded loop, and what its rounds go on from.
fn loops(body: &str) -> Vec<(String, String)> {
    let expansion = expansion(body);
    let loops = facts(&expansion, "loop");
    let words = loops
        .iter()
        .map(|one| one.split(' ').map(String::from).collect::<Vec<_>>());
    words
        .map(|words| (words[1].clone(), words[3].clone()))
        .collect()
}

#[track_caller]
fn check(body: &str, expected: &[(&str, &str)]) {
    let found = loops(body);
    let found: Vec<_> = found
        .iter()
        .map(|(word, rounds)| (&**word, &**rounds))
        .collect();
    assert_eq!(found, expected, "{body}");
}

#[test]
fn the_rounds_of_a_for_loop_are_given() {
    for body in [
        "for id in ids { one(id).await?; }",
        "for (id, _) in &ids { one(*id).await?; }",
        "for Exam { id, .. } in ids { one(id).await?; }",
        "for id in ids { all(format!(\"… {id}\")).await?; }",
        // What is set is not awaited with.
        "for id in ids { sum += one(id).await?; count += 1; }",
        "for id in 1..10 { last = Some(one(id).await?); }",
        "for exam in &mut exams { exam.name = one(exam.id).await?; }",
        "for id in ids { names[id] = one(id).await?; }",
        "for id in ids { let mut key = id; key = key + 1; one(key).await?; }",
        "for row in rows { line += 1; insert(line, row).await?; }",
        "for id in ids { self.sum += self.one(id).await?; }",
        "for id in ids { one(id).await?; sleep(pause).await; }",
    ] {
        check(body, &[("for", "given")]);
    }
}

#[test]
fn a_round_may_go_on_from_the_one_before() {
    for body in [
        "for _ in 0..3 { next(id).await?; }",
        "for _round in 0..3 { next(id).await?; }",
        "for depth in 0..9 { node = parent(node, depth).await?; }",
        "for depth in 0..9 { match parent(node).await? { Some(up) => { node = up; log(depth) } None => break } }",
        "for depth in 0..9 { let up = parent(&node, depth).await?; node = up; }",
        "for depth in 0..9 { let key = node; node = parent(key, depth).await?; }",
        "for page in 0..9 { let rows = read(self.cursor, page).await?; self.cursor = last(&rows); }",
        "for page in 0..9 { log(page); rows(format!(\"> {last}\")).await?; last = x; }",
    ] {
        check(body, &[("for", "chained")]);
    }
}

#[test]
fn counted_rounds_with_a_pause_may_ask_again() {
    check(
        "for attempt in 0..50 { if done(id).await? { break } info!(attempt); sleep(pause).await; }",
        &[("for", "paused")],
    );
    check(
        "for _ in 0..50 { if done(id).await? { break } sleep(pause).await; }",
        &[("for", "waiting")],
    );
    check(
        "for _ in 0..9 { let job = jobs.recv().await; work(job).await?; }",
        &[("for", "waiting")],
    );
}

#[test]
fn other_loops_may_wait_for_what_comes() {
    check(
        "while let Some(id) = ids.pop() { one(id).await?; }",
        &[("while", "given")],
    );
    check(
        "while let Some(id) = rows.next().await { one(id).await?; }",
        &[("while", "waiting")],
    );
    check(
        "while !is_done { is_done = done(id).await?; sleep(pause).await; }",
        &[("while", "waiting")],
    );
    check("loop { one(id).await?; }", &[("loop", "waiting")]);
    check(
        "loop { let Some(id) = ids.next() else { break }; one(id).await?; }",
        &[("loop", "given")],
    );
    check(
        "loop { let Some(id) = rows.next().await else { break }; one(id).await?; }",
        &[("loop", "waiting")],
    );
    check(
        "stream::iter(ids).map(|id| async move { one(id).await });",
        &[("|", "given")],
    );
}

#[test]
fn a_loop_in_which_nothing_is_awaited_is_not_recorded() {
    check("for id in ids { all.push(id); } one(all).await?;", &[]);
    check("all(ids.iter().map(|id| id + 1)).await?;", &[]);
    check("fn inner() { loop { one().await } }", &[]);
}

#[test]
fn a_loop_whose_tasks_carry_the_scope_is_recorded() {
    check(
        "for id in ids { tasks.spawn(one(id).in_current_scope()); } tasks.join_all().await;",
        &[("for", "given")],
    );
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
