//! Why an option has no effect: what several of them have in common.

pub(super) const BUS: &str =
    "API and engine meet in the database, no message bus is needed between them";
pub(super) const EVENTLET: &str = "it is about the server that Python brings along";
pub(super) const NO_NOTIFICATIONS: &str = "nothing is sent to the message bus by this version";
pub(super) const OWN_CACHE: &str = "validated tokens are kept in the process";
pub(super) const PYTHON: &str = "it is about Python itself";
pub(super) const SERVICES: &str = "engines show that they live by their leases";
pub(super) const SERVICE_TOKENS: &str = "a service token must be valid; its roles are not asked";
pub(super) const TLS_SAFE: &str =
    "TLS 1.2 and 1.3 are spoken, with those of their ciphers that are safe";
