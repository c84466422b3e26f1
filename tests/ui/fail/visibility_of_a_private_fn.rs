//! A private method of a tracked impl.

mod exams {
    pub struct Repo;

    #[sqlx::track]
    impl Repo {
        async fn find(&self) {}
    }
}

async fn caller() {
    exams::Repo.find().await;
}

fn main() {}
