//! Each piece of the corpora, and what is made of it by chance, is read without a finding. `FUZZ_PIECES`: how many are made.
#![cfg(test)]

use fuzz::{GROUPS, Group};
use ports::{Entropy, SeededEntropy};
use std::{collections::BTreeSet, fs, path::PathBuf};

fn pieces(group: &Group) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(group.name);
    let files = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn chance(entropy: &SeededEntropy, below: usize) -> usize {
    usize::try_from(entropy.bits() % u64::try_from(below.max(1)).unwrap()).unwrap()
}

/// A byte is changed, a part is left out, doubled, or taken from another piece.
fn made_of(piece: &[u8], other: &[u8], entropy: &SeededEntropy) -> Vec<u8> {
    let mut made = piece.to_vec();
    for _ in 0..=chance(entropy, 4) {
        let at = chance(entropy, made.len());
        let upto = (at + chance(entropy, 40)).min(made.len());
        match chance(entropy, 5) {
            0 if !made.is_empty() => made[at] = u8::try_from(chance(entropy, 256)).unwrap(),
            1 => drop(made.drain(at..upto)),
            2 => {
                let part = made[at..upto].to_vec();
                made.splice(at..at, part);
            }
            3 => {
                let from = chance(entropy, other.len());
                let part = other[from..(from + chance(entropy, 40)).min(other.len())].to_vec();
                made.splice(at..upto, part);
            }
            _ => made.truncate(at),
        }
    }
    made
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says how many")]
fn wanted() -> usize {
    std::env::var("FUZZ_PIECES").ok().and_then(|text| text.parse().ok()).unwrap_or(400)
}

fn is_read(group: &Group) {
    let (all, entropy) = (pieces(group), SeededEntropy::new(1));
    assert!(all.len() >= 4, "{} has a corpus of {}", group.name, all.len());
    for (path, piece) in &all {
        let read = std::panic::catch_unwind(|| group.feed(piece));
        assert!(read.is_ok(), "{}", path.display());
    }
    for n in 0..wanted() {
        let (_, piece) = &all[chance(&entropy, all.len())];
        let made = made_of(piece, &all[chance(&entropy, all.len())].1, &entropy);
        let read = std::panic::catch_unwind(|| group.feed(&made));
        assert!(read.is_ok(), "{} {n}: {:?}", group.name, String::from_utf8_lossy(&made));
    }
}

macro_rules! each_group {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            is_read(GROUPS.iter().find(|group| group.name == stringify!($name)).unwrap());
        })*

        #[test]
        fn every_group_is_read() {
            let read: BTreeSet<&str> = [$(stringify!($name)),*].into();
            assert_eq!(read, GROUPS.iter().map(|group| group.name).collect());
        }
    };
}

each_group! { texts requests cluster files devices answers }
