//! A statement that a tracked function sends on a lent connection is the handle's statement.

use futures::TryStreamExt;
use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, HandleInfo, Lint};
use sqlx::{
    Acquire, Connection, Database, Executor, Sqlite, SqliteConnection, SqliteExecutor, track,
};

use tokio::sync::{Mutex, MutexGuard};

use crate::common::{
    HUNDRED, Place, TestPool, Tx, assert_certainty, assert_none, marked, only, pool,
};

use super::{INSERT, inserts, unseen};

/// The only handle of the pool.
fn handle(pool: &TestPool) -> HandleInfo {
    let mut handles = pool.handles();
    assert_eq!(handles.len(), 1, "{handles:#?}");
    handles.remove(0)
}

/// Asserts that the last operation of the only handle is at this place, and is the handle's statement of this number.
#[track_caller]
fn assert_last(pool: &TestPool, place: &Place, statements: u64) {
    let handle = handle(pool);
    let last = handle.operations[0].site.as_ref().map(Place::from);
    assert_eq!(last.as_ref(), Some(place), "{handle:#?}");
    assert_eq!(handle.statements, statements, "{handle:#?}");
}

#[track]
async fn by_reference(conn: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::query(INSERT).execute(conn).await.map(drop) // @by reference
}

#[track]
async fn by_reborrow(conn: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::query(INSERT).execute(&mut *conn).await?; // @by reborrow
    Ok(())
}

#[track]
async fn generic<'e, E: Executor<'e, Database = Sqlite>>(executor: E) -> sqlx::Result<()> {
    sqlx::query(INSERT).execute(executor).await.map(drop) // @generic
}

#[track]
async fn by_alias(executor: impl SqliteExecutor<'_>) -> sqlx::Result<()> {
    sqlx::query(INSERT).execute(executor).await.map(drop) // @by alias
}

#[track]
async fn two_deep(conn: &mut SqliteConnection) -> sqlx::Result<()> {
    by_reborrow(conn).await?;
    generic(&mut *conn).await
}

struct Repo<'c> {
    conn: &'c mut SqliteConnection,
}

#[track]
impl Repo<'_> {
    async fn add(&mut self) -> sqlx::Result<()> {
        sqlx::query(INSERT).execute(&mut *self.conn).await?; // @in a field
        Ok(())
    }
}

#[track]
async fn streams(conn: &mut SqliteConnection, pool: &TestPool) -> sqlx::Result<u64> {
    let mut rows = sqlx::query(HUNDRED).fetch(conn); // @streamed
    rows.try_next().await?;
    Ok(handle(pool).stream_rows)
}

#[track]
async fn each_way(pool: &TestPool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    by_reference(&mut conn).await?;
    assert_last(pool, &marked("by reference", "execute"), 1);
    by_reborrow(&mut conn).await?;
    assert_last(pool, &marked("by reborrow", "execute"), 2);
    generic(conn.as_mut()).await?;
    assert_last(pool, &marked("generic", "execute"), 3);
    by_alias(conn.as_mut()).await?;
    assert_last(pool, &marked("by alias", "execute"), 4);
    two_deep(&mut conn).await?;
    assert_last(pool, &marked("generic", "execute"), 6);
    sqlx::query(INSERT).execute(conn.as_mut()).await?; // @in the statement
    assert_last(pool, &marked("in the statement", "execute"), 7);
    let mut repo = Repo { conn: &mut conn };
    repo.add().await?;
    repo.add().await?;
    assert_last(pool, &marked("in a field", "execute"), 9);
    assert_eq!(streams(&mut conn, pool).await?, 1);
    assert_last(pool, &marked("streamed", "fetch"), 10);
    Ok(())
}

#[tokio::test]
async fn whatever_the_helper_takes() {
    let pool = pool().await;
    let (done, found) = findings(each_way(&pool)).await;
    done.unwrap();
    assert_none(&found);
}

/// The variable is not known to stay in its place: it is a field, or moves later.
struct UnitOfWork {
    tx: Tx,
}

#[track]
impl UnitOfWork {
    async fn add(&mut self, pool: &TestPool) -> sqlx::Result<()> {
        by_reference(&mut self.tx).await?;
        assert_last(pool, &marked("by reference", "execute"), 1);
        two_deep(&mut self.tx).await?;
        assert_last(pool, &marked("generic", "execute"), 3);
        sqlx::query(INSERT).execute(self.tx.as_mut()).await?; // @of a field
        assert_last(pool, &marked("of a field", "execute"), 4);
        Ok(())
    }

    async fn save(self) -> sqlx::Result<()> {
        self.tx.commit().await
    }
}

#[track]
async fn works(pool: &TestPool) -> sqlx::Result<()> {
    let mut work = UnitOfWork {
        tx: pool.begin().await?,
    };
    work.add(pool).await?;
    work.save().await
}

#[tokio::test]
async fn of_a_transaction_in_a_field() {
    let pool = pool().await;
    let (done, found) = findings(works(&pool)).await;
    done.unwrap();
    assert_none(&found);
}

/// Its holder has no attribute, so that the handle belongs to no scope.
#[tokio::test]
async fn of_a_handle_outside_of_all_scopes() {
    let pool = pool().await;
    let mut conn = pool.acquire().await.unwrap();
    by_reference(&mut conn).await.unwrap();
    assert_last(&pool, &marked("by reference", "execute"), 1);
    two_deep(&mut conn).await.unwrap();
    assert_last(&pool, &marked("generic", "execute"), 3);
}

#[track]
async fn uses_two(pool: &TestPool) -> sqlx::Result<[u64; 2]> {
    let mut one = pool.acquire().await?;
    let mut other = pool.acquire().await?;
    by_reference(&mut one).await?;
    by_reference(&mut other).await?;
    by_reference(&mut one).await?;
    std::mem::swap(&mut one, &mut other);
    by_reference(&mut one).await?;
    let handles = pool.handles();
    Ok([handles[0].statements, handles[1].statements])
}

#[tokio::test]
async fn of_two_handles_that_are_lent_in_turn_and_swapped() {
    let pool = pool().await;
    let (statements, _) = findings(uses_two(&pool)).await;
    assert_eq!(statements.unwrap(), [2, 2]);
}

/// A connection that belongs to no pool is nobody's, also while a handle is lent.
#[track]
async fn uses_a_bare_one(pool: &TestPool, bare: &mut SqliteConnection) -> sqlx::Result<u64> {
    let mut conn = pool.acquire().await?;
    by_reference(&mut conn).await?;
    generic(&mut *bare).await.unwrap_err();
    by_reference(bare).await.unwrap_err();
    std::mem::swap(bare, &mut conn);
    let _ = by_reference(bare).await;
    std::mem::swap(bare, &mut conn);
    Ok(handle(pool).statements)
}

#[tokio::test]
async fn of_a_connection_without_a_pool_it_is_nobodys() {
    let pool = pool().await;
    let mut bare = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    let (statements, found) = findings(uses_a_bare_one(&pool, &mut bare)).await;
    assert_eq!(statements.unwrap(), 1);
    assert_none(&found);
}

#[track]
async fn forgets_to_commit(pool: &TestPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @forgotten
    inserts(&mut tx).await?;
    Ok(())
}

#[track]
async fn forgets_behind_a_struct(pool: &TestPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @forgotten by a struct
    let mut repo = Repo { conn: &mut tx };
    repo.add().await?;
    Ok(())
}

#[track]
async fn forgets_after_unseen_code(pool: &TestPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @forgotten after unseen code
    inserts(&mut tx).await?;
    unseen(&mut tx).await;
    Ok(())
}

#[tokio::test]
async fn its_writes_are_lost_with_the_transaction() {
    let pool = pool().await;
    let (_, found) = findings(forgets_to_commit(&pool)).await;
    let found = only(found);
    assert_eq!(found.lint, Lint::ImplicitRollback);
    assert_eq!(Place::from(&found.primary), marked("forgotten", "begin"));
    assert_certainty(&found, Certainty::Certain);
    let (_, found) = findings(forgets_behind_a_struct(&pool)).await;
    let found = only(found);
    let begun = marked("forgotten by a struct", "begin");
    assert_eq!(Place::from(&found.primary), begun);
    let (_, found) = findings(forgets_after_unseen_code(&pool)).await;
    let found = only(found);
    let begun = marked("forgotten after unseen code", "begin");
    assert_eq!(Place::from(&found.primary), begun);
    assert_certainty(&found, Certainty::Likely);
}

#[track]
async fn sends(conn: &mut SqliteConnection, text: &'static str) -> sqlx::Result<()> {
    sqlx::query(text).execute(conn).await.map(drop)
}

#[track]
async fn commits_by_text(pool: &TestPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    inserts(&mut tx).await?;
    sends(&mut tx, "COMMIT").await?;
    sends(&mut tx, "BEGIN").await
}

#[track]
async fn rolls_back_by_text(pool: &TestPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    inserts(&mut tx).await?;
    sends(&mut tx, "ROLLBACK").await?;
    sends(&mut tx, "BEGIN").await
}

#[track]
async fn undoes_to_a_savepoint(pool: &TestPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sends(&mut tx, "SAVEPOINT before").await?;
    inserts(&mut tx).await?;
    sends(&mut tx, "ROLLBACK TO before").await
}

#[track]
async fn writes_before_a_savepoint(pool: &TestPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?; // @before a savepoint
    inserts(&mut tx).await?;
    sends(&mut tx, "SAVEPOINT before").await?;
    inserts(&mut tx).await?;
    sends(&mut tx, "ROLLBACK TO before").await
}

#[tokio::test]
async fn a_commit_or_rollback_as_text_leaves_nothing_to_lose() {
    let pool = pool().await;
    for found in [
        findings(commits_by_text(&pool)).await,
        findings(rolls_back_by_text(&pool)).await,
        findings(undoes_to_a_savepoint(&pool)).await,
    ] {
        found.0.unwrap();
        assert_none(&found.1);
    }
    let (_, found) = findings(writes_before_a_savepoint(&pool)).await;
    let begun = marked("before a savepoint", "begin");
    assert_eq!(Place::from(&only(found).primary), begun);
}

#[track]
async fn begins(conn: &mut SqliteConnection, pool: &TestPool) -> sqlx::Result<u32> {
    let mut tx = Connection::begin(conn).await?;
    sqlx::query(INSERT).execute(&mut *tx).await?;
    let depth = handle(pool).transaction_depth;
    tx.commit().await?;
    Ok(depth)
}

#[track]
async fn acquires<'c, A: Acquire<'c, Database = Sqlite>>(source: A) -> sqlx::Result<()> {
    let mut conn = source.acquire().await?;
    sqlx::query(INSERT).execute(&mut *conn).await?; // @acquired
    Ok(())
}

#[track]
async fn lends_to_what_begins(pool: &TestPool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    let plain: &mut SqliteConnection = &mut conn;
    assert_eq!(begins(plain, pool).await?, 1);
    assert_eq!(handle(pool).transaction_depth, 0);
    acquires(conn.as_mut()).await?;
    assert_last(pool, &marked("acquired", "execute"), 2);
    Ok(())
}

#[tokio::test]
async fn a_transaction_begun_on_it_is_the_handles() {
    let pool = pool().await;
    let (done, found) = findings(lends_to_what_begins(&pool)).await;
    done.unwrap();
    assert_none(&found);
}

/// Code that is generic over the database.
#[track]
async fn of_any_database<DB>(conn: &mut DB::Connection) -> sqlx::Result<()>
where
    DB: Database,
    for<'e> &'e mut DB::Connection: Executor<'e, Database = DB>,
    for<'q> <DB as Database>::Arguments: sqlx::IntoArguments<DB>,
{
    sqlx::query::<DB>(INSERT).execute(conn).await.map(drop) // @of any
}

#[track]
async fn in_a_guard(mut conn: MutexGuard<'_, &mut SqliteConnection>) -> sqlx::Result<()> {
    sqlx::query(INSERT).execute(&mut **conn).await?; // @in a guard
    Ok(())
}

#[track]
async fn in_other_forms(pool: &TestPool) -> sqlx::Result<()> {
    let mut conn = pool.acquire().await?;
    of_any_database::<Sqlite>(&mut conn).await?;
    assert_last(pool, &marked("of any", "execute"), 1);
    let shared = Mutex::new(&mut *conn as &mut SqliteConnection);
    in_a_guard(shared.lock().await).await?;
    assert_last(pool, &marked("in a guard", "execute"), 2);
    Ok(())
}

#[tokio::test]
async fn in_code_that_is_generic_or_behind_a_guard() {
    let pool = pool().await;
    let (done, found) = findings(in_other_forms(&pool)).await;
    done.unwrap();
    assert_none(&found);
}
