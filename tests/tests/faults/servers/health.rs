//! The health of a pool whose server stops and starts again.

use std::time::{Duration, Instant};

use sqlx::leash::{self, HealthStatus, PoolHealth};

use super::own_server;
use super::world::World;
use crate::common::PATIENCE;

fn health_of(world: &World) -> PoolHealth {
    let health = leash::health();
    health.component(world.pool.name()).unwrap().clone()
}

#[track_caller]
fn is(world: &World, status: HealthStatus) {
    let health = health_of(world);
    assert_eq!(health.status, status, "{health}");
}

#[tokio::test]
async fn while_the_server_is_down_and_after() {
    let Some(mut server) = own_server().await else {
        return;
    };
    let url = server.url().to_owned();
    let world = World::at(&url).await;
    is(&world, HealthStatus::Unknown);
    world.pool.acquire().await.unwrap().return_to_pool().await;
    is(&world, HealthStatus::Up);

    server.stop().await;
    // Nobody has asked since.
    is(&world, HealthStatus::Up);
    let began = Instant::now();
    let health = loop {
        world.pool.acquire().await.unwrap_err();
        let health = health_of(&world);
        if health.status == HealthStatus::Down {
            break health;
        }
        assert_eq!(health.status, HealthStatus::Up, "{health}");
        assert!(began.elapsed() < PATIENCE, "it never goes down: {health}");
    };
    let ten_seconds = Duration::from_secs(10);
    assert!(health.age >= ten_seconds && health.age <= began.elapsed());
    let words = ": a connect fails: connection refused";
    assert!(health.reason.ends_with(words), "{health}");
    assert_eq!(leash::health().http_status(), 503);

    server.start().await;
    // Nobody has asked since.
    is(&world, HealthStatus::Down);
    world.pool.acquire().await.unwrap().return_to_pool().await;
    is(&world, HealthStatus::Up);
}
