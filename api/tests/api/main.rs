//! The API as its clients meet it: a whole application on a database in memory, a Keystone that knows
//! two people and a Nova that knows four hosts.
#![cfg(test)]

mod anything;
mod away;
mod bases;
mod cloud;
mod confirm;
mod engine;
mod evidence;
mod fencing;
mod foresee;
mod golden;
mod guard;
mod hand;
mod odd_text;
mod openapi;
mod replay;
mod reports;
mod returns;
mod settings;
mod socket;
mod stops;
mod told;
mod trust;
mod world;
