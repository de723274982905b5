//! The side door for operators: `/metrics`, `/health`, `/ready` and `/explain` over HTTP.
//!
//! It knows nothing of either protocol: what it tells comes from the functions given at the start, [`Sources`]. There
//! is no authentication, so it belongs on loopback; [`CONNECTIONS`], [`CONNECTION_BYTES`] and
//! [`CONNECTION_LIFE`] bound what strangers could do to it.

mod ask;
mod door;
mod health;
mod metrics;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

pub use ask::{ask, escaped};
pub use door::{CONNECTION_BYTES, CONNECTION_LIFE, CONNECTIONS};
pub use health::{Part, Readiness};
pub use metrics::{Kind, Sample};

/// Where the answers come from. Each is called once for each request; the first two must not wait.
pub struct Sources {
    /// Every counter and gauge as it is now.
    pub samples: Box<dyn Fn() -> Vec<Sample> + Send + Sync>,
    /// Whether both sides are up.
    pub readiness: Box<dyn Fn() -> Readiness + Send + Sync>,
    /// How the subscriptions between two bare JIDs stand, in words. May wait a moment.
    pub explain: Box<dyn Fn(String, String) -> Explained + Send + Sync>,
}

/// Lines about a pair; `None` while nobody can be asked.
pub type Explained = Pin<Box<dyn Future<Output = Option<Vec<String>>> + Send>>;

/// Two bare JIDs.
#[derive(serde::Deserialize)]
struct Pair {
    one: String,
    other: String,
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
        .route("/explain", get(explain))
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

async fn explain(State(sources): State<Arc<Sources>>, Query(pair): Query<Pair>) -> impl IntoResponse {
    let lines = (sources.explain)(pair.one, pair.other).await;
    let status = if lines.is_some() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let text: String = lines.unwrap_or_default().iter().map(|line| format!("{line}\n")).collect();
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text)
}

#[cfg(test)]
mod tests;
