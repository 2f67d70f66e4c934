//! rusttally counts words, in Rust with its standard library. README.md says
//! what a tally is. It is built for wasm32-unknown-unknown and for wasm32-wasi.

use std::collections::BTreeMap;
use std::fmt::Write;

/// The two buffers that the host touches.
static mut INPUT: Vec<u8> = Vec::new();
static mut OUTPUT: String = String::new();

#[no_mangle]
pub extern "C" fn snaprail_alloc(n: i32) -> *mut u8 {
    let size = match usize::try_from(n) {
        Ok(size) => size,
        Err(_) => return std::ptr::null_mut(),
    };
    // The host calls a guest from one thread.
    unsafe {
        INPUT = vec![0; size];
        INPUT.as_mut_ptr()
    }
}

#[no_mangle]
pub extern "C" fn tally(_at: *const u8, size: u32) -> u64 {
    unsafe {
        OUTPUT = count(&String::from_utf8_lossy(&INPUT[..size as usize]));
        (OUTPUT.as_ptr() as u64) << 32 | OUTPUT.len() as u64
    }
}

fn count(text: &str) -> String {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    let mut total = 0;
    for word in text.split_ascii_whitespace() {
        *counts.entry(word).or_insert(0) += 1;
        total += 1;
    }
    let mut out = String::new();
    for (word, n) in &counts {
        let share = u64::from(*n) * 10000 / total;
        writeln!(out, "{} {} {}.{:02}%", word, n, share / 100, share % 100).unwrap();
    }
    writeln!(out, "total {}", total).unwrap();
    out
}
