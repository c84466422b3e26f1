//! The header `Server-Timing`.

use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::InRequest;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Adds what the request has sent so far. Without `track`, nothing is known, and nothing is added.
pub(super) fn add(headers: &mut HeaderMap, request: &InRequest) {
    let (statements, database, waited) = request.timing();
    let value = HeaderValue::try_from(written(statements, database, waited));
    if let Ok(value) = value {
        // Fails where there are too many headers already, which is no reason to lose the response.
        _ = headers.try_append(SERVER_TIMING, value);
    }
}

fn written(statements: u64, database: Duration, waited: Duration) -> String {
    let queries = if statements == 1 { "query" } else { "queries" };
    format!(
        "db;dur={};desc=\"{statements} {queries}\", db_wait;dur={}",
        millis(database),
        millis(waited)
    )
}

/// Milliseconds, with the decimals that a short time needs.
fn millis(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1e3;
    let decimals = match millis {
        ..1.0 => 3,
        ..100.0 => 1,
        _ => 0,
    };
    let text = format!("{millis:.decimals$}");
    match text.split_once('.') {
        Some(_) => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_short() {
        for (statements, database, waited, expected) in [
            (
                47,
                210_000,
                12_000,
                "db;dur=210;desc=\"47 queries\", db_wait;dur=12",
            ),
            (1, 1_234, 0, "db;dur=1.2;desc=\"1 query\", db_wait;dur=0"),
            (0, 0, 10, "db;dur=0;desc=\"0 queries\", db_wait;dur=0.01"),
        ] {
            let [database, waited] = [database, waited].map(Duration::from_micros);
            assert_eq!(written(statements, database, waited), expected);
        }
    }
}
