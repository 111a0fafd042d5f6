//! `roundelay._core`: asyncio's loop, tasks and futures as native CPython types.
//!
//! A table of contents. Data flows one way: the engine of the `roundelay` crate is driven by
//! [`eventloop`], which steps [`task`]s and finishes [`future`]s; [`combinators`] build on those.
//! [`native`] is where the raw C API is spoken, [`compat`] where a version of CPython matters,
//! [`imports`] where Python objects come from, [`error`] where Rust errors become exceptions.

#[cfg(Py_GIL_DISABLED)]
compile_error!(
    "roundelay needs a CPython with the GIL; free-threaded builds are not supported yet"
);

mod combinators;
mod compat;
mod connections;
mod coroutine;
mod datagrams;
mod error;
mod eventloop;
mod future;
mod imports;
mod module;
mod native;
mod pipes;
mod queues;
mod servers;
mod sockets;
mod statics;
mod streams;
mod subprocess;
mod sync;
mod system;
mod task;
mod taskgroup;
mod timeouts;
mod tls;
mod transports;
mod waiting;
