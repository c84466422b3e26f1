//! A connection goes back that a text has changed or not. The database says which, and so does the lint.

mod mariadb;
mod postgres;
mod sqlite;

/// Sends each text on a connection of its own, which `state` asks before and afterwards, and on one of a pool. The state
/// must change or not, as expected, and the lint must say the same.
macro_rules! agree {
    ($db:ty, $url:expr, $state:ident, changes: $changes:literal, $texts:expr) => {
        let mut wrong = Vec::new();
        for text in $texts.iter().copied() {
            let connect = <$db as sqlx::Database>::Connection::connect;
            let mut conn = connect($url).await.unwrap();
            let before = $state(&mut conn).await;
            let sent = sqlx::raw_sql(text).execute(&mut conn).await;
            sent.unwrap_or_else(|error| panic!("{text}: {error}"));
            let after = $state(&mut conn).await;
            conn.close().await.unwrap();
            if (before != after) != $changes {
                wrong.push(format!("state: {text}"));
            }

            let options = sqlx::pool::PoolOptions::<$db>::new().max_connections(2);
            let pool = options.connect($url).await.unwrap();
            // A scope for each text: a function remembers the effects of few.
            let sends = sqlx::leash::scope(text, async {
                let mut conn = pool.acquire().await.unwrap();
                // Otherwise the text may be what every holder sends first.
                sqlx::raw_sql("SELECT 1").execute(&mut *conn).await.unwrap();
                sqlx::raw_sql(text).execute(&mut *conn).await.unwrap();
            });
            let (_, found) = sqlx::leash::testing::findings(sends).await;
            pool.close().await;
            let mut found = found.iter();
            let is_reported = found.any(|it| it.lint == sqlx::leash::Lint::SessionState);
            if is_reported != $changes {
                wrong.push(format!("finding: {text}"));
            }
        }
        assert!(wrong.is_empty(), "changes: {}\n{wrong:#?}", $changes);
    };
}

use agree;
