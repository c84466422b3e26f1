//! Answers of servers that the tests on real servers do not have.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn program() -> Program {
    let of = |pools| Sum {
        pools,
        max_connections: 10 * pools,
        open: 0,
    };
    Program {
        pool: "shop".to_owned(),
        system: "postgresql",
        options: "PgPoolOptions",
        max_connections: 10,
        acquire_timeout: 30 * SECOND,
        idle_timeout: Some(600 * SECOND),
        max_lifetime: Some(1800 * SECOND),
        test_before_acquire: true,
        after_connect: Some(false),
        held_idle: Some(5 * SECOND),
        slow_query: Some(SECOND),
        too_long: None,
        on_server: of(1),
        of_user: of(1),
        on_database: of(1),
        kept: Kept::InFile,
    }
}

/// The answers to the questions of these names, row by row. The others are refused.
fn answers(asked: Asked, given: &[(&str, &[&[&str]])]) -> Answers {
    let mut answers = Answers::default();
    for question in asked.rounds().iter().copied().flatten() {
        let answer = given.iter().find(|(name, _)| *name == question.name);
        let rows = answer.map(|(_, rows)| {
            let row = |row: &&[&str]| row.iter().map(|text| Some((*text).to_owned())).collect();
            rows.iter().map(row).collect()
        });
        answers.add(question, rows.ok_or_else(|| "no".to_owned()));
    }
    answers.first_after = Some(Duration::from_millis(20));
    answers
}

fn examined(asked: Asked, program: &Program, answers: &Answers) -> Diagnosis {
    diagnose(
        asked,
        program,
        &Reached::After(SECOND / 100),
        answers,
        SECOND,
    )
}

fn verdict(diagnosis: &Diagnosis, name: &str) -> CheckVerdict {
    diagnosis.check(name).expect("there is this check").verdict
}

fn server(diagnosis: &Diagnosis, name: &str) -> SettingValue {
    let check = diagnosis.check(name).expect("there is this check");
    check
        .server
        .clone()
        .expect("its server's value is known")
        .value
}

const SESSION: (&str, &[&[&str]]) = ("session", &[&["7", "shop", "shop"]]);
const AGAIN: (&str, &[&[&str]]) = ("session again", &[&["7"]]);
const FREE: [(&str, &[&[&str]]); 3] = [
    ("role", &[&["-1", "false"]]),
    ("database", &[&["-1"]]),
    ("used", &[&["3", "1", "1"]]),
];

#[test]
fn a_postgres_without_the_newer_limits() {
    let settings: &[&[&str]] = &[
        &["server_version", "13.2", "default"],
        &["max_connections", "100", "configuration file"],
        &["superuser_reserved_connections", "3", "default"],
        &["statement_timeout", "0", "default"],
        &["idle_in_transaction_session_timeout", "0", "default"],
    ];
    let given = [
        &[SESSION, AGAIN, ("settings", settings), ("age", &[&["900"]])],
        &FREE[..],
    ]
    .concat();
    let diagnosis = examined(
        Asked::Postgres,
        &program(),
        &answers(Asked::Postgres, &given),
    );
    assert_eq!(
        diagnosis.verdict(),
        Some(CheckVerdict::Ok),
        "{diagnosis:#?}"
    );
    assert_eq!(diagnosis.server.as_deref(), Some("PostgreSQL 13.2"));
    assert_eq!(
        server(&diagnosis, "max_connections"),
        SettingValue::Count(97)
    );
}

#[test]
fn a_postgres_with_the_newest_limits() {
    let settings: &[&[&str]] = &[
        &["server_version", "17.2 (Debian 17.2-1)", "default"],
        &["max_connections", "100", "configuration file"],
        &["superuser_reserved_connections", "3", "default"],
        &["reserved_connections", "5", "configuration file"],
        &["idle_session_timeout", "0", "default"],
        &["statement_timeout", "30000", "database"],
        &["idle_in_transaction_session_timeout", "60000", "user"],
        &["transaction_timeout", "900", "user"],
    ];
    let given = [&[SESSION, AGAIN, ("settings", settings)], &FREE[..]].concat();
    let diagnosis = examined(
        Asked::Postgres,
        &program(),
        &answers(Asked::Postgres, &given),
    );
    let ended = SettingValue::Time(Duration::from_millis(900));
    for name in ["held_idle", "slow_query"] {
        assert_eq!(verdict(&diagnosis, name), CheckVerdict::Warning);
        assert_eq!(server(&diagnosis, name), ended);
    }
    assert_eq!(
        server(&diagnosis, "max_connections"),
        SettingValue::Count(92)
    );
}

#[test]
fn a_session_is_a_poolers_only_if_it_is_older_for_certain() {
    let with = |age: &'static [&'static [&'static str]]| {
        let given = [&[SESSION, AGAIN, ("age", age)], &FREE[..]].concat();
        examined(
            Asked::Postgres,
            &program(),
            &answers(Asked::Postgres, &given),
        )
    };
    assert_eq!(verdict(&with(&[&["19000"]]), "pooler"), CheckVerdict::Ok);
    // Within what the server's clock may be set by meanwhile, also backwards.
    assert_eq!(verdict(&with(&[&["1019000"]]), "pooler"), CheckVerdict::Ok);
    assert_eq!(verdict(&with(&[&["-5000000"]]), "pooler"), CheckVerdict::Ok);
    assert_eq!(
        verdict(&with(&[&["1021000"]]), "pooler"),
        CheckVerdict::Unknown
    );
}

#[test]
fn a_mysql_that_refuses_what_it_has() {
    let variables: &[&[&str]] = &[
        &["version", "8.4.3"],
        &["max_connections", "151"],
        &["max_user_connections", "0"],
        &["wait_timeout", "300"],
        &["max_execution_time", "250"],
    ];
    let session: (&str, &[&[&str]]) = ("session", &[&["9", "shop@%"]]);
    let again: (&str, &[&[&str]]) = ("session again", &[&["9"]]);
    let given = [session, again, ("variables", variables)];
    let diagnosis = examined(Asked::MySql, &program(), &answers(Asked::MySql, &given));
    assert_eq!(diagnosis.server.as_deref(), Some("MySQL 8.4.3"));
    assert_eq!(verdict(&diagnosis, "idle_timeout"), CheckVerdict::Warning);
    // It has no limit on idle transactions, and none for the user.
    assert_eq!(server(&diagnosis, "held_idle"), SettingValue::Unlimited);
    assert_eq!(verdict(&diagnosis, "user_connections"), CheckVerdict::Ok);
    assert_eq!(
        verdict(&diagnosis, "max_connections"),
        CheckVerdict::Unknown
    );
    let slow = diagnosis.check("slow_query").expect("there is this check");
    assert!(
        slow.help[1].contains("SET GLOBAL max_execution_time = 2000"),
        "{slow:#?}"
    );

    let none = answers(Asked::MySql, &[]);
    let diagnosis = examined(Asked::MySql, &program(), &none);
    for name in [
        "idle_timeout",
        "user_connections",
        "held_idle",
        "slow_query",
        "pooler",
    ] {
        let check = diagnosis.check(name).expect("there is this check");
        assert_eq!(check.verdict, CheckVerdict::Unknown);
        assert_eq!(check.text, "the server refuses to say: no");
    }
}

#[test]
fn an_allowed_lint_is_not_compared() {
    let settings: &[&[&str]] = &[&["statement_timeout", "10", "user"]];
    let given = [SESSION, AGAIN, ("settings", settings)];
    let answers = answers(Asked::Postgres, &given);
    let allowed = Program {
        slow_query: None,
        ..program()
    };
    assert_eq!(
        verdict(&examined(Asked::Postgres, &allowed, &answers), "slow_query"),
        CheckVerdict::Ok
    );
    assert_eq!(
        verdict(
            &examined(Asked::Postgres, &program(), &answers),
            "slow_query"
        ),
        CheckVerdict::Warning
    );
}

#[test]
fn another_database_has_few_checks() {
    let diagnosis = examined(Asked::Other, &program(), &Answers::default());
    let names: Vec<_> = diagnosis.checks.iter().map(|check| check.name).collect();
    assert_eq!(names, ["connect", "acquire_timeout"]);
    assert_eq!(diagnosis.notes.len(), 1);
}
