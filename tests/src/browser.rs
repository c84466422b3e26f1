//! A real browser, driven through the DevTools protocol over a pipe.
//!
//! Chromium reads commands from file descriptor 3 and writes to 4. A shell makes them of its input and output, so that this
//! needs no crate and no port. Each message is one JSON value that ends with a zero byte.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The time for an answer. Long, because a browser starts slowly on a busy machine.
const ANSWERS_WITHIN: Duration = Duration::from_mins(2);

/// A headless browser with one page. Dropping it ends its process.
#[derive(Debug)]
pub struct Browser {
    process: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    next: u64,
    /// The session of the page.
    session: Option<String>,
    /// What the console has said at the level of a warning or an error.
    complaints: Vec<String>,
    _profile: TempDir,
}

impl Browser {
    /// Starts Chromium with an empty page. If it is not installed, prints that the test is skipped and returns `None`.
    ///
    /// # Panics
    ///
    /// Panics if it is not installed and `LEASH_TEST_REQUIRE` names `chromium`, or if it does not start.
    pub fn start() -> Option<Self> {
        let Some(program) = installed() else {
            let required = env::var("LEASH_TEST_REQUIRE").unwrap_or_default();
            assert!(
                !required.split(',').any(|name| name.trim() == "chromium"),
                "LEASH_TEST_REQUIRE names chromium, and it is not installed"
            );
            let test = thread::current().name().unwrap_or("a test").to_owned();
            eprintln!("SKIPPED {test}: chromium is not installed");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let mut process = Command::new("sh")
            .args([
                "-c",
                "exec \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null",
                "sh",
            ])
            .arg(program)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--no-first-run",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--hide-scrollbars",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        let (sender, messages) = channel();
        thread::spawn(move || {
            for message in answers.split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).unwrap();
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut browser = Self {
            process,
            commands,
            messages,
            next: 0,
            session: None,
            complaints: Vec::new(),
            _profile: profile,
        };
        browser.attach();
        Some(browser)
    }

    fn attach(&mut self) {
        let target = self.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.call("Target.attachToTarget", &target);
        self.session = Some(session["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            self.call(domain, &json!({}));
        }
    }

    /// Sends a command, and returns its result.
    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut command = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = &self.session {
            command["sessionId"] = session.as_str().into();
        }
        let mut bytes = serde_json::to_vec(&command).unwrap();
        bytes.push(0);
        self.commands.write_all(&bytes).unwrap();
        self.commands.flush().unwrap();
        let until = Instant::now() + ANSWERS_WITHIN;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left);
            let message =
                message.unwrap_or_else(|_| panic!("the browser does not answer {method}"));
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.note(&message);
        }
    }

    /// Keeps what the page complains of.
    fn note(&mut self, message: &Value) {
        let params = &message["params"];
        let complaint = match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => Some(params["exceptionDetails"].to_string()),
            Some("Runtime.consoleAPICalled") => Some(params["args"].to_string()),
            Some("Log.entryAdded") => Some(params["entry"].to_string()),
            _ => None,
        };
        self.complaints.extend(complaint);
    }

    /// Opens an address in the page.
    pub fn open(&mut self, address: &str) {
        let result = self.call("Page.navigate", &json!({ "url": address }));
        assert!(result["errorText"].is_null(), "{address}: {result}");
    }

    /// The value of a JavaScript expression.
    ///
    /// # Panics
    ///
    /// Panics if the expression throws.
    #[track_caller]
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({
            "expression": expression,
            "returnByValue": true,
            "awaitPromise": true,
            "allowUnsafeEvalBlockedByCSP": false,
        });
        let result = self.call("Runtime.evaluate", &params);
        let failed = &result["exceptionDetails"];
        assert!(failed.is_null(), "{expression}: {failed}");
        result["result"]["value"].clone()
    }

    /// The text of the page as it is shown.
    pub fn text(&mut self) -> String {
        let text = self.evaluate("document.body.innerText");
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a JavaScript expression is true, and returns how long that took.
    ///
    /// # Panics
    ///
    /// Panics after a time that is long even for a busy machine.
    #[track_caller]
    pub fn until(&mut self, expression: &str) -> Duration {
        let begun = Instant::now();
        while self.evaluate(expression) != true {
            let is_late = begun.elapsed() > ANSWERS_WITHIN;
            assert!(
                !is_late,
                "never: {expression}; the page shows:\n{}",
                self.text()
            );
            thread::sleep(Duration::from_millis(20));
        }
        begun.elapsed()
    }

    /// Clicks with the mouse on the middle of the first element of a CSS selector.
    #[track_caller]
    pub fn click(&mut self, selector: &str) {
        let middle = self.evaluate(&format!(
            "(() => {{ const it = document.querySelector({selector:?}); it.scrollIntoView({{ block: 'center' }}); \
             const box = it.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            self.call(
                "Input.dispatchMouseEvent",
                &json!({ "type": kind, "x": middle[0], "y": middle[1], "button": "left", "clickCount": 1 }),
            );
        }
    }

    /// Sets the size of the page in CSS pixels, and whether the user prefers dark pages.
    pub fn look(&mut self, width: u32, height: u32, dark: bool) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            &json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false }),
        );
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call(
            "Emulation.setEmulatedMedia",
            &json!({ "features": features }),
        );
    }

    /// Writes a picture of the whole page into the folder that `LEASH_SCREENSHOTS` names, if it names one.
    pub fn picture(&mut self, name: &str) {
        let Some(folder) = env::var_os("LEASH_SCREENSHOTS") else {
            return;
        };
        let params = json!({ "format": "png", "captureBeyondViewport": true });
        let picture = self.call("Page.captureScreenshot", &params);
        let bytes = STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        fs::create_dir_all(&folder).unwrap();
        fs::write(Path::new(&folder).join(format!("{name}.png")), bytes).unwrap();
    }

    /// What the page has complained of so far: messages on the console, exceptions, violations of its policy.
    pub fn complaints(&mut self) -> Vec<String> {
        // An answer comes after what was said before it.
        self.evaluate("0");
        std::mem::take(&mut self.complaints)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The path of the browser, if one is installed.
fn installed() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let files = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    files.into_iter().find(|file| file.is_file())
}
