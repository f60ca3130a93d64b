//! Reports on disk: one file each, whose name is its number. A file comes into being whole or not at all: it is
//! written under another name, and gets its own when its bytes last.

use super::{Folder, Number};
use crate::Report;
use serde::{Deserialize, Serialize};
use std::{io, sync::Arc};

const REPORT: &str = ".report";
const UNFINISHED: &str = ".unfinished";
/// What we cannot read is kept for people.
const UNREADABLE: &str = ".unreadable";

/// The reports of a folder. Calls block; clones share the folder.
#[derive(Clone, Debug)]
pub struct Spool {
    folder: Arc<dyn Folder>,
    boot_id: String,
}

/// A file.
#[derive(Serialize, Deserialize)]
struct Kept {
    boot_id: String,
    report: Report,
}

impl Spool {
    /// The reports in `folder`; `boot_id` names this run of this host's kernel.
    #[must_use]
    pub fn new(folder: Arc<dyn Folder>, boot_id: String) -> Self {
        Self { folder, boot_id }
    }

    /// Keeps a report; it lasts when this returns.
    ///
    /// # Errors
    /// When the disk refuses; then there may be an unfinished file, which the next start removes.
    pub fn keep(&self, number: Number, report: &Report) -> io::Result<()> {
        let unfinished = name(number, UNFINISHED);
        let kept = Kept { boot_id: self.boot_id.clone(), report: report.clone() };
        self.folder.write(&unfinished, &serde_json::to_vec(&kept)?)?;
        self.folder.rename(&unfinished, &name(number, REPORT))?;
        self.folder.settle()
    }

    /// Forgets a report. Should that not last, it is looked at again at the next start, and sent once too often at worst.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn forget(&self, number: Number) -> io::Result<()> {
        self.folder.remove(&name(number, REPORT))
    }

    /// What was kept and not forgotten, in its order. What is unfinished or unreadable is put out of the way.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn kept(&self) -> io::Result<Vec<(Number, Report)>> {
        let mut numbers = Vec::new();
        for file in self.folder.names()? {
            if file.ends_with(UNFINISHED) {
                self.folder.remove(&file)?;
            }
            let number = file.strip_suffix(REPORT).and_then(|number| number.parse().ok());
            numbers.extend(number.map(Number));
        }
        numbers.sort_unstable();
        let mut kept = Vec::new();
        for number in numbers {
            let file = name(number, REPORT);
            match serde_json::from_slice::<Kept>(&self.folder.read(&file)?) {
                Ok(Kept { boot_id, report })
                    if boot_id != self.boot_id && report.claim.ends_with_boot() =>
                {
                    let body = serde_json::json!({ "notification": report.notification() });
                    tracing::info!(
                        "Withdrawn, as it does not hold any more (this host was booted since): {body}"
                    );
                    self.folder.remove(&file)?;
                }
                Ok(Kept { report, .. }) => kept.push((number, report)),
                Err(error) => {
                    let aside = name(number, UNREADABLE);
                    tracing::warn!(file, %error, "a kept report cannot be read and is set aside as {aside}");
                    self.folder.rename(&file, &aside)?;
                }
            }
        }
        Ok(kept)
    }
}

fn name(number: Number, ending: &str) -> String {
    // In their order for people who list the folder.
    format!("{:020}{ending}", number.0)
}
