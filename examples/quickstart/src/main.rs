//! The program of the README: a repository with `#[track]`, and the table of the statements that each of its lines has sent.

use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{SqlitePool, leash, track};

struct ExamRepo {
    pool: SqlitePool,
}

#[track] // on an impl block, a trait impl, an inline module or one fn
impl ExamRepo {
    async fn add(&self, patient: &str) -> sqlx::Result<i64> {
        let added = sqlx::query("INSERT INTO exam (patient) VALUES (?)")
            .bind(patient)
            .execute(&self.pool)
            .await?;
        Ok(added.last_insert_rowid())
    }

    async fn patient(&self, id: i64) -> sqlx::Result<String> {
        sqlx::query_scalar("SELECT patient FROM exam WHERE id = ?")
            .bind(id)
            .fetch_one(&self.pool)
            .await
    }
}

#[tokio::main]
async fn main() -> sqlx::Result<()> {
    // SQLite deletes a database in memory with its last connection, so the pool closes none.
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect("sqlite::memory:")
        .await?;
    sqlx::raw_sql("CREATE TABLE exam (id INTEGER PRIMARY KEY, patient TEXT NOT NULL)")
        .execute(&pool)
        .await?;

    let exams = ExamRepo { pool };
    for patient in ["Amsel, Berta", "Buchfink, Emil", "Dohle, Irma"] {
        let id = exams.add(patient).await?;
        assert_eq!(exams.patient(id).await?, patient);
    }
    println!("{}", leash::snapshot());
    Ok(())
}
