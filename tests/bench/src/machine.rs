//! On what it all runs.

use std::error::Error;
use std::fs;
use std::process::{Command, Stdio};
use std::thread;

/// What starts a program so that its times say something: a command, and how the tables call it.
pub(crate) struct Runner {
    pub(crate) words: Vec<String>,
    how: String,
}

/// A program on the last processor: on several, SQLite's thread moves about.
pub(crate) fn pinned() -> Runner {
    let last = (processors() - 1).to_string();
    let steady = steady();
    Runner::of(&["taskset", "-c", &last], "pinned to one").before(steady)
}

/// Starts a server that keeps off the clients' processor: else it is luck which of its processes, and so which contender's,
/// runs there.
pub(crate) fn beside_clients<T>(start: impl FnOnce() -> T) -> T {
    let last = processors() - 1;
    if last == 0 {
        return start();
    }
    // What is started now inherits it. Without `taskset` the server runs anywhere, as the clients do.
    let keep_to = |processors: String| {
        let id = std::process::id().to_string();
        let _ = Command::new("taskset")
            .args(["-p", "-c", &processors, &id])
            .stdout(Stdio::null())
            .status();
    };
    keep_to(format!("0-{}", last - 1));
    let started = start();
    keep_to(format!("0-{last}"));
    started
}

/// A program whose threads do not interrupt each other when they wake each other. Else it is decided by nanoseconds whether a thread
/// goes to sleep before its answer is there, and who does more is sometimes done sooner.
pub(crate) fn steady() -> Runner {
    Runner::of(&["chrt", "--batch", "0"], "scheduled in batches")
}

impl Runner {
    /// The command, where this machine has it.
    fn of(words: &[&str], how: &str) -> Self {
        let is_there = Command::new(words[0])
            .args(&words[1..])
            .arg("true")
            .status()
            .is_ok_and(|status| status.success());
        Self {
            words: words
                .iter()
                .filter(|_| is_there)
                .map(ToString::to_string)
                .collect(),
            how: if is_there {
                how.to_owned()
            } else {
                format!("not {how}")
            },
        }
    }

    fn before(mut self, then: Self) -> Self {
        self.words.extend(then.words);
        self.how = format!("{}, {}", self.how, then.how);
        self
    }

    /// A line that says on what.
    pub(crate) fn describe(&self) -> String {
        let model = fs::read_to_string("/proc/cpuinfo").ok();
        let model = model
            .as_deref()
            .and_then(|text| text.lines().find(|line| line.starts_with("model name")))
            .and_then(|line| line.split(": ").nth(1))
            .unwrap_or(std::env::consts::ARCH);
        let profile = if cfg!(debug_assertions) {
            "; NOT OPTIMISED, the figures say nothing"
        } else {
            ""
        };
        format!(
            "{}, {model}, {} processors, clients {}{profile}",
            std::env::consts::OS,
            processors(),
            self.how
        )
    }
}

/// The cargo that runs this program, where one does.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Seconds of processor time, outside the kernel, of all programs that ended below this one.
pub(crate) fn user_time_of_children() -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/stat")?;
    // The second field is the program's name, in parentheses; the sixteenth is the time, in hundredths of a second.
    let (_, fields) = status.rsplit_once(')').ok_or("this program has no name")?;
    let time = fields.split_whitespace().nth(13);
    let time: f64 = time.ok_or("its time is not told")?.parse()?;
    Ok(time / 100.0)
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
