//! Mistakes at every depth.

use sqlx::track;

#[track(name = "exams")]
mod exams {
    #[sqlx::track(n_plus_1 = 3)]
    pub(crate) async fn find() {}

    #[sqlx::track(name = "deeper")]
    pub(crate) mod deeper {
        #[sqlx::track(root = 1)]
        pub(crate) async fn find() {}
    }
}

async fn caller() {
    exams::find().await;
    exams::deeper::find().await;
}

fn main() {}
