//! Small back ends in Rust: see `src/bin/`.
