//! Tests that pin what is sent and found: `assert_queries!`, `constant_queries`, `statements`, `assert_clean!`.

mod clean;
mod growth;
mod queries;
mod snapshots;

use sqlx::leash::testing::{assert_queries, constant_queries};
use sqlx::{SqlitePool, track};

use crate::common::{Place, caught, pool};

/// Runs `future`, which must panic with a text of this crate's, and returns the text and the place.
async fn refusal<T>(future: impl Future<Output = T>) -> (String, Place) {
    let (outcome, place) = caught(future).await;
    let Err(payload) = outcome else {
        panic!("it must panic");
    };
    let message = match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => (*payload.downcast::<&str>().expect("a text")).to_owned(),
    };
    (message, place.expect("a panic has a place"))
}

/// The text with `LINE:COLUMN` for each line and column: they change with the test's source.
fn without_lines(text: &str) -> String {
    let without = |word: &str| match word.split_once(".rs:") {
        Some((file, at)) if at.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("{file}.rs:LINE:COLUMN")
        }
        _ => word.to_owned(),
    };
    let lines = text.lines().map(|line| {
        let words: Vec<_> = line.split(' ').map(without).collect();
        words.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The cells of the row with this text, between its columns.
fn row_with(message: &str, text: &str) -> Vec<String> {
    let row = message.lines().find(|line| line.contains(text));
    let row = row.unwrap_or_else(|| panic!("no row with {text} in {message}"));
    let cells = row.split("  ").map(str::trim);
    cells
        .filter(|cell| !cell.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A place as tables print it.
fn at(place: &Place) -> String {
    format!("{}:{}:{}", place.file, place.line, place.column)
}

/// Makes data: it is no tracked code.
async fn seed(pool: &SqlitePool, exams: i64) {
    sqlx::query("DELETE FROM exam").execute(pool).await.unwrap();
    for id in 0..exams {
        add(pool, id).await;
    }
}

async fn add(pool: &SqlitePool, id: i64) {
    sqlx::query("INSERT INTO exam (id, name) VALUES (?, 'Amsel')")
        .bind(id)
        .execute(pool)
        .await
        .unwrap();
}

/// The ids of all exams, in one statement.
#[track]
async fn ids(pool: &SqlitePool) -> sqlx::Result<Vec<i64>> {
    sqlx::query_scalar("SELECT id FROM exam")
        .fetch_all(pool)
        .await
}

#[track]
async fn name(pool: &SqlitePool, id: i64) -> sqlx::Result<String> {
    sqlx::query_scalar("SELECT name FROM exam WHERE id = ?")
        .bind(id)
        .fetch_one(pool) // @name
        .await
}

/// The names of all exams, one by one.
#[track]
async fn names(pool: &SqlitePool) -> sqlx::Result<Vec<String>> {
    let mut names = Vec::new();
    for id in ids(pool).await? {
        names.push(name(pool, id).await?);
    }
    Ok(names)
}

/// The same in one statement.
#[track]
async fn names_at_once(pool: &SqlitePool) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar("SELECT name FROM exam")
        .fetch_all(pool)
        .await
}

/// The repository of the page `testing`.
struct ExamRepo {
    pool: SqlitePool,
}

#[track]
impl ExamRepo {
    async fn patient(&self, exam: i64) -> sqlx::Result<String> {
        sqlx::query_scalar("SELECT name FROM exam WHERE id = ?")
            .bind(exam)
            .fetch_one(&self.pool)
            .await
    }

    async fn patients(&self) -> sqlx::Result<Vec<String>> {
        let mut patients = Vec::new();
        let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM exam")
            .fetch_all(&self.pool)
            .await?;
        for id in ids {
            patients.push(self.patient(id).await?);
        }
        Ok(patients)
    }
}

/// The page shows what is really said, but for the places.
#[tokio::test]
async fn the_page_shows_what_is_said() {
    fn without_places(text: &str) -> String {
        let cut = |line: &str| {
            let end = line.find("src/").or_else(|| line.find("tests/tests/"));
            line[..end.unwrap_or(line.len())].trim_end().to_owned()
        };
        text.lines().map(cut).collect::<Vec<_>>().join("\n")
    }
    let page = include_str!("../../../runtime/src/guide/testing.md");
    let page = without_places(page);
    let pool = pool().await;
    let exams = ExamRepo {
        pool: (*pool).clone(),
    };
    seed(&pool, 3).await;
    let (of_queries, _) = refusal(async { assert_queries!(1, exams.patients()) }).await;
    let (of_growth, _) = refusal(async {
        let run = async |n| {
            seed(&pool, n).await;
            exams.patients().await.unwrap()
        };
        constant_queries([2, 20], run).await
    })
    .await;
    for said in [of_queries, of_growth] {
        let said = without_places(&said);
        assert!(page.contains(&said), "the page does not have:\n{said}");
    }
}

/// The place of the statement in [`name`].
fn place_of_name() -> Place {
    leash_tests::marked("name", "fetch_one")
}
