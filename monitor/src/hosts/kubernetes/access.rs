//! How to come to Kubernetes' API: as a pod's service account, or by a kubeconfig.
//!
//! Files are read anew for each connection, because kubelet renews tokens and others renew certificates. What a kubeconfig can say and
//! we cannot do (to run a program that logs in) is refused by name, with what to do instead: a service account's token serves all.

use base64::{Engine, engine::general_purpose::STANDARD};
use oslo::Secret;
use ports::OwnTls;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Where a pod finds its service account.
pub const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// A kubeconfig, a certificate, a token.
const FILE_BYTES_MOST: u64 = 1 << 20;

/// Where that is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// This is a pod.
    Pod {
        /// `KUBERNETES_SERVICE_HOST` and `_PORT`.
        host: String,
        port: String,
        /// [`ACCOUNT`], but for tests.
        account: PathBuf,
    },
    Kubeconfig {
        path: PathBuf,
        /// None: its `current-context`.
        context: Option<String>,
    },
}

/// How to come to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Access {
    /// `https://host:port`, without a slash at its end.
    pub server: String,
    pub tls: OwnTls,
    pub insecure: bool,
    /// A bearer's.
    pub token: Option<Secret>,
}

/// Why there is no way.
#[derive(thiserror::Error, Debug)]
pub enum AccessError {
    #[error("{path} cannot be read ({source})", path = .path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path} is larger than 1 MiB", path = .path.display())]
    TooLarge { path: PathBuf },
    #[error("{path}: {what}", path = .path.display())]
    Wrong { path: PathBuf, what: String },
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct Config {
    current_context: String,
    contexts: Vec<Named<Context>>,
    clusters: Vec<Named<Cluster>>,
    users: Vec<Named<User>>,
}

/// In a kubeconfig the name of a thing stands beside it.
#[derive(Deserialize)]
struct Named<T> {
    name: String,
    #[serde(alias = "context", alias = "cluster", alias = "user")]
    what: Option<T>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Context {
    cluster: String,
    user: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct Cluster {
    server: String,
    certificate_authority: Option<String>,
    certificate_authority_data: Option<String>,
    insecure_skip_tls_verify: bool,
    tls_server_name: Option<String>,
    proxy_url: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct User {
    client_certificate: Option<String>,
    client_certificate_data: Option<String>,
    client_key: Option<String>,
    client_key_data: Option<String>,
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<String>,
    username: Option<String>,
    exec: Option<serde::de::IgnoredAny>,
    auth_provider: Option<serde::de::IgnoredAny>,
}

impl Place {
    /// Reads all that is needed, as it is now.
    ///
    /// # Errors
    /// When something is missing, or cannot be done.
    pub fn read(&self) -> Result<Access, AccessError> {
        match self {
            Self::Pod { host, port, account } => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                Ok(Access {
                    server: format!("https://{host}:{port}"),
                    tls: OwnTls { trusted: Some(file(&account.join("ca.crt"))?), identity: None },
                    insecure: false,
                    token: Some(token(&account.join("token"))?),
                })
            }
            Self::Kubeconfig { path, context } => of_kubeconfig(path, context.as_deref()),
        }
    }
}

fn of_kubeconfig(path: &Path, context: Option<&str>) -> Result<Access, AccessError> {
    let wrong = |what: String| AccessError::Wrong { path: path.to_owned(), what };
    let text = String::from_utf8(file(path)?).map_err(|_| wrong("it is not text".into()))?;
    let config: Config = serde_saphyr::from_str(&text).map_err(|error| {
        wrong(format!("it is no kubeconfig: {}", first_line(&error.to_string())))
    })?;
    let name = context.unwrap_or(&config.current_context);
    let named = if name.is_empty() {
        "it has no current-context: set it, or [kubernetes] context".to_owned()
    } else {
        format!("it has no context {name:?}")
    };
    let context = of_name(config.contexts, name).ok_or_else(|| wrong(named))?;
    let missing = |kind: &str, name: &str| wrong(format!("it has no {kind} {name:?}"));
    let cluster = of_name(config.clusters, &context.cluster)
        .ok_or_else(|| missing("cluster", &context.cluster))?;
    let user =
        of_name(config.users, &context.user).ok_or_else(|| missing("user", &context.user))?;
    if let Some(what) = cannot(&cluster, &user) {
        return Err(wrong(what));
    }
    let server = cluster.server.trim_end_matches('/');
    if !server.starts_with("https://") && !server.starts_with("http://") {
        return Err(wrong(format!("the server {server:?} is no URL of http or https")));
    }
    let of = Of { path };
    let trusted = of.pem(
        "certificate-authority",
        cluster.certificate_authority,
        cluster.certificate_authority_data,
    )?;
    Ok(Access {
        server: server.to_owned(),
        tls: OwnTls { trusted, identity: of.identity(&user)? },
        insecure: cluster.insecure_skip_tls_verify,
        token: match (user.token, user.token_file) {
            (Some(token), _) => Some(Secret::new(token)),
            (None, Some(file)) => Some(token(&of.beside(&file))?),
            (None, None) => None,
        },
    })
}

/// What it says that we do not do.
fn cannot(cluster: &Cluster, user: &User) -> Option<String> {
    let instead = "make a token for a service account, as docs/kubernetes.md does";
    let exec = user.exec.is_some().then_some("a program that logs in (exec)");
    let provider = user.auth_provider.is_some().then_some("an auth-provider");
    let password =
        user.username.is_some().then_some("a password, which Kubernetes does not take any more");
    if let Some(has) = exec.or(provider).or(password) {
        return Some(format!("the user has {has}: {instead}"));
    }
    let name = cluster.tls_server_name.is_some().then_some("tls-server-name");
    let proxy = cluster.proxy_url.is_some().then_some("proxy-url");
    let has = name.or(proxy)?;
    Some(format!(
        "the cluster has {has}, which is not done here: name a server that is reached without it"
    ))
}

/// Beside which kubeconfig other files lie.
struct Of<'a> {
    path: &'a Path,
}

impl Of<'_> {
    fn beside(&self, file: &str) -> PathBuf {
        self.path.parent().unwrap_or_else(|| Path::new("")).join(file)
    }

    /// In the file itself, or in one that it names; the former counts, as for kubectl.
    fn pem(
        &self,
        what: &str,
        path: Option<String>,
        data: Option<String>,
    ) -> Result<Option<Vec<u8>>, AccessError> {
        let Some(data) = data.filter(|data| !data.is_empty()) else {
            return path.map(|path| file(&self.beside(&path))).transpose();
        };
        let wrong = |_| AccessError::Wrong {
            path: self.path.to_owned(),
            what: format!("{what}-data is not base64"),
        };
        STANDARD.decode(data.trim()).map(Some).map_err(wrong)
    }

    fn identity(&self, user: &User) -> Result<Option<Vec<u8>>, AccessError> {
        let (path, data) = (user.client_certificate.clone(), user.client_certificate_data.clone());
        let certificate = self.pem("client-certificate", path, data)?;
        let key = self.pem("client-key", user.client_key.clone(), user.client_key_data.clone())?;
        match (certificate, key) {
            (Some(mut both), Some(key)) => {
                both.push(b'\n');
                both.extend(key);
                Ok(Some(both))
            }
            (None, None) => Ok(None),
            (Some(_), None) | (None, Some(_)) => Err(AccessError::Wrong {
                path: self.path.to_owned(),
                what: "of client-certificate and client-key one is missing".into(),
            }),
        }
    }
}

fn of_name<T: Default>(list: Vec<Named<T>>, name: &str) -> Option<T> {
    list.into_iter().find(|named| named.name == name).map(|named| named.what.unwrap_or_default())
}

fn token(path: &Path) -> Result<Secret, AccessError> {
    let wrong = |what: &str| AccessError::Wrong { path: path.to_owned(), what: what.into() };
    let text = String::from_utf8(file(path)?).map_err(|_| wrong("it is no token"))?;
    match text.trim() {
        "" => Err(wrong("it is empty, and should hold a token")),
        token => Ok(Secret::new(token)),
    }
}

fn file(path: &Path) -> Result<Vec<u8>, AccessError> {
    let unreadable = |source| AccessError::Unreadable { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_BYTES_MOST {
        return Err(AccessError::TooLarge { path: path.to_owned() });
    }
    std::fs::read(path).map_err(unreadable)
}

/// A parser shows the place in what may be a secret's line.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
