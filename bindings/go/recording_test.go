// Recordings from Go: what the nodes of a cluster have shown comes out again, a part is enough, and
// what is no recording is refused.

package raft

import (
	"bytes"
	"context"
	"errors"
	"testing"
)

// shown is the whole of a Ready as the library has encoded it.
func shown(t *testing.T, rn *RawNode) []byte {
	t.Helper()
	if rn.view == nil {
		t.Fatal("the Ready is not lent any more")
	}
	return copyBytes(rn.view.encoded)
}

func TestAReplayShowsWhatTheNodesHaveShown(t *testing.T) {
	c := newCluster(t)
	seen := map[uint64][][]byte{}
	for id := uint64(1); id <= 3; id++ {
		s := NewMemoryStorage()
		must(t, s.ApplySnapshot(firstSnapshot(1, 2, 3)))
		config := baseConfig(id)
		config.RecordBytes = 1 << 20
		// Entries are asked for, so that answers are recorded as well.
		config.MaxCachedBytes = 1
		encodeReadys = true
		c.start(memoryStore{s}, config)
		encodeReadys = false
	}
	must(t, c.members[1].node.Campaign())
	proposed := 0
	for busy := true; busy || proposed < 20; {
		if !busy {
			proposed++
			must(t, c.members[1].node.Propose(bytes.Repeat([]byte("x"), 20)))
		}
		busy = false
		for id, m := range c.members {
			for m.node.HasReady() {
				busy = true
				rd := m.node.Ready()
				seen[id] = append(seen[id], shown(t, m.node))
				must(t, m.store.save(rd))
				for _, message := range rd.Messages {
					must(t, c.members[message.GetTo()].node.Step(message))
				}
				m.node.Advance(rd)
			}
		}
	}
	for id, m := range c.members {
		recording, err := m.node.RecordTake()
		must(t, err)
		report, err := Replay(recording, 1<<30)
		must(t, err)
		if report.DiffersAt != 0 || report.End != RecordingOn || int(report.ReadyCount) != len(seen[id]) {
			t.Errorf("node %d: %+v, and %d Readys were seen", id, report, len(seen[id]))
		}
		for i, encoded := range report.Readys {
			if !bytes.Equal(encoded, seen[id][i]) {
				t.Fatalf("node %d, Ready %d: %x, and %x was seen", id, i, encoded, seen[id][i])
			}
		}
		if len(seen[id]) < 20 {
			t.Errorf("node %d has shown %d Readys", id, len(seen[id]))
		}
	}
}

func TestARecordingIsTakenInPartsAndAfterTheEnd(t *testing.T) {
	goroutinesOf(t)
	ctx := context.Background()
	s := NewMemoryStorage()
	config := aloneConfig(t, s, s)
	config.RecordBytes = 1 << 20
	n := RestartNode(&config)
	r := n.(Recorder)
	recording, err := r.RecordTake(ctx)
	must(t, err)
	leadAlone(t, n, s)
	must(t, r.RecordNote(ctx, "it leads"))
	state, waiting, err := r.RecordState(ctx)
	if state != RecordingOn || waiting == 0 || err != nil {
		t.Errorf("%d, %d bytes, %v", state, waiting, err)
	}
	part, err := r.RecordTake(ctx)
	must(t, err)
	recording = append(recording, part...)
	must(t, r.RecordStop(ctx))
	n.Stop()
	if _, _, err := r.RecordState(ctx); !errors.Is(err, ErrStopped) {
		t.Error(err)
	}
	part, err = r.RecordTake(ctx)
	must(t, err)
	report, err := Replay(append(recording, part...), 0)
	must(t, err)
	if report.DiffersAt != 0 || report.End != RecordingStopped || report.Calls < 5 || len(report.Readys) != 0 {
		t.Errorf("%+v", report)
	}
	if part, err := r.RecordTake(ctx); len(part) != 0 || err != nil {
		t.Errorf("%d bytes are taken twice, %v", len(part), err)
	}
}

func TestWhatIsNoRecordingIsRefused(t *testing.T) {
	s := NewMemoryStorage()
	config := aloneConfig(t, s, s)
	config.RecordBytes = 512
	rn, err := NewRawNode(&config)
	must(t, err)
	defer rn.Close()
	must(t, rn.Campaign())
	rn.Ready()
	for range 100 {
		rn.Tick()
	}
	if state, waiting, err := rn.RecordState(); state != RecordingFull || waiting > 512 || err != nil {
		t.Errorf("%d, %d bytes, %v", state, waiting, err)
	}
	recording, err := rn.RecordTake()
	must(t, err)
	report, err := Replay(recording, 1<<20)
	must(t, err)
	if report.DiffersAt != 0 || report.End != RecordingFull || len(report.Readys) != 1 {
		t.Errorf("%+v", report)
	}
	for _, bad := range [][]byte{nil, []byte("something else"), recording[:len(recording)-1], append([]byte{}, recording[1:]...)} {
		if _, err := Replay(bad, 1<<20); !errors.Is(err, &Error{Code: CodeRecording}) {
			t.Error(err)
		}
	}
	if _, err := Replay(recording, 1); !errors.Is(err, &Error{Code: CodeArgument}) {
		t.Error(err)
	}
	config.RecordBytes = 255
	if _, err := NewRawNode(&config); !errors.Is(err, &Error{Code: CodeConfig}) {
		t.Error(err)
	}
}
