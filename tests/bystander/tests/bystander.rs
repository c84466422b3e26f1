//! That it compiles is the point; that it runs shows that nothing took the place of sqlx's implementations.

#[test]
fn the_bystander_is_left_alone() {
    let done = sqlx::test_block_on(async {
        let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
        bystander::everything(pool).await
    });
    done.unwrap();
}
