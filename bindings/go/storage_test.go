package raft

import (
	"errors"
	"io"
	"log"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

var discard = log.New(io.Discard, "", 0)

func entriesOf(term uint64, low, high uint64) (entries []*pb.Entry) {
	for i := low; i < high; i++ {
		entries = append(entries, &pb.Entry{Term: new(term), Index: new(i), Data: []byte{byte(i)}})
	}
	return entries
}

// filled gives both storages, each with a snapshot of index 3 and term 1, entries 4..=6 of term 1
// and 7..=9 of term 2.
func filled(t *testing.T) map[string]store {
	snapshot := &pb.Snapshot{Data: []byte("three"), Metadata: &pb.SnapshotMetadata{
		Index: new(uint64(3)), Term: new(uint64(1)), ConfState: &pb.ConfState{Voters: []uint64{1, 2}},
	}}
	stores := map[string]store{
		"memory":  memoryStore{NewMemoryStorage()},
		"durable": durableStore{openDurable(t, filepath.Join(t.TempDir(), "log"))},
	}
	for _, s := range stores {
		must(t, s.save(Ready{
			HardState: &pb.HardState{Term: new(uint64(2)), Vote: new(uint64(1)), Commit: new(uint64(8))},
			Snapshot:  snapshot,
			Entries:   append(entriesOf(1, 4, 7), entriesOf(2, 7, 10)...),
			MustSync:  true,
		}))
	}
	return stores
}

func TestBothStoragesAnswerAlike(t *testing.T) {
	for name, s := range filled(t) {
		t.Run(name, func(t *testing.T) {
			hardState, confState, err := s.InitialState()
			must(t, err)
			if hardState.GetTerm() != 2 || hardState.GetVote() != 1 || hardState.GetCommit() != 8 {
				t.Fatal(hardState)
			}
			if len(confState.GetVoters()) != 2 {
				t.Fatal(confState)
			}
			first, err := s.FirstIndex()
			must(t, err)
			last, err := s.LastIndex()
			must(t, err)
			if first != 4 || last != 9 {
				t.Fatal(first, last)
			}
			for index, want := range map[uint64]any{
				2: ErrCompacted, 3: uint64(1), 6: uint64(1), 7: uint64(2), 9: uint64(2), 10: ErrUnavailable,
			} {
				term, err := s.Term(index)
				if err != want && !(err == nil && term == want) {
					t.Fatalf("the term of %d is %d, %v", index, term, err)
				}
			}
			for _, want := range []struct {
				low, high, limit uint64
				count            int
				err              error
			}{
				{4, 10, 1 << 20, 6, nil}, {4, 10, 0, 1, nil}, {5, 6, 1 << 20, 1, nil},
				{3, 5, 1 << 20, 0, ErrCompacted}, {9, 11, 1 << 20, 0, ErrUnavailable},
				{4, 10, uint64(3 * proto.Size(entriesOf(1, 4, 5)[0])), 3, nil},
			} {
				entries, err := s.Entries(want.low, want.high, want.limit)
				if err != want.err || len(entries) != want.count {
					t.Fatalf("%v: %d entries, %v", want, len(entries), err)
				}
				for i, entry := range entries {
					if entry.GetIndex() != want.low+uint64(i) || entry.GetData()[0] != byte(entry.GetIndex()) {
						t.Fatal(entry)
					}
				}
			}

			members := &pb.ConfState{Voters: []uint64{1, 2, 3}}
			must(t, s.snapshotAt(6, members, []byte("six")))
			if err := s.snapshotAt(6, members, nil); err != ErrSnapOutOfDate {
				t.Fatal(err)
			}
			if err := s.snapshotAt(12, members, nil); err != ErrUnavailable {
				t.Fatal(err)
			}
			snapshot, err := s.Snapshot()
			must(t, err)
			meta := snapshot.GetMetadata()
			if string(snapshot.GetData()) != "six" || meta.GetIndex() != 6 || meta.GetTerm() != 1 ||
				len(meta.GetConfState().GetVoters()) != 3 {
				t.Fatal(snapshot)
			}
			must(t, s.Compact(5))
			if err := s.Compact(5); err != ErrCompacted {
				t.Fatal(err)
			}
			if first, err = s.FirstIndex(); err != nil || first != 6 {
				t.Fatal(first, err)
			}
			// An overwritten tail never comes back.
			must(t, s.save(Ready{Entries: entriesOf(3, 8, 9), MustSync: true}))
			if last, err = s.LastIndex(); err != nil || last != 8 {
				t.Fatal(last, err)
			}
			if err := s.save(Ready{Entries: entriesOf(3, 20, 21), MustSync: true}); err == nil {
				t.Fatal("a gap was taken")
			}

			// A snapshot that the node has asked for may be the one that is stored.
			as := func(index uint64, data string) Ready {
				return Ready{MustSync: true, Snapshot: &pb.Snapshot{Data: []byte(data), Metadata: &pb.SnapshotMetadata{
					Index: new(index), Term: new(uint64(3)), ConfState: members,
				}}}
			}
			must(t, s.save(as(9, "nine")))
			must(t, s.save(as(9, "again")))
			if snapshot, err = s.Snapshot(); err != nil || string(snapshot.GetData()) != "again" {
				t.Fatal(snapshot, err)
			}
			if err := s.save(as(8, "eight")); err != ErrSnapOutOfDate {
				t.Fatal(err)
			}
			must(t, s.save(Ready{Entries: entriesOf(3, 10, 11), MustSync: true}))
			if err := s.save(as(9, "late")); err != ErrSnapOutOfDate {
				t.Fatal(err)
			}
		})
	}
}

func TestADurableStorageKeepsWhatItHas(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	s := openDurable(t, dir)
	if fresh, err := s.IsFresh(); err != nil || !fresh {
		t.Fatal(fresh, err)
	}
	must(t, s.Bootstrap(firstSnapshot(1, 2, 3)))
	if err := s.Bootstrap(firstSnapshot(1, 2, 3)); !errors.Is(err, &Error{Code: CodeMisuse}) {
		t.Fatal(err)
	}
	must(t, s.Save(Ready{Entries: entriesOf(1, 2, 5), MustSync: true}))
	if _, err := OpenDurableStorage(dir); !errors.Is(err, &Error{Code: CodeLocked}) {
		t.Fatal(err)
	}
	must(t, s.Sync())
	must(t, s.Close())
	must(t, s.Close())
	if _, err := s.LastIndex(); err != ErrClosed {
		t.Fatal(err)
	}
	if err := s.Save(Ready{}); err != ErrClosed {
		t.Fatal(err)
	}
	config := baseConfig(1)
	config.Storage = s
	if _, err := NewRawNode(&config); err != ErrClosed {
		t.Fatal(err)
	}

	s = openDurable(t, dir)
	if last, err := s.LastIndex(); err != nil || last != 4 {
		t.Fatal(last, err)
	}
	if fresh, err := s.IsFresh(); err != nil || fresh {
		t.Fatal(fresh, err)
	}
	report, err := s.RecoveryReport()
	if err != nil || report != (RecoveryReport{}) {
		t.Fatal(report, err)
	}
	for name, path := range map[string]string{"a zero byte": "a\x00b", "a file's place": "/dev/null/x"} {
		if _, err := OpenDurableStorage(path); err == nil {
			t.Fatalf("%s was opened", name)
		}
	}
}

func TestAForgottenStorageIsClosed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	func() {
		_, err := OpenDurableStorage(dir)
		must(t, err)
	}()
	var err error
	for range 100 {
		runtime.GC()
		var s *DurableStorage
		if s, err = OpenDurableStorage(dir); err == nil {
			must(t, s.Close())
			return
		}
	}
	t.Fatal(err)
}

func TestAReadyIsSavedWhetherLentOrNot(t *testing.T) {
	for name, spoil := range map[string]func(*RawNode, *Ready){
		"lent":     func(*RawNode, *Ready) {},
		"not lent": func(node *RawNode, _ *Ready) { node.loan.takeBack() },
		"copied": func(_ *RawNode, rd *Ready) {
			rd.HardState = proto.CloneOf(rd.HardState)
			rd.Entries = append([]*pb.Entry(nil), rd.Entries...)
		},
		"closed":      func(node *RawNode, _ *Ready) { _ = node.Close() },
		"copied over": func(_ *RawNode, rd *Ready) { rd.Entries = append([]*pb.Entry(nil), rd.Entries...) },
	} {
		t.Run(name, func(t *testing.T) {
			s := openDurable(t, filepath.Join(t.TempDir(), "log"))
			must(t, s.Bootstrap(firstSnapshot(1)))
			config := baseConfig(1)
			config.Storage = s
			node, err := NewRawNode(&config)
			must(t, err)
			defer node.Close()
			must(t, node.Campaign())
			rd := node.Ready()
			for len(rd.Entries) == 0 {
				must(t, s.Save(rd))
				node.Advance(rd)
				rd = node.Ready()
			}
			spoil(node, &rd)
			must(t, s.Save(rd))
			hardState, _, err := s.InitialState()
			must(t, err)
			if last, err := s.LastIndex(); err != nil || last != 2 || hardState.GetTerm() != 2 {
				t.Fatal(last, err, hardState)
			}
		})
	}
}

func TestAppliedIsWhereADurableNodeGoesOn(t *testing.T) {
	s := filled(t)["durable"].(durableStore).DurableStorage
	start := func(applied uint64) (*RawNode, error) {
		config := baseConfig(1)
		config.Storage, config.Applied = s, applied
		return NewRawNode(&config)
	}
	for applied, want := range map[uint64]int{0: 5, 3: 5, 6: 2, 8: 0} {
		node, err := start(applied)
		must(t, err)
		handedOut := 0
		for node.HasReady() {
			rd := node.Ready()
			handedOut += len(rd.CommittedEntries)
			node.Advance(rd)
		}
		must(t, node.Close())
		if handedOut != want {
			t.Fatalf("%d entries after %d", handedOut, applied)
		}
	}
	for _, applied := range []uint64{2, 10} {
		if _, err := start(applied); err == nil {
			t.Fatalf("applied up to %d", applied)
		}
	}
}

// faulty is a storage that fails where it is told to.
type faulty struct {
	store
	failing string
	with    error
}

func (f *faulty) fails(what string) error {
	if f.failing == what {
		return f.with
	}
	return nil
}

func (f *faulty) InitialState() (*pb.HardState, *pb.ConfState, error) {
	if err := f.fails("InitialState"); err != nil {
		return nil, nil, err
	}
	return f.store.InitialState()
}

func (f *faulty) Entries(lo, hi, maxSize uint64) ([]*pb.Entry, error) {
	if err := f.fails("Entries"); err != nil {
		return nil, err
	}
	if f.failing == "Entries lie" {
		return entriesOf(99, lo, hi), nil
	}
	if f.failing == "Entries are none" {
		return nil, nil
	}
	return f.store.Entries(lo, hi, maxSize)
}

func (f *faulty) Term(i uint64) (uint64, error) {
	if err := f.fails("Term"); err != nil {
		return 0, err
	}
	return f.store.Term(i)
}

func (f *faulty) FirstIndex() (uint64, error) {
	if err := f.fails("FirstIndex"); err != nil {
		return 0, err
	}
	return f.store.FirstIndex()
}

func (f *faulty) LastIndex() (uint64, error) {
	if err := f.fails("LastIndex"); err != nil {
		return 0, err
	}
	return f.store.LastIndex()
}

func (f *faulty) Snapshot() (*pb.Snapshot, error) {
	if err := f.fails("Snapshot"); err != nil {
		return nil, err
	}
	return f.store.Snapshot()
}

var errDisk = errors.New("the disk is on fire")

func TestAStorageThatFailsAtTheStartIsAnError(t *testing.T) {
	for _, where := range []string{"InitialState", "FirstIndex", "LastIndex", "Term", "Entries"} {
		config := baseConfig(1)
		config.Storage = &faulty{filled(t)["memory"], where, errDisk}
		if _, err := NewRawNode(&config); !errors.Is(err, errDisk) {
			t.Fatalf("%s: %v", where, err)
		}
	}
}

func TestAStorageThatFailsStopsItsNode(t *testing.T) {
	for where, with := range map[string]error{
		"Entries": errDisk, "Entries lie": nil, "Entries are none": nil, "FirstIndex": errDisk,
		// The host has compacted what is not applied.
		"Entries ": ErrCompacted,
	} {
		t.Run(where, func(t *testing.T) {
			s := &faulty{store: filled(t)["memory"]}
			logger := &quiet{}
			config := baseConfig(1)
			config.Storage, config.Logger = s, logger
			node, err := NewRawNode(&config)
			must(t, err)
			defer node.Close()
			s.failing, s.with = strings.TrimSpace(where), with
			if rd := node.Ready(); hasWork(rd) {
				t.Fatal(rd)
			}
			if err := node.Err(); !errors.Is(err, ErrStopped) || with != nil && !errors.Is(err, with) {
				t.Fatal(err)
			}
			if err := node.Propose(nil); !errors.Is(err, ErrStopped) || node.HasReady() {
				t.Fatal(err)
			}
			node.Tick()
			if len(logger.lines) != 1 {
				t.Fatalf("it was logged %d times", len(logger.lines))
			}
		})
	}
}

func TestASnapshotThatIsNotReadyIsAskedForAgain(t *testing.T) {
	var broken *faulty
	c := newCluster(t)
	c.asStorage = func(s store) Storage {
		f := &faulty{store: s}
		if broken == nil {
			broken = f
		}
		return f
	}
	for id := uint64(1); id <= 3; id++ {
		s := NewMemoryStorage()
		must(t, s.ApplySnapshot(firstSnapshot(1, 2, 3)))
		c.start(memoryStore{s}, baseConfig(id))
	}
	leader := c.elect(1)
	c.drop = func(m *pb.Message) bool { return m.GetTo() == 3 || m.GetFrom() == 3 }
	want := ""
	for _, data := range numbered(10) {
		c.propose(leader, data)
		want += data
	}
	must(t, leader.store.snapshotAt(leader.applied, leader.members, []byte(leader.state)))
	must(t, leader.store.Compact(leader.applied))
	c.propose(leader, "x")
	c.drop = nil
	broken.failing, broken.with = "Snapshot", ErrSnapshotTemporarilyUnavailable
	c.tick(5)
	if c.members[3].state != "" {
		t.Fatal(c.members[3].state)
	}
	broken.failing = ""
	c.tick(5)
	c.agree(want + "x")

	// Another error than that one stops the node.
	c.drop = func(m *pb.Message) bool { return m.GetTo() == 3 || m.GetFrom() == 3 }
	c.propose(leader, "y")
	must(t, leader.store.snapshotAt(leader.applied, leader.members, []byte(leader.state)))
	must(t, leader.store.Compact(leader.applied))
	leader.node.logger = &quiet{}
	broken.failing, broken.with = "Snapshot", errDisk
	c.drop = nil
	c.mayStop = true
	c.tick(5)
	if err := leader.node.Err(); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
}

func TestTermRunsAreFound(t *testing.T) {
	s := NewMemoryStorage()
	must(t, s.ApplySnapshot(firstSnapshot(1)))
	index := uint64(2)
	var want []termRun
	for term := uint64(1); term < 40; term += 1 + term%3 {
		want = append(want, termRun{index, term})
		high := index + 1 + term%5*7
		must(t, s.Append(entriesOf(term, index, high)))
		index = high
	}
	got, err := readTermRuns(s, 2, index-1)
	must(t, err)
	if len(got) != len(want) {
		t.Fatal(got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatal(got, want)
		}
	}
}
