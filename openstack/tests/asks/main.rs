//! The session, Nova, token validation and the client of our own APIs, against a small cloud in memory
//! and in virtual time.

#[cfg(test)]
mod at_once;
#[cfg(test)]
mod cloud;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod foresight;
#[cfg(test)]
mod instance_ha;
#[cfg(test)]
mod nova;
#[cfg(test)]
mod session;
#[cfg(test)]
mod tokens;
