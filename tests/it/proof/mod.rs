//! Who sent this request? Real live sessions, a back end with the layer in front of it, and what attackers send to it.

mod attacks;
mod back_end;
mod layer;
mod live;
mod sockets;
mod vectors;
