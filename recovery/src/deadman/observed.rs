//! What an observer has seen of one host's lease, and what follows from it.

use super::Times;
use crate::permit::SKEW_MS;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// Whether the host's watchdog runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// An agent lives, and has not armed the watchdog yet, or not made sure of it.
    Taking,
    /// The watchdog is armed, and fed by this lease alone.
    Held,
    /// It was given back: the watchdog may be off, and nothing is known of the host.
    Left,
}

/// A lease as one read shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Beat {
    /// Which write it is. No two writes have the same.
    pub revision: u64,
    pub stage: Stage,
    /// The run of the host's kernel that wrote it.
    pub boot: String,
    pub times: Times,
}

/// When a read was sent and answered, by the observer's own boot clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Read {
    pub sent_ms: u64,
    pub answered_ms: u64,
}

/// What is known of one host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observed {
    beat: Beat,
    /// When it was first seen, at the latest.
    seen_ms: u64,
    /// When it had certainly not been written yet.
    unwritten_ms: Option<u64>,
    /// When the run that wrote it, or one before it, certainly lived.
    alive_ms: Option<u64>,
    last_sent_ms: u64,
}

/// What one read says of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It has been seen once, or again and again the same: whether it renews is not known before its term is over.
    Unmoved { for_ms: u64 },
    /// It renews.
    Lives,
    /// It does not any more, and its watchdog may not have bitten yet.
    Overdue { for_ms: u64 },
    /// It has been reset.
    Dead(Dead),
    /// It has not renewed for so long, without a watchdog that is known to run.
    Silent { for_ms: u64 },
    /// Its lease was given back.
    Left,
}

/// That a host has been reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dead {
    /// For how long its last renewal had been seen when the read was sent that shows no newer one.
    pub for_ms: u64,
    /// What that had to be.
    pub proof_ms: u64,
    /// When the run that held the lease had certainly not ended; none: that was never seen, and a later run may have come
    /// and gone.
    pub alive_ms: Option<u64>,
}

impl Dead {
    /// When, by the observer's boot clock, the evidence was true: a heartbeat that is newer comes from another run, which
    /// took `boots_in_ms` at the least to get there. None: it is no evidence.
    #[must_use]
    pub fn at_ms(self, boots_in_ms: u64) -> Option<u64> {
        // What a sign of life must be newer by (`permit`) is not given twice.
        let forgiven = SKEW_MS.unsigned_abs();
        Some(self.alive_ms?.saturating_add(boots_in_ms).saturating_sub(forgiven))
    }
}

impl Observed {
    /// The first read that shows this host.
    #[must_use]
    pub fn first(beat: Beat, read: Read) -> Self {
        let (seen_ms, last_sent_ms) = (read.answered_ms, read.sent_ms);
        Self { beat, seen_ms, unwritten_ms: None, alive_ms: None, last_sent_ms }
    }

    /// Another read. Reads come in the order in which they were sent.
    pub fn read(&mut self, beat: Beat, read: Read) {
        if self.beat != beat {
            // Who writes a beat has seen the one before, which was written after this. A run before it is older still.
            self.alive_ms = self.unwritten_ms.max(self.alive_ms);
            self.unwritten_ms = Some(self.last_sent_ms);
            self.seen_ms = read.answered_ms;
            self.beat = beat;
        }
        self.last_sent_ms = read.sent_ms;
    }

    #[must_use]
    pub fn beat(&self) -> &Beat {
        &self.beat
    }

    /// What the last read says. It speaks of the moment at which that read was sent.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let for_ms = self.last_sent_ms.saturating_sub(self.seen_ms);
        let times = self.beat.times;
        match self.beat.stage {
            Stage::Left => Standing::Left,
            Stage::Taking | Stage::Held if for_ms < times.term_ms() => match self.unwritten_ms {
                Some(_) => Standing::Lives,
                None => Standing::Unmoved { for_ms },
            },
            Stage::Taking => Standing::Silent { for_ms },
            Stage::Held if for_ms < times.proof_ms() => Standing::Overdue { for_ms },
            Stage::Held => {
                let proof_ms = times.proof_ms();
                Standing::Dead(Dead { for_ms, proof_ms, alive_ms: self.alive_ms })
            }
        }
    }
}
