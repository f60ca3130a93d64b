//! Typed names, so that a host's name is never taken for its id.

use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};

macro_rules! names {
    ($($(#[$meta:meta])* $name:ident)+) => {$(
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            #[doc = concat!("Takes `text` for a `", stringify!($name), "`.")]
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text, as it stands in databases, URLs and logs.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

names! {
    /// The UUID of a failover segment.
    SegmentId
    /// The UUID of a host in Masakari.
    HostId
    /// The name of a compute host, as Nova's `nova-compute` service is called.
    HostName
    /// The UUID of a notification; also names the recovery that it asks for.
    NotificationId
    /// The UUID of one move of one VM.
    VMoveId
    /// The UUID of a server (a VM) in Nova.
    ServerId
    /// The UUID of a compute service in Nova (microversion 2.53 and above).
    ServiceId
}
