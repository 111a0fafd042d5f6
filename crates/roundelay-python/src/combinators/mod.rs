//! What asyncio builds on tasks and futures: sleeping, gathering, creating and ensuring tasks.

pub mod create;
pub mod gather;
mod gather_seen;
pub mod sleep;
pub mod sleep_call;
pub mod sleep_delay;
pub mod sleep_future;
