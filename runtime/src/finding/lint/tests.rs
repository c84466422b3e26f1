//! The lists of lints in other files are those of the table. `UPDATE_EXPECT=1` rewrites them.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

use super::{Group, Lint, ROWS, Stance, Unit};

/// A file of the workspace.
fn read(path: &str) -> (std::path::PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (path, text)
}

/// Checks that the text between the two marks in the file is the expected one.
#[track_caller]
fn check(path: &str, begin: &str, end: &str, expected: &str) {
    let (path, text) = read(path);
    let from = text.find(begin).expect("the first mark") + begin.len();
    let to = from + text[from..].find(end).expect("the second mark");
    if text[from..to] == *expected {
        return;
    }
    if env::var_os("UPDATE_EXPECT").is_some() {
        let new = [&text[..from], expected, &text[to..]].concat();
        fs::write(&path, new).expect("the file can be written");
    } else {
        panic!(
            "{} differs from the table of lints; `UPDATE_EXPECT=1 cargo test -p sqlx-leash --lib` writes it:\n{expected}",
            path.display()
        );
    }
}

fn of_group(group: Group) -> impl Iterator<Item = &'static super::Row> {
    ROWS.iter().filter(move |row| row.group == group)
}

#[test]
fn the_macro_crate_has_the_same_table() {
    let mut rows = String::from("\n");
    for group in &Group::ALL[1..] {
        for row in of_group(*group) {
            let name = format!("{:?},", row.name);
            let variant: String = row
                .name
                .split('_')
                .map(|word| word[..1].to_uppercase() + &word[1..])
                .collect();
            let variant = format!("{variant:?},");
            let group = format!("{:?},", group.name());
            let unit = format!("Unit::{:?},", row.unit);
            writeln!(
                rows,
                "    row({name:<26} {variant:<25} {group:<10} {unit:<16} {:?}),",
                row.example
            )
            .expect("writing to a string cannot fail");
        }
    }
    check(
        "macros/src/lints.rs",
        "\n#[rustfmt::skip]\nstatic ROWS: &[Row] = &[",
        "];\n",
        &rows,
    );
}

#[test]
fn the_readme_has_the_same_table() {
    let mut table = String::from(
        "\n| lint | reports | level: debug / release | limit |\n| --- | --- | --- | --- |\n",
    );
    for row in &ROWS {
        let level = match row.stance {
            Stance::Deny => "deny / warn",
            Stance::Warn => "warn / warn",
            Stance::WarnWhereLimited => "allow until it has a limit, then warn",
        };
        let limit = match (row.limit, row.unit) {
            (Some(limit), _) => format!("`{limit}`"),
            (None, Unit::None) => String::new(),
            (None, _) => "none".to_owned(),
        };
        let says = in_a_cell(row.says);
        writeln!(table, "| `{}` | {says} | {level} | {limit} |", row.name)
            .expect("writing to a string cannot fail");
    }
    check("README.md", "<!-- lints -->", "<!-- /lints -->", &table);
}

/// Turns `A handle is held.` into `a handle is held`.
fn in_a_cell(sentence: &str) -> String {
    let mut cell = sentence.trim().trim_end_matches('.').to_owned();
    if let Some(first) = cell.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    cell
}

#[test]
fn groups_split_all_lints() {
    let in_groups: usize = Group::ALL[1..].iter().map(|it| of_group(*it).count()).sum();
    assert_eq!(in_groups, Lint::ALL.len());
    assert_eq!(
        of_group(Group::All).count(),
        0,
        "`all` is no lint's own group"
    );
}

#[test]
fn every_limit_is_of_its_unit() {
    for row in &ROWS {
        if let Some(limit) = row.limit {
            assert_eq!(limit.unit(), row.unit, "{}", row.name);
        }
        assert_eq!(
            row.unit == Unit::None,
            row.example.is_empty(),
            "{}",
            row.name
        );
        assert!(row.page.contains(row.name), "{}", row.name);
    }
}
