//! Queries in every form.

use std::collections::HashMap;

use futures::TryStreamExt;
use sqlx::query::{Query, QueryAs, QueryScalar};
use sqlx::sqlite::{SqliteArguments, SqliteQueryResult, SqliteRow};
use sqlx::types::Json;
use sqlx::{
    Arguments, AssertSqlSafe, Column, Execute, Executor, FromRow, QueryBuilder, Row, SqlSafeStr,
    SqlStr, Sqlite, Statement, TypeInfo, ValueRef,
};

use super::clinic::{self, Patient};

#[tokio::test]
async fn query() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let done: SqliteQueryResult = sqlx::query("INSERT INTO patient (name, age) VALUES (?1, ?2)")
        .bind("Edith")
        .bind(None::<i64>)
        .execute(&pool)
        .await?;
    assert_eq!((done.rows_affected(), done.last_insert_rowid()), (1, 4));

    let row = sqlx::query("SELECT name, age, 1.5 AS half FROM patient WHERE id = ?")
        .bind(1)
        .persistent(false)
        .fetch_one(&pool)
        .await?;
    assert_eq!(row.get::<&str, _>("name"), "Ada");
    assert_eq!(row.try_get::<i32, _>(1)?, 36);
    assert_eq!(row.columns()[2].name(), "half");
    assert_eq!(row.try_get_raw(2)?.type_info().name(), "REAL");
    assert!(row.try_get::<i64, _>("nothing").is_err());

    let rows = sqlx::query("SELECT * FROM exam").fetch_all(&pool).await?;
    assert_eq!(rows.len(), 3);
    let none = sqlx::query("SELECT 1 WHERE FALSE")
        .fetch_optional(&pool)
        .await?;
    assert!(none.is_none());
    let error = sqlx::query("SELECT 1 WHERE FALSE")
        .fetch_one(&pool)
        .await
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, sqlx::Error::RowNotFound));

    let names: Vec<String> = sqlx::query("SELECT name FROM patient ORDER BY name")
        .map(|row: SqliteRow| row.get(0))
        .fetch_all(&pool)
        .await?;
    assert_eq!(names.join(" "), "Ada Barbara Edith Grace");
    let age = sqlx::query("SELECT age FROM patient WHERE id = 2")
        .try_map(|row: SqliteRow| row.try_get::<i64, _>("age"))
        .map(|age| age + 1)
        .fetch_one(&pool)
        .await?;
    assert_eq!(age, 86);
    Ok(())
}

#[tokio::test]
async fn query_as_and_scalar() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let ada: Patient = sqlx::query_as("SELECT * FROM patient WHERE id = $1")
        .bind(1_i64)
        .fetch_one(&pool)
        .await?;
    assert_eq!(ada.age, Some(36));
    let all = sqlx::query_as::<_, (i64, String)>("SELECT id, name FROM patient")
        .fetch_all(&pool)
        .await?;
    assert_eq!(all.len(), 3);
    let none = sqlx::query_as::<Sqlite, Patient>("SELECT * FROM patient WHERE id = 99")
        .fetch_optional(&pool)
        .await?;
    assert_eq!(none, None);
    let oldest: Option<i64> = sqlx::query_scalar("SELECT MAX(age) FROM patient")
        .fetch_one(&pool)
        .await?;
    assert_eq!(oldest, Some(85));
    let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM patient")
        .fetch_all(&pool)
        .await?;
    assert_eq!(ids, [1, 2, 3]);
    let by_id: HashMap<i64, String> = sqlx::query_as("SELECT id, name FROM patient")
        .fetch(&pool)
        .try_collect()
        .await?;
    assert_eq!(by_id[&2], "Grace");
    Ok(())
}

#[tokio::test]
async fn arguments_apart() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let mut arguments = SqliteArguments::default();
    arguments.add(1).map_err(sqlx::Error::Encode)?;
    arguments.add("Ada").map_err(sqlx::Error::Encode)?;
    let sql = "SELECT age FROM patient WHERE id = ? AND name = ?";
    let row = sqlx::query_with(sql, arguments.clone())
        .fetch_one(&pool)
        .await?;
    assert_eq!(row.get::<i64, _>(0), 36);
    let (age,): (i64,) = sqlx::query_as_with(sql, arguments.clone())
        .fetch_one(&pool)
        .await?;
    assert_eq!(age, 36);
    let age: i64 = sqlx::query_scalar_with(sql, arguments.clone())
        .fetch_one(&pool)
        .await?;
    assert_eq!(age, 36);
    let row = pool.fetch_one((sql, Some(arguments))).await?;
    assert_eq!(row.get::<i64, _>(0), 36);
    Ok(())
}

#[tokio::test]
async fn text_made_at_run_time() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    for table in ["patient", "exam"] {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&pool)
            .await?;
        assert_eq!(count, 3);
    }
    let text: SqlStr = "SELECT 1".into_sql_str();
    pool.execute(text.clone()).await?;
    pool.execute(AssertSqlSafe(String::from("SELECT 2")))
        .await?;
    assert_eq!(text.as_str(), "SELECT 1");
    Ok(())
}

fn of_patient(id: i64) -> Query<'static, Sqlite, SqliteArguments> {
    sqlx::query("SELECT * FROM patient WHERE id = ?").bind(id)
}

fn older_than<'q>(age: i64) -> QueryAs<'q, Sqlite, Patient, SqliteArguments> {
    sqlx::query_as("SELECT * FROM patient WHERE age > ?").bind(age)
}

fn count_named(name: &str) -> QueryScalar<'_, Sqlite, i64, SqliteArguments> {
    sqlx::query_scalar("SELECT COUNT(*) FROM patient WHERE name = ?").bind(name)
}

#[tokio::test]
async fn queries_as_values() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let mut tx = pool.begin().await?;
    assert_eq!(of_patient(3).fetch_one(&mut *tx).await?.len(), 3);
    assert_eq!(older_than(40).fetch_all(&mut *tx).await?[0].name, "Grace");
    let name = String::from("Ada");
    assert_eq!(count_named(&name).fetch_one(&mut *tx).await?, 1);
    let query = of_patient(1);
    assert!(query.statement().is_none());
    assert!(Execute::persistent(&query));
    assert_eq!(query.sql().as_str(), "SELECT * FROM patient WHERE id = ?");
    Ok(())
}

#[tokio::test]
async fn raw_sql() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let done = sqlx::raw_sql(
        "INSERT INTO patient (name) VALUES ('a'); INSERT INTO patient (name) VALUES ('b'), ('c')",
    )
    .execute(&pool)
    .await?;
    assert_eq!(done.rows_affected(), 3);
    let mut tx = pool.begin().await?;
    let rows = sqlx::raw_sql("SELECT 1; SELECT 2 UNION SELECT 3")
        .fetch_all(&mut *tx)
        .await?;
    assert_eq!(rows.len(), 3);
    tx.commit().await?;
    let mut conn = pool.acquire().await?;
    let row = sqlx::raw_sql("SELECT 7").fetch_one(&mut *conn).await?;
    assert_eq!(row.get::<i64, _>(0), 7);
    let row = sqlx::raw_sql("SELECT 7 WHERE 0")
        .fetch_optional(&mut *conn)
        .await?;
    assert!(row.is_none());
    let rows: Vec<SqliteRow> = sqlx::raw_sql("SELECT 1; SELECT 2")
        .fetch(&mut *conn)
        .try_collect()
        .await?;
    assert_eq!(rows.len(), 2);
    let error = sqlx::raw_sql("SELECT 1; NONSENSE")
        .execute(&mut *conn)
        .await
        .unwrap_err();
    assert!(error.as_database_error().is_some());
    Ok(())
}

#[tokio::test]
async fn query_builder() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let newcomers = [("Edith", 30), ("Joan", 40), ("Radia", 50)];
    let mut builder = QueryBuilder::new("INSERT INTO patient (name, age) ");
    builder.push_values(newcomers, |mut row, (name, age)| {
        row.push_bind(name).push_bind(age);
    });
    let mut tx = pool.begin().await?;
    assert_eq!(builder.build().execute(&mut *tx).await?.rows_affected(), 3);
    tx.commit().await?;

    let mut builder: QueryBuilder<Sqlite> =
        QueryBuilder::new("SELECT id, name, age FROM patient WHERE name IN (");
    let mut names = builder.separated(", ");
    for (name, _) in newcomers {
        names.push_bind(name);
    }
    names.push_unseparated(") ORDER BY id");
    let found: Vec<Patient> = builder.build_query_as().fetch_all(&pool).await?;
    assert_eq!(found.len(), 3);
    builder.reset();
    assert!(builder.sql().as_str().starts_with("SELECT id, name"));

    let mut builder = QueryBuilder::<Sqlite>::new("SELECT COUNT(*) FROM patient WHERE age > ");
    let count: i64 = builder
        .push_bind(35)
        .push(" AND ")
        .push("TRUE")
        .build_query_scalar()
        .fetch_one(&pool)
        .await?;
    assert_eq!(count, 4);

    let mut builder = QueryBuilder::<Sqlite>::new("SELECT name FROM patient WHERE (id, name) IN ");
    builder.push_tuples([(1, "Ada"), (2, "Nobody")], |mut tuple, (id, name)| {
        tuple.push_bind(id).push_bind(name);
    });
    let mut rows = builder.build().fetch(&pool);
    assert_eq!(rows.try_next().await?.unwrap().get::<String, _>(0), "Ada");
    assert!(rows.try_next().await?.is_none());
    Ok(())
}

#[tokio::test]
async fn prepared() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let mut conn = pool.acquire().await?;
    let statement = conn
        .prepare("SELECT name, age FROM patient WHERE id = ?".into_sql_str())
        .await?;
    assert_eq!(statement.columns().len(), 2);
    for (id, name) in [(1, "Ada"), (2, "Grace")] {
        let row = statement.query().bind(id).fetch_one(&mut *conn).await?;
        assert_eq!(row.get::<String, _>("name"), name);
        let pair: (String, i64) = statement.query_as().bind(id).fetch_one(&mut *conn).await?;
        assert_eq!(pair.0, name);
        let scalar: String = statement
            .query_scalar()
            .bind(id)
            .fetch_one(&mut *conn)
            .await?;
        assert_eq!(scalar, name);
    }
    drop(conn);
    let mut tx = pool.begin().await?;
    let statement = tx
        .prepare("UPDATE patient SET age = ? WHERE id = ?".into_sql_str())
        .await?;
    let done = statement.query().bind(40).bind(3).execute(&mut *tx).await?;
    assert_eq!(done.rows_affected(), 1);
    tx.commit().await?;

    let described = pool
        .describe("SELECT id, age FROM patient".into_sql_str())
        .await?;
    assert_eq!(described.columns()[1].name(), "age");
    assert_eq!(described.nullable(1), Some(true));
    Ok(())
}

#[derive(Debug, PartialEq, Clone, Copy, sqlx::Type)]
#[sqlx(rename_all = "lowercase")]
enum Eye {
    Left,
    Right,
}

#[derive(Debug, PartialEq, Clone, Copy, sqlx::Type)]
#[repr(i64)]
enum Grade {
    Mild = 1,
    Severe = 2,
}

#[derive(Debug, PartialEq, Clone, Copy, sqlx::Type)]
#[sqlx(transparent)]
struct ExamId(i64);

#[derive(sqlx::FromRow, Debug, PartialEq)]
struct Finding {
    #[sqlx(rename = "exam")]
    id: ExamId,
    eye: Eye,
    #[sqlx(try_from = "i64")]
    grade: u8,
    #[sqlx(default)]
    comment: Option<String>,
    #[sqlx(json)]
    tags: Vec<String>,
    #[sqlx(flatten)]
    whose: Whose,
    #[sqlx(skip)]
    seen: bool,
}

#[derive(FromRow, Debug, PartialEq)]
struct Whose {
    patient: i64,
}

#[tokio::test]
async fn derived_types() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    pool.execute(
        "CREATE TABLE finding (exam INTEGER, eye TEXT, grade INTEGER, tags TEXT, patient INTEGER)",
    )
    .await?;
    let mut tx = pool.begin().await?;
    sqlx::query("INSERT INTO finding VALUES (?, ?, ?, ?, ?)")
        .bind(ExamId(7))
        .bind(Eye::Left)
        .bind(Grade::Severe)
        .bind(Json(["glaucoma"]))
        .bind(1)
        .execute(&mut *tx)
        .await?;
    let found: Finding = sqlx::query_as("SELECT * FROM finding")
        .fetch_one(&mut *tx)
        .await?;
    assert_eq!(
        found,
        Finding {
            id: ExamId(7),
            eye: Eye::Left,
            grade: 2,
            comment: None,
            tags: vec!["glaucoma".to_owned()],
            whose: Whose { patient: 1 },
            seen: false,
        }
    );
    let eye: Eye = sqlx::query_scalar("SELECT 'right'")
        .fetch_one(&mut *tx)
        .await?;
    let grade: Grade = sqlx::query_scalar("SELECT 1").fetch_one(&mut *tx).await?;
    assert_eq!((eye, grade), (Eye::Right, Grade::Mild));
    Ok(())
}

impl<'r> FromRow<'r, SqliteRow> for Eye {
    fn from_row(row: &'r SqliteRow) -> sqlx::Result<Self> {
        row.try_get("eye")
    }
}

#[tokio::test]
async fn from_row_by_hand() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let eye: Eye = sqlx::query_as("SELECT 'left' AS eye")
        .fetch_one(&pool)
        .await?;
    assert_eq!(eye, Eye::Left);
    let row = pool.fetch_one("SELECT 'right' AS eye").await?;
    assert_eq!(Eye::from_row(&row)?, Eye::Right);
    Ok(())
}

#[tokio::test]
async fn database_errors() {
    let pool = clinic::in_memory().await;
    let error = sqlx::query("INSERT INTO patient (id, name) VALUES (1, 'Ada')")
        .execute(&pool)
        .await
        .unwrap_err();
    let error = error.into_database_error().unwrap();
    assert!(error.is_unique_violation());
    assert_eq!(error.code().as_deref(), Some("1555"));
    assert!(matches!(
        error.kind(),
        sqlx::error::ErrorKind::UniqueViolation
    ));
    let sqlite = error.downcast::<sqlx::sqlite::SqliteError>();
    assert!(sqlite.to_string().contains("UNIQUE constraint failed"));
}
