//! The side door for operators: `/metrics`, `/health` and `/ready` over HTTP.
//!
//! It knows nothing of either protocol: what it tells comes from two functions given at the start, [`Sources`]. There
//! is no authentication, so it belongs on loopback; [`CONNECTIONS`], [`CONNECTION_BYTES`] and
//! [`CONNECTION_LIFE`] bound what strangers could do to it.

mod door;
mod health;
mod metrics;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

pub use door::{CONNECTION_BYTES, CONNECTION_LIFE, CONNECTIONS};
pub use health::{Part, Readiness};
pub use metrics::{Kind, Sample};

/// Where the answers come from. Both functions are called once for each request and must not wait.
pub struct Sources {
    /// Every counter and gauge as it is now.
    pub samples: Box<dyn Fn() -> Vec<Sample> + Send + Sync>,
    /// Whether both sides are up.
    pub readiness: Box<dyn Fn() -> Readiness + Send + Sync>,
}

/// Serves until `until` is done; then open requests are finished. Errors are those of the listening socket.
pub async fn serve(
    listener: TcpListener,
    sources: Sources,
    until: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    serve_within(CONNECTION_LIFE, listener, sources, until).await
}

async fn serve_within(
    life: Duration,
    listener: TcpListener,
    sources: Sources,
    until: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let routes = Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(sources));
    axum::serve(door::Door::new(listener, life), routes).with_graceful_shutdown(until).await
}

/// The process is alive and answers.
async fn health() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], "alive\n")
}

async fn ready(State(sources): State<Arc<Sources>>) -> impl IntoResponse {
    let readiness = (sources.readiness)();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CONTENT_TYPE, "application/json")], readiness.to_json())
}

async fn metrics(State(sources): State<Arc<Sources>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::text(&(sources.samples)()))
}

#[cfg(test)]
mod tests;
