//! What every fence device can be asked, and what may come of it.

use crate::machine::Told;
use async_trait::async_trait;
use ports::ExecError;
use recovery::fencing::Hurdle;
use std::{fmt, time::Duration};

/// Whether the host has power; for a storage device, whether the host is let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Power {
    /// It has.
    On,
    /// It has none; the storage lets it in no more.
    Off,
    /// On the way from one to the other, paused, or not told: proves nothing.
    Between,
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Between => "neither on nor off",
        })
    }
}

/// What a first look at a device finds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    pub power: Power,
    /// `None`: a device of this kind cannot know which machine it controls.
    pub machine: Option<Told>,
}

/// Why a device did not do what it was asked. None of it ever holds a secret.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Debug)]
pub enum Failure {
    /// Nobody answered: unplugged, unreachable, or too slow for one call. What was asked may be done all the same.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// It answered, and does not let us in.
    #[error("it does not take our credentials: {0}")]
    WrongCredentials(String),
    /// It answered and will not.
    #[error("it refuses: {0}")]
    Refused(String),
    /// It answered something that we do not understand.
    #[error("its answer makes no sense: {0}")]
    Garbled(String),
    /// It was not even asked: a secret or a program is missing here.
    #[error("it cannot be asked from here: {0}")]
    Unusable(String),
}

impl From<ExecError> for Failure {
    fn from(error: ExecError) -> Self {
        match error {
            ExecError::Start { program, source } => {
                Self::Unusable(format!("cannot run {program}: {source}"))
            }
            ExecError::TimedOut { .. } | ExecError::Flooded { .. } => {
                Self::NoAnswer(error.to_string())
            }
        }
    }
}

impl Failure {
    /// Whether the same question may be answered a moment later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::NoAnswer(_) | Self::Garbled(_) => true,
            Self::WrongCredentials(_) | Self::Refused(_) | Self::Unusable(_) => false,
        }
    }

    /// The same for the log of a recovery.
    #[must_use]
    pub fn hurdle(&self) -> Hurdle {
        match self {
            Self::NoAnswer(_) => Hurdle::NoAnswer,
            Self::WrongCredentials(_) => Hurdle::WrongCredentials,
            Self::Refused(_) => Hurdle::Refused,
            Self::Garbled(_) => Hurdle::Garbled,
            Self::Unusable(_) => Hurdle::Unusable,
        }
    }

    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::NoAnswer(_) => "no-answer",
            Self::WrongCredentials(_) => "wrong-credentials",
            Self::Refused(_) => "refused",
            Self::Garbled(_) => "garbled",
            Self::Unusable(_) => "unusable",
        }
    }
}

/// A device with the host that it is to fence. Every call ends within `limit`, or is dropped by the caller
/// then; a call that was dropped may have been heard.
#[async_trait]
pub trait Device: Send + fmt::Debug {
    /// Which machine it controls, and whether that has power.
    async fn examine(&mut self, limit: Duration) -> Result<Found, Failure>;

    /// Whether it has power now.
    async fn look(&mut self, limit: Duration) -> Result<Power, Failure>;

    /// Takes the power away, hard, and does not give it back. That it was taken is for [`Device::look`] to say.
    async fn off(&mut self, limit: Duration) -> Result<(), Failure>;

    /// Gives it power. That it has it is for [`Device::look`] to say. What has none to give refuses.
    async fn on(&mut self, limit: Duration) -> Result<(), Failure>;
}

/// A text of somebody else's, made fit for a log: one line, not long, without control characters.
#[must_use]
pub fn quoted(text: &[u8]) -> String {
    const CHARS_MAX: usize = 300;
    let text = String::from_utf8_lossy(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut line: String =
        words.join(" ").chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect();
    if line.is_empty() {
        line.push_str("it said nothing");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_is_quoted_in_one_short_line() {
        assert_eq!(quoted(b"Error:\n\tcannot\x1b connect\r\n"), "Error: cannot connect");
        assert_eq!(quoted(&[b'x'; 5_000]).len(), 300);
        assert_eq!(quoted(b" \n"), "it said nothing");
    }
}
