//! Functions of our own that SQLite calls while it searches.

use std::ffi::{CString, c_char, c_int, c_void};

use libsqlite3_sys as ffi;

use crate::SqlValue;

/// One argument of a function, as SQLite hands it over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Argument<'a> {
    /// Null.
    Null,
    /// An integer; booleans are 0 and 1.
    Integer(i64),
    /// A float.
    Real(f64),
    /// A text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// A deterministic function without side effects.
#[derive(Debug, Clone, Copy)]
pub struct SqliteFunction {
    /// Its name in SQL.
    pub name: &'static str,
    /// How many arguments it takes.
    pub arguments: u8,
    /// Computes it; what cannot be computed is null.
    pub call: fn(&[Argument<'_>]) -> SqlValue,
}

/// What a question is answered with where a function panics.
const PANIC_TEXT: &str = "a value that cannot be computed with";
/// Most arguments of a function.
const ARGUMENTS_MAX: usize = 8;

/// Makes a function known to one connection; false where SQLite refuses.
///
/// # Safety
/// `connection` is open and used by nobody else meanwhile.
pub(crate) unsafe fn register(connection: *mut ffi::sqlite3, function: &SqliteFunction) -> bool {
    let Ok(name) = CString::new(function.name) else {
        return false;
    };
    let flags = ffi::SQLITE_UTF8 | ffi::SQLITE_DETERMINISTIC | ffi::SQLITE_INNOCUOUS;
    // SAFETY: the connection is open; the name lives through the call, which copies it; the
    // application pointer is a function pointer and needs no destructor.
    let code = unsafe {
        ffi::sqlite3_create_function_v2(
            connection,
            name.as_ptr(),
            c_int::from(function.arguments),
            flags,
            function.call as *mut c_void,
            Some(call),
            None,
            None,
            None,
        )
    };
    code == ffi::SQLITE_OK
}

/// Called by SQLite on the thread of the connection.
unsafe extern "C" fn call(
    context: *mut ffi::sqlite3_context,
    count: c_int,
    values: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: the application pointer is the `call` of a `SqliteFunction`, set in `register`.
    let function = unsafe {
        let pointer = ffi::sqlite3_user_data(context);
        std::mem::transmute::<*mut c_void, fn(&[Argument<'_>]) -> SqlValue>(pointer)
    };
    let count = usize::try_from(count).unwrap_or(0).min(ARGUMENTS_MAX);
    let mut arguments = [Argument::Null; ARGUMENTS_MAX];
    for (index, argument) in arguments.iter_mut().enumerate().take(count) {
        // SAFETY: SQLite gives `count` valid values, which live until this function returns.
        *argument = unsafe { argument_of(*values.add(index)) };
    }
    let outcome = std::panic::catch_unwind(|| function(&arguments[..count]));
    // SAFETY: the context is the one of this call.
    unsafe { answer(context, outcome.ok()) };
}

/// # Safety
/// `value` is valid, and stays so for `'a`.
unsafe fn argument_of<'a>(value: *mut ffi::sqlite3_value) -> Argument<'a> {
    // SAFETY: as promised by the caller; text and blob pointers stay valid as long as the value is
    // not converted to another type, and the length is asked for after the pointer.
    unsafe {
        match ffi::sqlite3_value_type(value) {
            ffi::SQLITE_INTEGER => Argument::Integer(ffi::sqlite3_value_int64(value)),
            ffi::SQLITE_FLOAT => Argument::Real(ffi::sqlite3_value_double(value)),
            ffi::SQLITE_TEXT => {
                let pointer = ffi::sqlite3_value_text(value);
                let bytes = slice(pointer, ffi::sqlite3_value_bytes(value));
                std::str::from_utf8(bytes).map_or(Argument::Null, Argument::Text)
            }
            ffi::SQLITE_BLOB => {
                let pointer = ffi::sqlite3_value_blob(value).cast::<u8>();
                Argument::Bytes(slice(pointer, ffi::sqlite3_value_bytes(value)))
            }
            _ => Argument::Null,
        }
    }
}

/// # Safety
/// `pointer` is null or points to `length` bytes that live for `'a`.
unsafe fn slice<'a>(pointer: *const u8, length: c_int) -> &'a [u8] {
    match usize::try_from(length) {
        // SAFETY: as promised by the caller.
        Ok(length) if !pointer.is_null() => unsafe { std::slice::from_raw_parts(pointer, length) },
        _ => &[],
    }
}

/// # Safety
/// `context` is the one of the running call.
unsafe fn answer(context: *mut ffi::sqlite3_context, value: Option<SqlValue>) {
    // SAFETY: as promised by the caller; texts and blobs are copied (SQLITE_TRANSIENT).
    unsafe {
        match value {
            Some(SqlValue::Boolean(Some(value))) => {
                ffi::sqlite3_result_int64(context, i64::from(value));
            }
            Some(SqlValue::Integer(Some(value))) => ffi::sqlite3_result_int64(context, value),
            Some(SqlValue::Real(Some(value))) => ffi::sqlite3_result_double(context, value),
            Some(SqlValue::Text(Some(text))) => {
                let length = c_int::try_from(text.len()).unwrap_or(0);
                let pointer = text.as_ptr().cast::<c_char>();
                ffi::sqlite3_result_text(context, pointer, length, ffi::SQLITE_TRANSIENT());
            }
            Some(SqlValue::Bytes(Some(bytes))) => {
                let length = c_int::try_from(bytes.len()).unwrap_or(0);
                let pointer = bytes.as_ptr().cast::<c_void>();
                ffi::sqlite3_result_blob(context, pointer, length, ffi::SQLITE_TRANSIENT());
            }
            Some(_) => ffi::sqlite3_result_null(context),
            // A panic: what it was called with cannot be computed with. The text comes first, the
            // code alone would replace it.
            None => {
                let length = c_int::try_from(PANIC_TEXT.len()).unwrap_or(0);
                let pointer = PANIC_TEXT.as_ptr().cast::<c_char>();
                ffi::sqlite3_result_error(context, pointer, length);
                ffi::sqlite3_result_error_code(context, ffi::SQLITE_MISMATCH);
            }
        }
    }
}
