//! masakari
fn main() {}
