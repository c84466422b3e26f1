//! Clients that use the service over HTTP, from within, so that its page shows something.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::routes::Delivery;
use super::stop;
use crate::device::{Batch, MODELS, Model};
use crate::exam::Exam;

/// What the readers ask for, and how often. `{id}` is one exam after the other.
const READS: [(&str, Duration); 4] = [
    ("/exams/{id}", Duration::from_millis(130)),
    ("/exams/{id}/records", Duration::from_millis(900)),
    ("/exams/{id}/letter", Duration::from_secs(2)),
    // Slow: the database compares each reading with each.
    ("/devices/tonometer-1/spread", Duration::from_secs(3)),
];

/// The exams are numbered from 1.
const EXAMS: u64 = 9;

/// One batch in so many is for an exam that the clinic does not know.
const LOST: u64 = 40;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The clients that are at work.
#[derive(Debug)]
pub(super) struct Load(JoinSet<()>);

impl Load {
    /// Starts clients that end after `time`, or when the service is told to stop.
    pub(super) fn start(
        service: SocketAddr,
        devices: u64,
        time: Duration,
        stopping: &watch::Receiver<bool>,
    ) -> Self {
        let visitor = Visitor {
            client: Client::builder(TokioExecutor::new()).build_http(),
            service: reachable(service),
            until: Instant::now() + time,
            stopping: stopping.clone(),
        };
        let mut clients = JoinSet::new();
        for (number, model) in (1..=devices).zip(MODELS.into_iter().cycle()) {
            let (visitor, device) = (visitor.clone(), format!("{}-{number}", model.name));
            clients.spawn(async move { log_loss(visitor.delivers(&device, model).await, &device) });
        }
        for (path, pace) in READS {
            let visitor = visitor.clone();
            clients.spawn(async move { log_loss(visitor.reads(path, pace).await, path) });
        }
        Self(clients)
    }

    /// Waits until every client has ended.
    pub(super) async fn ended(self) {
        self.0.join_all().await;
    }
}

/// Logs why a client has ended before its time.
fn log_loss(outcome: Result<(), Failure>, client: &str) {
    if let Err(error) = outcome {
        tracing::warn!("the load has lost {client}: {error}");
    }
}

/// Where this machine reaches a service that listens on all its addresses.
fn reachable(mut service: SocketAddr) -> SocketAddr {
    if service.ip().is_unspecified() {
        service.set_ip(match service {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    service
}

#[derive(Clone, Debug)]
struct Visitor {
    client: Client<HttpConnector, Body>,
    service: SocketAddr,
    until: Instant,
    stopping: watch::Receiver<bool>,
}

impl Visitor {
    /// A device: delivers a batch for each exam on its worklist, again and again.
    async fn delivers(&self, device: &str, model: Model) -> Result<(), Failure> {
        let (_, worklist) = self
            .ask(
                Request::get(self.url(&format!("/devices/{device}/worklist")))
                    .body(Body::empty())?,
            )
            .await?;
        let worklist: Vec<Exam> = serde_json::from_slice(&worklist)?;
        let url = self.url(&format!("/devices/{device}/batches"));
        for (exam, number) in worklist.iter().cycle().zip(1..) {
            let delivery = Delivery {
                exam: if u64::is_multiple_of(number, LOST) {
                    i64::MAX
                } else {
                    exam.id
                },
                readings: Batch::new(device, model, exam).readings,
            };
            let request = Request::post(&url)
                .header(CONTENT_TYPE, "application/json")
                .body(serde_json::to_vec(&delivery)?.into())?;
            self.ask(request).await?;
            if !self
                .goes_on(Duration::from_millis(60 + 50 * (number % 4)))
                .await
            {
                break;
            }
        }
        Ok(())
    }

    /// A reader: asks for a page at a pace.
    async fn reads(&self, path: &str, pace: Duration) -> Result<(), Failure> {
        for id in (1..=EXAMS).cycle() {
            let url = self.url(&path.replace("{id}", &id.to_string()));
            self.ask(Request::get(url).body(Body::empty())?).await?;
            if !self.goes_on(pace).await {
                break;
            }
        }
        Ok(())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.service)
    }

    /// Sends a request and reads all of the answer. A refusal is an answer: the service logs what it could not do.
    async fn ask(&self, request: Request<Body>) -> Result<(StatusCode, Bytes), Failure> {
        let answer = self.client.request(request).await?;
        let status = answer.status();
        let body = to_bytes(Body::new(answer.into_body()), usize::MAX).await?;
        Ok((status, body))
    }

    /// Waits. Returns whether there is time for more.
    async fn goes_on(&self, pace: Duration) -> bool {
        tokio::select! {
            () = stop::told(self.stopping.clone()) => false,
            () = sleep(pace) => Instant::now() < self.until,
        }
    }
}
