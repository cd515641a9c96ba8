//! The Swift package against the real server.
