//! A request that was not served, and why.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::error::{self, Error};

/// The answer to a request that was not served: a status, and `{"error": "…"}`.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    error: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        let error = error.into();
        Self { status, error }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::NoExam(_) => StatusCode::NOT_FOUND,
            Error::NoLicence { .. } => StatusCode::FORBIDDEN,
            Error::WrongKind { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Error::Database(sqlx::Error::PoolTimedOut) => {
                let error = "no connection to the database was free in time; try again";
                return Self::new(StatusCode::SERVICE_UNAVAILABLE, error);
            }
            // What the database says is for the log, not for whoever asked.
            _ => {
                tracing::error!("a request failed: {}", error::with_causes(&error));
                let error = "the service failed";
                return Self::new(StatusCode::INTERNAL_SERVER_ERROR, error);
            }
        };
        Self::new(status, error.to_string())
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<PathRejection> for Refusal {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: String,
        }
        let Self { status, error } = self;
        (status, Json(Body { error })).into_response()
    }
}
