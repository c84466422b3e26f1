//! The line of source that a report shows, and where it shows none.

use std::fs;
use std::path::Path;

use leash_tests::in_child;
use sqlx::leash::{self, Finding};
use sqlx::{SqlitePool, track};

use crate::common::{Place, marked, pool};
use crate::config::KEPT;

#[track(warn(outlived_scope))]
async fn forgotten(pool: &SqlitePool) {
    let tx = pool.begin().await.unwrap(); // @forgotten
    KEPT.lock().unwrap().push(tx);
}

/// Writes the file of `place` below `folder`, with `line` at the place's line, and nothing else.
fn plant(folder: &Path, place: &Place, line: &str) {
    let path = folder.join(&place.file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let above = "\n".repeat(place.line as usize - 1);
    fs::write(&path, format!("{above}{line}\n")).unwrap();
}

fn rendered_in(folder: &Path, finding: &Finding) -> String {
    std::env::set_current_dir(folder).unwrap();
    finding.render()
}

#[test]
fn no_line_of_another_programs_file_is_shown() {
    in_child(
        "places::shown::no_line_of_another_programs_file_is_shown",
        &[],
        |runtime| {
            let place = marked("forgotten", "begin");
            let at = format!("{}:{}:{}", place.file, place.line, place.column);
            let pool = runtime.block_on(pool());
            let ((), findings) = runtime.block_on(leash::testing::findings(forgotten(&pool)));
            let [finding] = &findings[..] else {
                panic!("one finding: {findings:#?}");
            };
            assert!(finding.render().contains("// @forgotten"));
            let blanks = " ".repeat(place.column as usize - 1);
            let folder = tempfile::tempdir().unwrap();
            for (word, is_shown) in [
                ("begin", true),
                ("beginning", false),
                ("fetch_one", false),
                ("", false),
            ] {
                let line = format!("{blanks}{word}().now(); // of the file");
                plant(folder.path(), &place, &line);
                let text = rendered_in(folder.path(), finding);
                assert!(text.contains(&at), "{word}: {text}");
                assert_eq!(text.contains("// of the file"), is_shown, "{word}: {text}");
            }
            // A member's own file has the path of the workspace's.
            let member = folder.path().join("member");
            plant(
                folder.path(),
                &place,
                &format!("{blanks}begin() // of the root"),
            );
            plant(&member, &place, "fn main() {} // of the member");
            let text = rendered_in(&member, finding);
            assert!(text.contains("// of the root"), "{text}");
            // Without any file: the place alone.
            let text = rendered_in(Path::new("/"), finding);
            assert!(
                text.contains(&at) && !text.contains("// @forgotten"),
                "{text}"
            );
        },
    );
}
