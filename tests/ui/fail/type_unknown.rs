//! Misspelled types.

use sqlx::track;

#[track]
async fn find(pool: &Pol) -> sqlx::Result<Exam> {
    Exam::load(pool).await
}

fn main() {}
