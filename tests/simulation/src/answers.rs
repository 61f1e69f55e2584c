//! Requests of the core for entries and snapshots, and how a host answers them. A part of the world.

use libraft_core::*;

use crate::action::Answer;
use crate::flights::Naming;
use crate::host::{Request, Wanted};
use crate::tally::Kind;
use crate::world::{Done, World, accepted};

impl World {
    pub fn note_requests(
        &mut self,
        id: NodeId,
        reads: &[ReadRequest],
        snapshots: &[SnapshotRequest],
    ) {
        let capture = self.plan().disk.stale > 0;
        let host = &mut self.hosts[id as usize - 1];
        let mut note = |mut request: Request| {
            let open = host.requests.len();
            host.requests.retain(|other| other.id != request.id);
            request.repeated = host.requests.len() < open;
            host.requests.push(request);
        };
        self.asked.extend(reads.iter().map(|read| (id, read.id)));
        self.asked
            .extend(snapshots.iter().map(|request| (id, request.id)));
        for read in reads {
            let captured = capture.then(|| host.disk.read(read)).flatten();
            note(Request {
                id: read.id,
                repeated: false,
                wants: Wanted::Entries(*read, captured),
            });
        }
        for request in snapshots {
            let captured = host.disk.snapshot.clone().filter(|_| capture);
            note(Request {
                id: request.id,
                repeated: false,
                wants: Wanted::Snapshot(captured),
            });
        }
    }

    /// Answers a request of the core.
    pub fn answer(&mut self, id: NodeId, request: RequestId, answer: Answer, again: bool) -> Done {
        let naming = self.flights.naming;
        let Some(host) = self.host_mut(id).filter(|host| host.is_up()) else {
            return Ok(false);
        };
        let mut open = host.requests.iter();
        let Some(place) = open.position(|open| open.id == request).or({
            // Something that was left out of a script may have changed its number.
            let any = naming == Naming::Names && !host.requests.is_empty();
            any.then_some(0)
        }) else {
            return Ok(false);
        };
        let request = host.requests[place].id;
        let fresh = self.snapshot_of(id);
        let Some(host) = self.hosts.get_mut(id as usize - 1) else {
            return Ok(false);
        };
        let open = &host.requests[place];
        let tally = &mut self.tally;
        tally.note_if(open.repeated, Kind::AnsweredLate);
        tally.note_if(again, Kind::AnsweredTwice);
        let Some(node) = host.node.as_mut() else {
            return Ok(false);
        };
        let result = match &open.wants {
            Wanted::Entries(read, captured) => {
                let entries = match answer {
                    Answer::Fresh => host.disk.read(read),
                    Answer::Stale => captured.clone(),
                    Answer::Failed => None,
                };
                let stale = answer == Answer::Stale && entries.is_some();
                tally.note_if(stale, Kind::AnsweredStale);
                match entries {
                    Some(entries) => node.provide_entries(read.id, entries),
                    None if read.low <= host.disk.compacted.index => {
                        tally.note(Kind::ReadCompacted);
                        node.read_failed(read.id, ReadFailure::Compacted)
                    }
                    None => {
                        tally.note(Kind::ReadFailed);
                        node.read_failed(read.id, ReadFailure::Unavailable)
                    }
                }
            }
            Wanted::Snapshot(captured) => {
                let snapshot = match answer {
                    Answer::Fresh => fresh,
                    Answer::Stale => captured.clone(),
                    Answer::Failed => None,
                };
                let stale = answer == Answer::Stale && snapshot.is_some();
                tally.note_if(stale, Kind::AnsweredStale);
                match snapshot {
                    Some(snapshot) => node.provide_snapshot(request, snapshot),
                    None => {
                        tally.note(Kind::SnapshotFailed);
                        node.snapshot_failed(request)
                    }
                }
            }
        };
        if !again {
            host.requests.swap_remove(place);
        }
        accepted(id, result)
    }
}
