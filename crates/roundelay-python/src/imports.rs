//! Every Python object that the native code needs, fetched once when the module is imported.

use crate::native::{Ref, Result, import};
use crate::statics::Once;
use pyo3::ffi;

static IMPORTS: Once<Imports> = Once::new();
static NAMES: Once<Names> = Once::new();

/// Objects of the standard library.
#[inline]
pub fn imports() -> &'static Imports {
    IMPORTS.get()
}

/// Interned attribute names.
#[inline]
pub fn names() -> &'static Names {
    NAMES.get()
}

macro_rules! names {
    ($($(#[$meta:meta])* $field:ident = $text:literal;)*) => {
        /// Interned attribute names, tuples of one keyword name, and the `int` zero, of which there is only one.
        #[allow(missing_docs)]
        pub struct Names { $(pub $field: Ref,)* pub kw_context: Ref, pub kw_msg: Ref, pub kw_loop: Ref, pub zero: Ref }

        impl Names {
            fn fetch() -> Result<Self> {
                let keyword = |text: &std::ffi::CStr| crate::native::tuple(&[&intern(text)?]);
                Ok(Self {
                    $($field: intern($text)?,)*
                    kw_context: keyword(c"context")?,
                    kw_msg: keyword(c"msg")?,
                    kw_loop: keyword(c"loop")?,
                    zero: crate::native::integer(0)?,
                })
            }
        }
    };
}

names! {
    acquire = c"acquire";
    add_done_callback = c"add_done_callback";
    ag_await = c"ag_await";
    asyncio_future_blocking = c"_asyncio_future_blocking";
    asyncgen_finalizer_hook = c"_asyncgen_finalizer_hook";
    asyncgen_firstiter_hook = c"_asyncgen_firstiter_hook";
    call_exception_handler = c"call_exception_handler";
    attach = c"_attach";
    buffer_updated = c"buffer_updated";
    call_connection_lost = c"_call_connection_lost";
    connection_lost = c"connection_lost";
    connection_made = c"connection_made";
    data_received = c"data_received";
    datagram_received = c"datagram_received";
    detach = c"_detach";
    eof_received = c"eof_received";
    error_received = c"error_received";
    extra = c"_extra";
    fatal_error = c"_fatal_error";
    force_close = c"_force_close";
    get_buffer = c"get_buffer";
    getpeername = c"getpeername";
    getsockname = c"getsockname";
    accept = c"accept";
    accept_connection2 = c"_accept_connection2";
    accept_retry_delay = c"ACCEPT_RETRY_DELAY";
    call_later = c"call_later";
    clients = c"_clients";
    closed_flag = c"_closed";
    data = c"data";
    pending_removals = c"_pending_removals";
    remove_hook = c"_remove";
    sockets = c"_sockets";
    wakeup = c"_wakeup";
    start_serving_hook = c"_start_serving";
    connect = c"connect";
    ensure_resolved = c"_ensure_resolved";
    getaddrinfo = c"getaddrinfo";
    getnameinfo = c"getnameinfo";
    gettimeout = c"gettimeout";
    io_refs = c"_io_refs";
    logger = c"logger";
    read_ready = c"_read_ready";
    recv = c"recv";
    recv_into = c"recv_into";
    recvfrom = c"recvfrom";
    recvfrom_into = c"recvfrom_into";
    sendto = c"sendto";
    sendto_ready = c"_sendto_ready";
    peername = c"peername";
    setblocking = c"setblocking";
    sock_attr = c"_sock";
    sockname = c"sockname";
    socket = c"socket";
    start_reading = c"_start_reading";
    try_finish = c"_try_finish";
    write_eof = c"write_eof";
    write_ready = c"_write_ready";
    call_at = c"call_at";
    call_soon = c"call_soon";
    call_soon_threadsafe = c"call_soon_threadsafe";
    cancel = c"cancel";
    cancelled = c"cancelled";
    cancelled_flag = c"_cancelled";
    check_callback = c"_check_callback";
    check_closed = c"_check_closed";
    check_running = c"_check_running";
    cancel_message = c"_cancel_message";
    child_watcher_callback = c"_child_watcher_callback";
    close = c"close";
    close_now = c"_close";
    cr_await = c"cr_await";
    create_future = c"create_future";
    create_task = c"create_task";
    current_handle = c"_current_handle";
    current_task = c"current_task";
    done = c"done";
    exception = c"exception";
    fileno = c"fileno";
    fut_waiter = c"_fut_waiter";
    get_coro = c"get_coro";
    get_debug = c"get_debug";
    get_event_loop = c"get_event_loop";
    get_loop = c"get_loop";
    gi_yieldfrom = c"gi_yieldfrom";
    is_running = c"is_running";
    iter_await = c"__await__";
    log_destroy_pending = c"_log_destroy_pending";
    locked = c"locked";
    loop_attr = c"_loop";
    make_cancelled_error = c"_make_cancelled_error";
    notify = c"notify";
    notify_all = c"notify_all";
    on_task_done = c"_on_task_done";
    abort = c"_abort";
    is_base_error = c"_is_base_error";
    cancelling = c"cancelling";
    remove_done_callback = c"remove_done_callback";
    on_timeout = c"_on_timeout";
    release = c"release";
    reschedule = c"reschedule";
    result = c"result";
    run = c"run";
    run_in_executor = c"run_in_executor";
    run_handle = c"_run";
    send = c"send";
    set_exception = c"set_exception";
    set_result = c"set_result";
    set_running_loop = c"_set_running_loop";
    set_coroutine_origin_tracking = c"_set_coroutine_origin_tracking";
    slow_callback_duration = c"slow_callback_duration";
    source_traceback = c"source_traceback";
    source_traceback_attr = c"_source_traceback";
    throw = c"throw";
    append = c"append";
    appendleft = c"appendleft";
    clear = c"clear";
    empty = c"empty";
    full = c"full";
    get_pid = c"get_pid";
    get_hook = c"_get";
    get_nowait = c"get_nowait";
    init_hook = c"_init";
    pop = c"pop";
    pipe_connection_lost = c"pipe_connection_lost";
    pipe_data_received = c"pipe_data_received";
    pipe_data_received_of = c"_pipe_data_received";
    popleft = c"popleft";
    put_hook = c"_put";
    put_nowait = c"put_nowait";
    qsize = c"qsize";
    set = c"set";
    wait = c"wait";
    waitpid = c"waitpid";
    wakeup_next = c"_wakeup_next";
    time = c"time";
    uncancel = c"uncancel";
    args = c"args";
    buffer = c"_buffer";
    consumed = c"consumed";
    join = c"join";
    partial = c"partial";
    startswith = c"startswith";
    create_connection = c"create_connection";
    create_server = c"create_server";
    create_unix_connection = c"create_unix_connection";
    create_unix_server = c"create_unix_server";
    drain_helper = c"_drain_helper";
    feed_data = c"feed_data";
    feed_eof = c"feed_eof";
    get_close_waiter = c"_get_close_waiter";
    get_extra_info = c"get_extra_info";
    is_closing = c"is_closing";
    pause_reading = c"pause_reading";
    resume_reading = c"resume_reading";
    write = c"write";
    writelines = c"writelines";
    call_eof_received = c"_call_eof_received";
    do_flush = c"_do_flush";
    do_handshake = c"_do_handshake";
    do_read = c"_do_read";
    do_shutdown = c"_do_shutdown";
    get_app_transport = c"_get_app_transport";
    max_size = c"max_size";
    pending = c"pending";
    process_outgoing = c"_process_outgoing";
    read = c"read";
    set_app_protocol = c"_set_app_protocol";
    sslobj = c"_sslobj";
    start_shutdown = c"_start_shutdown";
    write_appdata = c"_write_appdata";
}

macro_rules! imports {
    ($($(#[$meta:meta])* $field:ident = $module:literal $(. $attr:literal)+;)*) => {
        /// Objects of the standard library.
        #[allow(missing_docs)]
        pub struct Imports {
            $($(#[$meta])* pub $field: Ref,)*
            /// `asyncio.events._ThreadSafeHandle` of 3.14 and newer.
            pub thread_safe_handle_class: Option<Ref>,
            /// `asyncio.QueueShutDown` of 3.13 and newer.
            pub queue_shut_down: Option<Ref>,
            /// The argument of `get_buffer()`: any size will do.
            pub minus_one: Ref,
        }

        impl Imports {
            fn fetch() -> Result<Self> {
                Ok(Self { $($field: {
                    let object = import($module)?;
                    $(let object = object.getattr(&intern($attr)?)?;)+
                    object
                },)*
                    thread_safe_handle_class: import(c"asyncio.events")?
                        .getattr_opt(&intern(c"_ThreadSafeHandle")?)?,
                    queue_shut_down: import(c"asyncio.queues")?
                        .getattr_opt(&intern(c"QueueShutDown")?)?,
                    // SAFETY: attached; a new reference or null.
                    minus_one: unsafe { Ref::owned_or_raised(ffi::PyLong_FromLong(-1)) }?,
                })
            }
        }
    };
}

imports! {
    cancelled_error = c"asyncio.exceptions" . c"CancelledError";
    broken_barrier_error = c"asyncio.exceptions" . c"BrokenBarrierError";
    barrier_state = c"asyncio.locks" . c"_BarrierState";
    invalid_state_error = c"asyncio.exceptions" . c"InvalidStateError";
    future_class = c"_asyncio" . c"Future";
    task_class = c"_asyncio" . c"Task";
    handle_class = c"asyncio.events" . c"Handle";
    timer_handle_class = c"asyncio.events" . c"TimerHandle";
    isawaitable = c"inspect" . c"isawaitable";
    isfuture = c"asyncio.futures" . c"isfuture";
    first_completed = c"asyncio.tasks" . c"FIRST_COMPLETED";
    first_exception = c"asyncio.tasks" . c"FIRST_EXCEPTION";
    all_completed = c"asyncio.tasks" . c"ALL_COMPLETED";
    partial = c"functools" . c"partial";
    concurrent_future = c"concurrent.futures" . c"Future";
    chain_future = c"asyncio.futures" . c"_chain_future";
    exception_group = c"builtins" . c"ExceptionGroup";
    timeout_states = c"asyncio.timeouts" . c"_State";
    iscoroutine = c"asyncio.coroutines" . c"iscoroutine";
    future_repr = c"asyncio.base_futures" . c"_future_repr";
    task_repr = c"asyncio.base_tasks" . c"_task_repr";
    task_get_stack = c"asyncio.base_tasks" . c"_task_get_stack";
    task_print_stack = c"asyncio.base_tasks" . c"_task_print_stack";
    extract_stack = c"asyncio.format_helpers" . c"extract_stack";
    traceback_extract_stack = c"traceback" . c"extract_stack";
    format_callback_source = c"asyncio.format_helpers" . c"_format_callback_source";
    format_handle = c"asyncio.base_events" . c"_format_handle";
    base_create_task = c"asyncio.base_events" . c"BaseEventLoop" . c"create_task";
    logger = c"asyncio.log" . c"logger";
    generic_alias = c"types" . c"GenericAlias";
    get_running_loop = c"_asyncio" . c"_get_running_loop";
    set_running_loop = c"_asyncio" . c"_set_running_loop";
    events = c"asyncio" . c"events";
    enter_task = c"_asyncio" . c"_enter_task";
    leave_task = c"_asyncio" . c"_leave_task";
    stock_sleep = c"asyncio.tasks" . c"sleep";
    stock_ensure_future = c"asyncio.tasks" . c"ensure_future";
    tasks = c"asyncio" . c"tasks";
    get_asyncgen_hooks = c"sys" . c"get_asyncgen_hooks";
    set_asyncgen_hooks = c"sys" . c"set_asyncgen_hooks";
    set_wakeup_fd = c"signal" . c"set_wakeup_fd";
    warn_unawaited_coroutine = c"warnings" . c"_warn_unawaited_coroutine";
    deque_class = c"collections" . c"deque";
    inspect_signature = c"inspect" . c"signature";
    heappush = c"heapq" . c"heappush";
    heappop = c"heapq" . c"heappop";
    queue_empty = c"asyncio.queues" . c"QueueEmpty";
    queue_full = c"asyncio.queues" . c"QueueFull";
    incomplete_read_error = c"asyncio.exceptions" . c"IncompleteReadError";
    limit_overrun_error = c"asyncio.exceptions" . c"LimitOverrunError";
    stream_reader_class = c"asyncio.streams" . c"StreamReader";
    buffered_protocol = c"asyncio.protocols" . c"BufferedProtocol";
    set_nodelay = c"asyncio.base_events" . c"_set_nodelay";
    file_class = c"_io" . c"FileIO";
    os = c"asyncio.unix_events" . c"os";
    os_pipe = c"os" . c"pipe";
    os_read = c"os" . c"read";
    os_writev = c"os" . c"writev";
    wnohang = c"os" . c"WNOHANG";
    waitstatus_to_exitcode = c"asyncio.unix_events" . c"waitstatus_to_exitcode";
    socket_class = c"socket" . c"socket";
    af_inet = c"socket" . c"AF_INET";
    af_inet6 = c"socket" . c"AF_INET6";
    af_unix = c"socket" . c"AF_UNIX";
    ipproto_tcp = c"socket" . c"IPPROTO_TCP";
    socket_family = c"_socket" . c"socket" . c"family";
    socket_type = c"_socket" . c"socket" . c"type";
    socket_proto = c"_socket" . c"socket" . c"proto";
    socket_timeout = c"_socket" . c"socket" . c"timeout";
    raw_socket_init = c"_socket" . c"socket" . c"__init__";
    fspath = c"os" . c"fspath";
    getaddrinfo = c"socket" . c"getaddrinfo";
    getnameinfo = c"socket" . c"getnameinfo";
    ai_numerichost = c"socket" . c"AI_NUMERICHOST";
    ni_numerichost = c"socket" . c"NI_NUMERICHOST";
    ni_numericserv = c"socket" . c"NI_NUMERICSERV";
    audit = c"sys" . c"audit";
    constants = c"asyncio" . c"constants";
    raw_socket_close = c"_socket" . c"socket" . c"close";
    unix_loop = c"asyncio.unix_events" . c"_UnixSelectorEventLoop";
    server_class = c"asyncio.base_events" . c"Server";
    stock_transport_del = c"asyncio.selector_events" . c"_SelectorTransport" . c"__del__";
    weak_set_class = c"weakref" . c"WeakSet";
    base_events = c"asyncio" . c"base_events";
    check_ssl_socket = c"asyncio.base_events" . c"_check_ssl_socket";
    selector_loop = c"asyncio.selector_events" . c"BaseSelectorEventLoop";
    socketpair = c"socket" . c"socketpair";
    stock_pause_protocol = c"asyncio.transports" . c"_FlowControlMixin" . c"_maybe_pause_protocol";
    stock_resume_protocol = c"asyncio.transports" . c"_FlowControlMixin" . c"_maybe_resume_protocol";
    stock_write = c"asyncio.selector_events" . c"_SelectorSocketTransport" . c"write";
    stock_writelines = c"asyncio.selector_events" . c"_SelectorSocketTransport" . c"writelines";
    transport_socket = c"asyncio.trsock" . c"TransportSocket";
    get_ident = c"threading" . c"get_ident";
}

/// A module of the standard library, for what is made of it while our own module is being made.
pub fn module(name: &std::ffi::CStr) -> Result<Ref> {
    import(name)
}

fn intern(text: &std::ffi::CStr) -> Result<Ref> {
    // SAFETY: the text ends with a null byte.
    unsafe { Ref::owned_or_raised(ffi::PyUnicode_InternFromString(text.as_ptr())) }
}

/// Fetches everything. Called once, when the module is made.
pub fn fetch() -> Result<()> {
    NAMES.set(Names::fetch()?);
    IMPORTS.set(Imports::fetch()?);
    Ok(())
}
