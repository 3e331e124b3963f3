//! The gateway as its callers see it: JSON and gRPC, over an asker that answers from memory.

mod batch;
mod cases;
mod consents;
mod grpc;
mod json;
mod measures;
mod receipts;
mod sockets;
mod support;
