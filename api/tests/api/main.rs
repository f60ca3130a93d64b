//! The API as its clients meet it: a whole application on a database in memory, a Keystone that knows
//! two people and a Nova that knows four hosts.
#![cfg(test)]

mod away;
mod cloud;
mod confirm;
mod engine;
mod golden;
mod reports;
mod socket;
mod trust;
mod world;
