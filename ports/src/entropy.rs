//! Chance: jitter and new ids. From the kernel in production, from a seed in the simulator.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use std::{
    fmt::Debug,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use uuid::Uuid;

/// Gives chance.
pub trait Entropy: Send + Sync + Debug {
    /// 64 fresh bits.
    fn bits(&self) -> u64;

    /// A random (version 4, RFC 9562) UUID.
    fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(
            (u128::from(self.bits()) << 64 | u128::from(self.bits())).to_be_bytes(),
        )
        .into_uuid()
    }

    /// A wait between half of `around` and one and a half of it, so that many do not return at once.
    fn jitter(&self, around: Duration) -> Duration {
        let around_ms = u64::try_from(around.as_millis()).unwrap_or(u64::MAX / 2);
        Duration::from_millis(around_ms / 2 + self.bits() % around_ms.max(1))
    }
}

/// A generator seeded once, from the kernel.
#[derive(Debug)]
pub struct SystemEntropy(SeededEntropy);

impl SystemEntropy {
    /// # Errors
    /// When the kernel has no entropy to give, which a started system always has.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed)?;
        Ok(Self(SeededEntropy::new(u64::from_ne_bytes(seed))))
    }
}

impl Entropy for SystemEntropy {
    fn bits(&self) -> u64 {
        self.0.bits()
    }
}

/// The same chance again for the same seed.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<ChaCha8Rng>);

impl SeededEntropy {
    /// Chance from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(ChaCha8Rng::seed_from_u64(seed)))
    }
}

impl Entropy for SeededEntropy {
    fn bits(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_ids_again() {
        let (a, b) = (SeededEntropy::new(7), SeededEntropy::new(7));
        assert_eq!(a.uuid(), b.uuid());
        assert_ne!(a.uuid(), SeededEntropy::new(8).uuid());
    }

    #[test]
    fn jitter_stays_around() {
        let chance = SeededEntropy::new(1);
        for _ in 0..1000 {
            let wait = chance.jitter(Duration::from_millis(100)).as_millis();
            assert!((50..150).contains(&wait), "{wait}");
        }
    }
}
