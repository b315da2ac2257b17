//! HTTP (placeholder until the resources are merged).
pub mod assembly;
pub mod ws;
