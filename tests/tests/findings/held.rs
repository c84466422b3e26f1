//! `held_idle` and `held_too_long`: who holds a handle, since when, and what it did with it.

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use sqlx::leash::testing::findings;
use sqlx::leash::{Certainty, HandleExt, HandleInfo, Level, Lint};
use sqlx::postgres::{PgListener, PgPoolCopyExt, PgPoolOptions};
use sqlx::{Acquire, Connection, Executor, PgPool, Postgres, SqliteConnection, SqlitePool, track};

use crate::support::{
    self, Gate, HUNDRED, Lines, Says, TestPool, Tx, declared, heard, in_child, marked, only, pool,
    pool_of, silent, told, watched,
};

const IDLE: Says<'static> = Says {
    lint: Lint::HeldIdle,
    level: Level::Warn,
    certainty: Certainty::Certain,
    primary: support::Place {
        file: String::new(),
        line: 0,
        column: 0,
    },
    function: None,
    title: &[],
    related: &[],
    facts: &[],
    help: &[],
};

#[track(held_idle = "100ms")]
async fn idle_connection(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap(); // @connection
    conn.execute("SELECT 1").await.unwrap(); // @last
    told(pool.name(), Lint::HeldIdle, 1).await;
}

#[tokio::test]
async fn a_connection() {
    let pool = pool().await;
    let ((), found) = findings(idle_connection(&pool)).await;
    let found = only(found);
    Says {
        primary: marked("connection", "acquire"),
        function: Some("findings::held::idle_connection"),
        title: &[
            "findings::held::idle_connection holds a connection of pool test pool ",
            "has not used it for",
            "; the limit is 100 ms",
        ],
        related: &[("last used here", marked("last", "execute"))],
        facts: &[
            "held for",
            "idle for",
            "last SELECT at tests/tests/findings/held.rs:",
            "with the database,",
            "takes 1 of 5 permits",
            "waiting for this pool: 0",
        ],
        help: &[
            "`drop(conn)`",
            ".long_lived(\"…\")",
            "#[track(held_idle = \"60s\")]",
        ],
        ..IDLE
    }
    .check(&found);
    assert_eq!(found.pool.as_deref(), Some(pool.name()));
    assert_eq!(
        found.label,
        "taken here, in findings::held::idle_connection"
    );
    assert!(found.cause.contains("`SELECT` ended"), "{}", found.cause);
}

#[track(held_idle = "100ms")]
async fn never_used(pool: &TestPool) {
    let _conn = pool.acquire().await.unwrap(); // @never used
    told(pool.name(), Lint::HeldIdle, 1).await;
}

#[tokio::test]
async fn a_connection_that_was_never_used() {
    let pool = pool().await;
    let ((), found) = findings(never_used(&pool)).await;
    let found = only(found);
    Says {
        primary: marked("never used", "acquire"),
        function: Some("findings::held::never_used"),
        ..IDLE
    }
    .check(&found);
    assert_eq!(found.cause, "nothing was ever sent on it");
}

#[track(held_idle = "100ms")]
async fn sleeps_in_a_transaction(pool: &TestPool) {
    let mut tx = pool.begin().await.unwrap(); // @transaction
    sqlx::query("INSERT INTO exam (name) VALUES ('a')")
        .execute(&mut *tx) // @inserted
        .await
        .unwrap();
    told(pool.name(), Lint::HeldIdle, 1).await;
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_sleep_in_a_transaction() {
    let pool = pool().await;
    let ((), found) = findings(sleeps_in_a_transaction(&pool)).await;
    Says {
        primary: marked("transaction", "begin"),
        function: Some("findings::held::sleeps_in_a_transaction"),
        title: &["holds a transaction of pool"],
        related: &[("last used here", marked("inserted", "execute"))],
        facts: &["last INSERT exam at"],
        help: &["before `begin` or after `commit`"],
        ..IDLE
    }
    .check(&only(found));
}

#[track]
async fn takes(pool: &SqlitePool) -> Tx {
    pool.begin().await.unwrap() // @handed up
}

#[track(held_idle = "100ms")]
async fn takes_with_a_limit(pool: &SqlitePool) -> Tx {
    pool.begin().await.unwrap() // @taken for the caller
}

#[track]
async fn keeps_what_was_handed_up(pool: &TestPool) {
    let _tx = takes_with_a_limit(pool).await;
    told(pool.name(), Lint::HeldIdle, 1).await;
}

#[tokio::test]
async fn a_handle_that_was_handed_up_says_who_has_it_now() {
    let pool = pool().await;
    let ((), found) = findings(keeps_what_was_handed_up(&pool)).await;
    Says {
        primary: marked("taken for the caller", "begin"),
        function: Some("findings::held::takes_with_a_limit"),
        related: &[(
            "held by this function now",
            declared("keeps_what_was_handed_up"),
        )],
        ..IDLE
    }
    .check(&only(found));
}

#[track(held_idle = "100ms")]
async fn half_read(pool: &TestPool) {
    let mut rows = sqlx::query(HUNDRED).fetch(&**pool); // @half read
    for _ in 0..3 {
        rows.try_next().await.unwrap().unwrap();
    }
    told(pool.name(), Lint::HeldIdle, 1).await;
}

#[tokio::test]
async fn a_row_stream_that_stands_says_how_many_rows_were_read() {
    let pool = pool().await;
    let ((), found) = findings(half_read(&pool)).await;
    let found = only(found);
    Says {
        primary: marked("half read", "fetch"),
        function: Some("findings::held::half_read"),
        title: &["holds a row stream of pool"],
        facts: &["read 3 rows, the last one"],
        help: &[".try_collect().await?"],
        ..IDLE
    }
    .check(&found);
    assert!(
        found.cause.contains("does not ask for the next"),
        "{}",
        found.cause
    );
}

#[track(held_idle = "100ms")]
async fn several_results(pool: &TestPool) {
    let mut tx = pool.begin().await.unwrap(); // @several results
    {
        let both = "INSERT INTO exam (name) VALUES ('a'); INSERT INTO exam (name) VALUES ('b')";
        let mut results = tx.fetch_many(sqlx::raw_sql(both)); // @results
        results.try_next().await.unwrap().unwrap();
        told(pool.name(), Lint::HeldIdle, 1).await;
    }
    tx.rollback().await.unwrap();
}

#[tokio::test]
async fn a_stream_of_results_without_rows_stands_too() {
    let pool = pool().await;
    let ((), found) = findings(several_results(&pool)).await;
    Says {
        primary: marked("several results", "begin"),
        function: Some("findings::held::several_results"),
        title: &["holds a row stream of pool"],
        related: &[("last used here", marked("results", "fetch_many"))],
        facts: &["read 0 rows"],
        ..IDLE
    }
    .check(&only(found));
}

/// Keeps a transaction in a field, out of all scopes.
struct Unit {
    _tx: Tx,
}

#[track(held_idle = "100ms")]
async fn open_unit(pool: &SqlitePool) -> Unit {
    Unit {
        _tx: pool.begin().await.unwrap(), // @unit
    }
}

#[tokio::test]
async fn a_handle_in_a_struct_that_no_scope_owns() {
    let pool = pool().await;
    let unit = open_unit(&pool).await;
    told(pool.name(), Lint::HeldIdle, 1).await;
    let found = only(heard(pool.name()));
    Says {
        primary: marked("unit", "begin"),
        function: Some("findings::held::open_unit"),
        ..IDLE
    }
    .check(&found);
    assert!(
        found.notes[0].contains("belongs to no scope"),
        "{:?}",
        found.notes
    );
    drop(unit);
}

#[track(held_idle = "100ms")]
async fn idles_twice(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    told(pool.name(), Lint::HeldIdle, 1).await;
    // The same stretch is not told again.
    watched().await;
    assert_eq!(heard(pool.name()).len(), 1);
    conn.execute("SELECT 1").await.unwrap();
    told(pool.name(), Lint::HeldIdle, 2).await;
}

#[tokio::test]
async fn each_stretch_is_told_once() {
    let pool = pool().await;
    let ((), found) = findings(idles_twice(&pool)).await;
    assert_eq!(found.len(), 2);
}

#[track(held_idle = "100ms")]
async fn comes_back(pool: &TestPool) {
    let _conn = pool.acquire().await.unwrap(); // @comes back
    told(pool.name(), Lint::HeldIdle, 1).await;
}

#[track]
async fn never_late(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    conn.execute("SELECT 1").await.unwrap();
}

#[test]
fn a_line_says_that_it_came_back_after_all() {
    let _ = in_child(
        "held::a_line_says_that_it_came_back_after_all",
        "",
        |runtime| {
            let lines = Lines::of_process();
            runtime.block_on(async {
                let pool = pool().await;
                comes_back(&pool).await;
                never_late(&pool).await;
                let place = marked("comes back", "acquire");
                // The watchdog logs what it has told after who listens has heard of it.
                let logged = || lines.of("sqlx_leash::finding").len() >= 2;
                support::until("both are logged", logged).await;
                let mut lines = lines.of("sqlx_leash::finding");
                lines.sort_by_key(|line| line.starts_with("INFO"));
                assert_eq!(lines.len(), 2, "{lines:#?}");
                assert!(
                    lines[0].starts_with("WARN warning[held_idle]: "),
                    "{lines:#?}"
                );
                let line = format!(
                    "INFO held_idle: the handle taken at {}:{}:{} came back after ",
                    place.file, place.line, place.column
                );
                assert!(lines[1].starts_with(&line), "{lines:#?}");
                assert!(
                    lines[1].contains("with the database") && lines[1].ends_with("without"),
                    "{lines:#?}"
                );
            });
        },
    );
}

#[track(held_idle = "100ms")]
async fn untracked_taker(pool: &TestPool) {
    takes_elsewhere(pool).await;
}

async fn takes_elsewhere(pool: &TestPool) {
    let _conn = pool.acquire().await.unwrap(); // @elsewhere
    told(pool.name(), Lint::HeldIdle, 1).await;
}

#[tokio::test]
async fn a_callee_without_the_attribute_has_its_callers_limit_and_its_own_line() {
    let pool = pool().await;
    let ((), found) = findings(untracked_taker(&pool)).await;
    Says {
        primary: marked("elsewhere", "acquire"),
        function: Some("findings::held::untracked_taker"),
        ..IDLE
    }
    .check(&only(found));
}

#[test]
fn levels_and_limits_in_their_order() {
    #[track]
    async fn plain(pool: &TestPool) {
        let _conn = pool.acquire().await.unwrap();
        watched().await;
    }
    #[track(held_idle = "100ms")]
    async fn limited(pool: &TestPool) {
        let _conn = pool.acquire().await.unwrap();
        watched().await;
    }
    #[track(held_idle = "1h")]
    async fn generous(pool: &TestPool) {
        let _conn = pool.acquire().await.unwrap();
        watched().await;
    }
    #[track(allow(held_idle, reason = "the test wants it"))]
    async fn allowed(pool: &TestPool) {
        let _conn = pool.acquire().await.unwrap();
        watched().await;
    }
    #[track(deny(held_idle), held_idle = "50ms")]
    async fn denied(pool: &TestPool) {
        let _conn = pool.acquire().await.unwrap();
        watched().await;
    }
    async fn level(future: impl Future<Output = ()>) -> Option<Level> {
        let ((), found) = findings(Box::pin(future)).await;
        assert!(found.len() <= 1);
        found.first().map(|found| found.level)
    }
    let environment =
        "held_idle=10ms,held_idle[far]=1h,held_idle[quiet]=allow,held_idle[strict]=deny:5ms";
    let _ = in_child(
        "held::levels_and_limits_in_their_order",
        environment,
        |runtime| {
            runtime.block_on(async {
                let named = support::pool_named;
                sqlx::leash::Config::new()
                    .limit(Lint::HeldIdle, Duration::from_hours(2))
                    .install();
                let plain_pool = pool().await;
                let (far, quiet, strict) = (
                    named(2, "far").await,
                    named(2, "quiet").await,
                    named(2, "strict").await,
                );
                // The environment beats code.
                assert_eq!(level(plain(&plain_pool)).await, Some(Level::Warn));
                // The pool beats the lint.
                assert_eq!(level(plain(&far)).await, None);
                assert_eq!(level(plain(&quiet)).await, None);
                assert_eq!(level(plain(&strict)).await, Some(Level::Deny));
                // The attribute beats them all.
                assert_eq!(level(limited(&far)).await, Some(Level::Warn));
                assert_eq!(level(generous(&plain_pool)).await, None);
                assert_eq!(level(allowed(&plain_pool)).await, None);
                // At deny nobody panics: it is not the program's path.
                assert_eq!(level(denied(&plain_pool)).await, Some(Level::Deny));
                denied(&plain_pool).await;
            });
        },
    );
}

#[test]
fn code_sets_the_limit_where_nobody_else_does() {
    #[track]
    async fn plain(pool: &TestPool) {
        let _conn = pool.acquire().await.unwrap();
        told(pool.name(), Lint::HeldIdle, 1).await;
    }
    let test = "held::code_sets_the_limit_where_nobody_else_does";
    let _ = in_child(test, "", |runtime| {
        "held_idle=200ms"
            .parse::<sqlx::leash::Config>()
            .unwrap()
            .install();
        runtime.block_on(async {
            let pool = pool().await;
            let ((), found) = findings(plain(&pool)).await;
            assert!(only(found).title.ends_with("the limit is 200 ms"));
        });
    });
}

// What is no finding.

#[track(held_idle = "50ms")]
async fn waits_for_a_statement(gate: &SqlitePool) {
    let mut conn = gate.acquire().await.unwrap();
    sqlx::query("INSERT INTO exam (name) VALUES ('a')")
        .execute(&mut *conn)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_statement_that_runs_is_no_idling() {
    let mut gate = Gate::closed().await;
    let pool = gate.pool.clone();
    silent(async {
        futures::join!(waits_for_a_statement(&pool), async {
            watched().await;
            watched().await;
            gate.open().await;
        });
    })
    .await;
}

#[track(held_idle = "50ms")]
async fn waits_in_begin(gate: &SqlitePool) {
    let tx = gate.begin_with("BEGIN IMMEDIATE").await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_begin_that_waits_is_no_idling() {
    let mut gate = Gate::closed().await;
    let pool = gate.pool.clone();
    silent(async {
        futures::join!(waits_in_begin(&pool), async {
            watched().await;
            watched().await;
            gate.open().await;
        });
    })
    .await;
}

async fn plain_code(_connection: &mut SqliteConnection) {
    watched().await;
}

#[track(held_idle = "50ms")]
async fn lends(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    plain_code(&mut conn).await;
    drop(conn);
    let mut tx = pool.begin().await.unwrap();
    plain_code(&mut tx).await;
}

#[tokio::test]
async fn a_lent_connection_is_not_judged() {
    let pool = pool().await;
    silent(lends(&pool)).await;
}

#[track(held_idle = "50ms")]
async fn keeps_on_purpose(pool: &TestPool) {
    let conn = pool
        .acquire()
        .await
        .unwrap()
        .long_lived("the test wants it");
    watched().await;
    drop(conn);
    let _tx = pool.begin().await.unwrap().long_lived("the test wants it");
    watched().await;
}

#[tokio::test]
async fn what_is_meant_to_live_long_is_not_judged() {
    let pool = pool().await;
    silent(keeps_on_purpose(&pool)).await;
}

#[track(held_idle = "2s")]
async fn reads_slowly(pool: &TestPool) {
    let mut rows = sqlx::query(HUNDRED).fetch(&**pool);
    // Three seconds in all, none of them for longer than a tenth.
    for _ in 0..30 {
        rows.try_next().await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_stream_that_is_read_slowly_but_steadily() {
    let pool = pool().await;
    silent(reads_slowly(&pool)).await;
}

#[track(held_idle = "2s")]
async fn uses_often(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap();
    for _ in 0..30 {
        conn.execute("SELECT 1").await.unwrap();
        conn.ping().await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn many_short_uses() {
    let pool = pool().await;
    silent(uses_often(&pool)).await;
}

#[track(held_idle = "50ms")]
async fn queries_the_pool(pool: &TestPool) {
    sqlx::query("SELECT 1").execute(&**pool).await.unwrap();
    watched().await;
    sqlx::query(HUNDRED).fetch_all(&**pool).await.unwrap();
    watched().await;
    {
        let conn = pool.acquire().await.unwrap();
        drop(conn);
    }
    watched().await;
    let mut tx = pool.begin().await.unwrap();
    tx.execute("SELECT 1").await.unwrap();
    tx.commit().await.unwrap();
    watched().await;
}

#[tokio::test]
async fn what_was_given_back_is_nobodys() {
    let pool = pool().await;
    silent(queries_the_pool(&pool)).await;
}

#[track(held_idle = "50ms")]
async fn waits_for_a_permit(pool: &TestPool) {
    let _second = pool.acquire().await.unwrap();
}

#[tokio::test]
async fn a_wait_for_a_permit_is_no_holding() {
    let pool = pool_of(1).await;
    let held = pool.acquire().await.unwrap();
    let ((), found) = findings(async {
        futures::join!(waits_for_a_permit(&pool), async {
            watched().await;
            drop(held);
        });
    })
    .await;
    assert!(found.is_empty(), "{}", support::rendered(&found));
}

#[track(held_idle = "50ms")]
async fn detaches(pool: &TestPool) {
    let _conn = pool.acquire().await.unwrap().detach();
    watched().await;
}

#[tokio::test]
async fn a_detached_connection_holds_no_permit() {
    let pool = pool().await;
    silent(detaches(&pool)).await;
}

#[track]
async fn within_the_default(pool: &TestPool) {
    let _conn = pool.acquire().await.unwrap();
    watched().await;
}

#[tokio::test]
async fn less_than_the_default_of_five_seconds() {
    let pool = pool().await;
    silent(within_the_default(&pool)).await;
}

// How the time was spent.

#[track(held_idle = "300ms")]
async fn reads_and_rests(pool: &TestPool) {
    const REST: Duration = Duration::from_millis(200);
    let begun = Instant::now();
    // What is counted twice is longer than all there was.
    let is_split = |handle: &HandleInfo| {
        handle.idle_total >= REST && handle.busy_total + REST <= begun.elapsed()
    };
    let mut conn = pool.acquire().await.unwrap();
    {
        let mut rows = sqlx::query(HUNDRED).fetch(&mut *conn);
        rows.try_next().await.unwrap();
        tokio::time::sleep(REST).await;
        rows.try_next().await.unwrap();
        // The consumer's time is not the database's, while the stream is open and after it.
        let open = pool.handles().remove(0);
        assert!(is_split(&open), "{open:#?}");
        assert_eq!(open.stream_rows, 2);
    }
    let closed = pool.handles().remove(0);
    assert!(is_split(&closed), "{closed:#?}");
    {
        let _plain: &mut SqliteConnection = &mut conn;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    conn.execute("SELECT 1").await.unwrap();
    let lent = pool.handles().remove(0);
    assert!(lent.lent_total >= Duration::from_millis(50), "{lent:#?}");
}

#[tokio::test]
async fn a_hold_is_split_into_busy_idle_and_lent() {
    let pool = pool_of(1).await;
    reads_and_rests(&pool).await;
}

#[tokio::test]
async fn a_statement_that_waits_for_the_database_is_busy() {
    let mut gate = Gate::closed().await;
    let pool = gate.pool.clone();
    futures::join!(waits_for_a_statement(&pool), async {
        let busy = || {
            let handles = gate.pool.handles();
            handles.iter().any(|handle| {
                handle.busy_total >= Duration::from_millis(100)
                    && handle.idle_total < Duration::from_millis(100)
            })
        };
        support::until("the statement is busy", busy).await;
        gate.open().await;
    });
}

// PostgreSQL: COPY and listeners.

async fn postgres() -> Option<(leash_test_support::Db, TestPool<Postgres>)> {
    let db = leash_test_support::postgres().await?;
    let pool = PgPoolOptions::new().connect(db.url()).await.unwrap();
    Some((db, TestPool::of(pool)))
}

#[track(held_idle = "100ms")]
async fn copies_in(pool: &TestPool<Postgres>) {
    let mut copy = pool
        .copy_in_raw("COPY exam FROM STDIN") // @copy
        .await
        .unwrap();
    copy.send(&b"1\n2\n"[..]).await.unwrap();
    copy.send(&b"3\n"[..]).await.unwrap();
    told(pool.name(), Lint::HeldIdle, 1).await;
    assert_eq!(copy.finish().await.unwrap(), 3);
}

#[tokio::test]
async fn a_copy_that_stands() {
    let Some((_db, pool)) = postgres().await else {
        return;
    };
    sqlx::raw_sql("CREATE TABLE exam (id INT)")
        .execute(&*pool)
        .await
        .unwrap();
    let ((), found) = findings(Box::pin(copies_in(&pool))).await;
    let found = only(found);
    Says {
        primary: marked("copy", "copy_in_raw"),
        function: Some("findings::held::copies_in"),
        title: &["holds a COPY of pool"],
        facts: &["moved 2 pieces, the last one"],
        help: &["`copy.finish().await?`"],
        ..IDLE
    }
    .check(&found);
    assert!(found.cause.contains("moves no data"), "{}", found.cause);
}

#[track(held_idle = "100ms")]
async fn copies_into_a_slow_table(pool: &PgPool) {
    let mut copy = pool.copy_in_raw("COPY slow FROM STDIN").await.unwrap();
    copy.send(&b"1\n"[..]).await.unwrap();
    copy.finish().await.unwrap();
}

#[tokio::test]
async fn a_copy_whose_end_takes_the_server_long() {
    let Some((_db, pool)) = postgres().await else {
        return;
    };
    sqlx::raw_sql(
        "CREATE TABLE slow (id INT);
         CREATE FUNCTION rest() RETURNS trigger AS $$ BEGIN PERFORM pg_sleep(2); RETURN NEW; END $$ LANGUAGE plpgsql;
         CREATE TRIGGER rest BEFORE INSERT ON slow FOR EACH ROW EXECUTE FUNCTION rest()",
    )
    .execute(&*pool)
    .await
    .unwrap();
    silent(copies_into_a_slow_table(&pool)).await;
}

#[track(held_idle = "100ms")]
async fn copies_out(pool: &TestPool<Postgres>) {
    let mut data = pool
        .copy_out_raw("COPY (SELECT generate_series(1, 5)) TO STDOUT") // @copy out
        .await
        .unwrap();
    data.try_next().await.unwrap().unwrap();
    told(pool.name(), Lint::HeldIdle, 1).await;
    let rest: Vec<_> = data.try_collect().await.unwrap();
    assert_eq!(rest.len(), 4);
}

#[tokio::test]
async fn a_copy_to_the_program_that_stands() {
    let Some((_db, pool)) = postgres().await else {
        return;
    };
    let ((), found) = findings(Box::pin(copies_out(&pool))).await;
    Says {
        primary: marked("copy out", "copy_out_raw"),
        function: Some("findings::held::copies_out"),
        title: &["holds a COPY of pool"],
        facts: &["moved 1 piece, the last one"],
        ..IDLE
    }
    .check(&only(found));
}

#[track(held_idle = "50ms")]
async fn listens(pool: &PgPool) {
    let mut listener = PgListener::connect_with(pool).await.unwrap();
    listener.listen("exam").await.unwrap();
    watched().await;
    watched().await;
}

#[tokio::test]
async fn a_listener_is_reserved() {
    let Some((_db, pool)) = postgres().await else {
        return;
    };
    silent(listens(&pool)).await;
}

#[track(held_idle = "50ms")]
async fn sleeps_in_the_server(pool: &PgPool) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("SELECT pg_sleep(1.5)")
        .execute(&mut *tx)
        .await
        .unwrap();
    let mut inner = (&mut tx).begin().await.unwrap();
    sqlx::query("SELECT pg_sleep(1)")
        .fetch_one(&mut *inner)
        .await
        .unwrap();
    inner.commit().await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn long_statements_of_a_server() {
    let Some((_db, pool)) = postgres().await else {
        return;
    };
    let ((), found) = findings(sleeps_in_the_server(&pool)).await;
    assert!(
        found.iter().all(|found| found.lint == Lint::SlowQuery),
        "{}",
        support::rendered(&found)
    );
}

// `held_too_long`.

#[track(held_too_long = "100ms")]
async fn busy_for_long(pool: &TestPool) {
    let mut conn = pool.acquire().await.unwrap(); // @busy for long
    support::until("it is told", || {
        heard(pool.name())
            .iter()
            .any(|found| found.lint == Lint::HeldTooLong)
    })
    .await;
    conn.execute("SELECT 1").await.unwrap();
    watched().await;
}

#[tokio::test]
async fn a_set_limit_is_kept_busy_or_not_and_told_once() {
    let pool = pool().await;
    let ((), found) = findings(busy_for_long(&pool)).await;
    Says {
        lint: Lint::HeldTooLong,
        primary: marked("busy for long", "acquire"),
        function: Some("findings::held::busy_for_long"),
        title: &["has held a connection of pool", "; the limit is 100 ms"],
        facts: &["held for", "after 0 statements", "takes 1 of 5 permits"],
        help: &["#[track(held_too_long = \"60s\")]"],
        ..IDLE
    }
    .check(&only(found));
}

#[track(held_too_long = "50ms")]
async fn statement_for_too_long(gate: &SqlitePool) {
    let mut conn = gate.acquire().await.unwrap();
    sqlx::query("INSERT INTO exam (name) VALUES ('a')")
        .execute(&mut *conn)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_busy_handle_can_be_held_too_long() {
    let mut gate = Gate::closed().await;
    let pool = gate.pool.clone();
    let ((), found) = findings(async {
        futures::join!(statement_for_too_long(&pool), async {
            told(gate.pool.name(), Lint::HeldTooLong, 1).await;
            gate.open().await;
        });
    })
    .await;
    let found = found.iter().find(|found| found.lint == Lint::HeldTooLong);
    let facts: Vec<_> = found
        .unwrap()
        .facts
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(
        facts.iter().any(|fact| fact == "now running a statement"),
        "{facts:?}"
    );
}

#[test]
fn held_too_long_is_allowed_until_a_limit_is_set() {
    #[track]
    async fn holds(pool: &TestPool) {
        let mut conn = pool.acquire().await.unwrap();
        watched().await;
        conn.execute("SELECT 1").await.unwrap();
    }
    let test = "held::held_too_long_is_allowed_until_a_limit_is_set";
    let _ = in_child(test, "held_too_long[strict]=20ms", |runtime| {
        runtime.block_on(async {
            let (other, strict) = (pool().await, support::pool_named(2, "strict").await);
            let ((), found) = findings(holds(&other)).await;
            support::assert_none(&found);
            let ((), found) = findings(holds(&strict)).await;
            assert_eq!(only(found).lint, Lint::HeldTooLong);
        });
    });
}

#[tokio::test]
async fn a_taker_without_a_limit_is_silent() {
    let pool = pool().await;
    let tx = takes(&pool).await;
    watched().await;
    assert!(heard(pool.name()).is_empty());
    drop(tx);
}

/// Shorter than the time between two samples, and over before the second.
#[tokio::test]
async fn a_short_limit_is_kept() {
    #[track(held_idle = "100ms")]
    async fn holds_for_a_moment(pool: &SqlitePool) {
        let _conn = pool.acquire().await.unwrap(); // @for a moment
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    let pool = pool().await;
    for _ in 0..2 {
        let ((), found) = findings(holds_for_a_moment(&pool)).await;
        let finding = only(found);
        assert_eq!(finding.lint, Lint::HeldIdle);
        let place = marked("for a moment", "acquire");
        assert_eq!(
            (&finding.primary.file, finding.primary.line),
            (&place.file, place.line)
        );
    }
}
