//! Databases behind an interface.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::{Pool, Sqlite, SqliteConnection, SqlitePool, Transaction};

use super::clinic::{self, Patient};

#[derive(Debug, thiserror::Error)]
enum RepoError {
    #[error("no such patient")]
    NotFound,
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for RepoError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::RowNotFound => Self::NotFound,
            other => Self::Database(other),
        }
    }
}

#[async_trait]
trait PatientRepo: Send + Sync {
    async fn find(&self, id: i64) -> Result<Patient, RepoError>;
    async fn rename(&self, id: i64, name: &str) -> Result<(), RepoError>;
}

#[derive(Clone)]
struct SqliteRepo {
    pool: SqlitePool,
}

#[async_trait]
impl PatientRepo for SqliteRepo {
    async fn find(&self, id: i64) -> Result<Patient, RepoError> {
        Ok(sqlx::query_as("SELECT * FROM patient WHERE id = ?")
            .bind(id)
            .fetch_one(&self.pool)
            .await?)
    }

    async fn rename(&self, id: i64, name: &str) -> Result<(), RepoError> {
        let mut tx = self.pool.begin().await?;
        let done = sqlx::query("UPDATE patient SET name = ? WHERE id = ?")
            .bind(name)
            .bind(id)
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() == 0 {
            return Err(RepoError::NotFound);
        }
        tx.commit().await?;
        Ok(())
    }
}

struct Service {
    patients: Box<dyn PatientRepo>,
}

impl Service {
    async fn marry(&self, id: i64) -> Result<String, RepoError> {
        let patient = self.patients.find(id).await?;
        self.patients
            .rename(id, &format!("{} King", patient.name))
            .await?;
        Ok(self.patients.find(id).await?.name)
    }
}

#[tokio::test]
async fn a_boxed_repository() {
    let pool = clinic::in_memory().await;
    let service = Service {
        patients: Box::new(SqliteRepo { pool }),
    };
    assert_eq!(service.marry(1).await.unwrap(), "Ada King");
    assert!(matches!(service.marry(9).await, Err(RepoError::NotFound)));
    assert!(matches!(
        service.patients.rename(9, "x").await,
        Err(RepoError::NotFound)
    ));
}

#[tokio::test]
async fn a_shared_repository() {
    let repo: Arc<dyn PatientRepo> = Arc::new(SqliteRepo {
        pool: clinic::in_memory().await,
    });
    let tasks = [1, 2, 3].map(|id| {
        let repo = Arc::clone(&repo);
        tokio::spawn(async move { repo.find(id).await.map(|patient| patient.name) })
    });
    let mut names = Vec::new();
    for task in tasks {
        names.push(task.await.unwrap().unwrap());
    }
    assert_eq!(names, ["Ada", "Grace", "Barbara"]);
}

/// Async functions in a trait, with static dispatch.
trait Counts {
    async fn count(&mut self) -> sqlx::Result<i64>;
    fn boxed(&mut self) -> BoxFuture<'_, sqlx::Result<i64>>;
    fn sendable(&mut self) -> impl Future<Output = sqlx::Result<i64>> + Send;
}

impl Counts for SqliteConnection {
    async fn count(&mut self) -> sqlx::Result<i64> {
        sqlx::query_scalar("SELECT COUNT(*) FROM patient")
            .fetch_one(self)
            .await
    }

    fn boxed(&mut self) -> BoxFuture<'_, sqlx::Result<i64>> {
        Box::pin(self.count())
    }

    async fn sendable(&mut self) -> sqlx::Result<i64> {
        self.count().await
    }
}

impl Counts for Transaction<'_, Sqlite> {
    async fn count(&mut self) -> sqlx::Result<i64> {
        sqlx::query_scalar("SELECT COUNT(*) FROM patient")
            .fetch_one(&mut **self)
            .await
    }

    fn boxed(&mut self) -> BoxFuture<'_, sqlx::Result<i64>> {
        Box::pin(Counts::count(self))
    }

    fn sendable(&mut self) -> impl Future<Output = sqlx::Result<i64>> + Send {
        sqlx::query_scalar("SELECT COUNT(*) FROM patient").fetch_one(self.as_mut())
    }
}

async fn counted(counts: &mut impl Counts) -> sqlx::Result<i64> {
    Ok(counts.count().await? + counts.boxed().await? + counts.sendable().await?)
}

#[tokio::test]
async fn traits_on_handles() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let mut conn = pool.acquire().await?;
    assert_eq!(conn.count().await?, 3);
    assert_eq!(counted(conn.as_mut()).await?, 9);
    drop(conn);
    let mut tx = pool.begin().await?;
    assert_eq!(tx.count().await?, 3);
    assert_eq!(counted(&mut tx).await?, 9);
    tx.commit().await
}

/// A repository that borrows a connection, and lives as long as the borrow.
struct Exams<'c> {
    conn: &'c mut SqliteConnection,
}

impl<'c> Exams<'c> {
    fn new(conn: &'c mut SqliteConnection) -> Self {
        Self { conn }
    }

    async fn add(&mut self, patient: i64) -> sqlx::Result<i64> {
        let done = sqlx::query("INSERT INTO exam (patient_id, pressure) VALUES (?, 12.5)")
            .bind(patient)
            .execute(&mut *self.conn)
            .await?;
        Ok(done.last_insert_rowid())
    }

    async fn of(self, patient: i64) -> sqlx::Result<i64> {
        sqlx::query_scalar("SELECT COUNT(*) FROM exam WHERE patient_id = ?")
            .bind(patient)
            .fetch_one(self.conn)
            .await
    }
}

/// A unit of work: one transaction, several repositories.
struct Uow<'a> {
    tx: Transaction<'a, Sqlite>,
}

impl<'a> Uow<'a> {
    async fn start(pool: &SqlitePool) -> sqlx::Result<Uow<'static>> {
        Ok(Uow {
            tx: pool.begin().await?,
        })
    }

    fn within(tx: Transaction<'a, Sqlite>) -> Self {
        Self { tx }
    }

    fn exams(&mut self) -> Exams<'_> {
        Exams::new(&mut self.tx)
    }

    fn patients(&mut self) -> Patients<'_, 'a> {
        Patients { tx: &mut self.tx }
    }

    async fn finish(self) -> sqlx::Result<()> {
        self.tx.commit().await
    }
}

struct Patients<'u, 'a> {
    tx: &'u mut Transaction<'a, Sqlite>,
}

impl Patients<'_, '_> {
    async fn add(&mut self, name: &str) -> sqlx::Result<i64> {
        sqlx::query_scalar("INSERT INTO patient (name) VALUES (?) RETURNING id")
            .bind(name)
            .fetch_one(&mut **self.tx)
            .await
    }
}

#[tokio::test]
async fn a_unit_of_work() -> sqlx::Result<()> {
    let pool = clinic::in_memory().await;
    let mut uow = Uow::start(&pool).await?;
    let id = uow.patients().add("Edith").await?;
    uow.exams().add(id).await?;
    uow.exams().add(id).await?;
    assert_eq!(uow.exams().of(id).await?, 2);
    uow.finish().await?;

    let mut conn = pool.acquire().await?;
    let tx = sqlx::Acquire::begin(&mut *conn).await?;
    let mut uow = Uow::within(tx);
    uow.patients().add("undone").await?;
    drop(uow);
    drop(conn);
    assert_eq!(clinic::patients(&pool).await, 4);
    Ok(())
}

/// State as web frameworks keep it.
#[derive(Clone)]
struct AppState {
    pool: Pool<Sqlite>,
    name: Arc<str>,
}

/// A connection for the handler, as a framework's extractor provides it.
struct DatabaseConnection(PoolConnection<Sqlite>);

trait FromState<S>: Sized {
    fn from_state(state: &S) -> impl Future<Output = Result<Self, String>> + Send;
}

impl FromState<AppState> for DatabaseConnection {
    async fn from_state(state: &AppState) -> Result<Self, String> {
        let conn = state.pool.acquire().await.map_err(internal_error)?;
        Ok(Self(conn))
    }
}

impl FromState<AppState> for SqlitePool {
    async fn from_state(state: &AppState) -> Result<Self, String> {
        Ok(state.pool.clone())
    }
}

fn internal_error<E: std::error::Error>(error: E) -> String {
    error.to_string()
}

async fn with_connection(DatabaseConnection(mut conn): DatabaseConnection) -> Result<i64, String> {
    sqlx::query_scalar("SELECT COUNT(*) FROM patient")
        .fetch_one(&mut *conn)
        .await
        .map_err(internal_error)
}

async fn with_pool(pool: SqlitePool) -> Result<i64, String> {
    sqlx::query_scalar("SELECT COUNT(*) FROM exam")
        .fetch_one(&pool)
        .await
        .map_err(internal_error)
}

async fn serve<E, F, Fut>(state: &AppState, handler: F) -> Result<i64, String>
where
    E: FromState<AppState>,
    F: Fn(E) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<i64, String>> + Send + 'static,
{
    let extracted = E::from_state(state).await?;
    tokio::spawn(handler(extracted)).await.unwrap()
}

#[tokio::test]
async fn a_web_service() {
    let state = AppState {
        pool: clinic::in_memory().await,
        name: "clinic".into(),
    };
    assert_eq!(serve(&state, with_connection).await, Ok(3));
    assert_eq!(serve(&state, with_pool).await, Ok(3));
    assert_eq!(&*state.clone().name, "clinic");
    state.pool.close().await;
    let closed = serve(&state, with_connection).await.unwrap_err();
    assert!(closed.contains("closed pool"), "{closed}");
}
