//! A query taken apart, so that its text is known before it is sent.

use sqlx::{Database, Execute, SqlStr};
use sqlx_core::error::BoxDynError;

use super::arguments;
use crate::lifecycle::statement::Query;
use crate::scope::ledger::Identity;

/// The parts of an [`Execute`], which is an `Execute` again.
///
/// The parts are taken in the order in which drivers take them: `statement`, `take_arguments`, `persistent`, `sql`. For
/// some queries, `persistent` depends on whether the arguments were taken.
#[doc(hidden)]
#[derive(Debug)]
pub struct Sent<DB: Database> {
    statement: Option<DB::Statement>,
    arguments: Option<Result<Option<DB::Arguments>, BoxDynError>>,
    persistent: bool,
    sql: SqlStr,
}

impl<DB: Database> Sent<DB> {
    pub(crate) fn new<'q>(mut query: impl Execute<'q, DB>) -> Self {
        let statement = query.statement().cloned();
        let arguments = Some(query.take_arguments());
        let persistent = query.persistent();
        Self {
            statement,
            arguments,
            persistent,
            sql: query.sql(),
        }
    }

    pub(crate) fn clone_text(&self) -> SqlStr {
        self.sql.clone()
    }
}

impl<DB: Database> Query for Sent<DB> {
    fn text(&self) -> &str {
        self.sql.as_str()
    }

    fn arguments(&mut self) -> Identity {
        match &mut self.arguments {
            Some(Ok(Some(arguments))) => arguments::identity::<DB>(arguments),
            Some(Ok(None)) => arguments::NONE,
            // The statement will fail.
            Some(Err(_)) | None => Identity::Unknown,
        }
    }
}

/// What is left of a query that an executor has taken away.
#[derive(Debug)]
pub(super) struct Passed {
    pub(super) sql: SqlStr,
    pub(super) arguments: Identity,
}

impl Query for Passed {
    fn text(&self) -> &str {
        self.sql.as_str()
    }

    fn arguments(&mut self) -> Identity {
        match self.arguments {
            Identity::Unseen => Identity::Unknown,
            seen => seen,
        }
    }
}

impl<DB: Database> Execute<'_, DB> for Sent<DB> {
    #[inline]
    fn sql(self) -> SqlStr {
        self.sql
    }

    #[inline]
    fn statement(&self) -> Option<&DB::Statement> {
        self.statement.as_ref()
    }

    #[inline]
    fn take_arguments(&mut self) -> Result<Option<DB::Arguments>, BoxDynError> {
        self.arguments.take().unwrap_or(Ok(None))
    }

    #[inline]
    fn persistent(&self) -> bool {
        self.persistent
    }
}
