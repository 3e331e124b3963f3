//! An agency's node: holder of its own lists, requester, and the local gateway.

pub mod config;
pub mod gateway;
pub mod health;
pub mod holder;
pub mod measures;
pub mod records;
pub mod redress;
pub mod store;
