//! Makes `cfg(Py_3_12)` and its like available, for the interpreter that the extension is built for.

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
}
