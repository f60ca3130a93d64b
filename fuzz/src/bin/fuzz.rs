//! libFuzzer over one group of readers: `FUZZ_GROUP=texts fuzz [libFuzzer's arguments] CORPUS…`.
#![no_main]

use fuzz::{GROUPS, Group};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static GROUP: LazyLock<Option<&Group>> = LazyLock::new(group);

#[expect(clippy::disallowed_methods, reason = "libFuzzer has the arguments")]
fn group() -> Option<&'static Group> {
    let wanted = std::env::var("FUZZ_GROUP").ok()?;
    GROUPS.iter().find(|group| group.name == wanted)
}

fuzz_target!(|bytes: &[u8]| {
    assert!(GROUP.is_some(), "FUZZ_GROUP names no group of readers");
    if let Some(group) = *GROUP {
        group.feed(bytes);
    }
});
