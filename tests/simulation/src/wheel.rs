//! What is due when: a wheel of buckets for the near future, and a pile for what is far away.
//!
//! Within one unit of time, jobs come out in an order that the caller's random number picks.

use fastrand::Rng;

const BUCKETS: u64 = 1024;

#[derive(Debug)]
pub struct Wheel<T> {
    pub now: u64,
    buckets: Vec<Vec<T>>,
    far: Vec<(u64, T)>,
    len: usize,
}

impl<T> Default for Wheel<T> {
    fn default() -> Wheel<T> {
        Wheel {
            now: 0,
            buckets: (0..BUCKETS).map(|_| Vec::new()).collect(),
            far: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Wheel<T> {
    /// The job is due after so much time; after 0, before time goes on.
    pub fn after(&mut self, delay: u64, job: T) {
        self.len += 1;
        match delay < BUCKETS {
            true => self.buckets[((self.now + delay) % BUCKETS) as usize].push(job),
            false => self.far.push((self.now + delay, job)),
        }
    }

    /// The next job. None if there is none at all.
    pub fn next(&mut self, rng: &mut Rng) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        loop {
            let bucket = &mut self.buckets[(self.now % BUCKETS) as usize];
            if !bucket.is_empty() {
                self.len -= 1;
                let place = rng.usize(..bucket.len());
                return Some(bucket.swap_remove(place));
            }
            self.now += 1;
            if self.now.is_multiple_of(BUCKETS / 2) {
                self.bring_near();
            }
        }
    }

    fn bring_near(&mut self) {
        let mut place = 0;
        while place < self.far.len() {
            if self.far[place].0 < self.now + BUCKETS {
                let (due, job) = self.far.swap_remove(place);
                self.buckets[(due % BUCKETS) as usize].push(job);
            } else {
                place += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_come_when_they_are_due() {
        let (mut wheel, mut rng) = (Wheel::default(), Rng::with_seed(1));
        for delay in [5000, 0, 1023, 1024, 513, 1] {
            wheel.after(delay, delay);
        }
        let mut order = Vec::new();
        while let Some(due) = wheel.next(&mut rng) {
            assert_eq!(wheel.now, due);
            order.push(due);
        }
        assert_eq!(order, [0, 1, 513, 1023, 1024, 5000]);
    }
}
