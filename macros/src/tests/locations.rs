//! Call sites and functions have the locations of the user's tokens.

use super::expand;
use crate::model::Mode;

#[test]
fn a_call_site_has_the_location_of_the_methods_name() {
    let source = "#[track]
async fn find(pool: &Pool) {
    sqlx::query(\"…\")
        .bind(1)
        .fetch_one(pool).await;
    println!(\"{:?}\", pool.acquire().await);
    Executor::execute(pool, \"…\").await
}";
    let expansion = expand(source, Mode::On).to_string();
    for (word, line, column) in [
        ("find", 2, 10),
        ("fetch_one", 5, 10),
        ("acquire", 6, 27),
        ("execute", 7, 15),
    ] {
        let text = source.lines().nth(line - 1).expect("the line");
        let before = text.split(word).next().expect("the word").chars().count();
        assert_eq!(before + 1, column, "{word} in {text:?}");
        let location = match word {
            // The name of the function is known from its path.
            "find" => format!("at {line}:{column}; "),
            _ => format!("site {line}:{column} {word}"),
        };
        assert!(
            expansion.contains(&location),
            "no {location} in {expansion}"
        );
    }
}

#[test]
fn line_numbers_have_no_suffix() {
    let source = format!(
        "#[track]{}async fn find() {{ dbg!(pool.acquire().await); }}",
        "\n".repeat(12_344)
    );
    let expansion = expand(&source, Mode::On).to_string();
    assert!(expansion.contains("12345 , 19"), "{expansion}");
}
