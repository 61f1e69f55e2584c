//! The set of visited states: a table of their fingerprints of 64 bits.
//!
//! Two states with the same fingerprint count as one, so that the second is not looked at. With n
//! states that happens at all with a probability of about n² / 2^65: 6 in a million for 15 million
//! states, 6 in ten thousand for 150 million.

/// Open addressing, at most three quarters full. 0 marks a free place.
pub struct Visited {
    table: Vec<u64>,
    len: usize,
}

impl Visited {
    pub fn with_room_for(states: usize) -> Visited {
        let places = (states * 4 / 3).next_power_of_two().max(1 << 16);
        Visited {
            table: vec![0; places],
            len: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Looks at where a fingerprint belongs, so that it is in the cache when it is looked up.
    #[inline]
    pub fn touch(&self, fingerprint: u64) -> u64 {
        self.table[self.place(fingerprint)]
    }

    /// Adds a fingerprint. Returns whether it is new.
    #[inline]
    pub fn insert(&mut self, fingerprint: u64) -> bool {
        let fingerprint = fingerprint.max(1);
        let mut place = self.place(fingerprint);
        loop {
            match self.table[place] {
                0 => break,
                found if found == fingerprint => return false,
                _ => place = (place + 1) & (self.table.len() - 1),
            }
        }
        self.table[place] = fingerprint;
        self.len += 1;
        if self.len * 4 > self.table.len() * 3 {
            self.grow();
        }
        true
    }

    fn place(&self, fingerprint: u64) -> usize {
        fingerprint as usize & (self.table.len() - 1)
    }

    fn grow(&mut self) {
        let places = self.table.len() * 2;
        let old = std::mem::replace(&mut self.table, vec![0; places]);
        for fingerprint in old.into_iter().filter(|&fingerprint| fingerprint != 0) {
            let mut place = self.place(fingerprint);
            while self.table[place] != 0 {
                place = (place + 1) & (places - 1);
            }
            self.table[place] = fingerprint;
        }
    }
}

/// A number spread over 64 bits. `kind` tells apart what the number is of.
#[inline]
pub fn spread(kind: u64, number: u64) -> u64 {
    scramble(number ^ kind.wrapping_mul(0xd6e8_feb8_6659_fd93))
}

/// The finalizer of SplitMix64: a bijection.
fn scramble(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_found_also_after_growing() {
        let mut visited = Visited::with_room_for(10);
        let numbers = || (0..200_000).map(|number| spread(1, number));
        assert!(numbers().all(|number| visited.insert(number)));
        assert!(!numbers().any(|number| visited.insert(number)));
        assert_eq!(visited.len(), 200_000);
    }
}
