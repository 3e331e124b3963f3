//! The holder half of a node: its records, its sealed lists, its answers. Custodian and coordinator are small stand-ins
//! behind real mTLS connections.

mod evaluate;
mod import;
mod refusals;
mod resume;
mod sealing;
mod support;
