//! The npm package as it is published, in Node, bundlers and browsers. Build it first: `cargo xtask build`.

mod app;
mod bundlers;
mod checks;
mod conversations;
mod firefox;
mod react;
mod size;
mod workerd;
