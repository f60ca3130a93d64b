//! The driver `kubernetes`: what is read of its answers, what it makes of them, and how it keeps watching. `run`, beside this file, has
//! a real API server and its controller.
#![cfg(test)]

mod access;
mod api;
mod node;
mod nodes;
mod source;
