//! The attribute of a whole file.

mod exams {
    #![sqlx::track]
}

fn main() {}
