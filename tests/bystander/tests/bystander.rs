//! The main test is that the crate compiles. Running it shows that sqlx's implementations are used.

#[test]
fn the_bystander_compiles_and_runs() {
    let done = sqlx::test_block_on(async {
        let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
        bystander::everything(pool).await
    });
    done.unwrap();
}
