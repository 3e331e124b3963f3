//! Real TLS over loopback, with a frozen clock: who is let in, who is not, and what a reload changes.

mod grpc;
mod handshake;
mod limits;
mod profile;
mod reload;
mod support;
