//! `matrix.yaml`: which networks a host must have lost before it is recovered. Python's file means the same here; what Python takes and
//! cannot work by is refused with what to write.
//!
//! Python's default has eight rows for management, tenant and storage, and comes to one sentence: **a host that has lost its storage
//! network is recovered, and no other.** A host that cannot be managed, or whose VMs are cut from their tenants, still runs its VMs and
//! writes their disks: to start them elsewhere would be wrong. One that has lost its storage cannot write any more.
//!
//! Where a network is not known the rows that differ only there are asked: if all of them say the same, that is the answer.

use recovery::verdict::Sight;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

const FILE_BYTES_MOST: u64 = 64 << 10;
/// 2 to the power of the networks, each once.
const ROWS_MOST: usize = 8;
const RECOVERY: &str = "recovery";

/// One of Consul's clusters, a network each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Network {
    Manage,
    Tenant,
    Storage,
}

/// How a host is in one network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Health {
    Up,
    Down,
    /// Its agent is away or has no quorum, or does not know the host.
    Unknown,
}

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Matrix {
    sequence: Vec<Network>,
    rows: Vec<Row>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Row {
    health: Vec<Health>,
    is_recovered: bool,
}

/// Why the file cannot be used.
#[derive(thiserror::Error, Debug)]
pub enum MatrixError {
    #[error(
        "the matrix {path} cannot be read ({source}): write it, or leave [consul] matrix_config_file empty for Python's default",
        path = .path.display()
    )]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the matrix {path} is larger than 64 KiB", path = .path.display())]
    TooLarge { path: PathBuf },
    #[error("the matrix {path} is not YAML: {why}", path = .path.display())]
    Syntax { path: PathBuf, why: String },
    #[error("the matrix {path}: {what}", path = .path.display())]
    Shape { path: PathBuf, what: String },
}

impl Network {
    /// All that there can be.
    pub const ALL: [Self; 3] = [Self::Manage, Self::Tenant, Self::Storage];

    /// As the file calls it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manage => "manage",
            Self::Tenant => "tenant",
            Self::Storage => "storage",
        }
    }
}

impl Default for Matrix {
    /// Python's: see the module.
    fn default() -> Self {
        let both = [Health::Up, Health::Down];
        let mut rows = Vec::new();
        for manage in both {
            for tenant in both {
                for storage in both {
                    let is_recovered = storage == Health::Down;
                    rows.push(Row { health: vec![manage, tenant, storage], is_recovered });
                }
            }
        }
        Self { sequence: Network::ALL.to_vec(), rows }
    }
}

impl Matrix {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or does not fit itself.
    pub fn read(path: &Path) -> Result<Self, MatrixError> {
        let unreadable = |source| MatrixError::Unreadable { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_BYTES_MOST {
            return Err(MatrixError::TooLarge { path: path.to_owned() });
        }
        Self::parse(path, &std::fs::read_to_string(path).map_err(unreadable)?)
    }

    /// `path` is only for the errors.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, MatrixError> {
        let shape = |what: String| MatrixError::Shape { path: path.to_owned(), what };
        let last_wins = serde_saphyr::DuplicateKeyPolicy::LastWins;
        // A line of the log has no room for a picture of the place; line and column are told.
        let options = serde_saphyr::options! { duplicate_keys: last_wins, with_snippet: false };
        let read: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            MatrixError::Syntax { path: path.to_owned(), why: error.to_string() }
        })?;
        let Value::Object(keys) = read else {
            return Err(shape("it must have the keys `sequence` and `matrix`".into()));
        };
        let sequence = sequence(&keys).map_err(shape)?;
        let rows = rows(&keys, &sequence).map_err(shape)?;
        Ok(Self { sequence, rows })
    }

    /// Whose health it asks for, in its order.
    #[must_use]
    pub fn sequence(&self) -> &[Network] {
        &self.sequence
    }

    /// How many combinations no row speaks of: nobody is recovered by them.
    #[must_use]
    pub fn unsaid(&self) -> usize {
        (1_usize << self.sequence.len()).saturating_sub(self.rows.len())
    }

    /// What a host of that health is, in the order of the sequence.
    #[must_use]
    pub fn sight(&self, health: &[Health]) -> Sight {
        if health.iter().all(|one| *one == Health::Up) {
            return Sight::Online;
        }
        let unknown = health.iter().filter(|one| **one == Health::Unknown).count();
        let fits = |row: &&Row| {
            row.health.iter().zip(health).all(|(a, b)| a == b || *b == Health::Unknown)
        };
        let says = self.rows.iter().filter(fits).filter(|row| row.is_recovered).count();
        // Each way to fill in what is unknown is a row of its own.
        if says == 1 << unknown { Sight::Offline } else { Sight::Uncertain }
    }
}

fn sequence(keys: &Map<String, Value>) -> Result<Vec<Network>, String> {
    let all = Network::ALL.map(Network::as_str).join(", ");
    let Some(Value::Array(names)) = keys.get("sequence") else {
        return Err(format!("`sequence` must be a list of some of {all}"));
    };
    let mut sequence = Vec::new();
    for name in names {
        let known = Network::ALL.into_iter().find(|known| name == known.as_str());
        let network = known.ok_or_else(|| format!("`sequence` names {name}; there are {all}"))?;
        if sequence.contains(&network) {
            return Err(format!("`sequence` names {name} twice"));
        }
        sequence.push(network);
    }
    if sequence.is_empty() {
        Err(format!("`sequence` is empty: name some of {all}"))
    } else {
        Ok(sequence)
    }
}

fn rows(keys: &Map<String, Value>, sequence: &[Network]) -> Result<Vec<Row>, String> {
    let Some(Value::Array(items)) = keys.get("matrix") else {
        return Err("`matrix` must be a list of rows with `health` and `action`".into());
    };
    if items.len() > ROWS_MOST {
        return Err(format!("`matrix` has more rows than {ROWS_MOST}"));
    }
    let mut rows: Vec<Row> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let place = format!("row {} of `matrix`", index + 1);
        let row = row(item, sequence).map_err(|what| format!("{place}: {what}"))?;
        if rows.iter().any(|other| other.health == row.health) {
            return Err(format!("{place}: its health stands in an earlier row"));
        }
        if row.is_recovered && row.health.iter().all(|one| *one == Health::Up) {
            return Err(format!("{place}: a host whose networks are all up is not recovered"));
        }
        rows.push(row);
    }
    if rows.iter().any(|row| row.is_recovered) {
        Ok(rows)
    } else {
        Err("no row of `matrix` has the action `recovery`: no host would ever be".into())
    }
}

fn row(item: &Value, sequence: &[Network]) -> Result<Row, String> {
    let list = |key: &str| {
        let found = item.get(key).and_then(Value::as_array);
        found.ok_or_else(|| format!("`{key}` must be a list"))
    };
    let mut health = Vec::new();
    for word in list("health")? {
        health.push(match word.as_str() {
            Some("up") => Health::Up,
            Some("down") => Health::Down,
            Some(_) | None => return Err(format!("`health` has {word}; write up or down")),
        });
    }
    if health.len() != sequence.len() {
        let names: Vec<&str> = sequence.iter().map(|network| network.as_str()).collect();
        let (has, wants, names) = (health.len(), sequence.len(), names.join(", "));
        return Err(format!("`health` has {has} words, and `sequence` {wants} ({names})"));
    }
    let actions = list("action")?;
    if let Some(other) = actions.iter().find(|action| *action != RECOVERY) {
        return Err(format!("`action` has {other}; there is {RECOVERY:?}, or an empty list"));
    }
    Ok(Row { health, is_recovered: !actions.is_empty() })
}
