//! What asyncio builds on tasks and futures: sleeping, gathering, creating and ensuring tasks.

pub mod create;
pub mod gather;
pub mod sleep;
pub mod sleep_call;
