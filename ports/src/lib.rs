//! The edge of the world: the only crate that touches the clock, chance, the network and processes.
//!
//! Everything in masakari-rs that could come out differently in two runs comes in by one of these
//! traits: [`Clock`], [`Entropy`], [`Transport`] ([`Streams`]), [`Exec`], [`Probe`], [`Ears`] (one more, `Store`, belongs to the
//! room that knows SQL). Each has the real implementation here and a simulated one in `sim`. That
//! is why a history of failures can be replayed from a seed, and why the rest of the code is not
//! allowed to call `SystemTime::now` and its like (`clippy.toml`).
//!
//! What this crate is not: it decides nothing, retries nothing and knows neither OpenStack nor SQL.

mod clock;
mod datagrams;
mod entropy;
mod exec;
mod http_client;
mod nothing;
mod probe;
mod read_only;
mod transport;

pub use clock::{Boot, Clock, SystemClock, within};
pub use datagrams::{Ear, Ears, NetworkEars};
pub use entropy::{Entropy, SeededEntropy, SystemEntropy};
pub use exec::{Environment, Exec, ExecError, Finished, Leaves, Program, SystemExec};
pub use http_client::{HttpClient, HttpClientConfig, HttpClientError, IdentityFiles, OwnTls};
pub use nothing::Nothing;
pub use probe::{NetworkProbe, Probe, ProbeError};
pub use read_only::ReadOnly;
pub use transport::{Answer, Ask, Opened, Pieces, Streams, Transport, TransportError};
