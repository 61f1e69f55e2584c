package raft

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

func randomBytes(r *rand.Rand) []byte {
	b := make([]byte, r.IntN(20))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// maybe gives a pointer to a number, small or large, or nil.
func maybe(r *rand.Rand) *uint64 {
	switch r.IntN(4) {
	case 0:
		return nil
	case 1:
		return new(uint64(0))
	case 2:
		return new(r.Uint64N(300))
	}
	return new(r.Uint64())
}

func randomEntries(r *rand.Rand) (entries []*pb.Entry) {
	for range r.IntN(4) {
		e := &pb.Entry{Term: maybe(r), Index: maybe(r)}
		if r.IntN(2) == 0 {
			e.Type = pb.EntryType(r.IntN(3)).Enum()
		}
		if r.IntN(2) == 0 {
			e.Data = randomBytes(r)
		}
		entries = append(entries, e)
	}
	return entries
}

func randomSnapshot(r *rand.Rand) *pb.Snapshot {
	if r.IntN(2) == 0 {
		return nil
	}
	return &pb.Snapshot{Data: randomBytes(r), Metadata: &pb.SnapshotMetadata{
		Index: maybe(r), Term: maybe(r),
		ConfState: &pb.ConfState{Voters: []uint64{1, r.Uint64()}, Learners: []uint64{3}, AutoLeave: new(true)},
	}}
}

func randomMessage(r *rand.Rand, depth int) *pb.Message {
	m := &pb.Message{
		Type: pb.MessageType(r.IntN(24)).Enum(),
		To:   maybe(r), From: maybe(r), Term: maybe(r), LogTerm: maybe(r), Index: maybe(r),
		Commit: maybe(r), Vote: maybe(r), RejectHint: maybe(r),
		Entries: randomEntries(r), Snapshot: randomSnapshot(r),
	}
	if r.IntN(2) == 0 {
		m.Reject = new(r.IntN(2) == 0)
	}
	if r.IntN(2) == 0 {
		m.Context = randomBytes(r)
	}
	if depth > 0 {
		for range r.IntN(3) {
			m.Responses = append(m.Responses, randomMessage(r, depth-1))
		}
	}
	return m
}

func TestMessagesDecodeAsProtobufDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		want := randomMessage(r, 2)
		encoded, err := proto.Marshal(want)
		must(t, err)
		got, err := decodeMessage(encoded)
		must(t, err)
		// What was decoded from stays with whom it belongs to.
		clear(encoded)
		if !proto.Equal(got, want) {
			t.Fatalf("%v\nbecame\n%v", want, got)
		}
	}
}

// Whatever is cut off or damaged is an error or another message, and nothing worse.
func TestDamagedMessagesDecodeToErrors(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	refused := 0
	for range 5000 {
		encoded, err := proto.Marshal(randomMessage(r, 2))
		must(t, err)
		if r.IntN(2) == 0 {
			encoded[r.IntN(len(encoded))] ^= 1 << r.IntN(8)
		}
		if _, err := decodeMessage(encoded[:r.IntN(len(encoded)+1)]); err != nil {
			refused++
		}
	}
	if refused < 1000 {
		t.Fatal(refused)
	}
}

// The numbers in wire.go are written by hand; here they are compared with the source.
func TestTheFieldNumbersAreThoseOfTheSource(t *testing.T) {
	want := map[string]string{
		"SoftState":       "leader=1 role=2",
		"ReadState":       "index=1 context=2",
		"ReadRequest":     "id=1 low=2 high=3 max_bytes=4",
		"SnapshotRequest": "id=1 to=2 min_index=3",
		"Ready": "soft_state=1 hard_state=2 read_states=3 entries=4 snapshot=5 committed_entries=6 " +
			"messages=7 must_sync=8 reads=9 snapshot_requests=10",
		"TermRun": "first_index=1 term=2",
		"RestartState": "hard_state=1 conf_state=2 compacted_index=3 compacted_term=4 last_index=5 " +
			"term_runs=6 conf_changes=7 applied=8",
		"Progress": "id=1 match_index=2 next_index=3 state=4 paused=5 pending_snapshot=6 " +
			"recent_active=7 learner=8 inflight_messages=9 inflight_bytes=10 inflight_full=11",
		"Status": "id=1 hard_state=2 soft_state=3 applied=4 lead_transferee=5 conf_state=6 " +
			"first_index=7 last_index=8 persisted_index=9 progress=10",
	}
	source, err := os.ReadFile("../../core/proto/libraft.proto")
	must(t, err)
	got := map[string]string{}
	message := regexp.MustCompile(`(?s)message (\w+) \{(.*?)\n\}`)
	field := regexp.MustCompile(`(?m)^\s*(?:optional |repeated )?[\w.]+ (\w+) = (\d+);`)
	for _, m := range message.FindAllStringSubmatch(string(source), -1) {
		var fields []string
		for _, f := range field.FindAllStringSubmatch(m[2], -1) {
			fields = append(fields, fmt.Sprintf("%s=%s", f[1], f[2]))
		}
		got[m[1]] = strings.Join(fields, " ")
	}
	for name, fields := range want {
		// What is added at the end, the decoder skips.
		if !strings.HasPrefix(got[name]+" ", fields+" ") {
			t.Errorf("%s has the fields %q instead of %q", name, got[name], fields)
		}
	}
}

// What decoding by hand is worth: 64 entries of 256 bytes.
func BenchmarkDecode(b *testing.B) {
	m := &pb.Message{}
	for i := range uint64(64) {
		m.Entries = append(m.Entries, &pb.Entry{Term: new(uint64(7)), Index: new(i), Data: make([]byte, 256)})
	}
	encoded, err := proto.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("by hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decodeMessage(encoded); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("proto.Unmarshal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := proto.Unmarshal(encoded, &pb.Message{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
