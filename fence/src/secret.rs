//! Passwords: the file names where one lies, and it is read when it is needed.
//!
//! A file, a variable of the environment, or a systemd credential. A changed one counts at once, and none is
//! ever shown: not by `Debug`, not in an error, not as an argument of a program.

use crate::file::template::{Template, Unfilled, Values};
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

/// No password is longer; a file that is longer is another file.
const BYTES_MAX: u64 = 4096;

/// A secret in memory. It can be used, and not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub(crate) String);

impl Secret {
    /// The secret itself: for the wire and for a program's standard input, and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `text` without the secret, should somebody have answered with it.
    #[must_use]
    pub fn struck_from(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(&self.0, "***") }
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a secret lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SecretAt {
    File(Template),
    /// A variable of the environment of the process.
    Environment(Template),
    /// A systemd credential (`LoadCredential=`), by its name.
    Credential(Template),
}

/// Why a secret cannot be had.
#[derive(thiserror::Error, Debug)]
pub enum SecretError {
    #[error("cannot read the secret's file {path}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the secret's file {path} is longer than {BYTES_MAX} bytes, which no password is")]
    TooLong { path: PathBuf },
    #[error("the secret in {at} is empty")]
    Empty { at: String },
    #[error("the secret in {at} has a line break inside, which no device takes")]
    ManyLines { at: String },
    #[error("there is no variable {name} in the environment of this process")]
    NoVariable { name: String },
    #[error(
        "this process has no credentials: it was not started by systemd with LoadCredential={name}"
    )]
    NoCredentials { name: String },
    #[error("{name:?} is not the name of a credential")]
    Name { name: String },
    #[error(transparent)]
    Unfilled(#[from] Unfilled),
}

/// Where secrets are looked for, taken once from the process by the door.
#[derive(Clone, Default)]
pub struct Secrets {
    pub environment: BTreeMap<String, String>,
    /// `$CREDENTIALS_DIRECTORY`.
    pub credentials: Option<PathBuf>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values of the environment are what must not be shown.
        f.debug_struct("Secrets").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

impl Secrets {
    /// Reads the secret of one host's device.
    ///
    /// # Errors
    /// When it is not there, empty, or no password. The error names the place and nothing of the content.
    pub fn read(&self, at: &SecretAt, values: &Values) -> Result<Secret, SecretError> {
        match at {
            SecretAt::File(path) => from_file(Path::new(&path.fill(values)?)),
            SecretAt::Environment(name) => {
                let name = name.fill(values)?;
                let found = self.environment.get(&name).map(|text| checked(text, &name));
                found.unwrap_or(Err(SecretError::NoVariable { name }))
            }
            SecretAt::Credential(name) => {
                let name = name.fill(values)?;
                if name.is_empty() || name.contains('/') || name.starts_with('.') {
                    return Err(SecretError::Name { name });
                }
                match &self.credentials {
                    Some(directory) => from_file(&directory.join(name)),
                    None => Err(SecretError::NoCredentials { name }),
                }
            }
        }
    }
}

fn from_file(path: &Path) -> Result<Secret, SecretError> {
    let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(SecretError::TooLong { path: path.to_owned() });
    }
    checked(&text, &path.display().to_string())
}

/// Editors end a file with a line break, which is not part of the password.
fn checked(text: &str, at: &str) -> Result<Secret, SecretError> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(SecretError::Empty { at: at.to_owned() });
    }
    if text.contains(['\n', '\r', '\0']) {
        return Err(SecretError::ManyLines { at: at.to_owned() });
    }
    Ok(Secret(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_file(path: &Path) -> SecretAt {
        SecretAt::File(Template::new(&path.display().to_string()).unwrap())
    }

    fn named(text: &str) -> Template {
        Template::new(text).unwrap()
    }

    #[test]
    fn a_secret_is_found_in_a_file_the_environment_and_systemds_credentials() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rack1");
        std::fs::write(&path, "swordfish\n").unwrap();
        let secrets = Secrets {
            environment: BTreeMap::from([("BMC".to_owned(), "sesame".to_owned())]),
            credentials: Some(directory.path().to_owned()),
        };
        let values = Values::of_host("compute01").unwrap();
        let read = |at: &SecretAt| secrets.read(at, &values).unwrap().expose().to_owned();
        assert_eq!(read(&at_file(&path)), "swordfish");
        assert_eq!(read(&SecretAt::Environment(named("BMC"))), "sesame");
        assert_eq!(read(&SecretAt::Credential(named("rack1"))), "swordfish");
    }

    #[test]
    fn a_secret_is_in_no_debug_and_no_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("two-lines");
        std::fs::write(&path, "swordfish\nsesame\n").unwrap();
        let secrets = Secrets {
            environment: BTreeMap::from([("BMC".to_owned(), "swordfish".to_owned())]),
            credentials: None,
        };
        let values = Values::of_host("compute01").unwrap();
        let error = secrets.read(&at_file(&path), &values).unwrap_err();
        let secret = secrets.read(&SecretAt::Environment(named("BMC")), &values).unwrap();
        let shown = format!("{secrets:?} {error} {error:?} {secret:?}");
        assert!(!shown.contains("swordfish"), "{shown}");
        assert_eq!(secret.struck_from("bad password swordfish"), "bad password ***");
    }

    #[test]
    fn what_cannot_be_a_secret_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let secrets = Secrets::default();
        let values = Values::of_host("compute01").unwrap();
        let why = |at: &SecretAt| secrets.read(at, &values).unwrap_err().to_string();
        let path = directory.path().join("secret");
        assert!(why(&at_file(&path)).contains("cannot read"));
        std::fs::write(&path, "\n").unwrap();
        assert!(why(&at_file(&path)).contains("is empty"));
        std::fs::write(&path, "x".repeat(5000)).unwrap();
        assert!(why(&at_file(&path)).contains("longer than 4096"));
        assert!(why(&SecretAt::Environment(named("NONE"))).contains("no variable NONE"));
        assert!(why(&SecretAt::Credential(named("bmc"))).contains("LoadCredential=bmc"));
        assert!(why(&SecretAt::Credential(named("../bmc"))).contains("is not the name"));
    }
}
