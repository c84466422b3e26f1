//! Properties of the summary and the effects of any text.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::select;

use super::scan::MAX_BYTES;
use super::{Effect, effects, summarise};
use crate::properties::holds;

/// Part of every text literal, and of nothing else.
const MARK: &str = "zebra";
/// Part of every number, and of nothing else.
const NUMBER: &str = "4711";

/// The dialect of the literals and comments in a text.
#[derive(Clone, Copy, Debug)]
enum Dialect {
    Standard,
    Postgres,
    MySql,
    Sqlite,
}

const DIALECTS: [Dialect; 4] = [
    Dialect::Standard,
    Dialect::Postgres,
    Dialect::MySql,
    Dialect::Sqlite,
];

/// A text as its words, operators, literals and comments.
type Words = Vec<String>;

fn words(text: &str) -> Words {
    text.split(' ').map(str::to_owned).collect()
}

fn joined(parts: Vec<Words>, between: &str) -> Words {
    let between = words(between);
    let parts: Vec<_> = parts.into_iter().map(IntoIterator::into_iter).collect();
    let mut all = Words::new();
    for part in parts {
        if !all.is_empty() {
            all.extend(between.iter().cloned());
        }
        all.extend(part);
    }
    all
}

/// A template such as `SELECT {} FROM {}`, filled in.
fn filled(template: &str, parts: impl IntoIterator<Item = Words>) -> Words {
    let mut parts = parts.into_iter();
    let mut all = Words::new();
    for word in template.split(' ') {
        match word {
            "{}" => all.extend(parts.next().expect("a part for each gap")),
            word => all.push(word.to_owned()),
        }
    }
    all
}

fn literal(dialect: Dialect) -> impl Strategy<Value = Words> {
    // Would add words to the summary if it were taken for code.
    let inside: &[&str] = &[
        "{} FROM {}",
        ", {}",
        "''{} FROM {}",
        "{}\n, {} FROM {}",
        "{} -- {}",
        "/* {}",
        "\"{}",
        "`{}",
        "$${} FROM {}",
        "; SELECT {} FROM {}",
        "",
    ];
    let escaped: &[&str] = match dialect {
        Dialect::MySql => &["", "\\'", "\\\\", "\\\"", "\\\\\\'"],
        Dialect::Postgres | Dialect::Standard | Dialect::Sqlite => &["", "\\", "\\\\"],
    };
    let quoted =
        (select(escaped), select(inside), select(escaped)).prop_map(|(before, inside, behind)| {
            format!("'{before}{inside}{behind}'").replace("{}", MARK)
        });
    let number = select(&["{}", "{}.5", "0x{}", "{}e2"][..]);
    let number = number.prop_map(|number| number.replace("{}", NUMBER));
    match dialect {
        Dialect::Standard | Dialect::Sqlite => prop_oneof![quoted, number].boxed(),
        Dialect::Postgres => {
            let dollar = select(&["$${}$$", "$a$it's {}$$ FROM {}$a$"][..]);
            let dollar = dollar.prop_map(|text| text.replace("{}", MARK));
            let e_string = Just(format!("E'it\\'s FROM {MARK}'"));
            prop_oneof![quoted, number, dollar, e_string].boxed()
        }
        Dialect::MySql => {
            let double = select(&["\"{}\"", "\"it's {}\"", "\"a\\\" FROM {}\""][..]);
            let double = double.prop_map(|text| text.replace("{}", MARK));
            prop_oneof![quoted, number, double].boxed()
        }
    }
    .prop_map(|literal| vec![literal])
}

fn name(dialect: Dialect) -> impl Strategy<Value = Words> {
    let mut names = vec![
        "exam",
        "public.exam",
        "a$b$c",
        "exam_2",
        "prüfung",
        "?",
        ":id",
    ];
    if let Dialect::Sqlite = dialect {
        names.extend(["[it's]", "[a\"]", "[`]", "[--]", "[/*]", "[$$]"]);
    }
    select(names).prop_map(words)
}

fn expression(dialect: Dialect) -> impl Strategy<Value = Words> {
    let leaf = prop_oneof![name(dialect), literal(dialect)];
    leaf.prop_recursive(3, 24, 3, move |inner| {
        let one =
            |template: &'static str| inner.clone().prop_map(move |one| filled(template, [one]));
        let two = |template: &'static str| {
            (inner.clone(), inner.clone()).prop_map(move |(a, b)| filled(template, [a, b]))
        };
        prop_oneof![
            two(if let Dialect::Postgres = dialect {
                "{} # {}"
            } else {
                "{} = {}"
            }),
            two("{} IS DISTINCT FROM {}"),
            two("f ( {} , {} )"),
            two("CASE WHEN {} THEN {} END"),
            one("EXTRACT ( YEAR FROM {} )"),
            one("( SELECT {} FROM exam , licence )"),
            two("( SELECT {} FROM exam WHERE {} )"),
            two("{} IN ( 1 , {} )"),
        ]
    })
}

fn statement(dialect: Dialect) -> impl Strategy<Value = Words> {
    let some = || prop::collection::vec(expression(dialect), 1..3);
    (
        select(
            &[
                "SELECT {} FROM exam , device WHERE {}",
                "SELECT {} FROM exam JOIN device ON {} ORDER BY a LIMIT 4711",
                "WITH x AS ( SELECT {} FROM exam ) SELECT {} FROM x , y",
                "INSERT INTO exam ( a , b ) VALUES ( {} ) , ( {} )",
                "INSERT INTO exam SELECT {} FROM device WHERE {}",
                "UPDATE exam SET a = {} WHERE {}",
                "DELETE FROM exam WHERE {} AND {}",
                "SELECT {} ; SELECT {} FROM device",
                "CALL next_number ( {} , {} )",
                "PRAGMA exam = {} ; SELECT {}",
                "SET search_path = {} ; SET LOCAL b = {}",
                "SET SESSION a = {} , @@session.b = {} , @c = GET_LOCK ( 'x' , 5 ) , d = 1",
                "SELECT set_config ( {} , false ) , set_config ( 'a' , {} , false ) FROM exam",
                "SELECT pg_advisory_lock ( {} ) ; SELECT GET_LOCK ( {} , 5 )",
                "SELECT pg_catalog.pg_advisory_unlock ( {} ) ; SET ROLE {}",
                "PRAGMA foreign_keys = {} ; PRAGMA main.cache_size ( {} )",
                "CREATE TEMP TABLE t AS SELECT {} WHERE {} ; DROP TABLE t , u",
                "ATTACH {} AS x ; DETACH {}",
                "BEGIN IMMEDIATE ; SELECT {} INTO TEMP t FROM exam WHERE {} ; COMMIT AND CHAIN",
                "SAVEPOINT x ; SELECT {} ; ROLLBACK TO SAVEPOINT x ; CALL f ( {} ) ; RESET ALL",
                "CREATE TRIGGER t AFTER INSERT ON exam BEGIN SELECT {} ; SELECT {} ; END ; COMMIT",
            ][..],
        ),
        some(),
        some(),
    )
        .prop_map(|(template, one, two)| filled(template, [joined(one, ","), joined(two, ",")]))
}

fn any_statement() -> impl Strategy<Value = (Dialect, Words)> {
    select(&DIALECTS[..])
        .prop_flat_map(|dialect| statement(dialect).prop_map(move |words| (dialect, words)))
}

/// White space and comments of a dialect. The comments contain quotes.
fn separators(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Standard | Dialect::Sqlite => &[" ", "\n\t", " -- it's\n", " /* it's */ "],
        Dialect::Postgres => &[" ", " -- it's\n", " /* /* it's */ it's */ ", "\r\n"],
        Dialect::MySql => &[" ", " # it's\n", " -- it's\n", " # \"\n"],
    }
}

/// The labels of what a text sets.
fn labels(sql: &str) -> String {
    let mut labels = String::new();
    for effect in effects(sql).unwrap_or_default() {
        if let Effect::Sets(item) = effect {
            labels += &format!("{}\n", item.label);
        }
    }
    labels
}

#[test]
fn a_literal_is_never_shown() {
    let written = any_statement().prop_flat_map(|(dialect, words)| {
        let length = words.len();
        let between = prop::collection::vec(select(separators(dialect)), length);
        (Just(words), between)
    });
    holds(2_000, &written, |(words, between)| {
        let pairs = words.iter().zip(between);
        let sql: String = pairs.flat_map(|(word, space)| [&**word, *space]).collect();
        let summary = summarise(&sql).text;
        let labels = labels(&sql);
        for mark in [MARK, NUMBER] {
            assert!(!summary.contains(mark), "`{summary}` of {sql}");
            assert!(!labels.contains(mark), "`{labels}` of {sql}");
        }
    });
}

#[test]
fn white_space_comments_and_the_case_of_keywords_make_no_difference() {
    let written = statement(Dialect::Standard).prop_flat_map(|words| {
        let length = words.len();
        let separators = separators(Dialect::Standard);
        let between = prop::collection::vec((select(separators), any::<bool>()), length);
        (Just(words), between)
    });
    holds(500, &written, |(words, between)| {
        let mut other = String::new();
        for (word, (space, lower)) in words.iter().zip(between) {
            let is_keyword = word.bytes().all(|byte| byte.is_ascii_uppercase());
            if *lower && is_keyword {
                other += &word.to_lowercase();
            } else {
                other += word;
            }
            other += space;
        }
        let sql = words.join(" ");
        assert_eq!(effects(&sql), effects(&other), "{sql}");
        let [one, other] = [summarise(&sql), summarise(&other)];
        assert_eq!(format!("{one:?}"), format!("{other:?}"), "{sql}");
    });
}

#[test]
fn any_text_has_a_short_summary_of_its_own_words_and_few_effects() {
    let pieces: &[&str] = &[
        "SELECT",
        "from",
        "(",
        ")",
        ",",
        ";",
        "'",
        "\"",
        "`",
        "[",
        "]",
        "$$",
        "$a$",
        "$1",
        "--",
        "\n",
        "/*",
        "*/",
        "\\",
        "#",
        "é",
        "ß",
        "\u{3000}",
        "\0",
        "INSERT",
        "create",
        "table",
        ".",
        "9",
        "x",
        " ",
        "SET",
        "=",
        "@",
        "temp",
        "INTO",
        "begin",
        "END",
        "CASE",
        "set_config",
        "drop",
        "pg_advisory_lock",
        "PRAGMA",
        "foreign_keys",
        "LISTEN",
        "?",
        ":",
        "trigger",
        "false",
        "as",
    ];
    let soup = prop::collection::vec(select(pieces), 0..200);
    let soup = soup.prop_map(|pieces| pieces.concat());
    holds(1_000, &prop_oneof![any::<String>(), soup], |sql| {
        let summary = summarise(sql).text;
        assert!(summary.len() <= MAX_BYTES, "{summary}");
        let upper = sql.to_ascii_uppercase();
        let summary = summary.to_ascii_uppercase();
        for word in summary.split_whitespace() {
            assert!(upper.contains(word), "`{word}` is not in {sql}");
        }
        let effects = effects(sql).unwrap_or_default();
        let bytes: usize = effects.iter().map(Effect::bytes).sum();
        assert!(bytes < 16_000, "{effects:?}");
    });
}

#[test]
fn a_long_text_is_read_once() {
    const LENGTH: usize = 1 << 18;
    let began = Instant::now();
    for piece in [
        "'",
        "\"",
        "$",
        "$a",
        "$1 ",
        "/*/",
        "-- \n",
        "#\n",
        "\\",
        "(",
        "[",
        "[]",
        ",",
        "x",
        "FROM ",
        "é",
        ";SET a=1",
        ";SET a=",
        ",a=1",
        ";BEGIN ",
        " BEGIN",
        "CASE ",
        "END ",
        "set_config(",
        ";SELECT GET_LOCK('",
        "INTO TEMP ",
        ";CREATE TRIGGER ",
        ".a",
        "@a=",
        ";DROP TABLE a",
        ",",
    ] {
        let sql = format!("SELECT {}", piece.repeat(LENGTH / piece.len()));
        let summary = summarise(&sql).text;
        assert!(summary.capacity() <= 2 * MAX_BYTES, "{piece}");
        let effects = effects(&sql).unwrap_or_default();
        assert!(effects.len() <= 64, "{piece}");
    }
    // Reading the text a second time for each of its pieces would take minutes.
    let took = began.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
}
