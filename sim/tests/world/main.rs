//! The simulated cloud, judged by its own API and by the truth behind it.
#![cfg(test)]

mod client;
mod evacuation;
mod hosts;
mod keystone;
mod network;
mod placement;
mod servers;
mod services;
mod wire;
