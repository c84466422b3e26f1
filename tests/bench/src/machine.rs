//! The machine: its processors, and the commands that start programs on them.

use std::error::Error;
use std::fs;
use std::process::{Command, Stdio};
use std::thread;

/// A command that starts a program in a way that makes its times comparable, with the words that describe it.
pub(crate) struct Runner {
    pub(crate) words: Vec<String>,
    how: String,
}

/// Pins a program to the last processor. On several processors, SQLite's thread would move between them.
pub(crate) fn pinned() -> Runner {
    let last = (processors() - 1).to_string();
    let steady = steady();
    Runner::of(&["taskset", "-c", &last], "pinned to one").before(steady)
}

/// Starts a server on all processors but that of the clients. Otherwise chance decides which of its processes runs on
/// that processor, and so which contender it slows down.
pub(crate) fn beside_clients<T>(start: impl FnOnce() -> T) -> T {
    let last = processors() - 1;
    if last == 0 {
        return start();
    }
    // The server inherits the setting. Without `taskset` it runs on any processor, as the clients do.
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

/// Schedules a program so that its threads do not preempt each other when they wake each other. Otherwise nanoseconds
/// decide whether a thread sleeps before its answer arrives, and a program that does more sometimes finishes sooner.
pub(crate) fn steady() -> Runner {
    Runner::of(&["chrt", "--batch", "0"], "scheduled in batches")
}

impl Runner {
    /// The command, if this machine has it. Otherwise an empty one.
    fn of(words: &[&str], how: &str) -> Self {
        let is_installed = Command::new(words[0])
            .args(&words[1..])
            .arg("true")
            .status()
            .is_ok_and(|status| status.success());
        Self {
            words: words
                .iter()
                .filter(|_| is_installed)
                .map(ToString::to_string)
                .collect(),
            how: if is_installed {
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

    /// A line about the machine and the way in which programs are started.
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

/// The cargo that runs this program, or the one on the `PATH`.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The seconds of processor time, outside the kernel, of all descendants of this process that have ended.
pub(crate) fn user_time_of_children() -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/stat")?;
    // The second field is the name of the program, in parentheses. The sixteenth is the time, in hundredths of a
    // second.
    let (_, fields) = status.rsplit_once(')').ok_or("this program has no name")?;
    let time = fields.split_whitespace().nth(13);
    let time: f64 = time.ok_or("there is no field for its time")?.parse()?;
    Ok(time / 100.0)
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
