//! Which machine this host is, so that a fence device that was moved or cabled to the neighbour is noticed before it
//! switches that one off: told by the agent while it runs, and by `masakari agent identity` as `fencing.yaml` records it.

use anyhow::{Context, bail};
use recovery::{HostName, identity::Identity};
use std::path::{Path, PathBuf};

/// Where the kernel shows what the firmware says of the machine; root alone may read it.
pub(super) const DMI: &str = "/sys/class/dmi/id";
/// What makers write who fill nothing in: many machines would be one.
const NOTHING: [&str; 9] = [
    "",
    "0",
    "none",
    "n/a",
    "default string",
    "not specified",
    "system serial number",
    "to be filled by o.e.m.",
    "03000200-0400-0500-0006-000700080009",
];

/// Another text after each boot.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// What is told by the agent, which is not root: its unit has copied for it what root alone may read.
pub(super) fn told() -> anyhow::Result<Identity> {
    let copied = std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from);
    told_from(Path::new(BOOT), [Path::new(DMI)].into_iter().chain(copied.as_deref()))
}

fn told_from<'p>(
    boot: &Path,
    folders: impl Iterator<Item = &'p Path> + Clone,
) -> anyhow::Result<Identity> {
    let text = std::fs::read_to_string(boot);
    let boot = text.with_context(|| format!("{} cannot be read", boot.display()))?;
    // What cannot be read is not told; `masakari agent identity` says why.
    let first = |read: fn(&Path) -> anyhow::Result<Option<String>>| {
        folders.clone().find_map(|folder| read(folder).ok().flatten())
    };
    Ok(Identity { boot: boot.trim().to_owned(), uuid: first(uuid), serial: first(serial) })
}

/// The lines for `hosts:` of the file.
pub(super) fn of(host: &HostName, dmi: &Path) -> anyhow::Result<String> {
    let (uuid, serial) = (uuid(dmi)?, serial(dmi)?);
    let quoted = |value: &String| serde_json::Value::from(value.as_str()).to_string();
    let uuid = uuid.as_ref().map(|uuid| format!("uuid: {}", quoted(uuid)));
    let serial = serial.as_ref().map(|serial| format!("serial: {}", quoted(serial)));
    let fields: Vec<String> = uuid.into_iter().chain(serial).collect();
    if fields.is_empty() {
        bail!("this machine's firmware gives neither a UUID nor a serial number of its own");
    }
    Ok(format!("  {host}:\n    machine: {{{}}}", fields.join(", ")))
}

fn uuid(dmi: &Path) -> anyhow::Result<Option<String>> {
    let uuid = read(dmi, "product_uuid")?.map(|uuid| uuid.to_lowercase());
    // All the same: 00000000-…, ffffffff-….
    let uuid = uuid.filter(|uuid| {
        let mut digits = uuid.chars().filter(|digit| *digit != '-');
        digits.next().is_some_and(|first| digits.any(|digit| digit != first))
    });
    Ok(uuid)
}

fn serial(dmi: &Path) -> anyhow::Result<Option<String>> {
    read(dmi, "product_serial")
}

fn read(dmi: &Path, name: &str) -> anyhow::Result<Option<String>> {
    let path = dmi.join(name);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let why = format!("{} cannot be read; only root may", path.display());
            return Err(error).context(why);
        }
    };
    let text = text.trim();
    let is_nothing = NOTHING.contains(&text.to_lowercase().as_str());
    Ok((!is_nothing).then(|| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(uuid: &str, serial: &str) -> anyhow::Result<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, value) in [("product_uuid", uuid), ("product_serial", serial)] {
            std::fs::write(folder.path().join(name), format!("{value}\n")).unwrap();
        }
        of(&HostName::new("compute01"), folder.path())
    }

    #[test]
    fn a_machine_is_told_as_the_file_of_fence_devices_records_it() {
        let told = told("4C4C4544-0042-3510-8054-B4C04F4D3232", "CZ 1234").unwrap();
        let machine =
            "machine: {uuid: \"4c4c4544-0042-3510-8054-b4c04f4d3232\", serial: \"CZ 1234\"}";
        assert_eq!(told, format!("  compute01:\n    {machine}"));
        let file = format!(
            "devices:\n  person: {{kind: manual, say: off}}\nladders:\n  default: [person]\nhosts:\n{told}\n"
        );
        let read = fence::FencingFile::parse(Path::new("fencing.yaml"), &file).unwrap();
        let machine = &read.hosts["compute01"].machine;
        assert_eq!(
            machine.to_string(),
            "UUID 4c4c4544-0042-3510-8054-b4c04f4d3232, serial CZ 1234"
        );
    }

    #[test]
    fn the_agent_tells_what_it_may_read_itself_or_was_copied_for_it() {
        let (here, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let write = |folder: &Path, name: &str, text: &str| {
            std::fs::write(folder.join(name), format!("{text}\n")).unwrap();
        };
        let boot = here.path().join("boot_id");
        let both = || told_from(&boot, [here.path(), copied.path()].into_iter());
        assert!(both().is_err(), "without a boot nothing is told");
        write(here.path(), "boot_id", "b0");
        let none = Identity { boot: "b0".into(), uuid: None, serial: None };
        assert_eq!(both().unwrap(), none);
        write(here.path(), "product_serial", "Default string");
        write(copied.path(), "product_serial", "CZ1");
        write(copied.path(), "product_uuid", "4C4C4544-0042-3510-8054-B4C04F4D3232");
        let uuid = Some("4c4c4544-0042-3510-8054-b4c04f4d3232".into());
        assert_eq!(both().unwrap(), Identity { uuid, serial: Some("CZ1".into()), ..none });
    }

    #[test]
    fn what_many_machines_say_of_themselves_is_nothing() {
        for uuid in ["00000000-0000-0000-0000-000000000000", "03000200-0400-0500-0006-000700080009"]
        {
            let told = told(uuid, "To Be Filled By O.E.M.");
            assert!(told.is_err(), "{told:?}");
        }
        assert!(told("Not Specified", "CZ1").unwrap().contains("machine: {serial: \"CZ1\"}"));
    }
}
