//! One file per command.

pub(crate) mod agreement;
pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod conformance;
pub(crate) mod consent;
pub(crate) mod db;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod init;
pub(crate) mod list;
pub(crate) mod log;
pub(crate) mod measure;
pub(crate) mod member;
pub(crate) mod portal;
pub(crate) mod receipt;
pub(crate) mod redress;
pub(crate) mod registry;
pub(crate) mod serve;
pub(crate) mod subject;
pub(crate) mod up;
