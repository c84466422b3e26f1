//! Switched off at run time, the layer passes everything through.

use http_body_util::BodyExt;
use leash_tests::in_child;
use sqlx::leash;

use super::{answer, layer, query, text};
use crate::common::pool;

#[test]
fn a_layer_that_is_switched_off_passes_through() {
    in_child(
        "requests::off::a_layer_that_is_switched_off_passes_through",
        &[("SQLX_LEASH", "off")],
        |runtime| {
            runtime.block_on(async {
                let pool = &pool().await;
                let response = answer(layer(), ("GET", "/off"), async |_| {
                    query(pool, "SELECT 1").await;
                    text("as it is")
                })
                .await;
                assert!(response.headers().is_empty());
                let body = response.into_body().collect().await.unwrap();
                assert_eq!(body.to_bytes(), "as it is");
                assert!(leash::snapshot().requests.is_empty());
            });
        },
    );
}
