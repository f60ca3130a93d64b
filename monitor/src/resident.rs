//! What of the program lies in memory only because it was begun.
//!
//! A large program is read once while it starts, and around each page that is touched the kernel maps its neighbours. When all runs, and from time to
//! time after that, those pages are given back, so that what is resident is what runs. They stay in the kernel's cache of files, as long as that has
//! room, and whoever touches one has it again.
//!
//! It is no part of this for who must never wait for a disk.
#![expect(unsafe_code, reason = "the kernel is told about memory")]

use ports::Clock;
use rustix::mm::{Advice, madvise};
use std::{io, ops::Range, path::Path, ptr, time::Duration};

/// By then all have begun.
const FIRST: Duration = Duration::from_secs(15);
/// What was touched once since then is given back.
const EVERY: Duration = Duration::from_secs(600);
const MAPPINGS: &str = "/proc/self/smaps";
const PROGRAM: &str = "/proc/self/exe";

/// Keeps this process small, for ever.
pub async fn stay_small(clock: &dyn Clock) {
    let mut pause = FIRST;
    loop {
        clock.sleep(pause).await;
        pause = EVERY;
        // The kernel counts pages for that.
        match tokio::task::spawn_blocking(give_back).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "what only the start needed stays in memory"),
            Err(error) => tracing::debug!(%error, "what only the start needed stays in memory"),
        }
    }
}

/// Gives back what this process has mapped of its own program.
///
/// # Errors
/// When the kernel does not say what is mapped, or refuses.
pub fn give_back() -> io::Result<()> {
    let program = std::fs::read_link(PROGRAM)?;
    for part in untouched(&std::fs::read_to_string(MAPPINGS)?, &program) {
        let start = ptr::with_exposed_provenance_mut(part.start);
        // SAFETY: the part is of the program, which nobody unmaps while it runs; nobody can write there, and nobody has
        // (`untouched`), so that what is read next is what is there now.
        unsafe { madvise(start, part.len(), Advice::LinuxDontNeed) }?;
    }
    Ok(())
}

/// The parts of `program` in memory that are as in its file, and stay so: from the text of `proc_pid_smaps(5)`.
#[must_use]
pub fn untouched(smaps: &str, program: &Path) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut part = None;
    for line in smaps.lines() {
        match line.split_once(':') {
            // What was written, by relocation or a debugger, is no file's any more.
            Some(("Anonymous" | "Locked", kib)) if kib.trim() != "0 kB" => part = None,
            Some(("VmFlags", _)) => parts.extend(part.take()),
            Some((name, _)) if !name.contains(' ') => {}
            _ => part = mapped(line, program),
        }
    }
    parts
}

/// `5636a8289000-5636a9fc0000 r-xp 007cb000 fe:00 6999332    /usr/bin/masakari`
fn mapped(line: &str, program: &Path) -> Option<Range<usize>> {
    let (range, rest) = line.split_once(' ')?;
    let (from, to) = range.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let range = address(from)?..address(to)?;
    let can_be_read_alone = rest.starts_with("r--p") || rest.starts_with("r-xp");
    let path = rest.splitn(5, ' ').last()?.trim_start();
    (can_be_read_alone && Path::new(path) == program).then_some(range)
}
