//! Where a store is, as one writes it: `sqlite:/var/lib/stox/stox.db`, `postgres://user:password@host/db`, `memory:`.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use tokio_postgres::config::{Host, SslMode};

/// Where records are kept.
#[derive(Clone, PartialEq)]
pub enum Place {
    /// Nowhere: they are gone with the process.
    Memory,
    /// A file of SQLite.
    Sqlite(PathBuf),
    /// A database of PostgreSQL.
    Postgres(Box<tokio_postgres::Config>),
}

/// Why a text is no place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadUrl {
    /// What is wrong; never the text itself, which may hold a password.
    pub what: String,
    /// What to do about it.
    pub todo: String,
}

const TODO: &str = "write \"sqlite:/var/lib/stox/stox.db\", \"postgres://USER:PASSWORD@HOST/DATABASE\" or \"memory:\"";

impl Place {
    /// Reads a URL. A path that is not absolute starts in `dir`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(url: &str, dir: &Path) -> Result<Self, BadUrl> {
        let bad = |what: &str| BadUrl { what: what.to_owned(), todo: TODO.to_owned() };
        match url.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("sqlite", path)) => {
                let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
                match path {
                    "" => Err(bad("names no file")),
                    path if path.ends_with('/') => Err(bad("names a directory")),
                    path => Ok(Self::Sqlite(dir.join(path))),
                }
            }
            Some(("postgres" | "postgresql", _)) => Self::postgres(url),
            Some(_) => Err(bad("is no kind of store that is known")),
            None => Err(bad("is no URL")),
        }
    }

    fn postgres(url: &str) -> Result<Self, BadUrl> {
        let bad = |what: String, todo: &str| Err(BadUrl { what, todo: todo.to_owned() });
        let config: tokio_postgres::Config = match url.parse() {
            Ok(config) => config,
            // Its own words may repeat parts of the URL.
            Err(_) => return bad("is no URL of PostgreSQL".to_owned(), TODO),
        };
        if config.get_hosts().is_empty() {
            return bad("names no host".to_owned(), TODO);
        }
        if config.get_user().is_none() || config.get_dbname().is_none() {
            return bad("names no user, or no database".to_owned(), TODO);
        }
        let place = Self::Postgres(Box::new(config));
        if place.is_remote() && matches!(&place, Self::Postgres(config) if config.get_ssl_mode() == SslMode::Disable) {
            let todo = "remove sslmode: beyond this machine the way is encrypted, and the server's certificate checked";
            return bad("wants no TLS to a server on another machine".to_owned(), todo);
        }
        Ok(place)
    }

    /// Whether the way to it leaves this machine, so that it has to be encrypted.
    pub(super) fn is_remote(&self) -> bool {
        let Self::Postgres(config) = self else { return false };
        config.get_hosts().iter().any(|host| match host {
            Host::Tcp(name) => {
                name != "localhost" && !name.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
            }
            Host::Unix(_) => false,
        })
    }
}

impl fmt::Display for Place {
    /// Without password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(config) => {
                let host = match config.get_hosts().first() {
                    Some(Host::Tcp(name)) => name.clone(),
                    Some(Host::Unix(path)) => path.display().to_string(),
                    None => String::new(),
                };
                let port = config.get_ports().first().copied().unwrap_or(5432);
                write!(f, "PostgreSQL \"{}\" at {host}:{port}", config.get_dbname().unwrap_or_default())
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(url: &str) -> Result<Place, BadUrl> {
        Place::parse(url, Path::new("/etc/stox"))
    }

    #[test]
    fn every_engine_has_its_url() {
        assert_eq!(parse("memory:").unwrap(), Place::Memory);
        assert_eq!(parse("sqlite:/var/lib/x.db").unwrap(), Place::Sqlite("/var/lib/x.db".into()));
        assert_eq!(parse("sqlite:///var/lib/x.db").unwrap(), Place::Sqlite("/var/lib/x.db".into()));
        assert_eq!(parse("sqlite:x.db").unwrap(), Place::Sqlite("/etc/stox/x.db".into()));
        assert!(matches!(parse("postgres://stox:pw@127.0.0.1:5433/stox").unwrap(), Place::Postgres(_)));
        assert!(matches!(parse("postgresql://stox@%2Frun%2Fpostgresql/stox").unwrap(), Place::Postgres(_)));
    }

    #[test]
    fn a_password_is_shown_nowhere() {
        let place = parse("postgres://stox:s3cret@db.example/stox").unwrap();
        assert_eq!(place.to_string(), "PostgreSQL \"stox\" at db.example:5432");
        assert!(!format!("{place:?}").contains("s3cret"));
        let bad = parse("postgres://stox:s3cret@db.example:port/stox").unwrap_err();
        assert!(!format!("{bad:?}").contains("s3cret"), "{bad:?}");
    }

    #[test]
    fn the_way_to_another_machine_is_encrypted() {
        for (url, remote) in [
            ("postgres://a:b@127.0.0.1/c", false),
            ("postgres://a:b@[::1]/c", false),
            ("postgres://a:b@localhost/c", false),
            ("postgres://a@%2Frun%2Fpostgresql/c", false),
            ("postgres://a:b@192.0.2.1/c", true),
            ("postgres://a:b@db.example/c", true),
        ] {
            assert_eq!(parse(url).unwrap().is_remote(), remote, "{url}");
        }
        assert!(parse("postgres://a:b@db.example/c?sslmode=disable").is_err());
        assert!(parse("postgres://a:b@127.0.0.1/c?sslmode=disable").is_ok());
    }

    #[test]
    fn what_is_no_place_is_refused_with_words() {
        for (url, what) in [
            ("", "is no URL"),
            ("/var/lib/stox.db", "is no URL"),
            ("mysql://x/y", "is no kind of store that is known"),
            ("memory:x", "is no kind of store that is known"),
            ("sqlite:", "names no file"),
            ("sqlite:/var/lib/", "names a directory"),
            ("postgres:///db", "names no host"),
            ("postgres://user@host", "names no user, or no database"),
        ] {
            assert_eq!(parse(url).unwrap_err().what, what, "{url}");
        }
    }
}
