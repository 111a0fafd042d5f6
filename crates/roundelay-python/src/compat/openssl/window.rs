//! Windows of OpenSSL's into memory of ours: for the time of a few calls a connection reads ciphertext from a slice,
//! or writes it into a vector, where otherwise a memory BIO would have a copy of it.
//!
//! When a window closes, the connection has its own BIO again, which Python knows, with all that was not read.
//!
//! Python code hardly ever runs while one is open: OpenSSL would have to begin a handshake in the middle of a
//! connection whose context has a callback for that. It may do whatever it likes. What a window refers to is out of
//! its reach, and none is opened inside of another.

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_long, c_void};
use std::marker::PhantomData;
use std::ptr;

use crate::statics::GilCell;

use super::driven::Driven;
use super::functions::Functions;

/// The kind of a BIO that has no kind: `BIO_TYPE_SOURCE_SINK`, with no number of its own.
const KIND: c_int = 0x400;

/// `BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY`: there is nothing to read yet.
const READ_AGAIN: c_int = 0x01 | 0x08;
/// All flags of that sort.
const ALL_AGAIN: c_int = 0x0f;

/// `BIO_CTRL_FLUSH`, to which the answer is yes.
const FLUSH: c_int = 11;
/// `BIO_CTRL_PENDING`: how much there is to read.
const PENDING: c_int = 10;

/// What there is behind a BIO while a window is open.
struct View {
    /// What is read, from the front.
    input: *const u8,
    left: usize,
    /// What is written, at the end.
    output: *mut Vec<u8>,
}

/// What the functions of our BIOs need, which OpenSSL calls; set before there is any.
static FUNCTIONS: GilCell<Option<&'static Functions>> = GilCell::new(None);

/// How BIOs of ours behave, and some of them that nobody uses.
pub struct Windows {
    /// A `BIO_METHOD`.
    method: *mut c_void,
    /// Its BIOs. Each is used by one window at a time.
    spare: Cell<Vec<*mut c_void>>,
}

/// More than this are not kept.
const MOST_SPARE: usize = 8;

impl Windows {
    /// Defines the BIOs; nothing if there is no memory for it.
    pub fn make(functions: &'static Functions) -> Option<Self> {
        FUNCTIONS.set(Some(functions));
        // SAFETY: functions of OpenSSL's; the method is made for good.
        unsafe {
            let method = (functions.BIO_meth_new)(KIND, c"roundelay window".as_ptr());
            let made = !method.is_null()
                && (functions.BIO_meth_set_read)(method, read) == 1
                && (functions.BIO_meth_set_write)(method, write) == 1
                && (functions.BIO_meth_set_ctrl)(method, control) == 1;
            made.then_some(Self {
                method,
                spare: Cell::default(),
            })
        }
    }

    fn take(&self, functions: &Functions) -> *mut c_void {
        let mut spare = self.spare.take();
        let bio = spare.pop();
        self.spare.set(spare);
        bio.unwrap_or_else(|| {
            // SAFETY: a finished method; null if there is no memory.
            unsafe {
                let bio = (functions.BIO_new)(self.method);
                if !bio.is_null() {
                    (functions.BIO_set_init)(bio, 1);
                }
                bio
            }
        })
    }

    fn give_back(&self, functions: &Functions, bio: *mut c_void) {
        let mut spare = self.spare.take();
        if spare.len() < MOST_SPARE {
            spare.push(bio);
        } else {
            // SAFETY: the one reference, which nobody has any more.
            unsafe { (functions.BIO_free)(bio) };
        }
        self.spare.set(spare);
    }
}

impl Driven {
    /// Runs `work` while the connection reads `input` instead of what was fed, of which nothing is left. What `work`
    /// does not read is fed in the end.
    ///
    /// Nothing if there is no window: then `work` has not run, and `input` is to be fed.
    pub fn reading_from<T>(&self, input: &[u8], work: impl FnOnce() -> T) -> Option<T> {
        let view = Cell::new(View {
            input: input.as_ptr(),
            left: input.len(),
            output: ptr::null_mut(),
        });
        let window = Window::open(self, Side::Reads, &view)?;
        let outcome = work();
        drop(window);
        let left = view.into_inner().left;
        if left > 0 {
            // A connection that goes on has read everything. One that ends may have no memory for the rest.
            self.feed(&input[input.len() - left..]);
        }
        Some(outcome)
    }

    /// Runs `work` while the connection writes behind what is in `output`.
    ///
    /// Nothing if there is no window: then `work` has not run.
    pub fn writing_into<T>(&self, output: &mut Vec<u8>, work: impl FnOnce() -> T) -> Option<T> {
        let view = Cell::new(View {
            input: ptr::null(),
            left: 0,
            output,
        });
        let window = Window::open(self, Side::Writes, &view)?;
        let outcome = work();
        drop(window);
        Some(outcome)
    }
}

/// Which BIO of a connection a window stands for.
#[derive(Clone, Copy)]
enum Side {
    Reads,
    Writes,
}

/// An open window. When it is dropped, the connection has its own BIO again.
struct Window<'a> {
    driven: &'a Driven,
    side: Side,
    bio: *mut c_void,
    /// What the BIO refers to while the window is open.
    _view: PhantomData<&'a Cell<View>>,
}

impl<'a> Window<'a> {
    fn open(driven: &'a Driven, side: Side, view: &'a Cell<View>) -> Option<Self> {
        let functions = driven.functions;
        let connection = &driven.connection;
        // SAFETY: a live `SSL`.
        let is_own = unsafe {
            match side {
                Side::Reads => (functions.SSL_get_rbio)(connection.ssl) == connection.reads,
                Side::Writes => (functions.SSL_get_wbio)(connection.ssl) == connection.writes,
            }
        };
        if !is_own {
            return None;
        }
        let bio = driven.windows.take(functions);
        if bio.is_null() {
            return None;
        }
        // SAFETY: live objects. The connection takes over one reference to our BIO, the other is that of `windows`. It
        // gives up its reference to its own, in whose place one is counted that it gets back when the window closes.
        unsafe {
            (functions.BIO_set_data)(bio, view.as_ptr().cast());
            (functions.BIO_up_ref)(bio);
            match side {
                Side::Reads => {
                    (functions.BIO_up_ref)(connection.reads);
                    (functions.SSL_set0_rbio)(connection.ssl, bio);
                }
                Side::Writes => {
                    (functions.BIO_up_ref)(connection.writes);
                    (functions.SSL_set0_wbio)(connection.ssl, bio);
                }
            }
        }
        Some(Self {
            driven,
            side,
            bio,
            _view: PhantomData,
        })
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        let Driven {
            functions,
            connection,
            windows,
            ..
        } = self.driven;
        // SAFETY: see `open`. Nobody refers to the view any more.
        unsafe {
            match self.side {
                Side::Reads => (functions.SSL_set0_rbio)(connection.ssl, connection.reads),
                Side::Writes => (functions.SSL_set0_wbio)(connection.ssl, connection.writes),
            }
            (functions.BIO_set_data)(self.bio, ptr::null_mut());
        }
        windows.give_back(functions, self.bio);
    }
}

/// `BIO_read()` of one of our BIOs.
unsafe extern "C" fn read(bio: *mut c_void, memory: *mut c_char, size: c_int) -> c_int {
    let Some(functions) = FUNCTIONS.get() else {
        return -1;
    };
    // SAFETY: OpenSSL calls this for a connection that uses the BIO, so a window is open, the view is there (null if
    // none is open after all) and the GIL is held; it passes memory of this size. Nothing here panics.
    unsafe {
        let view = (functions.BIO_get_data)(bio).cast::<View>();
        (functions.BIO_clear_flags)(bio, ALL_AGAIN);
        if view.is_null() {
            return -1;
        }
        let count = (*view).left.min(usize::try_from(size).unwrap_or(0));
        if count == 0 {
            (functions.BIO_set_flags)(bio, READ_AGAIN);
            return -1;
        }
        ptr::copy_nonoverlapping((*view).input, memory.cast(), count);
        (*view).input = (*view).input.add(count);
        (*view).left -= count;
        count as c_int
    }
}

/// `BIO_write()` of one of our BIOs. It fails only if there is no memory.
unsafe extern "C" fn write(bio: *mut c_void, memory: *const c_char, size: c_int) -> c_int {
    let Some(functions) = FUNCTIONS.get() else {
        return -1;
    };
    // SAFETY: as above; the vector is borrowed by the function that opened the window.
    unsafe {
        let view = (functions.BIO_get_data)(bio).cast::<View>();
        (functions.BIO_clear_flags)(bio, ALL_AGAIN);
        if view.is_null() || (*view).output.is_null() {
            return -1;
        }
        let output = &mut *(*view).output;
        let count = usize::try_from(size).unwrap_or(0);
        if output.try_reserve(count).is_err() {
            return -1;
        }
        let room = output.spare_capacity_mut().as_mut_ptr();
        ptr::copy_nonoverlapping(memory.cast(), room, count);
        output.set_len(output.len() + count);
        count as c_int
    }
}

/// `BIO_ctrl()` of one of our BIOs.
unsafe extern "C" fn control(
    bio: *mut c_void,
    question: c_int,
    _number: c_long,
    _argument: *mut c_void,
) -> c_long {
    match (question, FUNCTIONS.get()) {
        (FLUSH, _) => 1,
        // SAFETY: as above.
        (PENDING, Some(functions)) => unsafe {
            let view = (functions.BIO_get_data)(bio).cast::<View>();
            if view.is_null() {
                return 0;
            }
            (*view).left as c_long
        },
        _ => 0,
    }
}
