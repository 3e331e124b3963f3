//! What a witness promises, against a coordinator that can be made to lie.

mod follows;
mod forks;
mod permits;
mod support;
