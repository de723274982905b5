//! A new, empty store of each engine for each test.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use stox::store::Place;
use tokio_postgres::NoTls;

static COUNT: AtomicU64 = AtomicU64::new(0);

/// Where one test keeps its store; gone with it.
pub(super) struct Site {
    pub(super) place: Place,
    pub(super) folder: PathBuf,
    /// The URL of the place.
    pub(super) url: String,
}

#[derive(Debug, Clone)]
pub(super) enum Engine {
    Sqlite,
    Postgres(String),
}

/// The engines that are there.
pub(super) fn engines() -> Vec<Engine> {
    let server = std::env::var("STOX_TEST_POSTGRES").ok();
    [Engine::Sqlite].into_iter().chain(server.map(Engine::Postgres)).collect()
}

/// A site of each.
pub(super) async fn sites() -> Vec<Site> {
    let mut sites = Vec::new();
    for engine in engines() {
        sites.push(match engine {
            Engine::Sqlite => Site::sqlite(),
            Engine::Postgres(server) => Site::postgres(&server).await,
        });
    }
    sites
}

impl Site {
    pub(super) fn sqlite() -> Self {
        let folder = folder();
        let url = format!("sqlite:{}", folder.join("stox.db").display());
        Self { place: Place::parse(&url, Path::new("/")).unwrap(), folder, url }
    }

    pub(super) async fn postgres(server: &str) -> Self {
        let name = format!("stox_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let (client, connection) = tokio_postgres::connect(server, NoTls).await.expect("STOX_TEST_POSTGRES is there");
        let connection = tokio::spawn(connection);
        client.batch_execute(&format!("CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
        let (front, _) = server.rsplit_once('/').expect("a database at the end of the URL");
        let url = format!("{front}/{name}");
        Self { place: Place::parse(&url, Path::new("/")).unwrap(), folder: folder(), url }
    }

    /// Does something behind the back of stox.
    pub(super) async fn sql(&self, statements: &str) {
        match &self.place {
            Place::Memory => unreachable!("nothing is there"),
            Place::Sqlite(path) => rusqlite::Connection::open(path).unwrap().execute_batch(statements).unwrap(),
            Place::Postgres(_) => {
                let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
                let connection = tokio::spawn(connection);
                client.batch_execute(statements).await.unwrap();
                drop(client);
                connection.await.unwrap().unwrap();
            }
        }
    }
}

fn folder() -> PathBuf {
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("stox-store-{}-{count}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

impl Drop for Site {
    fn drop(&mut self) {
        // The server of the tests is thrown away with its databases.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
