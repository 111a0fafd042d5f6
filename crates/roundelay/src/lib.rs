//! asyncio, in Rust.
