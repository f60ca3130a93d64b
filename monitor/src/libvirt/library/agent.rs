//! What it takes to ask a guest's agent. The call that does is in a library of its own, libvirt-qemu.so, which comes with
//! libvirt.so and shares its connections.

use super::{Connection, Dom, Failure, Listed, Shared, free, text};
use std::{
    ffi::{CString, c_char, c_int, c_uint, c_ulonglong},
    fmt,
    sync::OnceLock,
    time::Duration,
};

/// For the linker, the same since 2010.
const NAME: &str = "libvirt-qemu.so.0";

type AgentCommand = unsafe extern "C" fn(Dom, *const c_char, c_int, c_uint) -> *mut c_char;

/// `virDomainJobInfo`, of which only the kind of job is read.
#[repr(C)]
#[derive(Default)]
pub(in crate::libvirt) struct JobInfo {
    kind: c_int,
    rest: [c_ulonglong; 11],
}

/// libvirt-qemu.so, open.
pub(in crate::libvirt) struct AgentLibrary {
    command: AgentCommand,
}

impl fmt::Debug for AgentLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

/// A domain and what leads to its agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::libvirt) struct Seen {
    pub(in crate::libvirt) listed: Listed,
    /// It is moved, saved or dumped.
    pub(in crate::libvirt) has_job: bool,
    pub(in crate::libvirt) xml: String,
}

impl AgentLibrary {
    /// The library, opened once and never closed.
    pub(in crate::libvirt) fn loaded() -> Result<&'static Self, String> {
        static LOADED: OnceLock<Result<AgentLibrary, String>> = OnceLock::new();
        LOADED.get_or_init(Self::load).as_ref().map_err(Clone::clone)
    }

    fn load() -> Result<Self, String> {
        // SAFETY: it has no initialisers beyond those of libvirt.so, on which it depends.
        let shared = unsafe { Shared::new(NAME) }.map_err(|error| {
            format!(
                "{NAME} cannot be opened ({error}): agents cannot be asked here. It comes with libvirt's client \
                 library (libvirt0 on Debian and Ubuntu, libvirt-libs on RHEL); install it and restart this monitor"
            )
        })?;
        let shared: &'static Shared = Box::leak(Box::new(shared));
        // SAFETY: the signature is the one of libvirt's header, which does not change within `.so.0`.
        let command = unsafe { shared.get::<AgentCommand>(b"virDomainQemuAgentCommand\0") };
        let too_old = |_| format!("{NAME} is too old: it has no virDomainQemuAgentCommand");
        Ok(Self { command: *command.map_err(too_old)? })
    }
}

impl Connection {
    /// One domain and what leads to its agent.
    pub(in crate::libvirt) fn see(&self, uuid: &str) -> Result<Seen, Failure> {
        let libvirt = self.libvirt;
        self.with(uuid, |domain| {
            // SAFETY: the domain is libvirt's.
            let listed = unsafe { libvirt.listed(domain) }?;
            if listed.run.is_none() {
                return Ok(Seen { listed, has_job: false, xml: String::new() });
            }
            let mut job = JobInfo::default();
            // SAFETY: the struct is as large as libvirt's, and lives here.
            if unsafe { (libvirt.virDomainGetJobInfo)(domain, &raw mut job) } != 0 {
                return Err(libvirt.failure());
            }
            // SAFETY: the text is ours then, made by the C library's malloc, as libvirt documents.
            let xml = unsafe {
                let made = (libvirt.virDomainGetXMLDesc)(domain, 0);
                if made.is_null() {
                    return Err(libvirt.failure());
                }
                let xml = text(made);
                free(made.cast());
                xml
            };
            Ok(Seen { listed, has_job: job.kind != 0, xml })
        })
    }

    /// Has the agent of a domain do `command`. Blocks for `patience` and what libvirt needs.
    pub(in crate::libvirt) fn ask_agent(
        &self,
        uuid: &str,
        command: &str,
        patience: Duration,
    ) -> Result<(), Failure> {
        let refused = |message: String| Failure { code: 0, message };
        let library = AgentLibrary::loaded().map_err(refused)?;
        let command = CString::new(command).map_err(|_| refused("it holds a zero".into()))?;
        // Zero would be: do not wait at all.
        let timeout_s = c_int::try_from(patience.as_secs()).unwrap_or(c_int::MAX).max(1);
        self.with(uuid, |domain| {
            // SAFETY: the text outlives the call; the answer is ours, made by the C library's malloc.
            unsafe {
                let answer = (library.command)(domain, command.as_ptr(), timeout_s, 0);
                if answer.is_null() {
                    return Err(self.libvirt.failure());
                }
                free(answer.cast());
            }
            Ok(())
        })
    }
}
