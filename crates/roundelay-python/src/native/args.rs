//! Arguments of a native method, as the vectorcall protocol hands them over.

use pyo3::ffi;

use super::call::raise_text;
use super::refs::{Raised, Ref, Result};

/// Positional and keyword arguments of one call, borrowed from the caller.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    /// Positional arguments, in order.
    pub positional: &'a [Ref],
    /// Values of the keyword arguments, in the order of `names`.
    pub keywords: &'a [Ref],
    /// Tuple of keyword names, if there are any.
    names: *mut ffi::PyObject,
}

impl<'a> Args<'a> {
    /// Views what a `METH_FASTCALL | METH_KEYWORDS` function received.
    ///
    /// # Safety
    /// The four values are those of one vectorcall, alive for `'a`.
    #[inline]
    pub unsafe fn from_fastcall(
        args: *const *mut ffi::PyObject,
        count: usize,
        names: *mut ffi::PyObject,
    ) -> Self {
        // SAFETY: by the caller's contract; `Ref` is transparent over the pointers.
        unsafe {
            if args.is_null() {
                return Self {
                    positional: &[],
                    keywords: &[],
                    names: std::ptr::null_mut(),
                };
            }
            let keywords = if names.is_null() {
                0
            } else {
                ffi::PyTuple_GET_SIZE(names) as usize
            };
            let all = args.cast::<Ref>();
            Self {
                positional: std::slice::from_raw_parts(all, count),
                keywords: std::slice::from_raw_parts(all.add(count), keywords),
                names,
            }
        }
    }

    /// Whether there are no arguments at all.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.positional.is_empty() && self.keywords.is_empty()
    }

    /// Whether there are no keyword arguments.
    #[inline]
    pub fn no_keywords(&self) -> bool {
        self.keywords.is_empty()
    }

    /// Name of keyword `place`.
    pub fn keyword_name(&self, place: usize) -> Ref {
        // SAFETY: `names` has as many items as `keywords`.
        unsafe { Ref::borrowed(ffi::PyTuple_GET_ITEM(self.names, place as _)) }
    }

    /// Keyword names and values.
    pub fn keyword_items(&self) -> impl Iterator<Item = (Ref, &'a Ref)> + '_ {
        self.keywords
            .iter()
            .enumerate()
            .map(|(place, value)| (self.keyword_name(place), value))
    }

    /// `callable(*args, **kwargs)` with these very arguments.
    pub fn pass_on(&self, callable: &Ref) -> Result<Ref> {
        // SAFETY: positional arguments and keyword values lie one behind the other, as vectorcall wants
        // them; all are live for `'a`.
        unsafe {
            Ref::owned_or_raised(ffi::PyObject_Vectorcall(
                callable.as_ptr(),
                self.positional.as_ptr().cast(),
                self.positional.len(),
                self.names,
            ))
        }
    }

    /// `callable(first, *args, **kwargs)`
    pub fn pass_on_behind(&self, first: &Ref, callable: &Ref) -> Result<Ref> {
        let all: Vec<*mut ffi::PyObject> = std::iter::once(first)
            .chain(self.positional)
            .chain(self.keywords)
            .map(Ref::as_ptr)
            .collect();
        // SAFETY: as above, copied behind `first`.
        unsafe {
            Ref::owned_or_raised(ffi::PyObject_Vectorcall(
                callable.as_ptr(),
                all.as_ptr(),
                self.positional.len() + 1,
                self.names,
            ))
        }
    }

    /// The one argument of a function that takes exactly one, by position.
    pub fn one(&self, function: &str) -> Result<&'a Ref> {
        match (self.positional, self.keywords) {
            ([only], []) => Ok(only),
            (_, [_, ..]) => self.unexpected(function, "takes no keyword arguments"),
            (given, _) => self.unexpected(
                function,
                &format!("takes exactly one argument ({} given)", given.len()),
            ),
        }
    }

    fn unexpected<T>(&self, function: &str, what: &str) -> Result<T> {
        // SAFETY: a static exception class.
        raise_text(
            unsafe { ffi::PyExc_TypeError },
            &format!("{function}() {what}"),
        )
    }

    /// Binds the arguments to `names`, the first `positional` of which may be given by position.
    /// `required` counts how many of the first ones must be given.
    pub fn bind<const N: usize>(
        &self,
        function: &str,
        names: [&str; N],
        positional: usize,
        required: usize,
    ) -> Result<[Option<&'a Ref>; N]> {
        let mut bound = [None; N];
        if self.positional.len() > positional {
            let given = self.positional.len();
            return self.unexpected(
                function,
                &format!(
                    "takes at most {positional} positional argument{} ({given} given)",
                    plural(positional)
                ),
            );
        }
        for (place, value) in self.positional.iter().enumerate() {
            bound[place] = Some(value);
        }
        for (place, value) in self.keywords.iter().enumerate() {
            let name = self.keyword_name(place);
            let Some(index) = names.iter().position(|candidate| matches(&name, candidate)) else {
                let name = super::call::text_of(&name)?;
                return self.unexpected(
                    function,
                    &format!("got an unexpected keyword argument '{name}'"),
                );
            };
            if bound[index].is_some() {
                return self.unexpected(
                    function,
                    &format!("got multiple values for argument '{}'", names[index]),
                );
            }
            bound[index] = Some(value);
        }
        for (place, name) in names.iter().enumerate().take(required) {
            if bound[place].is_none() {
                return self.unexpected(
                    function,
                    &format!("missing required argument '{name}' (pos {})", place + 1),
                );
            }
        }
        Ok(bound)
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// Whether a keyword's name is this ASCII text.
pub fn matches(name: &Ref, text: &str) -> bool {
    let mut size = 0;
    // SAFETY: a keyword name is a `str`; the buffer is only read.
    unsafe {
        let data = ffi::PyUnicode_AsUTF8AndSize(name.as_ptr(), &mut size);
        if data.is_null() {
            ffi::PyErr_Clear();
            return false;
        }
        std::slice::from_raw_parts(data.cast::<u8>(), size as usize) == text.as_bytes()
    }
}

/// Arguments given as a tuple and maybe a dict (`tp_init`, `tp_call`), kept alive for a call of `body`.
pub fn from_tuple<T>(
    tuple: *mut ffi::PyObject,
    dict: *mut ffi::PyObject,
    body: impl FnOnce(Args<'_>) -> Result<T>,
) -> Result<T> {
    // SAFETY: `tuple` is a tuple and `dict` a dict or null, as the slot's contract says; the items are
    // counted for the duration of the call.
    unsafe {
        let mut values: Vec<Ref> = Vec::new();
        let count = ffi::PyTuple_GET_SIZE(tuple);
        for place in 0..count {
            values.push(Ref::borrowed(ffi::PyTuple_GET_ITEM(tuple, place)));
        }
        let mut names = None;
        if !dict.is_null() && ffi::PyDict_Size(dict) > 0 {
            let keys = Ref::owned_or_raised(ffi::PyDict_Keys(dict))?;
            let keys = Ref::owned_or_raised(ffi::PySequence_Tuple(keys.as_ptr()))?;
            for place in 0..ffi::PyTuple_GET_SIZE(keys.as_ptr()) {
                let value =
                    ffi::PyDict_GetItemWithError(dict, ffi::PyTuple_GET_ITEM(keys.as_ptr(), place));
                if value.is_null() {
                    return Err(Raised);
                }
                values.push(Ref::borrowed(value));
            }
            names = Some(keys);
        }
        let names = names.as_ref().map_or(std::ptr::null_mut(), Ref::as_ptr);
        body(Args::from_fastcall(
            values.as_ptr().cast(),
            count as usize,
            names,
        ))
    }
}
