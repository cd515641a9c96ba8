//! Builds, demonstrates and tests the project.
fn main() {}
