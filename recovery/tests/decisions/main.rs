//! The decisions as tables and sentences: the states of a move, what is due, what a look means, and
//! what Masakari's API shows of it.
#![cfg(test)]

mod approval;
mod capacity;
mod certificate;
mod deadman;
mod details;
mod drain;
mod drill;
mod due;
mod explain;
mod fencing;
mod folding;
mod forecast;
mod guard;
mod hand;
mod look;
mod moves;
mod own_steps;
mod priorities;
mod process;
mod quarantine;
mod readiness;
mod reasons;
mod report;
mod restart;
mod returns;
mod rules;
mod shadow;
mod stops;
mod tier_rules;
mod tier_words;
mod tiers;
mod void;
mod ways;
mod words;
