//! SQLAlchemy's database URLs, as oslo.db's `[database] connection` holds them, and what sqlx makes
//! of them.
//!
//! `backend[+driver]://user:password@host:port/database?parameters`. The grammar is SQLAlchemy's,
//! not that of RFC 3986: a password may hold `/`, `?` and `#` as they are, only `@` must be written
//! `%40`. The driver is a Python module and means nothing here, save that the drivers differ in how
//! much TLS they check: we never check less than the driver did.

use std::collections::BTreeMap;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::Secret;
use crate::config::boolean;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    pub backend: Backend,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub user: Option<String>,
    pub password: Option<Secret>,
    /// The database, or the file of SQLite; nothing is SQLite in memory.
    pub database: Option<String>,
    /// A Unix socket instead of host and port.
    pub socket: Option<String>,
    pub tls: Tls,
    pub connect_timeout_s: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// MariaDB too.
    MySql,
    PostgreSql,
    Sqlite,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    pub mode: TlsMode,
    pub ca: Option<String>,
    pub certificate: Option<String>,
    pub key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsMode {
    Disabled,
    Preferred,
    Required,
    VerifyCa,
    VerifyIdentity,
}

/// The text itself is never quoted: it holds the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("the database URL is not of the form backend://user:password@host/database")]
    NoUrl,
    #[error(
        "the database URL starts with a backend other than mysql, mariadb, postgresql and sqlite"
    )]
    UnknownBackend,
    #[error("the port in the database URL is not a number from 0 to 65535")]
    Port,
    #[error("the database URL has an '@' too many; write an '@' of the password as %40")]
    AtSign,
    #[error("the database URL has a host; SQLite takes sqlite:///relative or sqlite:////absolute")]
    SqliteHost,
    #[error("the database URL names no database after the host")]
    NoDatabase,
}

/// Parameters that do not do what they did. None of them stops us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    #[error("the parameter {name:?} of the database URL is not known here and has no effect")]
    UnknownParameter { name: String },
    #[error(
        "the parameter {name:?} of the database URL cannot be understood; the strict one is used"
    )]
    BadValue { name: String },
    #[error("the charset of the database URL has no effect: the connection speaks utf8mb4")]
    Charset,
}

/// Drivers that compare the name in the server's certificate as soon as they are given a CA.
const CHECKS_NAME_WITH_CA: [&str; 4] = ["pymysql", "asyncmy", "aiomysql", "mariadbconnector"];

/// Of Python's side of the connection; there is nothing for them to set here.
const MEANINGLESS: [&str; 4] = ["binary_prefix", "use_unicode", "plugin", "client_encoding"];

impl DatabaseUrl {
    pub fn parse(text: &str) -> Result<(Self, Vec<Finding>), UrlError> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(UrlError::NoUrl)?;
        let (backend, driver) = scheme.split_once('+').unwrap_or((scheme, ""));
        let backend = match backend {
            "mysql" | "mariadb" => Backend::MySql,
            "postgresql" | "postgres" => Backend::PostgreSql,
            "sqlite" => Backend::Sqlite,
            _ => return Err(UrlError::UnknownBackend),
        };
        let (user, password, rest) = split_user(rest);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (address, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = split_address(address)?;
        let mut url = Self {
            backend,
            host,
            port,
            user: user.map(decode),
            password: password.map(|password| Secret::new(decode(password))),
            database: Some(decode(database)).filter(|name| !name.is_empty()),
            socket: None,
            tls: Tls { mode: TlsMode::Preferred, ca: None, certificate: None, key: None },
            connect_timeout_s: None,
        };
        match backend {
            Backend::Sqlite if !address.is_empty() => return Err(UrlError::SqliteHost),
            Backend::Sqlite => {
                url.database = url.database.filter(|file| file != ":memory:");
            }
            Backend::MySql | Backend::PostgreSql if url.database.is_none() => {
                return Err(UrlError::NoDatabase);
            }
            Backend::MySql | Backend::PostgreSql => {}
        }
        let findings = url.take_parameters(driver, query);
        Ok((url, findings))
    }

    /// As sqlx reads it. It holds the password, so it is a secret too.
    pub fn to_sqlx(&self) -> Secret {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let (scheme, tls_words) = match self.backend {
            Backend::MySql => ("mysql", MYSQL_WORDS),
            Backend::PostgreSql => ("postgres", POSTGRESQL_WORDS),
            Backend::Sqlite => {
                return Secret::new(match &self.database {
                    None => "sqlite::memory:".to_owned(),
                    // The file may not be there yet, as with Python.
                    Some(file) => format!("sqlite://{}?mode=rwc", encode(file).replace("%2F", "/")),
                });
            }
        };
        let mut text = format!("{scheme}://");
        if let Some(user) = &self.user {
            text += &encode(user);
            text += &self
                .password
                .as_ref()
                .map_or(String::new(), |secret| format!(":{}", encode(secret.expose())));
            text.push('@');
        }
        text += &match self.host.as_deref() {
            Some(host) if host.contains(':') => format!("[{host}]"),
            host => host.unwrap_or("localhost").to_owned(),
        };
        text += &self.port.map_or(String::new(), |port| format!(":{port}"));
        text += &format!("/{}", self.database.as_deref().map(encode).unwrap_or_default());
        text += &format!("?{}={}", tls_words.mode, (tls_words.name_of)(self.tls.mode));
        for (name, value) in [
            (tls_words.ca, &self.tls.ca),
            (tls_words.certificate, &self.tls.certificate),
            (tls_words.key, &self.tls.key),
            (tls_words.socket, &self.socket),
        ] {
            text += &value.as_ref().map_or(String::new(), |v| format!("&{name}={}", encode(v)));
        }
        Secret::new(text)
    }

    fn take_parameters(&mut self, driver: &str, query: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut checks = TlsWishes::default();
        for (name, value) in parameters(query) {
            match (self.backend, name.as_str()) {
                (Backend::MySql, "ssl_ca") | (Backend::PostgreSql, "sslrootcert") => {
                    self.tls.ca = Some(value);
                }
                (Backend::MySql, "ssl_cert") | (Backend::PostgreSql, "sslcert") => {
                    self.tls.certificate = Some(value);
                }
                (Backend::MySql, "ssl_key") | (Backend::PostgreSql, "sslkey") => {
                    self.tls.key = Some(value);
                }
                (Backend::MySql, "unix_socket") | (Backend::PostgreSql, "host") => {
                    self.socket = Some(value);
                }
                (Backend::MySql | Backend::PostgreSql, "connect_timeout") => match value.parse() {
                    Ok(seconds) => self.connect_timeout_s = Some(seconds),
                    Err(_) => findings.push(Finding::BadValue { name }),
                },
                (Backend::MySql, "charset") if value.to_lowercase().starts_with("utf8") => {}
                (Backend::MySql, "charset") => findings.push(Finding::Charset),
                (Backend::MySql | Backend::PostgreSql, _) if TlsWishes::knows(&name) => {
                    if !checks.take(&name, &value) {
                        findings.push(Finding::BadValue { name });
                    }
                }
                (_, other) if MEANINGLESS.contains(&other) => {}
                (_, _) => findings.push(Finding::UnknownParameter { name }),
            }
        }
        self.tls.mode = checks.mode(self, driver);
        findings
    }
}

/// What the parameters ask of TLS, before it is known how they go together.
#[derive(Default)]
struct TlsWishes {
    mode: Option<TlsMode>,
    verify_certificate: Option<bool>,
    verify_name: Option<bool>,
    disabled: Option<bool>,
}

impl TlsWishes {
    fn knows(name: &str) -> bool {
        ["ssl_mode", "sslmode", "ssl_verify_cert", "ssl_disabled"].contains(&name)
            || ["ssl_check_hostname", "ssl_verify_identity", "ssl"].contains(&name)
    }

    /// False: not understood, and taken for the strict reading.
    fn take(&mut self, name: &str, value: &str) -> bool {
        if let "ssl_mode" | "sslmode" = name {
            let mode = mode_named(value);
            self.mode = Some(mode.unwrap_or(TlsMode::VerifyIdentity));
            return mode.is_some();
        }
        let word = boolean(value).ok();
        match name {
            "ssl_verify_cert" => self.verify_certificate = Some(word.unwrap_or(true)),
            "ssl_disabled" => self.disabled = Some(word.unwrap_or(false)),
            "ssl" => self.disabled = Some(!word.unwrap_or(true)),
            _ => self.verify_name = Some(word.unwrap_or(true)),
        }
        word.is_some()
    }

    fn mode(&self, url: &DatabaseUrl, driver: &str) -> TlsMode {
        if let Some(mode) = self.mode {
            return mode;
        }
        if url.backend != Backend::MySql {
            return TlsMode::Preferred;
        }
        let has_ca = url.tls.ca.is_some();
        let checks_name =
            self.verify_name.unwrap_or_else(|| has_ca && CHECKS_NAME_WITH_CA.contains(&driver));
        let asks = has_ca || url.tls.certificate.is_some() || url.tls.key.is_some();
        match self.disabled {
            Some(true) => TlsMode::Disabled,
            Some(false) | None if checks_name && self.verify_certificate != Some(false) => {
                TlsMode::VerifyIdentity
            }
            Some(false) | None if self.verify_certificate.unwrap_or(has_ca) => TlsMode::VerifyCa,
            Some(false) => TlsMode::Required,
            None if asks || self.verify_certificate.is_some() => TlsMode::Required,
            None => TlsMode::Preferred,
        }
    }
}

fn mode_named(name: &str) -> Option<TlsMode> {
    Some(match name.to_lowercase().replace('-', "_").as_str() {
        "disabled" | "disable" => TlsMode::Disabled,
        "preferred" | "prefer" | "allow" => TlsMode::Preferred,
        "required" | "require" => TlsMode::Required,
        "verify_ca" => TlsMode::VerifyCa,
        "verify_identity" | "verify_full" => TlsMode::VerifyIdentity,
        _ => return None,
    })
}

/// What sqlx calls things, backend by backend.
struct SqlxWords {
    mode: &'static str,
    ca: &'static str,
    certificate: &'static str,
    key: &'static str,
    socket: &'static str,
    name_of: fn(TlsMode) -> &'static str,
}

const MYSQL_WORDS: SqlxWords = SqlxWords {
    mode: "ssl-mode",
    ca: "ssl-ca",
    certificate: "ssl-cert",
    key: "ssl-key",
    socket: "socket",
    name_of: |mode| match mode {
        TlsMode::Disabled => "DISABLED",
        TlsMode::Preferred => "PREFERRED",
        TlsMode::Required => "REQUIRED",
        TlsMode::VerifyCa => "VERIFY_CA",
        TlsMode::VerifyIdentity => "VERIFY_IDENTITY",
    },
};

const POSTGRESQL_WORDS: SqlxWords = SqlxWords {
    mode: "sslmode",
    ca: "sslrootcert",
    certificate: "sslcert",
    key: "sslkey",
    socket: "host",
    name_of: |mode| match mode {
        TlsMode::Disabled => "disable",
        TlsMode::Preferred => "prefer",
        TlsMode::Required => "require",
        TlsMode::VerifyCa => "verify-ca",
        TlsMode::VerifyIdentity => "verify-full",
    },
};

/// User, password, and what follows their '@'. A password ends at the first '@', wherever it is.
fn split_user(rest: &str) -> (Option<&str>, Option<&str>, &str) {
    let head = rest.split([':', '/']).next().unwrap_or_default();
    if let Some(after) = rest.strip_prefix(head).and_then(|after| after.strip_prefix(':'))
        && let Some((password, rest)) = after.split_once('@')
    {
        return (Some(head), Some(password), rest);
    }
    match head.rsplit_once('@') {
        Some((user, _)) => (Some(user), None, rest.get(user.len() + 1..).unwrap_or_default()),
        None => (None, None, rest),
    }
}

fn split_address(address: &str) -> Result<(Option<String>, Option<u16>), UrlError> {
    if address.contains('@') {
        return Err(UrlError::AtSign);
    }
    let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, after)) => (host, after.strip_prefix(':')),
        None => match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    let port = port.map(|port| port.parse().map_err(|_| UrlError::Port)).transpose()?;
    Ok((Some(host.to_owned()).filter(|host| !host.is_empty()), port))
}

/// A parameter without value counts as not written; of a repeated one the last counts.
fn parameters(query: &str) -> BTreeMap<String, String> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (decode(&name.replace('+', " ")), decode(&value.replace('+', " "))))
        .collect()
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests;
