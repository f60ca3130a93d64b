//! The driver `consul`: its matrix, what is read of its answers, and how it waits. `run`, beside this file, has three networks of real
//! members.
#![cfg(test)]

mod agents;
mod matrix;
mod members;
mod source;
