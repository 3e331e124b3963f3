//! What the roles with an interface of their own share: access tokens, problems and answers in words, bodies, the listener on
//! loopback, the document of a consent, and the tables of whoever asks as a requester.
//!
//! It knows no route and no role: node and authority make their interfaces of it, each of one table of routes that is
//! also what its OpenAPI document is compared with. SQL stands in [`store`] alone.

pub mod body;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod consent_receipt;
pub mod http;
pub mod openapi;
pub mod parse;
pub mod problem;
pub mod request_id;
pub mod routes;
pub mod store;
pub mod tokens;
pub mod words;
