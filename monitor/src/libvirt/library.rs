//! libvirt.so itself: the functions that are called, and what makes calling them sound. All `unsafe` of this room is here and in
//! [`mod@agent`].
//!
//! * The library is opened once and never closed: its event loop runs in it until the process ends.
//! * A [`Connection`] holds one reference of a `virConnectPtr`, which libvirt lets any thread use. Its callbacks are
//!   deregistered before it is given back.
//! * What a callback needs is boxed and handed to libvirt with the function that frees it; libvirt calls that when no
//!   callback can come any more.
//! * A `virDomainPtr` lives within one function. Strings of libvirt's are copied before it is called again.
#![expect(unsafe_code, reason = "a C library is called")]

mod agent;

pub(super) use agent::{AgentLibrary, Seen};

use crate::instances::{Event, Heard, event::What};
use libloading::Library as Shared;
use recovery::ServerId;
use std::{
    ffi::{CStr, CString, c_char, c_int, c_uint, c_void},
    fmt, ptr,
    sync::OnceLock,
};

/// libvirt's name for the linker, the same since 2005.
const NAME: &str = "libvirt.so.0";
const UUID_TEXT: usize = 37;
/// `VIR_CONNECT_RO`
const READ_ONLY: c_uint = 1;
/// A ping every 5 s, and after three without an answer the connection is over; as Python's monitor has it.
const KEEPALIVE: (c_int, c_uint) = (5, 3);
const NO_ID: c_uint = c_uint::MAX;
/// `VIR_ERR_NO_DOMAIN`
pub(super) const NO_DOMAIN: i32 = 42;

/// `virDomainEventID` of those that are listened to.
const LIFECYCLE: c_int = 0;
const REBOOT: c_int = 1;
const WATCHDOG: c_int = 3;
const IO_ERROR: c_int = 4;
const IO_ERROR_REASON: c_int = 6;
const CONTROL_ERROR: c_int = 7;

type Conn = *mut c_void;
type Dom = *mut c_void;
type Opaque = *mut c_void;
type Free = unsafe extern "C" fn(Opaque);
/// Any callback: libvirt casts it by the event's number.
type Callback = unsafe extern "C" fn();
type CloseCallback = unsafe extern "C" fn(Conn, c_int, Opaque);

/// The beginning of `virError`.
#[repr(C)]
struct VirError {
    code: c_int,
    domain: c_int,
    message: *const c_char,
}

/// What a connection may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    Look,
    /// Agents, too, which takes the right to change domains.
    Ask,
}

/// Why libvirt refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Failure {
    /// `virErrorNumber`
    pub(super) code: i32,
    pub(super) message: String,
}

/// A domain as libvirt lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Listed {
    pub(super) uuid: String,
    pub(super) name: String,
    pub(super) run: Option<u32>,
    /// `virDomainState` and the reason that belongs to it.
    pub(super) state: i32,
    pub(super) reason: i32,
    pub(super) is_persistent: bool,
}

macro_rules! functions {
    ($($name:ident: fn($($argument:ty),*) -> $gives:ty;)+) => {
        /// The functions that are called, by libvirt's own names.
        #[allow(non_snake_case, reason = "they are libvirt's names")]
        pub(super) struct Library { $($name: unsafe extern "C" fn($($argument),*) -> $gives,)+ }

        impl Library {
            fn find(shared: &Shared) -> Result<Self, &'static str> {
                Ok(Self { $($name: {
                    // SAFETY: the signature is the one of libvirt's header, which does not change within `.so.0`.
                    let found = unsafe { shared.get::<unsafe extern "C" fn($($argument),*) -> $gives>(concat!(stringify!($name), "\0").as_bytes()) };
                    *found.map_err(|_| stringify!($name))?
                },)+ })
            }
        }
    };
}

functions! {
    virInitialize: fn() -> c_int;
    virSetErrorFunc: fn(*mut c_void, Option<unsafe extern "C" fn(*mut c_void, *mut c_void)>) -> ();
    virGetLastError: fn() -> *const VirError;
    virEventRegisterDefaultImpl: fn() -> c_int;
    virEventRunDefaultImpl: fn() -> c_int;
    virConnectOpenAuth: fn(*const c_char, *mut c_void, c_uint) -> Conn;
    virConnectClose: fn(Conn) -> c_int;
    virConnectSetKeepAlive: fn(Conn, c_int, c_uint) -> c_int;
    virConnectRegisterCloseCallback: fn(Conn, CloseCallback, Opaque, Option<Free>) -> c_int;
    virConnectUnregisterCloseCallback: fn(Conn, CloseCallback) -> c_int;
    virConnectDomainEventRegisterAny: fn(Conn, Dom, c_int, Callback, Opaque, Option<Free>) -> c_int;
    virConnectDomainEventDeregisterAny: fn(Conn, c_int) -> c_int;
    virConnectListAllDomains: fn(Conn, *mut *mut Dom, c_uint) -> c_int;
    virDomainLookupByUUIDString: fn(Conn, *const c_char) -> Dom;
    virDomainFree: fn(Dom) -> c_int;
    virDomainGetUUIDString: fn(Dom, *mut c_char) -> c_int;
    virDomainGetName: fn(Dom) -> *const c_char;
    virDomainGetID: fn(Dom) -> c_uint;
    virDomainGetState: fn(Dom, *mut c_int, *mut c_int, c_uint) -> c_int;
    virDomainIsPersistent: fn(Dom) -> c_int;
    virDomainGetXMLDesc: fn(Dom, c_uint) -> *mut c_char;
    virDomainGetJobInfo: fn(Dom, *mut agent::JobInfo) -> c_int;
}

unsafe extern "C" {
    /// The C library's, by which libvirt's lists are given back.
    fn free(pointer: *mut c_void);
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

/// libvirt would print its errors otherwise; they are read where they matter.
unsafe extern "C" fn say_nothing(_: *mut c_void, _: *mut c_void) {}

impl Library {
    /// The library, opened and with its event loop running.
    pub(super) fn loaded() -> Result<&'static Self, String> {
        static LOADED: OnceLock<Result<&'static Library, String>> = OnceLock::new();
        // What was installed meanwhile is found at a restart.
        LOADED.get_or_init(Self::load).clone()
    }

    fn load() -> Result<&'static Self, String> {
        // SAFETY: libvirt's initialisers are those that every user of it runs.
        let shared = unsafe { Shared::new(NAME) }.map_err(|error| {
            format!(
                "{NAME} cannot be opened ({error}): VMs cannot be watched here. Install libvirt's client library \
                 (libvirt0 on Debian and Ubuntu, libvirt-libs on RHEL) and restart this monitor"
            )
        })?;
        let shared: &'static Shared = Box::leak(Box::new(shared));
        let library = Self::find(shared).map_err(|name| {
            format!(
                "{NAME} is too old: it has no {name}; libvirt 1.2 or newer is needed to watch VMs"
            )
        })?;
        let library: &'static Self = Box::leak(Box::new(library));
        // SAFETY: as libvirt asks: first this, in one thread (we are within a OnceLock), and the event loop before any
        // connection.
        let begun = unsafe {
            (library.virSetErrorFunc)(ptr::null_mut(), Some(say_nothing));
            (library.virInitialize)() == 0 && (library.virEventRegisterDefaultImpl)() == 0
        };
        if !begun {
            return Err(format!("{NAME} cannot begin: {}", library.failure().message));
        }
        let thread =
            std::thread::Builder::new().name("libvirt-events".into()).stack_size(256 << 10);
        let run = move || loop {
            // SAFETY: the one thread that runs the loop.
            if unsafe { (library.virEventRunDefaultImpl)() } != 0 {
                tracing::error!("libvirt's event loop has ended: {}", library.failure().message);
                return;
            }
        };
        thread.spawn(run).map_err(|error| format!("no thread for libvirt's events: {error}"))?;
        Ok(library)
    }

    /// What this thread's last call failed for.
    fn failure(&self) -> Failure {
        // SAFETY: the error is this thread's and is read before libvirt is called again.
        unsafe {
            match (self.virGetLastError)().as_ref() {
                Some(error) => Failure { code: error.code, message: text(error.message) },
                None => Failure { code: 0, message: "no reason is given".into() },
            }
        }
    }

    /// Copies what is to be known of a domain.
    ///
    /// # Safety
    /// `domain` is a domain of libvirt's.
    unsafe fn listed(&self, domain: Dom) -> Result<Listed, Failure> {
        let (mut state, mut reason): (c_int, c_int) = (0, 0);
        // SAFETY: by the caller; the two integers live here.
        let (told, is_persistent) = unsafe {
            let told = (self.virDomainGetState)(domain, &raw mut state, &raw mut reason, 0);
            (told, (self.virDomainIsPersistent)(domain))
        };
        if told != 0 || is_persistent < 0 {
            return Err(self.failure());
        }
        // SAFETY: by the caller.
        let (uuid, name, run) =
            unsafe { (self.uuid(domain), text((self.virDomainGetName)(domain)), self.run(domain)) };
        Ok(Listed { uuid, name, run, state, reason, is_persistent: is_persistent == 1 })
    }

    /// # Safety
    /// `domain` is a domain of libvirt's.
    unsafe fn uuid(&self, domain: Dom) -> String {
        let mut buffer: [c_char; UUID_TEXT] = [0; UUID_TEXT];
        // SAFETY: the buffer is as large as `VIR_UUID_STRING_BUFLEN`, and ends with a zero whatever happens.
        unsafe {
            (self.virDomainGetUUIDString)(domain, buffer.as_mut_ptr());
            text(buffer.as_ptr())
        }
    }

    /// # Safety
    /// `domain` is a domain of libvirt's.
    unsafe fn run(&self, domain: Dom) -> Option<u32> {
        // SAFETY: by the caller.
        let id = unsafe { (self.virDomainGetID)(domain) };
        (id != NO_ID).then_some(id)
    }
}

/// Copies a string of libvirt's.
///
/// # Safety
/// `from` is null, or ends with a zero.
unsafe fn text(from: *const c_char) -> String {
    if from.is_null() {
        return String::new();
    }
    // SAFETY: by the caller.
    unsafe { CStr::from_ptr(from) }.to_string_lossy().into_owned()
}

type Tell = Box<dyn Fn(Heard) + Send + Sync>;

/// What a callback gets: whom to tell.
struct Listener {
    libvirt: &'static Library,
    tell: std::sync::Arc<Tell>,
}

/// A connection with its callbacks.
pub(super) struct Connection {
    libvirt: &'static Library,
    conn: Conn,
    callbacks: Vec<c_int>,
    is_close_heard: bool,
}

// SAFETY: libvirt's connections may be used by any thread and by several at once.
unsafe impl Send for Connection {}
// SAFETY: as above.
unsafe impl Sync for Connection {}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects; `tell` gets what is heard, in libvirt's thread, which it must not hold up.
    pub(super) fn open(
        library: &'static Library,
        uri: &str,
        access: Access,
        tell: Tell,
    ) -> Result<Self, Failure> {
        let no_uri = |_| Failure { code: 0, message: "it holds a zero".into() };
        let uri = CString::new(uri).map_err(no_uri)?;
        let flags = match access {
            Access::Look => READ_ONLY,
            Access::Ask => 0,
        };
        // SAFETY: the text outlives the call; without credentials libvirt asks nobody.
        let conn = unsafe { (library.virConnectOpenAuth)(uri.as_ptr(), ptr::null_mut(), flags) };
        if conn.is_null() {
            return Err(library.failure());
        }
        let mut connection =
            Self { libvirt: library, conn, callbacks: Vec::new(), is_close_heard: false };
        connection.listen(tell)?;
        Ok(connection)
    }

    fn listen(&mut self, tell: Tell) -> Result<(), Failure> {
        let (library, tell) = (self.libvirt, std::sync::Arc::new(tell));
        // A driver without pings, as for tests, has none to lose.
        // SAFETY: the connection is ours.
        unsafe { (library.virConnectSetKeepAlive)(self.conn, KEEPALIVE.0, KEEPALIVE.1) };
        let opaque = || -> Opaque {
            Box::into_raw(Box::new(Listener {
                libvirt: library,
                tell: std::sync::Arc::clone(&tell),
            }))
            .cast()
        };
        let boxed = opaque();
        // SAFETY: the callback has the type of libvirt's; the box is freed by it, or here when it refuses.
        let closing = unsafe {
            (library.virConnectRegisterCloseCallback)(self.conn, closed, boxed, Some(drop_listener))
        };
        if closing != 0 {
            // SAFETY: libvirt has not taken it.
            unsafe { drop_listener(boxed) };
            return Err(library.failure());
        }
        self.is_close_heard = true;
        for (id, callback) in callbacks() {
            let boxed = opaque();
            // SAFETY: each callback has the type that belongs to its number; the box as above.
            let number = unsafe {
                (library.virConnectDomainEventRegisterAny)(
                    self.conn,
                    ptr::null_mut(),
                    id,
                    callback,
                    boxed,
                    Some(drop_listener),
                )
            };
            if number < 0 {
                // SAFETY: libvirt has not taken it.
                unsafe { drop_listener(boxed) };
                return Err(library.failure());
            }
            self.callbacks.push(number);
        }
        Ok(())
    }

    /// All domains.
    pub(super) fn list(&self) -> Result<Vec<Listed>, Failure> {
        let mut list: *mut Dom = ptr::null_mut();
        // SAFETY: libvirt fills the list, which is ours then, with its domains.
        let count = unsafe { (self.libvirt.virConnectListAllDomains)(self.conn, &raw mut list, 0) };
        let Ok(count) = usize::try_from(count) else { return Err(self.libvirt.failure()) };
        let mut domains = Vec::with_capacity(count);
        for nth in 0..count {
            // SAFETY: the list has `count` domains; each is given back once, after its last use.
            unsafe {
                let domain = *list.add(nth);
                domains.push(self.libvirt.listed(domain));
                (self.libvirt.virDomainFree)(domain);
            }
        }
        // SAFETY: it was made by the C library's malloc, as libvirt documents.
        unsafe { free(list.cast()) };
        // One that went away since it was listed is not there; any other failure must not look as if it were not.
        let is_there = |listed: &Result<Listed, Failure>| {
            listed.as_ref().err().is_none_or(|failure| failure.code != NO_DOMAIN)
        };
        domains.into_iter().filter(is_there).collect()
    }

    /// One domain.
    pub(super) fn look_up(&self, uuid: &str) -> Result<Listed, Failure> {
        // SAFETY: the domain is libvirt's.
        self.with(uuid, |domain| unsafe { self.libvirt.listed(domain) })
    }

    /// Does something with one domain, which is given back afterwards.
    fn with<T>(
        &self,
        uuid: &str,
        work: impl FnOnce(Dom) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let no_uuid = |_| Failure { code: 0, message: "it holds a zero".into() };
        let uuid = CString::new(uuid).map_err(no_uuid)?;
        // SAFETY: the text outlives the call.
        let domain =
            unsafe { (self.libvirt.virDomainLookupByUUIDString)(self.conn, uuid.as_ptr()) };
        if domain.is_null() {
            return Err(self.libvirt.failure());
        }
        let done = work(domain);
        // SAFETY: it is ours, and this is its last use.
        unsafe { (self.libvirt.virDomainFree)(domain) };
        done
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the connection and the numbers are ours; after this nobody uses them.
        unsafe {
            for number in &self.callbacks {
                (self.libvirt.virConnectDomainEventDeregisterAny)(self.conn, *number);
            }
            if self.is_close_heard {
                (self.libvirt.virConnectUnregisterCloseCallback)(self.conn, closed);
            }
            (self.libvirt.virConnectClose)(self.conn);
        }
    }
}

/// The callbacks, each as libvirt takes any of them.
fn callbacks() -> [(c_int, Callback); 6] {
    use std::mem::transmute;
    type Plain = unsafe extern "C" fn(Conn, Dom, Opaque) -> c_int;
    type Two = unsafe extern "C" fn(Conn, Dom, c_int, c_int, Opaque) -> c_int;
    type One = unsafe extern "C" fn(Conn, Dom, c_int, Opaque) -> c_int;
    type Disk =
        unsafe extern "C" fn(Conn, Dom, *const c_char, *const c_char, c_int, Opaque) -> c_int;
    type DiskReason = unsafe extern "C" fn(
        Conn,
        Dom,
        *const c_char,
        *const c_char,
        c_int,
        *const c_char,
        Opaque,
    ) -> c_int;
    // SAFETY: libvirt casts each back to the type that belongs to its number (VIR_DOMAIN_EVENT_CALLBACK).
    unsafe {
        [
            (LIFECYCLE, transmute::<Two, Callback>(lifecycle)),
            (REBOOT, transmute::<Plain, Callback>(reboot)),
            (WATCHDOG, transmute::<One, Callback>(watchdog)),
            (IO_ERROR, transmute::<Disk, Callback>(io_error)),
            (IO_ERROR_REASON, transmute::<DiskReason, Callback>(io_error_reason)),
            (CONTROL_ERROR, transmute::<Plain, Callback>(control_error)),
        ]
    }
}

/// # Safety
/// libvirt calls it, with what was registered.
unsafe fn heard(domain: Dom, what: What, opaque: Opaque) -> c_int {
    // SAFETY: the box lives as long as callbacks may come; the domain as long as this one.
    unsafe {
        let listener = &*opaque.cast::<Listener>();
        let server = ServerId::new(listener.libvirt.uuid(domain));
        let run = listener.libvirt.run(domain);
        (listener.tell)(Heard::Event(Event { server, run, what }));
    }
    0
}

unsafe extern "C" fn lifecycle(
    _: Conn,
    domain: Dom,
    kind: c_int,
    detail: c_int,
    to: Opaque,
) -> c_int {
    // SAFETY: libvirt calls it.
    unsafe { heard(domain, What::Lifecycle { kind, detail }, to) }
}

unsafe extern "C" fn reboot(_: Conn, domain: Dom, to: Opaque) -> c_int {
    // SAFETY: libvirt calls it.
    unsafe { heard(domain, What::Reboot, to) }
}

unsafe extern "C" fn control_error(_: Conn, domain: Dom, to: Opaque) -> c_int {
    // SAFETY: libvirt calls it.
    unsafe { heard(domain, What::ControlError, to) }
}

unsafe extern "C" fn watchdog(_: Conn, domain: Dom, action: c_int, to: Opaque) -> c_int {
    // SAFETY: libvirt calls it.
    unsafe { heard(domain, What::Watchdog { action }, to) }
}

unsafe extern "C" fn io_error(
    _: Conn,
    domain: Dom,
    _path: *const c_char,
    _alias: *const c_char,
    action: c_int,
    to: Opaque,
) -> c_int {
    // SAFETY: libvirt calls it.
    unsafe { heard(domain, What::IoError { action }, to) }
}

unsafe extern "C" fn io_error_reason(
    _: Conn,
    domain: Dom,
    _path: *const c_char,
    _alias: *const c_char,
    _action: c_int,
    _reason: *const c_char,
    to: Opaque,
) -> c_int {
    // SAFETY: libvirt calls it.
    unsafe { heard(domain, What::IoErrorReason, to) }
}

/// `virConnectCloseReason`
unsafe extern "C" fn closed(_: Conn, reason: c_int, to: Opaque) {
    let why = match reason {
        0 => "an error",
        1 => "libvirtd closed it",
        2 => "libvirtd does not answer",
        _ => "it was closed",
    };
    // SAFETY: the box lives as long as callbacks may come.
    let listener = unsafe { &*to.cast::<Listener>() };
    (listener.tell)(Heard::Closed(why.to_owned()));
}

/// Gives back what a callback had.
unsafe extern "C" fn drop_listener(opaque: Opaque) {
    // SAFETY: it was made by `Box::into_raw` of this type, and libvirt frees it once.
    drop(unsafe { Box::from_raw(opaque.cast::<Listener>()) });
}
