//! What the service answers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, MatchedPath, Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use sqlx::leash::tower::{RequestLayer, board_service};
use sqlx::leash::{self, Health, ScopeExt};
use sqlx::track;
use tokio::sync::mpsc;

use super::letter::Letters;
use super::refusal::Refusal;
use crate::clinic::Clinic;
use crate::device::{Batch, Model};
use crate::error::Error;
use crate::exam::Exam;
use crate::measurement::{Entry, Reading, Spread};

/// The largest body of a request. A batch takes less than a kilobyte.
const BODY: usize = 16 * 1024;

/// The largest number of readings in a batch.
const READINGS: usize = 60;

type Answer<T> = Result<T, Refusal>;
type Service = State<Arc<Desk>>;
type Named<T> = Result<Path<T>, PathRejection>;

/// What the routes share.
#[derive(Debug)]
struct Desk {
    clinic: Arc<Clinic>,
    letters: Letters,
}

pub(super) fn all(clinic: &Arc<Clinic>) -> Router {
    let desk = Desk {
        clinic: Arc::clone(clinic),
        letters: Letters::new(clinic.store.clone()),
    };
    Router::new()
        .route("/", get(index))
        .route("/devices/{device}/worklist", get(worklist))
        .route("/devices/{device}/batches", post(deliver))
        .route("/exams/{id}", get(exam))
        .route("/exams/{id}/records", get(records))
        .route("/exams/{id}/letter", get(letter))
        .route("/devices/{device}/spread", get(spread))
        .fallback(no_page)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(RequestLayer::new(|head| {
            head.extensions
                .get::<MatchedPath>()
                .map(MatchedPath::as_str)
        }))
        // Those who watch the service are not counted as its requests.
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .nest_service("/leash", board_service())
        .with_state(Arc::new(desk))
}

async fn index() -> &'static str {
    "The clinic's service.\n\n\
     GET  /devices/{device}/worklist  the exams that a device is to make: tonometer-1, oct-2, …\n\
     POST /devices/{device}/batches   {\"exam\": 1, \"readings\": [{\"eye\": \"OD\", \"value\": 15.5}]}\n\
     GET  /devices/{device}/spread    how far the last readings of such devices differ\n\
     GET  /exams/{id}                 an exam\n\
     GET  /exams/{id}/records         its readings, as CSV\n\
     GET  /exams/{id}/letter          the doctor's letter about it\n\
     GET  /leash                      who holds the connections, who waits for whom, and why\n\
     GET  /metrics                    the same as numbers, for Prometheus\n\
     GET  /health                     whether the pools serve those who ask\n"
}

/// The exams that a device is to make.
#[track]
async fn worklist(State(desk): Service, device: Named<String>) -> Answer<Json<Vec<Exam>>> {
    let model = model(&device?)?;
    Ok(Json(desk.clinic.exams.worklist(model.kind).await?))
}

/// What a device delivers.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delivery {
    pub(super) exam: i64,
    pub(super) readings: Vec<Reading>,
}

/// The number under which the first reading of a batch is stored. The others follow it.
#[derive(Debug, Serialize)]
struct Delivered {
    first_record: i64,
}

#[track]
async fn deliver(
    State(desk): Service,
    device: Named<String>,
    delivery: Result<Json<Delivery>, JsonRejection>,
) -> Answer<(StatusCode, Json<Delivered>)> {
    let Path(device) = device?;
    let model = model(&device)?;
    let Json(delivery) = delivery?;
    let count = delivery.readings.len();
    if !(1..=READINGS).contains(&count) {
        return Err(Refusal::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("a batch has 1 to {READINGS} readings; this one has {count}"),
        ));
    }
    let batch = Batch {
        device,
        model,
        exam_id: delivery.exam,
        readings: delivery.readings,
    };
    let first_record = desk.clinic.accept(&batch).await?;
    Ok((StatusCode::CREATED, Json(Delivered { first_record })))
}

#[track]
async fn spread(State(desk): Service, device: Named<String>) -> Answer<Json<Vec<Spread>>> {
    let model = model(&device?)?;
    Ok(Json(desk.clinic.measurements.spread(model.kind).await?))
}

#[track]
async fn exam(State(desk): Service, id: Named<i64>) -> Answer<Json<Exam>> {
    let Path(id) = id?;
    Ok(Json(existing(&desk, id).await?))
}

/// The records of an exam, row by row: the connection is held until the client has read the last.
#[track]
async fn records(State(desk): Service, id: Named<i64>) -> Answer<impl IntoResponse> {
    let Path(id) = id?;
    existing(&desk, id).await?;
    let (lines, mut body) = mpsc::channel(16);
    let send = async move {
        let mut records = desk.clinic.measurements.records(id);
        while let Some(record) = records.next().await {
            // An error breaks the body off, so that nobody takes it for the whole.
            let line = record.as_ref().map(line).map_err(ToString::to_string);
            if lines.send(line).await.is_err() {
                break; // the client has gone
            }
        }
    };
    tokio::spawn(send.in_current_scope());
    let body = stream::poll_fn(move |context| body.poll_recv(context));
    let headers = [(CONTENT_TYPE, "text/csv; charset=utf-8")];
    Ok((headers, Body::from_stream(body)))
}

fn line(entry: &Entry) -> String {
    let Entry {
        record_number,
        device,
        eye,
        reading,
    } = entry;
    format!("{record_number},{device},{eye},{reading}\n")
}

#[track]
async fn letter(State(desk): Service, id: Named<i64>) -> Answer<String> {
    let Path(id) = id?;
    let letter = desk.letters.write(id).await?;
    Ok(letter.ok_or(Error::NoExam(id))?)
}

async fn metrics() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (headers, leash::prometheus())
}

/// Whether the service is ready. It asks no database, so that it answers also while one is gone.
async fn health() -> (StatusCode, Json<Health>) {
    let health = leash::health();
    let status = StatusCode::from_u16(health.http_status()).expect("it is a status");
    (status, Json(health))
}

async fn no_page() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "there is no such page; / lists them")
}

async fn no_method(request: Request) -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!(
            "this page does not take {}; / lists what it takes",
            request.method()
        ),
    )
}

fn model(device: &str) -> Answer<Model> {
    Model::of(device).ok_or_else(|| {
        Refusal::new(
            StatusCode::NOT_FOUND,
            format!("there is no device {device:?}; devices are called tonometer-1, oct-2, perimeter-3, keratometer-4"),
        )
    })
}

async fn existing(desk: &Desk, id: i64) -> Answer<Exam> {
    let exam = desk.clinic.exams.find(id).await?;
    Ok(exam.ok_or(Error::NoExam(id))?)
}
