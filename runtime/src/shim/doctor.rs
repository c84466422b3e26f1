//! Asks a pool's server by a connection of its own, and compares the answers with the pool's options.

use std::future::Future;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Database, Either, Error};
use sqlx_core::rt;

use super::backend::Backend;
use super::in_memory;
use super::known::{self, OptionsOf};
use super::pool::Pool;
use super::sent::Sent;
use crate::config;
use crate::doctor::{Answers, Asked, Kept, Program, Question, Reached, Sum, diagnose, recount};
use crate::finding::{Level, Lint};
use crate::pool_state::endpoint::{Endpoint, System};
use crate::pool_state::full_server;
use crate::pool_state::registry::{self, ErasedPool};
use crate::snapshot::Diagnosis;

/// The bounds of the time for all questions.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);
const MOST_PATIENCE: Duration = Duration::from_secs(5);
/// The time in which a server notices that a connection is closed.
const BEFORE_RECOUNT: Duration = Duration::from_millis(200);

/// Compares a pool's options with the limits of its server: idle times, numbers of connections, limits on statements and
/// transactions, a pooler in between; of SQLite the journal, the lock timeout and where the database is kept. See
/// [`guide::doctor`](crate::leash::guide::doctor).
///
/// It opens one connection beside the pool, by the pool's connect options, and closes it again. So it takes no permit, and answers also
/// where the pool is dry or closed. It sends one or two texts, one more for each question that the server refuses, and one more where the
/// connections of others decide a check: it then counts them again. No question needs a privilege.
///
/// All of it takes as long as the pool's `acquire_timeout` at most, yet at least 1 s and at most 5 s. What the server does not answer by then, or refuses to
/// answer, is [unknown](crate::leash::CheckVerdict::Unknown), with the reason.
///
/// The tracker does not see it: it counts as no statement and as no acquire, and causes no finding. sqlx logs none of its
/// statements.
///
/// Without `track`, it asks nothing, and the diagnosis has no checks.
pub fn doctor<DB: Backend>(pool: &Pool<DB>) -> impl Future<Output = Diagnosis> + Send + use<DB> {
    let pool = pool.clone();
    async move {
        let began = Instant::now();
        let patience = pool.options().get_acquire_timeout();
        let patience = patience.clamp(LEAST_PATIENCE, MOST_PATIENCE);
        let mut visit = Visit::new(patience);
        let options = known::only_read::<DB>(&pool.connect_options()).disable_statement_logging();
        if rt::timeout(patience, visit.make(&pool, options))
            .await
            .is_err()
        {
            visit.give_up();
        }
        let program = program(&pool);
        let asked = asked(pool.erased().endpoint().system);
        diagnose(
            asked,
            &program,
            &visit.reached,
            &visit.answers,
            began.elapsed(),
        )
    }
}

fn asked(system: System) -> Asked {
    match system {
        System::Postgres => Asked::Postgres,
        System::MySql => Asked::MySql,
        System::Sqlite => Asked::Sqlite,
        System::Other => Asked::Other,
    }
}

/// A visit to the server. What it has learnt stays when it is cut short.
struct Visit {
    began: Instant,
    patience: Duration,
    reached: Reached,
    answers: Answers,
}

impl Visit {
    fn new(patience: Duration) -> Self {
        Self {
            began: Instant::now(),
            patience,
            reached: Reached::No(String::new()),
            answers: Answers::default(),
        }
    }

    /// Connects, asks, and closes the connection.
    async fn make<DB: Backend>(&mut self, pool: &Pool<DB>, options: OptionsOf<DB>) {
        let mut connection = match options.connect().await {
            Ok(connection) => connection,
            Err(error) => return self.was_refused(&error),
        };
        self.reached = Reached::After(self.began.elapsed());
        if let Err(error) = self.ask_all(pool, &mut connection).await {
            self.answers
                .fall_silent(&format!("the connection is lost: {error}"));
            return;
        }
        // All answers are there, so that an error here changes nothing.
        let _ = connection.close().await;
    }

    /// Asks every question, and counts again where that decides.
    ///
    /// # Errors
    ///
    /// If the connection is lost.
    async fn ask_all<DB: Backend>(
        &mut self,
        pool: &Pool<DB>,
        connection: &mut DB::Connection,
    ) -> Result<(), Error> {
        let asked = asked(known::system_of::<DB>(connection));
        for round in asked.rounds() {
            self.ask::<DB>(connection, round).await?;
            self.answers.first_after.get_or_insert(self.began.elapsed());
        }
        let again = recount(asked, &program(pool), &self.answers);
        if !again.is_empty() {
            rt::sleep(BEFORE_RECOUNT).await;
            self.ask::<DB>(connection, again).await?;
        }
        Ok(())
    }

    fn was_refused(&mut self, error: &Error) {
        let why = format!("no connection: {error}");
        self.answers.fall_silent(&why);
        self.reached = if full_server::is_full(error) {
            Reached::Full(error.to_string())
        } else {
            Reached::No(why)
        };
    }

    /// The time is over.
    fn give_up(&mut self) {
        let time = crate::measure::units::short(self.patience);
        let why = match self.reached {
            Reached::After(_) => format!("no answer within {time}"),
            _ => format!("no connection within {time}"),
        };
        self.answers.fall_silent(&why);
        if let Reached::No(reason) = &mut self.reached {
            *reason = why;
        }
    }

    /// Asks all questions in one text. After one that the server refuses, it asks the rest in another.
    ///
    /// # Errors
    ///
    /// If the connection is lost.
    async fn ask<DB: Backend>(
        &mut self,
        connection: &mut DB::Connection,
        mut questions: &'static [Question],
    ) -> Result<(), Error> {
        while !questions.is_empty() {
            let texts: Vec<_> = questions.iter().map(|question| question.sql).collect();
            // As safe as its parts, which are constants.
            let text = sqlx::raw_sql(AssertSqlSafe(texts.join("; ")));
            let mut stream = DB::fetch_many(connection, Sent::new(text));
            let mut rows = Vec::new();
            while let Some(said) = stream.next().await {
                match (said, questions) {
                    (Ok(Either::Right(row)), _) => rows.push(known::texts::<DB>(&row)),
                    (Ok(Either::Left(_)), [question, rest @ ..]) => {
                        self.answers.add(question, Ok(std::mem::take(&mut rows)));
                        questions = rest;
                    }
                    (Ok(Either::Left(_)), []) => {}
                    (Err(error), [question, rest @ ..]) if is_refusal(&error) => {
                        self.answers.add(question, Err(error.to_string()));
                        questions = rest;
                        break;
                    }
                    (Err(error), _) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// Whether the connection goes on after an error.
fn is_refusal(error: &Error) -> bool {
    matches!(
        error,
        Error::Database(_) | Error::AnyDriverError(_) | Error::ColumnDecode { .. }
    )
}

/// What is known on the side of the program.
fn program<DB: Database>(pool: &Pool<DB>) -> Program {
    let (state, options) = (pool.state(), pool.options());
    let (name, endpoint) = (state.name(), pool.erased().endpoint());
    let rules = config::rules();
    let limit = |lint| match rules.level(lint, None, Some(&name)) {
        Level::Allow => None,
        _ => rules.time(lint, None, Some(&name)),
    };
    let sums = Sums::of(pool.erased(), &endpoint);
    Program {
        pool: name.to_string(),
        system: endpoint.system.name(),
        options: known::options_type(&endpoint),
        max_connections: options.get_max_connections(),
        acquire_timeout: options.get_acquire_timeout(),
        idle_timeout: options.get_idle_timeout(),
        max_lifetime: options.get_max_lifetime(),
        test_before_acquire: options.get_test_before_acquire(),
        after_connect: options.has_after_connect(),
        held_idle: limit(Lint::HeldIdle),
        slow_query: limit(Lint::SlowQuery),
        too_long: state.too_long.read(),
        on_server: sums.on_server,
        of_user: sums.of_user,
        on_database: sums.on_database,
        kept: match in_memory::database::<DB>(&pool.connect_options(), None) {
            None => Kept::InFile,
            Some(database) if database.is_of_connection() => Kept::PerConnection,
            Some(_) => Kept::InMemory,
        },
    }
}

/// The pools of this process that share something with one.
#[derive(Default)]
struct Sums {
    on_server: Sum,
    of_user: Sum,
    on_database: Sum,
}

impl Sums {
    fn of(pool: &dyn ErasedPool, endpoint: &Endpoint) -> Self {
        let (id, user) = (pool.state().id(), pool.user());
        let mut sums = Self::default();
        for other in registry::all() {
            let at = other.endpoint();
            let is_same = other.state().id() == id;
            if !is_same && (other.is_closed() || !at.is_on_server_of(endpoint)) {
                continue;
            }
            let (max, open) = (other.state().limits.max_connections, other.size());
            sums.on_server.add(max, open);
            if is_same || other.user() == user {
                sums.of_user.add(max, open);
            }
            if is_same || at.namespace == endpoint.namespace {
                sums.on_database.add(max, open);
            }
        }
        sums
    }
}
