//! Nodes of the crate, for the driver of mixed clusters on the other end of standard input and
//! output. Built with debug assertions, so that the core checks its invariants after each call.
//!
//! It keeps what its nodes store in memory; a node that restarts gets it from the driver.

mod frames;
mod member;

use std::io::{self, BufReader, Read, Write};

use frames::Request;
use member::Members;

fn main() -> io::Result<()> {
    let (mut input, mut output) = (BufReader::new(io::stdin().lock()), io::stdout().lock());
    let mut members = Members::default();
    let mut length = [0; 4];
    loop {
        match input.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        }
        let mut frame = vec![0; u32::from_le_bytes(length) as usize];
        input.read_exact(&mut frame)?;
        let Some(request) = Request::decode(&frame) else {
            return Err(io::Error::other("a frame that can't be read"));
        };
        let encoded = members.call(&request).encode();
        let length = u32::try_from(encoded.len()).map_err(io::Error::other)?;
        output.write_all(&length.to_le_bytes())?;
        output.write_all(&encoded)?;
        output.flush()?;
    }
}
