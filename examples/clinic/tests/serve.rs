//! The clinic as a service, as devices, browsers and supervisors meet it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// No step takes longer, whatever else the machine does.
const LONG: Duration = Duration::from_mins(1);

fn clinic(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clinic"));
    command
        .args(args)
        .env_remove("SQLX_LEASH")
        .env_remove("RUST_LOG")
        .env("NO_COLOR", "1");
    command
}

/// A service, ended when the test ends.
struct Service {
    process: Child,
    address: String,
    /// What it prints after its address.
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

fn read_all(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text)
            .expect("the clinic prints UTF-8");
        text
    })
}

impl Service {
    fn start(args: &[&str]) -> Self {
        Self::spawn(clinic(&["--serve", "127.0.0.1:0"]).args(args))
    }

    fn spawn(command: &mut Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the clinic starts");
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let stderr = read_all(process.stderr.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let Some((_, address)) = line.trim().split_once("http://") else {
            let _ = process.wait();
            panic!("no address in {line:?}: {}", stderr.join().unwrap());
        };
        Self {
            address: address.to_owned(),
            process,
            stdout: Some(read_all(stdout)),
            stderr: Some(stderr),
        }
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut connection = TcpStream::connect(&self.address).expect("the service listens");
        connection.set_read_timeout(Some(LONG)).unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n",
            self.address
        );
        connection.write_all(head.as_bytes()).unwrap();
        // A body that is too large may be refused before it is read.
        let _ = connection.write_all(body.as_bytes());
        let mut answer = Vec::new();
        let _ = connection.read_to_end(&mut answer);
        Answer::read(&String::from_utf8(answer).expect("the service answers UTF-8"))
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", "")
    }

    fn deliver(&self, device: &str, body: &str) -> Answer {
        let path = format!("/devices/{device}/batches");
        self.ask("POST", &path, "content-type: application/json\r\n", body)
    }

    fn state(&self) -> Value {
        self.get("/leash/state.json").json()
    }

    #[cfg(feature = "leash")]
    #[track_caller]
    fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let state = self.state();
            if is_so(&state) {
                return state;
            }
            assert!(began.elapsed() < LONG, "never {what}: {state:#}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends a signal, and returns the exit code with what was printed.
    #[track_caller]
    fn stop(mut self, signal: &str) -> Stopped {
        let process = self.process.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &process]).status();
        assert!(sent.expect("kill runs").success());
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < LONG, "the service does not stop");
            thread::sleep(Duration::from_millis(20));
        };
        Stopped {
            code: status.code(),
            stdout: self.stdout.take().unwrap().join().unwrap(),
            stderr: self.stderr.take().unwrap().join().unwrap(),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Debug)]
struct Stopped {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn read(text: &str) -> Self {
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
        Self {
            status: status.unwrap_or_else(|| panic!("no status: {head}")),
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A batch of one reading.
fn batch(exam: i64) -> String {
    json!({ "exam": exam, "readings": [{ "eye": "OD", "value": 15.5 }] }).to_string()
}

#[test]
fn devices_deliver_and_readers_read() {
    let service = Service::start(&[]);
    let worklist = service.get("/devices/oct-1/worklist").json();
    let ids: Vec<&Value> = worklist
        .as_array()
        .unwrap()
        .iter()
        .map(|exam| &exam["id"])
        .collect();
    assert_eq!(ids, [4, 5]);

    for expected in [1, 2] {
        let answer = service.deliver("tonometer-7", &batch(2));
        assert_eq!(
            (answer.status, answer.json()),
            (201, json!({ "first_record": expected }))
        );
    }
    let exam = service.get("/exams/2").json();
    assert_eq!(
        exam,
        json!({ "id": 2, "kind": "pressure", "year": 2026, "measured": 2 })
    );
    let records = service.get("/exams/2/records");
    assert!(
        records.head.contains("content-type: text/csv"),
        "{records:?}"
    );
    assert!(
        records.body.contains("1,tonometer-7,OD,15.5\n"),
        "{records:?}"
    );
    assert!(
        records.body.contains("2,tonometer-7,OD,15.5\n"),
        "{records:?}"
    );
    let spread = service.get("/devices/tonometer-7/spread").json();
    assert_eq!(spread, json!([{ "eye": "OD", "mean_difference": 0.0 }]));

    let stopped = service.stop("TERM");
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
    assert!(stopped.stderr.contains("SIGTERM: waiting"), "{stopped:?}");
    let whose = if cfg!(feature = "leash") {
        ""
    } else {
        " of pool clinic"
    };
    let expected = format!("stopped: every connection{whose} was back");
    assert_eq!(
        stopped.stderr.lines().last(),
        Some(&*expected),
        "{stopped:?}"
    );
    if cfg!(feature = "leash") {
        let row = stopped
            .stdout
            .lines()
            .find(|line| line.contains("MeasurementRepo::insert"));
        assert_eq!(
            row.and_then(|row| row.split_whitespace().next()),
            Some("2"),
            "{stopped:?}"
        );
    } else {
        assert!(stopped.stdout.contains("counts nothing"), "{stopped:?}");
    }
}

#[track_caller]
fn check_refused(answer: &Answer, status: u16, words: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let error = answer.json();
    let error = error["error"].as_str().expect("a refusal says why");
    assert!(error.contains(words), "{words} is not in {error:?}");
}

#[test]
fn what_cannot_be_stored_is_refused_and_says_why() {
    let service = Service::start(&[]);
    let reading = |eye: &str, value: &str| {
        format!(r#"{{"exam": 1, "readings": [{{"eye": "{eye}", "value": {value}}}]}}"#)
    };
    let many = json!({ "exam": 1, "readings": vec![json!({ "eye": "OS", "value": 1.0 }); 61] });
    for (device, body, status, words) in [
        (
            "tonometer-1",
            "{\"exam\": 1,".to_owned(),
            400,
            "EOF while parsing",
        ),
        ("tonometer-1", "exam 1".to_owned(), 400, "expected value"),
        ("tonometer-1", String::new(), 400, "EOF while parsing"),
        (
            "tonometer-1",
            "{\"exam\": 1}".to_owned(),
            422,
            "missing field `readings`",
        ),
        (
            "tonometer-1",
            "{\"exam\": 1, \"readings\": [], \"x\": 1}".to_owned(),
            422,
            "unknown field `x`",
        ),
        (
            "tonometer-1",
            reading("left", "1.0"),
            422,
            "readings[0].eye: unknown variant `left`, expected `OD` or `OS`",
        ),
        (
            "tonometer-1",
            reading("OD", "\"high\""),
            422,
            "readings[0].value: invalid type: string \"high\", expected f64",
        ),
        (
            "tonometer-1",
            reading("OD", "1e999"),
            400,
            "number out of range",
        ),
        (
            "tonometer-1",
            "{\"exam\": 1, \"readings\": []}".to_owned(),
            422,
            "1 to 60 readings; this one has 0",
        ),
        (
            "tonometer-1",
            many.to_string(),
            422,
            "1 to 60 readings; this one has 61",
        ),
        ("tonometer-1", batch(77), 404, "there is no exam 77"),
        (
            "oct-1",
            batch(1),
            422,
            "exam 1 is for another kind of device: oct-1 does not measure pressure",
        ),
        (
            "toaster-1",
            batch(1),
            404,
            "there is no device \"toaster-1\"; devices are called tonometer-1",
        ),
        (
            "tonometer",
            batch(1),
            404,
            "there is no device \"tonometer\"",
        ),
        (
            "tonometer-x",
            batch(1),
            404,
            "there is no device \"tonometer-x\"",
        ),
        (
            "tonometer-1",
            " ".repeat(17 * 1024),
            413,
            "length limit exceeded",
        ),
    ] {
        check_refused(&service.deliver(device, &body), status, words);
    }

    // Nothing of it was stored, and the service is as it was.
    assert_eq!(service.get("/exams/1").json()["measured"], 0);
    assert_eq!(
        service.deliver("tonometer-1", &batch(1)).json()["first_record"],
        1
    );
}

#[test]
fn what_is_not_there_is_refused_and_says_why() {
    let service = Service::start(&[]);
    let plain = service.ask("POST", "/devices/tonometer-1/batches", "", &batch(1));
    check_refused(&plain, 415, "`Content-Type: application/json`");
    check_refused(&service.get("/exams/77"), 404, "there is no exam 77");
    check_refused(
        &service.get("/exams/77/records"),
        404,
        "there is no exam 77",
    );
    check_refused(&service.get("/exams/one"), 400, "Cannot parse");
    check_refused(&service.get("/nothing"), 404, "no such page");
    check_refused(
        &service.ask("DELETE", "/exams/1", "", ""),
        405,
        "does not take DELETE",
    );
    check_refused(
        &service.get("/devices/toaster-1/worklist"),
        404,
        "there is no device",
    );
}

#[test]
fn the_page_is_at_leash() {
    let service = Service::start(&[]);
    assert!(service.get("/").body.contains("/leash "));
    let page = service.get("/leash");
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.head.contains("content-security-policy:"), "{page:?}");
    service.deliver("tonometer-1", &batch(1));
    let state = service.state();
    if cfg!(feature = "leash") {
        let insert = json!("clinic::measurement::MeasurementRepo::insert");
        let sites = state["sites"]["rows"].as_array().unwrap();
        let row = sites.iter().find(|site| site["function"] == insert);
        assert_eq!(row.expect("it is counted")["calls"], 1, "{state:#}");
    } else {
        let note = state["untracked"].as_str().expect("it says so");
        assert!(note.contains("track"), "{note}");
    }
    // A page of another site that has this address cannot read it.
    let mut other = TcpStream::connect(&service.address).unwrap();
    other
        .write_all(b"GET /leash HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    other.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}

#[test]
fn prometheus_reads_metrics() {
    let service = Service::start(&[]);
    for _ in 0..3 {
        assert_eq!(service.deliver("tonometer-1", &batch(1)).status, 201);
    }
    let metrics = service.get("/metrics");
    assert!(
        metrics
            .head
            .contains("content-type: text/plain; version=0.0.4"),
        "{metrics:?}"
    );
    let counted = metrics.body.lines().find(|line| {
        line.starts_with("db_client_operation_duration_seconds_count{")
            && line.contains("\"INSERT\"")
    });
    if cfg!(feature = "leash") {
        assert!(
            counted.is_some_and(|line| line.ends_with("} 3")),
            "{}",
            metrics.body
        );
    } else {
        assert!(
            metrics.body.lines().all(|line| line.starts_with("# ")),
            "{}",
            metrics.body
        );
        assert!(metrics.body.contains("`track`"), "{}", metrics.body);
    }
}

#[test]
fn health_says_whether_the_pool_serves() {
    let service = Service::start(&[]);
    let health = service.get("/health");
    assert_eq!(health.status, 200, "{health:?}");
    let health = health.json();
    if cfg!(feature = "leash") {
        assert_eq!(health["status"], "UP", "{health:#}");
        assert_eq!(health["components"]["clinic"]["status"], "UP", "{health:#}");
    } else {
        assert_eq!(health["status"], "UNKNOWN", "{health:#}");
        assert!(health.to_string().contains("track"), "{health:#}");
    }
}

#[cfg(feature = "leash")]
mod tracked {
    use super::*;

    #[test]
    fn a_load_shows_a_holder_and_its_finding() {
        let service = Service::start(&["--load", "--devices", "3"]);
        let rows = |state: &Value, of: &str| state[of]["rows"].as_array().unwrap().clone();
        service.until("a letter holds a transaction", |state| {
            let held = rows(state, "holders");
            held.iter().any(|it| {
                it["function"] == "clinic::serve::letter::Letters::write"
                    && it["state"] == "idle in transaction"
            })
        });
        service.until("a finding of it", |state| {
            rows(state, "findings")
                .iter()
                .any(|it| it["lint"] == "held_idle")
        });
        let state = service.until("every kind of statement", |state| {
            let sites = rows(state, "sites");
            [
                "records", "spread", "write", "find", "worklist", "is_valid", "insert",
            ]
            .iter()
            .all(|name| {
                sites.iter().any(|it| {
                    it["function"].as_str().is_some_and(|it| it.ends_with(name))
                        && it["calls"].as_u64() > Some(0)
                })
            })
        });
        assert_eq!(rows(&state, "pools")[0]["timeouts"], 0, "{state:#}");
        let stopped = service.stop("INT");
        assert!(stopped.stderr.contains("SIGINT: waiting"), "{stopped:?}");
        assert!(!stopped.stderr.contains("a request failed"), "{stopped:?}");
        assert!(!stopped.stderr.contains("the load has lost"), "{stopped:?}");
    }

    #[test]
    fn a_load_ends_by_itself_and_the_service_goes_on() {
        let service = Service::start(&["--load=1", "--devices", "1"]);
        let calls = |state: &Value| -> u64 {
            let sites = state["sites"]["rows"].as_array().unwrap();
            sites.iter().filter_map(|site| site["calls"].as_u64()).sum()
        };
        // A letter takes up to 4 s.
        let mut before = calls(&service.state());
        let mut same_since = Instant::now();
        let began = Instant::now();
        while same_since.elapsed() < Duration::from_millis(1500) || before == 0 {
            assert!(began.elapsed() < LONG, "the load does not end");
            thread::sleep(Duration::from_millis(100));
            let now = calls(&service.state());
            if now != before {
                (before, same_since) = (now, Instant::now());
            }
        }
        assert_eq!(service.deliver("tonometer-1", &batch(1)).status, 201);
        assert_eq!(service.stop("TERM").code, Some(0));
    }

    #[test]
    fn requests_are_counted_by_route() {
        let service = Service::start(&[]);
        service.deliver("tonometer-1", &batch(1));
        service.deliver("tonometer-2", &batch(2));
        assert_eq!(service.deliver("tonometer-2", &batch(77)).status, 404);
        service.get("/exams/1/records");
        service.get("/no/such/page");
        service.get("/metrics");
        service.get("/health");
        let state = service.until("the end of each", |state| {
            let rows = state["requests"]["rows"].as_array().unwrap();
            rows.len() == 3 && rows.iter().all(|row| row["in_flight"] == 0)
        });
        let count = |route: &str| {
            let rows = state["requests"]["rows"].as_array().unwrap();
            let row = rows.iter().find(|row| row["name"] == route);
            row.unwrap_or_else(|| panic!("{route} is not in {state:#}"))["requests"].clone()
        };
        assert_eq!(count("POST /devices/{device}/batches"), 3);
        assert_eq!(count("GET /exams/{id}/records"), 1);
        assert_eq!(count("GET <unmatched>"), 1);
    }

    /// The page shows a bug with these words, while it lasts.
    #[track_caller]
    fn check_shown(bug: &str, verdict: &str, words: &[&str]) -> Service {
        let service = Service::start(&["--bug", bug, "--grace", "1"]);
        let state = service.until("the verdict", |state| {
            let pools = state["pools"]["rows"].as_array().unwrap();
            pools
                .iter()
                .any(|pool| pool["verdict"]["verdict"] == verdict)
        });
        let text = state.to_string();
        for words in words {
            assert!(text.contains(words), "{words} is not in {state:#}");
        }
        service
    }

    fn place(source: &str, file: &str, marker: &str) -> String {
        let found = source.lines().position(|line| line.ends_with(marker));
        format!(
            "examples/clinic/src/bugs/{file}.rs:{}:",
            found.expect("the marker is there") + 1
        )
    }

    #[test]
    fn a_hoarder_is_shown_and_named_when_the_service_stops() {
        let source = include_str!("../src/bugs/hoarder.rs");
        let held = place(source, "hoarder", "// held from here");
        let waits = place(source, "hoarder", "// the finding points here");
        let service = check_shown(
            "hoarder",
            "hoarder",
            &[&held, &waits, "hoarder::Screen::switch_on"],
        );
        let stopped = service.stop("TERM");
        assert_eq!(stopped.code, Some(3), "{stopped:?}");
        let (_, last) = stopped
            .stderr
            .split_once("not everything was back\n")
            .expect("it says so");
        let line = last.lines().next().unwrap();
        let start = format!(
            "  clinic::bugs::hoarder::Screen::switch_on holds 2 permits of pool screens, taken at {held}"
        );
        assert!(
            line.starts_with(&start) && line.ends_with(" 2 idle"),
            "{line}"
        );
    }

    #[test]
    fn a_deadlock_is_shown_and_does_not_end_the_service() {
        let source = include_str!("../src/bugs/deadlock.rs");
        let held = place(source, "deadlock", "// held from here");
        let waits = place(source, "deadlock", "// the finding points here");
        let service = check_shown("deadlock", "deadlock", &[&held, &waits]);
        assert_eq!(service.deliver("tonometer-1", &batch(1)).status, 201);
        let health = service.get("/health");
        assert_eq!(health.status, 200, "{health:?}");
        assert_eq!(
            health.json()["components"]["reception"]["status"],
            "SATURATED"
        );
        let stopped = service.stop("TERM");
        assert_eq!(stopped.code, Some(3), "{stopped:?}");
        let words = "Reception::admit holds 2 permits of pool reception";
        assert!(
            stopped.stderr.contains(words) && stopped.stderr.contains("2 in a transaction"),
            "{stopped:?}"
        );
    }

    #[test]
    fn a_deadlock_of_two_pools_is_shown() {
        let source = include_str!("../src/bugs/two_pool_deadlock.rs");
        let held = place(source, "two_pool_deadlock", "// held from here");
        let waits = place(source, "two_pool_deadlock", "// waits here, too");
        check_shown("two-pool-deadlock", "deadlock", &[&held, &waits]);
    }
}

/// A client that does not end its request is not waited for without end.
#[test]
fn a_request_that_does_not_end_is_not_waited_for() {
    let service = Service::start(&["--grace", "1"]);
    let mut half = TcpStream::connect(&service.address).unwrap();
    half.write_all(
        b"POST /devices/tonometer-1/batches HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
          content-length: 99\r\nexpect: 100-continue\r\n\r\n",
    )
    .unwrap();
    // The service asks for the body once it waits for it.
    let mut line = String::new();
    BufReader::new(half.try_clone().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.starts_with("HTTP/1.1 100 "), "{line}");
    let stopped = service.stop("TERM");
    assert_eq!(stopped.code, Some(3), "{stopped:?}");
    assert!(
        stopped.stderr.contains("a request was not answered yet"),
        "{stopped:?}"
    );
}

#[track_caller]
fn check_usage(args: &[&str], code: i32, words: &str) {
    let Output { status, stderr, .. } = clinic(args).output().expect("the clinic starts");
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(words), "{words} is not in {stderr}");
}

#[test]
fn an_address_that_cannot_be_served_ends_the_clinic() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let in_use = format!("error: cannot listen on {address}: Address already in use");
    check_usage(&["--serve", &address], 1, &in_use);
    // Addresses for documentation: no machine has one.
    check_usage(
        &["--serve", "192.0.2.1:8080"],
        1,
        "error: cannot listen on 192.0.2.1:8080: Cannot assign requested address",
    );
    check_usage(
        &["--serve", "no-such-host.invalid:80"],
        1,
        "error: cannot listen on no-such-host.invalid:80: ",
    );
    for none in [
        "8080",
        "localhost",
        "127.0.0.1:http",
        "127.0.0.1:99999",
        ":8080",
        "",
    ] {
        check_usage(
            &["--serve", none],
            2,
            "write a host and a port: 127.0.0.1:8080",
        );
    }
    check_usage(&["--load"], 2, "--serve <ADDRESS>");
    check_usage(
        &["--serve", "127.0.0.1:0", "--doctor"],
        2,
        "cannot be used with",
    );
    check_usage(
        &["--serve", "127.0.0.1:0", "--batches", "5"],
        2,
        "cannot be used with",
    );
}
