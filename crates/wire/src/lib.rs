//! Generated gRPC code, conversions to model types, and errors on the wire.
//!
//! This crate is the only owner of prost types: what a role does with a message starts by turning it
//! into facts with the helpers of [`convert`]. Expected outcomes travel as values ([`refusal`]);
//! a gRPC status means trouble, and carries a stable reason code and the request id ([`status`]).

#[expect(
    missing_docs,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::large_enum_variant,
    unused_qualifications,
    unreachable_pub,
    reason = "generated code; every field is documented in proto/"
)]
mod generated {
    pub mod common {
        pub mod v1 {
            tonic::include_proto!("tacit.common.v1");
        }
    }
    pub mod coordinator {
        pub mod v1 {
            tonic::include_proto!("tacit.coordinator.v1");
        }
    }
    pub mod custodian {
        pub mod v1 {
            tonic::include_proto!("tacit.custodian.v1");
        }
    }
    pub mod holder {
        pub mod v1 {
            tonic::include_proto!("tacit.holder.v1");
        }
    }
    pub mod gateway {
        pub mod v1 {
            tonic::include_proto!("tacit.gateway.v1");
        }
    }
}

pub use generated::common::v1 as common;
pub use generated::coordinator::v1 as coordinator;
pub use generated::custodian::v1 as custodian;
pub use generated::gateway::v1 as gateway;
pub use generated::holder::v1 as holder;

pub mod convert;
mod layer;
mod problem;
pub mod request_id;
pub mod status;

pub use convert::{Malformed, array, chunks32, concat32, refusal};
pub use layer::{ReasonLayer, ReasonService};
pub use problem::problem;
pub use prost::Message;
pub use request_id::{REQUEST_ID, RequestIds};
pub use status::{reason_of, trouble};

/// The descriptor of every service and message, for tests that walk them.
pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tacit.bin"));
