//! The table of a loop's methods.

use pyo3::ffi;

use crate::{method, method0, method1};

use super::{object, run, schedule, tasks, time, transport_table, watch};

/// What `LoopBase` has; the coroutines about sockets are added by `sockets`.
pub fn methods() -> Vec<ffi::PyMethodDef> {
    vec![
        method!(c"call_soon", schedule::call_soon_method, c"call_soon($self, callback, *args, context=None)\n--\n\nRun the callback in the next turn."),
        method!(c"call_soon_threadsafe", schedule::call_soon_threadsafe, c"call_soon_threadsafe($self, callback, *args, context=None)\n--\n\nLike call_soon(), from any thread."),
        method!(c"call_later", schedule::call_later, c"call_later($self, delay, callback, *args, context=None)\n--\n\nRun the callback after delay seconds."),
        method!(c"call_at", schedule::call_at, c"call_at($self, when, callback, *args, context=None)\n--\n\nRun the callback when the loop's clock shows when (seconds)."),
        method0!(c"time", time::time, c"time($self, /)\n--\n\nThe loop's clock in seconds."),
        method0!(c"create_future", tasks::create_future, c"create_future($self, /)\n--\n\nA new Future of this loop."),
        method!(c"create_task", tasks::create_task, c"create_task($self, coro, **kwargs)\n--\n\nSchedule a coroutine as a Task."),
        method0!(c"is_running", object::is_running, c"is_running($self, /)\n--\n\nWhether a thread runs the loop."),
        method0!(c"is_closed", object::is_closed, c"is_closed($self, /)\n--\n\nWhether the loop was closed."),
        method0!(c"get_debug", object::get_debug, c"get_debug($self, /)\n--\n\nWhether debug mode is on."),
        method0!(c"stop", object::stop, c"stop($self, /)\n--\n\nStop after the present turn."),
        method0!(c"run_forever", run::run_forever, c"run_forever($self, /)\n--\n\nRun until stop() is called."),
        method0!(c"_run_once", run::run_once, c"_run_once($self, /)\n--\n\nRun one turn."),
        method!(c"_add_reader", watch::add_reader, c"_add_reader($self, fd, callback, /, *args)\n--\n\n"),
        method!(c"_start_serving", crate::servers::start_serving, c"_start_serving($self, /, *args, **kwargs)\n--\n\n"),
        method!(c"_add_writer", watch::add_writer, c"_add_writer($self, fd, callback, /, *args)\n--\n\n"),
        method1!(c"_remove_reader", watch::remove_reader, c"_remove_reader($self, fd, /)\n--\n\n"),
        method1!(c"_remove_writer", watch::remove_writer, c"_remove_writer($self, fd, /)\n--\n\n"),
        method!(c"add_reader", watch::add_reader_checked, c"add_reader($self, fd, callback, *args)\n--\n\nCall callback(*args) whenever the descriptor is readable."),
        method!(c"add_writer", watch::add_writer_checked, c"add_writer($self, fd, callback, *args)\n--\n\nCall callback(*args) whenever the descriptor is writable."),
        method!(c"remove_reader", watch::remove_reader_checked, c"remove_reader($self, fd)\n--\n\nForget the reader of a descriptor. Return True if there was one."),
        method!(c"remove_writer", watch::remove_writer_checked, c"remove_writer($self, fd)\n--\n\nForget the writer of a descriptor. Return True if there was one."),
        method1!(c"_ensure_fd_no_transport", transport_table::ensure_method, c"_ensure_fd_no_transport($self, fd, /)\n--\n\n"),
        method1!(c"_transport_at", transport_table::get_method, c"_transport_at($self, fd, /)\n--\n\n"),
        method!(c"_set_transport_at", transport_table::set_method, c"_set_transport_at($self, fd, transport, /)\n--\n\n"),
        method0!(c"_transport_fds", transport_table::descriptors, c"_transport_fds($self, /)\n--\n\n"),
        method0!(c"_write_to_self", schedule::write_to_self, c"_write_to_self($self, /)\n--\n\n"),
        method1!(c"_add_callback", schedule::add_callback, c"_add_callback($self, handle, /)\n--\n\n"),
        method1!(c"_add_callback_signalsafe", schedule::add_callback_signalsafe, c"_add_callback_signalsafe($self, handle, /)\n--\n\n"),
        method1!(c"_timer_handle_cancelled", object::timer_handle_cancelled, c"_timer_handle_cancelled($self, handle, /)\n--\n\n"),
        method0!(c"_check_closed", schedule::check_closed_method, c"_check_closed($self, /)\n--\n\n"),
        method0!(c"_watched", watch::watched, c"_watched($self, /)\n--\n\n"),
        method0!(c"_discard", object::discard, c"_discard($self, /)\n--\n\nLet go of everything a closed loop still holds."),
    ]
}
