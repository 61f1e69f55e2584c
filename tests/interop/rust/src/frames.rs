//! Requests and responses as bytes. What they mean, and the format, is said where the driver has
//! the same: `member/member.go` and `member/frames.go`.

use bytes::Bytes;

/// One call of the driver.
#[derive(Debug, Default)]
pub struct Request {
    pub op: u64,
    pub node: u64,
    pub a: u64,
    pub b: u64,
    pub x: Bytes,
    pub y: Bytes,
    pub z: Bytes,
    pub numbers: Vec<u64>,
    pub list: Vec<Bytes>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Default)]
pub enum Code {
    #[default]
    Ok = 0,
    Dropped = 1,
    Refused = 2,
    Failed = 3,
}

/// The answer.
#[derive(Debug, Default)]
pub struct Response {
    pub code: Code,
    pub text: String,
    /// Role, term, vote, leader, commit index, applied index, target of a transfer.
    pub status: [u64; 7],
    pub has_ready: bool,
    pub hard_state: Option<Vec<u8>>,
    pub snapshot: Option<Vec<u8>>,
    pub entries: Vec<Vec<u8>>,
    pub committed: Vec<Vec<u8>>,
    pub messages: Vec<Vec<u8>>,
    pub read_indexes: Vec<u64>,
    pub read_names: Vec<Vec<u8>>,
    pub must_sync: bool,
    pub dropped_proposals: Vec<Vec<u8>>,
    pub data: Option<Vec<u8>>,
}

impl Request {
    /// None if these bytes are no request.
    pub fn decode(frame: &[u8]) -> Option<Request> {
        let mut rest = Decoder(frame);
        let request = Request {
            op: rest.number()?,
            node: rest.number()?,
            a: rest.number()?,
            b: rest.number()?,
            x: rest.bytes()?,
            y: rest.bytes()?,
            z: rest.bytes()?,
            numbers: rest.list(Decoder::number)?,
            list: rest.list(Decoder::bytes)?,
        };
        rest.0.is_empty().then_some(request)
    }
}

impl Response {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        number(&mut out, self.code as u64);
        bytes(&mut out, Some(self.text.as_bytes()));
        self.status.iter().for_each(|n| number(&mut out, *n));
        number(&mut out, self.has_ready.into());
        bytes(&mut out, self.hard_state.as_deref());
        bytes(&mut out, self.snapshot.as_deref());
        for list in [&self.entries, &self.committed, &self.messages] {
            number(&mut out, list.len() as u64);
            list.iter().for_each(|b| bytes(&mut out, Some(b)));
        }
        number(&mut out, self.read_indexes.len() as u64);
        self.read_indexes.iter().for_each(|n| number(&mut out, *n));
        number(&mut out, self.read_names.len() as u64);
        self.read_names
            .iter()
            .for_each(|b| bytes(&mut out, Some(b)));
        number(&mut out, self.must_sync.into());
        number(&mut out, self.dropped_proposals.len() as u64);
        self.dropped_proposals
            .iter()
            .for_each(|b| bytes(&mut out, Some(b)));
        bytes(&mut out, self.data.as_deref());
        out
    }
}

fn number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => number(out, 0),
        Some(bytes) => {
            number(out, bytes.len() as u64 + 1);
            out.extend(bytes);
        }
    }
}

struct Decoder<'a>(&'a [u8]);

impl Decoder<'_> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn bytes(&mut self) -> Option<Bytes> {
        let length = usize::try_from(self.number()?).ok()?.saturating_sub(1);
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(Bytes::copy_from_slice(bytes))
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.number()?).map(|_| item(self)).collect()
    }
}
