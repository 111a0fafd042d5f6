//! OpenSSL's functions, found in the library that Python's own module uses.

use std::ffi::{CString, c_char, c_int, c_long, c_void};
use std::mem::transmute;

use crate::native::{Ref, Result, string, text_of};

unsafe extern "C" {
    fn dlopen(file: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, symbol: *const c_char) -> *mut c_void;
}

const RTLD_LAZY: c_int = 1;

/// Stands for the program at large.
#[cfg(any(target_os = "macos", target_os = "ios", target_os = "freebsd"))]
const RTLD_DEFAULT: *mut c_void = std::ptr::without_provenance_mut(-2_isize as usize);
/// Stands for the program at large.
#[cfg(not(any(target_os = "macos", target_os = "ios", target_os = "freebsd")))]
const RTLD_DEFAULT: *mut c_void = std::ptr::null_mut();

/// Finds a library that is loaded, and loads none.
#[cfg(any(target_os = "macos", target_os = "ios"))]
const RTLD_NOLOAD: c_int = 0x10;
/// Finds a library that is loaded, and loads none.
#[cfg(any(target_os = "freebsd", target_os = "netbsd", target_os = "openbsd"))]
const RTLD_NOLOAD: c_int = 0x2000;
/// Finds a library that is loaded, and loads none.
#[cfg(not(any(
    target_os = "macos",
    target_os = "ios",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd"
)))]
const RTLD_NOLOAD: c_int = 4;

macro_rules! functions {
    ($($(#[$meta:meta])* fn $name:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// Functions of OpenSSL's, with the types that its headers give them.
        #[allow(non_snake_case)]
        pub struct Functions {
            $($(#[$meta])* pub $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Functions {
            /// Looks them up in a library that is loaded.
            ///
            /// # Safety
            /// The library is open, and what has these names in it has these types.
            unsafe fn of(library: *mut c_void) -> Option<Self> {
                Some(Self {
                    $($name: {
                        let name = concat!(stringify!($name), "\0");
                        // SAFETY: by the caller's contract, a name that ends with a null byte.
                        let found = unsafe { symbol(library, name.as_ptr().cast()) }?;
                        // SAFETY: by the caller's contract.
                        unsafe { transmute::<*mut c_void, unsafe extern "C" fn($($argument),*) $(-> $result)?>(found) }
                    },)*
                })
            }
        }
    };
}

functions! {
    fn OpenSSL_version(c_int) -> *const c_char;
    fn CRYPTO_get_ex_new_index(
        c_int, c_long, *mut c_void, Option<Made>, Option<Never>, Option<Never>
    ) -> c_int;
    fn CRYPTO_free_ex_index(c_int, c_int) -> c_int;
    fn SSL_get_SSL_CTX(*const c_void) -> *mut c_void;
    fn SSL_CTX_get_keylog_callback(*const c_void) -> Option<Never>;
    fn SSL_read_ex(*mut c_void, *mut c_void, usize, *mut usize) -> c_int;
    fn SSL_write_ex(*mut c_void, *const c_void, usize, *mut usize) -> c_int;
    fn SSL_get_error(*const c_void, c_int) -> c_int;
    fn SSL_get_shutdown(*const c_void) -> c_int;
    fn SSL_has_pending(*const c_void) -> c_int;
    fn SSL_pending(*const c_void) -> c_int;
    fn SSL_get_rbio(*const c_void) -> *mut c_void;
    fn SSL_get_wbio(*const c_void) -> *mut c_void;
    fn BIO_read(*mut c_void, *mut c_void, c_int) -> c_int;
    fn BIO_write(*mut c_void, *const c_void, c_int) -> c_int;
    fn BIO_ctrl_pending(*mut c_void) -> usize;
    fn ERR_peek_error() -> std::ffi::c_ulong;
    fn ERR_clear_error();
    fn SSL_set0_rbio(*mut c_void, *mut c_void);
    fn SSL_set0_wbio(*mut c_void, *mut c_void);
    fn BIO_meth_new(c_int, *const c_char) -> *mut c_void;
    fn BIO_meth_set_read(*mut c_void, Transfer) -> c_int;
    fn BIO_meth_set_write(*mut c_void, Offer) -> c_int;
    fn BIO_meth_set_ctrl(*mut c_void, Control) -> c_int;
    fn BIO_new(*const c_void) -> *mut c_void;
    fn BIO_up_ref(*mut c_void) -> c_int;
    fn BIO_free(*mut c_void) -> c_int;
    fn BIO_set_init(*mut c_void, c_int);
    fn BIO_set_data(*mut c_void, *mut c_void);
    fn BIO_get_data(*mut c_void) -> *mut c_void;
    fn BIO_set_flags(*mut c_void, c_int);
    fn BIO_clear_flags(*mut c_void, c_int);
}

/// What hears of each object of a class that is made (`CRYPTO_EX_new`): the object, four things that nobody here
/// needs, and a pointer.
pub type Made =
    unsafe extern "C" fn(*mut c_void, *mut c_void, *mut c_void, c_int, c_long, *mut c_void);
/// A function that is only told apart from none.
pub type Never = unsafe extern "C" fn();
/// What reads from a BIO of our own.
pub type Transfer = unsafe extern "C" fn(*mut c_void, *mut c_char, c_int) -> c_int;
/// What writes to one.
pub type Offer = unsafe extern "C" fn(*mut c_void, *const c_char, c_int) -> c_int;
/// What asks one of something.
pub type Control = unsafe extern "C" fn(*mut c_void, c_int, c_long, *mut c_void) -> c_long;

/// What a name stands for in a library, unless it stands for something else in the program at large: then Python's
/// module may use that.
///
/// # Safety
/// The library is open; the name ends with a null byte.
unsafe fn symbol(library: *mut c_void, name: *const c_char) -> Option<*mut c_void> {
    // SAFETY: by the caller's contract.
    let (found, at_large) = unsafe { (dlsym(library, name), dlsym(RTLD_DEFAULT, name)) };
    (!found.is_null() && (at_large.is_null() || at_large == found)).then_some(found)
}

/// The functions of the library that `_ssl` itself uses.
pub fn functions_behind(module: &Ref) -> Result<Option<Functions>> {
    let Some(file) = module.getattr_opt(&string("__file__")?)? else {
        // Built into the interpreter, with whatever library.
        return Ok(None);
    };
    let Ok(file) = CString::new(text_of(&file)?) else {
        return Ok(None);
    };
    // SAFETY: a path that ends with a null byte. The module is loaded and never unloaded, and the library with it.
    // What bears these names in a library that Python's module was linked with has the types of OpenSSL's headers,
    // by which that module calls it.
    unsafe {
        let library = dlopen(file.as_ptr(), RTLD_LAZY | RTLD_NOLOAD);
        if library.is_null() {
            return Ok(None);
        }
        Ok(Functions::of(library))
    }
}
