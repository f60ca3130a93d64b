//! Lets a host that was shut out in again, at every storage of its ladder, when it was started anew since.

use crate::build::Tools;
use crate::device::Failure;
use crate::file::LadderOf;
use crate::storage::StartedAnew;
use std::time::Duration;

/// One command may take so long.
const COMMAND_MAX: Duration = Duration::from_secs(30);

/// What came of it at each storage, by its name; none: the ladder has no storage.
pub async fn let_in(
    tools: &Tools,
    ladder: &LadderOf<'_>,
    anew: &StartedAnew,
) -> Vec<(String, Result<(), Failure>)> {
    let mut came = Vec::new();
    for entry in &ladder.entries {
        let Some(storage) = tools.storage(entry, ladder) else { continue };
        let let_in = match storage {
            Ok(storage) => storage.let_in(anew, COMMAND_MAX).await,
            Err(failure) => Err(failure),
        };
        came.push((entry.name.clone(), let_in));
    }
    came
}
