// What a Ready holds: what the library has encoded, the host's own entries, and nothing that the library
// writes over.

package raft

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// encodedReady is a libraft.Ready as protobuf reads it.
type encodedReady struct {
	hardState          *pb.HardState
	entries, committed []*pb.Entry
	snapshot           *pb.Snapshot
	messages           []*pb.Message
	encodedMessages    [][]byte
	readStates         int
	mustSync, changed  bool
}

func parseReady(t *testing.T, encoded []byte) (rd encodedReady) {
	t.Helper()
	f := fieldsOf(encoded)
	for f.next() {
		into := func(m proto.Message) { must(t, proto.Unmarshal(f.bytes, m)) }
		switch f.id {
		case 1:
			rd.changed = true
		case 2:
			rd.hardState = &pb.HardState{}
			into(rd.hardState)
		case 3:
			rd.readStates++
		case 4:
			rd.entries = append(rd.entries, &pb.Entry{})
			into(rd.entries[len(rd.entries)-1])
		case 5:
			rd.snapshot = &pb.Snapshot{}
			into(rd.snapshot)
		case 6:
			rd.committed = append(rd.committed, &pb.Entry{})
			into(rd.committed[len(rd.committed)-1])
		case 7:
			rd.messages = append(rd.messages, &pb.Message{})
			into(rd.messages[len(rd.messages)-1])
			rd.encodedMessages = append(rd.encodedMessages, bytes.Clone(f.bytes))
		case 8:
			rd.mustSync = f.number != 0
		}
	}
	must(t, f.err)
	return rd
}

func equalLists[M proto.Message](a, b []M) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !proto.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

func (rd encodedReady) check(t *testing.T, got Ready) {
	t.Helper()
	encoded, err := got.EncodedMessages()
	must(t, err)
	same := len(encoded) == len(rd.encodedMessages)
	for i := 0; same && i < len(encoded); i++ {
		same = bytes.Equal(encoded[i], rd.encodedMessages[i])
	}
	if !same || !proto.Equal(got.HardState, rd.hardState) || !proto.Equal(got.Snapshot, rd.snapshot) ||
		!equalLists(got.Entries, rd.entries) || !equalLists(got.CommittedEntries, rd.committed) ||
		!equalLists(got.Messages, rd.messages) || len(got.ReadStates) != rd.readStates ||
		got.MustSync != rd.mustSync || (got.SoftState != nil) != rd.changed {
		t.Fatalf("%v\nis not what the library has encoded:\n%v", DescribeReady(got, nil), rd)
	}
}

// Random clusters, in which entries are overwritten, read back and lost, and Readys looked at and not
// taken. What was given stays as it is, whatever the library does afterwards; and it is the same if the
// library encodes nothing that its structs can tell, and if the Readys are in a buffer, except that their messages
// and their hard state don't stay.
func TestAReadyIsWhatTheLibraryHasEncoded(t *testing.T) {
	const seeds = 30
	shared, fresh, readBack := 0, 0, 0
	defer func() { encodeReadys = false }()
	var given [][]byte
	for run := range uint64(3 * seeds) {
		seed, encodes, buffered := run/3, run%3 == 0, run%3 == 2
		encodeReadys = encodes
		var buffers [3]*ReadyBuffer
		if buffered {
			// One for each node, or one for all.
			buffers = [3]*ReadyBuffer{{}, {}, {}}
			if seed%2 == 0 {
				buffers[1], buffers[2] = buffers[0], buffers[0]
			}
		}
		r := rand.New(rand.NewPCG(seed, 1))
		c := newCluster(t)
		for id := uint64(1); id <= 3; id++ {
			s := NewMemoryStorage()
			must(t, s.ApplySnapshot(firstSnapshot(1, 2, 3)))
			config := baseConfig(id)
			config.CheckQuorum, config.PreVote = false, r.IntN(2) == 0
			config.MaxSizePerMsg = uint64(r.IntN(200))
			config.EagerAppends = r.IntN(2) == 0
			if r.IntN(2) == 0 {
				config.MaxCachedBytes = 1
			}
			c.start(memoryStore{s}, config)
		}
		var kept []func()
		// check compares a Ready with its bytes, or with those that the same node has given before, and gives
		// a function that does so again.
		if encodes {
			given = nil
		}
		readys := 0
		check := func(rn *RawNode, rd Ready) func() {
			if encodes {
				given = append(given, copyBytes(rn.view.encoded))
			} else if rn.view.encoded.len != 0 {
				t.Fatal("it is encoded")
			}
			if readys == len(given) {
				t.Fatalf("%v\nis one more than were encoded", DescribeReady(rd, nil))
			}
			want := parseReady(t, given[readys])
			readys++
			want.check(t, rd)
			return func() { want.check(t, rd) }
		}
		saved := map[uint64]map[*pb.Entry]bool{1: {}, 2: {}, 3: {}}
		take := func(id uint64) {
			m := c.members[id]
			if !m.node.HasReady() {
				return
			}
			for r.IntN(4) == 0 {
				offered := m.node.peekReady()
				check(m.node, offered)
				must(t, m.node.Err())
				if r.IntN(2) == 0 {
					m.node.Tick()
				}
				m.node.HasReady()
			}
			back := len(m.node.readEntries) > 0
			rd := m.node.ReadyInto(buffers[id-1])
			if again := check(m.node, rd); !buffered {
				kept = append(kept, again)
			} else {
				entries, committed, snapshot := rd.Entries, rd.CommittedEntries, rd.Snapshot
				want := parseReady(t, given[readys-1])
				kept = append(kept, func() {
					if !proto.Equal(snapshot, want.snapshot) || !equalLists(entries, want.entries) ||
						!equalLists(committed, want.committed) {
						t.Fatal("what may be kept has changed")
					}
				})
			}
			must(t, m.store.save(rd))
			for _, entry := range rd.Entries {
				saved[id][entry] = true
			}
			for _, entry := range rd.CommittedEntries {
				if !saved[id][entry] {
					t.Fatalf("%v is another object than what was saved", entry)
				}
				if back {
					readBack++
				}
				c.apply(m, entry)
			}
			for _, message := range rd.Messages {
				for _, entry := range message.Entries {
					if saved[id][entry] {
						shared++
					} else {
						fresh++
					}
				}
				if r.IntN(5) > 0 {
					_ = c.members[message.GetTo()].node.Step(message)
				}
			}
			m.node.Advance(rd)
			if buffered {
				vandalize(&rd)
			}
		}
		for step := range 1500 {
			id := 1 + r.Uint64N(3)
			switch r.IntN(12) {
			case 0:
				c.members[id].node.Tick()
			case 1:
				_ = c.members[id].node.Propose(fmt.Appendf(nil, "%d of %d", step, id))
			case 2:
				switch r.IntN(40) {
				case 0, 1:
					must(t, c.members[id].node.Campaign())
				case 2:
					c.restart(id)
				}
			default:
				take(id)
			}
		}
		for _, check := range kept {
			check()
		}
		if readys != len(given) {
			t.Fatalf("%d Readys, and %d were encoded", readys, len(given))
		}
	}
	if shared < 1000 || fresh < 1000 || readBack < 1000 {
		t.Fatal(shared, fresh, readBack)
	}
}

func TestWhatIsKnownFollowsTheLog(t *testing.T) {
	list := func(term, low, high uint64) (entries []*pb.Entry) {
		for index := low; index < high; index++ {
			entries = append(entries, &pb.Entry{Term: new(term), Index: new(index), Data: []byte("data")})
		}
		return entries
	}
	is := func(k knownEntries, terms ...uint64) {
		t.Helper()
		if len(k.run) != len(terms) {
			t.Fatalf("%v", k.run)
		}
		for i, entry := range k.run {
			if entry.GetTerm() != terms[i] {
				t.Fatalf("%v", k.run)
			}
		}
	}
	with := func(k knownEntries, entries []*pb.Entry) knownEntries {
		k.add(entries)
		return k
	}
	without := func(k knownEntries, index uint64) knownEntries {
		k.drop(index)
		return k
	}
	k := with(with(knownEntries{}, list(1, 5, 8)), list(1, 8, 9))
	is(k, 1, 1, 1, 1)
	given := k.run.cut(5, 4)
	k = with(k, list(2, 7, 9))
	is(k, 1, 1, 2, 2)
	if given[2].GetTerm() != 1 || given[3].GetTerm() != 1 {
		t.Fatal("what was given has changed")
	}
	if k.run.cut(4, 1) != nil || k.run.cut(8, 2) != nil || len(k.run.cut(5, 4)) != 4 {
		t.Fatal(k.run)
	}
	is(without(k, 4), 1, 1, 2, 2)
	k = without(k, 6)
	is(k, 2, 2)
	// Before what is known, or with a gap behind it: nothing of it is left.
	is(with(k, list(3, 2, 4)), 3, 3)
	is(with(k, list(3, 12, 13)), 3)
	is(without(k, 20))
	if k := without(k, 20); k.bytes != 0 {
		t.Fatal(k.bytes)
	}
	// There is a limit.
	large := list(4, 9, 10)
	large[0].Data = make([]byte, maxKnownBytes)
	is(with(k, large), 4)
	is(without(with(k, large), 8))
}

func TestWhatIsKnownKeepsNothingElseFromBeingCollected(t *testing.T) {
	entry := func(index uint64, size int) []*pb.Entry {
		return []*pb.Entry{{Term: new(uint64(1)), Index: new(index), Data: make([]byte, size)}}
	}
	heap := func() uint64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := heap()
	// Many small entries wait for a quorum, which then comes back; from then on there is always one
	// that is not committed yet.
	k, index := knownEntries{}, uint64(0)
	for ; index < 20000 || cap(k.run)-len(k.run) < 4000; index++ {
		k.add(entry(index+1, 0))
	}
	for end := index + 2000; index < end; index++ {
		k.add(entry(index+1, 64<<10))
		k.drop(index)
	}
	kept := heap() - before
	t.Logf("%d live, counted %d, kept %d MB", len(k.run), k.bytes, kept>>20)
	if kept > 2*maxKnownBytes {
		t.Fatalf("%d bytes are kept for %d entries of %d bytes", kept, len(k.run), k.bytes)
	}
	runtime.KeepAlive(k)
}
