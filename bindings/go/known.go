// The entries that the host has been given and will be given again. An entry comes up to three times:
// to be saved, in messages to others, and to be applied. Each of these times it is the same object, as
// in go.etcd.io/raft, which is decoded and copied once.

package raft

import (
	pb "go.etcd.io/raft/v3/raftpb"
)

// maxKnownBytes bounds what a node keeps because it is not committed yet. A storage in memory has it
// anyway; for one on disk it should not pile up while there is no quorum.
const maxKnownBytes = 4 << 20

// entryRun is a part of a node's log: entries one after the other.
type entryRun []*pb.Entry

// cut is the part [low, low+count), if all of it is there.
func (r entryRun) cut(low uint64, count int) entryRun {
	if len(r) == 0 {
		return nil
	}
	// Below the first, this is beyond any length.
	at := low - r[0].GetIndex()
	if at > uint64(len(r)) || uint64(len(r))-at < uint64(count) {
		return nil
	}
	// Its capacity ends with it, so that an append can't reach into what follows.
	return r[at : at+uint64(count) : at+uint64(count)]
}

// keyOfEntry is that of an entry in a message.
const keyOfEntry = 7<<3 | keyOfBytes

// sent gives the entries that an encoded message begins with, or what is left of one, and their length
// there, if all those that follow each other are known. Only the first and the last one are read: both lists
// are of one node, and logs that have an entry of the same index and term are the same up to there (the
// Log Matching Property, Ongaro 2014, §3.5). For an append of 64 entries that is 2 us less.
func (r entryRun) sent(encoded []byte) (entries []*pb.Entry, length int) {
	if len(r) == 0 {
		return nil, 0
	}
	var head, tail []byte
	count := 0
	for length < len(encoded) {
		key, _, begin, end := readField(encoded[length:])
		if end == 0 || key != keyOfEntry {
			break
		}
		tail = encoded[length:][begin:end]
		if count == 0 {
			head = tail
		}
		count++
		length += end
	}
	first, err := readEntry(head)
	if err != nil {
		return nil, 0
	}
	last, err := readEntry(tail)
	if err != nil || last.index != first.index+uint64(count-1) {
		return nil, 0
	}
	known := r.cut(first.index, count)
	if known == nil || known[0].GetTerm() != first.term || known[count-1].GetTerm() != last.term {
		return nil, 0
	}
	return known, length
}

// above is the part above an index, if any of it is.
func (r entryRun) above(index uint64) entryRun {
	for len(r) > 0 && r[0].GetIndex() <= index {
		r = r[1:]
	}
	if len(r) == 0 {
		return nil
	}
	return r
}

// with is this run, of entries that wait to be applied, and what was read besides, as far as it is one run with them.
// What is there keeps its objects, and is not given up for entries beyond a gap, which were read for another member. The
// list is a new one, since the other is the storage's.
func (r entryRun) with(entries []*pb.Entry) entryRun {
	if len(r) == 0 || entries[0].GetIndex() < r[0].GetIndex() {
		return append(entryRun(nil), entries...)
	}
	at := entries[0].GetIndex() - r[0].GetIndex()
	if at > uint64(len(r)) {
		return r
	}
	for i, entry := range r[at:] {
		switch {
		case i == len(entries):
			return r
		case entries[i].GetTerm() != entry.GetTerm():
			return append(r[:at:at], entries...)
		}
	}
	return append(r[:len(r):len(r)], entries[uint64(len(r))-at:]...)
}

// knownEntries are those that have been handed out to be saved, and not to be applied. What has been
// given out of them is never written to again.
type knownEntries struct {
	run   entryRun
	bytes int
	// What those took that have been handed out to be applied and that the list still holds in front
	// of the run: they can't be taken out of it, as the host may have a part of it.
	behind int
}

// add notes that these are handed out as well: they take the place of what was there from the first one's
// index on. In place, since to copy what was just written is slow.
func (k *knownEntries) add(entries []*pb.Entry) {
	if len(entries) == 0 {
		return
	}
	bytes := 0
	for _, entry := range entries {
		bytes += entryBytes(entry)
	}
	kept := k.run.cutBelow(entries[0].GetIndex())
	if len(kept) == 0 || k.bytes+bytes > maxKnownBytes {
		k.run, k.bytes, k.behind = entries, bytes, 0
		return
	}
	if len(kept) < len(k.run) || k.behind > k.bytes+bytes {
		// To another list.
		kept, k.behind = kept[:len(kept):len(kept)], 0
	}
	k.run, k.bytes = append(kept, entries...), k.bytes+bytes
}

// cutBelow is the part below an index, if that follows it or is in it.
func (r entryRun) cutBelow(index uint64) entryRun {
	if len(r) == 0 {
		return nil
	}
	at := index - r[0].GetIndex()
	if at > uint64(len(r)) {
		return nil
	}
	return r[:at]
}

// drop forgets all up to an index, which have been handed out to be applied, too.
func (k *knownEntries) drop(index uint64) {
	for len(k.run) > 0 && k.run[0].GetIndex() <= index {
		bytes := entryBytes(k.run[0])
		k.bytes, k.behind = k.bytes-bytes, k.behind+bytes
		k.run = k.run[1:]
	}
	if len(k.run) == 0 || k.bytes > maxKnownBytes {
		*k = knownEntries{}
	}
}

// entryBytes is about what an entry takes.
func entryBytes(entry *pb.Entry) int {
	return 128 + len(entry.GetData())
}

// steppedEntries are those of the appends that have come in since the last Ready. What of them the node
// takes is in the next one, and is handed out as the object that came in, as in go.etcd.io/raft: a
// follower neither copies nor decodes it.
type steppedEntries struct {
	list  []*pb.Entry
	bytes int
}

func (s *steppedEntries) add(entries []*pb.Entry) {
	for _, entry := range entries {
		if s.bytes += entryBytes(entry); s.bytes > maxKnownBytes {
			// Somebody sends the same again and again.
			s.forget()
			return
		}
		s.list = append(s.list, entry)
	}
}

// forget makes room for those that come before the next Ready.
func (s *steppedEntries) forget() {
	clear(s.list)
	s.list, s.bytes = s.list[:0], 0
	if cap(s.list) > 1024 {
		s.list = nil
	}
}

// find goes on in a list to the entry that would be made of these, and behind it. nil if it is not there.
func find(list *[]*pb.Entry, fields entryFields) *pb.Entry {
	for i, entry := range *list {
		if entry.GetIndex() == fields.index && isMadeOf(entry, fields) {
			*list = (*list)[i+1:]
			return entry
		}
	}
	return nil
}
