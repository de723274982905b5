//! The way to the server, and what goes wrong on it, in words.

use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::debug;

use crate::store::error::{Error, Trouble};
use crate::store::place::Place;

/// How long one address of the server may take.
const CONNECT: Duration = Duration::from_secs(5);

/// What holds for each session. A transaction whose client is gone without a word must not keep its locks, and a lock that
/// somebody else keeps must not keep us.
const SESSION: &str = "SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '8s'; \
                       SET synchronous_commit = on; SET client_encoding = 'UTF8'";

/// Opens a connection: with TLS, and a certificate that is checked, where it leaves this machine.
pub(super) async fn connect(name: &str, place: &Place, config: &tokio_postgres::Config) -> Result<Client, Error> {
    let mut config = config.clone();
    config.application_name("stox");
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    if place.is_remote() {
        config.ssl_mode(SslMode::Require);
    }
    let told = |error| told(name, &error);
    let client = if config.get_ssl_mode() == SslMode::Require {
        let (client, connection) = config.connect(tls(name)?).await.map_err(told)?;
        tokio::spawn(async move { log_end(connection.await) });
        client
    } else {
        let (client, connection) = config.connect(NoTls).await.map_err(told)?;
        tokio::spawn(async move { log_end(connection.await) });
        client
    };
    client.batch_execute(SESSION).await.map_err(told)?;
    Ok(client)
}

/// Whoever was waiting for an answer hears of it too, and tells it.
fn log_end(ended: Result<(), tokio_postgres::Error>) {
    if let Err(error) = ended {
        debug!(%error, "the connection to the database ended");
    }
}

/// By the system's trust anchors, or those of `SSL_CERT_FILE`.
fn tls(name: &str) -> Result<MakeRustlsConnect, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| {
        Error::new(Trouble::Away, name, format!("TLS cannot be set up ({error})"), "look at the system's libraries")
    })?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// An error of the server, or of the way to it, in words.
pub(super) fn told(name: &str, error: &tokio_postgres::Error) -> Error {
    let away = |what: String, todo: &str| Error::new(Trouble::Away, name, what, todo);
    let refused = |what: String, todo: &str| Error::new(Trouble::Refused, name, what, todo);
    let Some(said) = error.as_db_error() else {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        let todo = "look at the database server and the way to it";
        return away(format!("cannot be reached ({error}{cause})"), todo);
    };
    let text = said.message();
    match said.code() {
        code if *code == SqlState::INVALID_PASSWORD || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            refused(format!("does not let us in ({text})"), "mend user and password in [store] url, or pg_hba.conf")
        }
        code if *code == SqlState::INVALID_CATALOG_NAME => {
            refused(format!("is not there ({text})"), "make it: CREATE DATABASE … OWNER … ENCODING 'UTF8'")
        }
        code if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            refused(format!("does not allow that ({text})"), "let the user own the database, or its tables of stox")
        }
        code if *code == SqlState::DISK_FULL => away(format!("is full ({text})"), "make room on the database server"),
        code if *code == SqlState::READ_ONLY_SQL_TRANSACTION => {
            away("takes no writes: it is a standby, or set to read only".to_owned(), "name the primary")
        }
        code if *code == SqlState::TOO_MANY_CONNECTIONS => {
            away(format!("has no connection left ({text})"), "raise max_connections, or end other clients")
        }
        code if *code == SqlState::DATA_CORRUPTED || *code == SqlState::INDEX_CORRUPTED => {
            let todo = "restore the database from a backup, or make a new one and import (stox store import)";
            Error::new(Trouble::Damaged, name, format!("is damaged ({text})"), todo)
        }
        code => away(format!("fails ({text}, {})", code.code()), "look at the log of the database server"),
    }
}
