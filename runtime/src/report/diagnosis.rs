//! A diagnosis as a table of its checks, with a sentence below it for each that is not ok.

use std::fmt;

use comfy_table::{Table, presets};

use crate::measure::units::short;
use crate::snapshot::{Check, CheckVerdict, Diagnosis, Setting, SettingValue};

const COLUMNS: [&str; 4] = ["result", "check", "this program", "its server"];

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(COLUMNS);
        for check in &self.checks {
            table.add_row([
                check.verdict.to_string(),
                check.name.to_owned(),
                cell(check.program.as_ref()),
                cell(check.server.as_ref()),
            ]);
        }
        let mut lines = vec![self.title()];
        lines.extend(table.lines().map(|line| line.trim_end().to_owned()));
        for check in &self.checks {
            lines.extend(said(check));
        }
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        f.write_str(&lines.join("\n"))
    }
}

impl Diagnosis {
    fn title(&self) -> String {
        let server = self.server.as_ref().unwrap_or(&self.system);
        let connect = self.check("connect").map(|check| check.verdict);
        let outcome = match connect {
            Some(CheckVerdict::Ok) => "examined",
            _ => "not reached",
        };
        let took = short(self.took);
        format!("pool {} on {server}, {outcome} in {took}", self.pool)
    }
}

/// What is to be said of a check beside its row.
fn said(check: &Check) -> Vec<String> {
    if check.verdict == CheckVerdict::Ok {
        return Vec::new();
    }
    let mut lines = vec![format!("{} {}: {}", check.verdict, check.name, check.text)];
    lines.extend(check.help.iter().map(|help| format!("  help: {help}")));
    lines
}

fn cell(setting: Option<&Setting>) -> String {
    let Some(Setting { name, value }) = setting else {
        return String::new();
    };
    match value {
        SettingValue::Time(time) => format!("{name}: {}", short(*time)),
        SettingValue::Count(count) => format!("{name}: {count}"),
        SettingValue::Unlimited => format!("{name}: unlimited"),
        SettingValue::Text(text) => format!("{name}: {text}"),
    }
}
