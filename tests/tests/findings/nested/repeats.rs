//! How often findings behind one line are logged.

use sqlx::{SqlitePool, track};

use crate::common::{Lines, in_child_under, pool_of};

use super::Result;

#[track]
async fn shared_line(pool: &SqlitePool) -> Result {
    drop(pool.acquire().await?);
    Ok(())
}

#[track]
async fn one_holder(pool: &SqlitePool) -> Result {
    let held = pool.acquire().await?;
    shared_line(pool).await?;
    drop(held);
    Ok(())
}

#[track]
async fn another_holder(pool: &SqlitePool) -> Result {
    let held = pool.begin().await?;
    shared_line(pool).await?;
    held.commit().await
}

/// The primary place is the same. The holders are not, and neither is what must change.
#[test]
fn each_holder_behind_a_line_is_shown_once() {
    let test = "nested::repeats::each_holder_behind_a_line_is_shown_once";
    let _ = in_child_under(test, "", |runtime| {
        let lines = Lines::of_process();
        runtime.block_on(async {
            let pool = pool_of(5).await;
            for _ in 0..3 {
                one_holder(&pool).await.unwrap();
                another_holder(&pool).await.unwrap();
            }
        });
        let found = lines.of("sqlx_leash::finding");
        let of = |word: &str| found.iter().filter(|it| it.contains(word)).count();
        assert_eq!(found.len(), 2, "{found:#?}");
        assert_eq!(
            (of("one_holder"), of("another_holder")),
            (1, 1),
            "{found:#?}"
        );
    });
}
